import dataclasses
import subprocess
import sys

import pytest

from validation import costs
from validation.data import MNIST, Images, Rows
from validation.errors import UsageError
from validation.settings import SETTINGS, find, images
from validation.settings.loss import Loss
from validation.settings.setting import Data

RF, MLP = find("rf_noisy_mnist"), find("mlp_mnist")


def test_registry_names_match_and_every_guess_names_a_value():
    for name, setting in SETTINGS.items():
        assert setting.name == name
        for guess in setting.guesses:
            value = setting
            for part in guess.split("."):
                value = getattr(value, part)  # raises AttributeError for an unknown name


def test_table_7_random_features():
    assert (RF.model.features, RF.data.train_examples, RF.data.label_noise) == (5000, 128, 0.25)
    for recipe in (RF.teacher, RF.student):
        assert (recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.optimiser) == (40, 16, 1e-3, "adam")
    assert (RF.student.loss.temperature, RF.student.loss.terms, RF.share_initialisation) == (5, "distilled", True)
    assert (RF.analysis.pairs, RF.analysis.top, RF.analysis.bottom) == (15, (0, 15), (20, 60))


def test_table_7_mlp():
    assert (MLP.model.hidden, MLP.model.layers, MLP.data.train_examples, MLP.data.label_noise) == (1000, 2, 128, 0)
    for recipe in (MLP.teacher, MLP.student):
        assert (recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.optimiser) == (20, 16, 1e-4, "adam")
    assert (MLP.student.loss.temperature, MLP.student.loss.terms, MLP.share_initialisation) == (4, "distilled", True)
    assert (MLP.analysis.pairs, MLP.analysis.top, MLP.analysis.bottom) == (15, (0, 15), (20, 60))


def test_an_unknown_setting_raises_and_suggests_similar_names():
    known = r"expected a name of --list, got 'rf_mnist'; did you mean rf_noisy_mnist, mlp_mnist, .*\?"
    with pytest.raises(UsageError, match=known):
        find("rf_mnist")


def test_a_configuration_has_all_values_and_no_text():
    configuration = MLP.configuration()
    assert configuration["model"] == {"name": "mlp", "hidden": 1000, "layers": 2, "bias": True}
    assert configuration["analysis"]["top"] == [0, 15]
    assert not {"guesses", "title", "expected_seconds"} & configuration.keys()


V1 = {"epochs": 450, "batch_size": 1024, "learning_rate": 1.0, "weight_decay": 1e-4, "warmup_epochs": 15,
      "decay_epochs": (200, 300, 400), "decay_factor": 0.1, "nesterov": True, "momentum": 0.9, "schedule": "steps"}
TABLE_1 = {
    "cifar10": V1, "cifar100": V1,
    "tiny_imagenet": V1 | {"epochs": 200, "batch_size": 128, "learning_rate": 0.1, "weight_decay": 5e-4,
                           "warmup_epochs": 5, "decay_epochs": (75, 135)},
    "imagenet": {"epochs": 90, "batch_size": 256, "learning_rate": 0.1, "schedule": "cosine", "momentum": 0.9},
}
ROWS = {  # rows of Table 2: teacher, student, train and test accuracies
    "resnet_cifar10": (56, 56, 100.00, 100.00, 100.00, 93.72, 93.72, 93.9),
    "resnet56_resnet20_cifar10": (56, 20, 100.00, 99.95, 99.60, 93.72, 91.83, 92.94),
    "resnet56_mobilenet_cifar10": (56, None, 100.00, 100.00, 99.96, 93.72, 85.11, 87.81),
    "mobilenet_cifar10": (None, None, 100.00, 100.00, 100.00, 85.11, 85.11, 86.76),
    "resnet_cifar100": (56, 56, 99.97, 99.97, 97.01, 72.52, 72.52, 74.55),
    "resnet56_resnet20_cifar100": (56, 20, 99.97, 94.31, 84.48, 72.52, 67.52, 70.87),
    "mobilenet_cifar100": (None, None, 99.97, 99.97, 99.96, 54.32, 54.32, 56.32),
    "resnet56_mobilenet_cifar100": (56, None, 99.97, 99.97, 99.56, 72.52, 54.32, 62.40),
    "resnet_cifar100_v2": (56, 56, 96.40, 96.40, 87.61, 73.62, 73.62, 74.40),
    "resnet_cifar100_noisy": (56, 56, 99.9, 99.9, 95.6, 69.8, 69.8, 72.7),
    "resnet56_resnet20_cifar100_noisy": (56, 20, 99.9, 91.4, 82.8, 69.8, 64.9, 69.2),
    "resnet_tiny_imagenet": (50, 50, 98.62, 98.62, 94.84, 66, 66, 66.44),
    "resnet50_resnet18_tiny_imagenet": (50, 18, 98.62, 93.51, 91.09, 66, 62.78, 63.98),
    "resnet50_mobilenet_tiny_imagenet": (50, None, 98.62, 89.34, 87.90, 66, 62.75, 63.97),
    "mobilenet_tiny_imagenet": (None, None, 89.34, 89.34, 82.26, 62.75, 62.75, 63.28),
    "resnet_imagenet": (None, None, 78.0, 78.0, 72.90, 69.35, 69.35, 69.35),
    "resnet_imagenet_late": (None, None, 78.0, 78.0, 71.65, 69.35, 69.35, 68.3),
    "resnet_imagenet_early": (None, None, 78.0, 78.0, 79.1, 69.35, 69.35, 69.75),
}


def test_exactly_the_18_image_rows_of_table_2_have_the_papers_accuracies():
    assert set(ROWS) == {setting.name for setting in images.SETTINGS if setting.published}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_table_2_has_the_papers_values(name):
    setting, (teacher, student, *accuracies) = find(name), ROWS[name]
    assert [*setting.published.train, *setting.published.test] == accuracies
    networks = [setting.model, setting.student_model or setting.model]
    assert [getattr(network, "depth", None) for network in networks] == [teacher, student]
    assert ("mobilenet" in name) == any(network.name == "mobilenet_v2" for network in networks)
    assert setting.is_self_distillation == (setting.published.train[0] == setting.published.train[1]
                                            and setting.published.test[0] == setting.published.test[1])
    if not name.endswith("_v2"):
        for recipe in (setting.teacher, setting.student):
            table = TABLE_1[setting.data.set.name]
            assert {key: getattr(recipe, key) for key in table} == table
    assert setting.student.loss.temperature == 4
    if "early" not in name and "late" not in name:
        imagenet = setting.data.set.name == "imagenet"
        assert setting.student.loss.terms == ("0.9 one_hot + 0.1 distilled" if imagenet else "distilled")


def test_table_1_cifar100_v2():
    recipe = find("resnet_cifar100_v2").student
    assert (recipe.weight_decay, recipe.batch_size, recipe.epochs, recipe.learning_rate) == (5e-4, 64, 240, 0.05)
    assert (recipe.warmup_epochs, recipe.decay_epochs, recipe.decay_factor) == (0, (150, 180, 210), 0.1)


def test_early_distillation_comes_first_and_late_distillation_last():
    both = "0.9 one_hot + 0.1 distilled"
    terms = {name: find(f"resnet_imagenet{name}").student.loss.terms for name in ("", "_early", "_late")}
    assert terms == {"": both, "_early": f"{both} to one_hot at epoch 45", "_late": f"one_hot to {both} at epoch 45"}


GUESSED = {
    "resnet_cifar100_noisy": {"data.label_noise"},
    "mobilenet_cifar100": {"model.strides"},
    "resnet56_mobilenet_cifar100": {"student_model.strides"},
    "resnet50_resnet18_tiny_imagenet": {"model.stem", "student_model.stem"},
    "resnet_imagenet": {f"{role}.{field}" for role in ("teacher", "student") for field in (
        "epochs", "batch_size", "learning_rate", "weight_decay", "warmup_epochs")} | {
        "student.loss.terms", "student.loss.temperature"},
    "resnet_imagenet_early": {"student.loss.terms"},
    "resnet_fashion_mnist": {"teacher.epochs", "student.epochs"},
}


@pytest.mark.parametrize("name", GUESSED)
def test_values_that_the_paper_does_not_give_are_marked_as_guesses(name):
    assert find(name).guesses.keys() >= GUESSED[name]


def test_every_data_set_has_expected_costs():
    for setting in SETTINGS.values():
        expected = costs.expected(setting)
        assert expected.cpu > 0 and set(expected.measured) <= {"cpu", "gpu"}
        assert min(setting.data.set.examples) > 0 and setting.data.set.megabytes > 0 and setting.data.set.licence


@pytest.mark.parametrize("network", ["RESNET8", "RESNET20", "RESNET56", "MOBILENET", "RESNET18", "RESNET50",
                                     "TORCHVISION_RESNET18"])
def test_the_gflop_behind_expected_times_are_counted(network):
    """Six times the multiplications of a forward pass by PyTorch's counter: forward and backward, two FLOP each."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    model = getattr(images, network)
    side = model.cost.side
    with torch.device("meta"):
        _, module = model.build((3, side, side), 100)
        with FlopCounterMode(display=False) as counter:
            module.eval()(torch.empty(1, 3, side, side))
    assert 3 * counter.get_total_flops() / 1e9 == pytest.approx(model.cost.gflop, rel=0.1)


@pytest.mark.parametrize(("part", "field", "value", "flag"), [
    ("data", "train_examples", 0, "--data.train-examples"),
    ("data", "label_noise", 1.5, "--data.label-noise"),
    ("model", "hidden", 0, "--model.hidden"),
    ("teacher", "epochs", 0, "--teacher.epochs"),
    ("student", "batch_size", 0, "--student.batch-size"),
    ("student", "learning_rate", float("nan"), "--student.learning-rate"),
    ("data", "teacher_fraction", 0.0, "--data.teacher-fraction"),
    ("teacher", "momentum", 0.9, "--teacher.optimiser"),
    ("student", "weight_decay", -1e-4, "--student.weight-decay"),
    ("student", "warmup_epochs", -1, "--student.warmup-epochs"),
    ("teacher", "decay_factor", 0.0, "--teacher.decay-factor"),
    ("teacher", "decay_epochs", (3, 2), "--teacher.decay-epochs"),
    ("evaluation", "evaluated", 0, "--evaluation.evaluated"),
    ("evaluation", "every", 0, "--evaluation.every"),
    ("evaluation", "snapshots", (3, 2), "--evaluation.snapshots"),
    ("analysis", "every", 0, "--analysis.every"),
    ("analysis", "pairs", 0, "--analysis.pairs"),
    ("analysis", "top", (0, 14), "--analysis.top"),
    ("analysis", "bottom", (-1, 60), "--analysis.bottom"),
])
def test_an_invalid_value_raises_and_names_its_flag(part, field, value, flag):
    changed = dataclasses.replace(getattr(MLP, part), **{field: value})
    with pytest.raises(UsageError, match=f"^{flag}: expected .*got"):
        dataclasses.replace(MLP, **{part: changed})


@pytest.mark.parametrize(("loss", "flag"), [
    ({"temperature": 0.0}, "--student.loss.temperature"), ({"temperature": float("inf")}, "--student.loss.temperature"),
    ({"smoothing": 1.0}, "--student.loss.smoothing"), ({"smoothing": -0.1}, "--student.loss.smoothing"),
    ({"confidence_weight": float("nan")}, "--student.loss.confidence-weight"),
    ({"confidence_temperature": float("inf")}, "--student.loss.confidence-temperature"),
])
def test_an_invalid_loss_raises_and_names_its_flag(loss, flag):
    with pytest.raises(UsageError, match=f"^{flag}: expected .*got"):
        dataclasses.replace(MLP, student=dataclasses.replace(MLP.student, loss=Loss("distilled", **loss)))


def test_a_teacher_with_distilled_terms_raises():
    with pytest.raises(UsageError, match=r"^--teacher.loss.terms: expected terms of labels"):
        dataclasses.replace(MLP, teacher=MLP.student)


def test_padding_and_resized_crops_exclude_each_other():
    with pytest.raises(UsageError, match=r"^--data.view.padding: expected 0 or more pixels, got -1"):
        Images(padding=-1)
    with pytest.raises(UsageError, match=r"^--data.view.padding: expected 0 with --data.view.resized-crop, got 2"):
        Images(padding=2, resized_crop=True)


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RF.data.train_examples = 5
    assert dataclasses.replace(RF, data=Data(MNIST(), Rows())).data.train_examples is None


def test_listing_needs_no_pytorch():
    code = "import sys, validation.run; sys.exit('torch' in sys.modules or 'torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_retrained_setting_differs_only_in_training_values_that_are_marked_as_ours():
    for name, base in (("mlp_mnist_sgd", MLP), ("mlp_mnist_adam_1e-3", MLP), ("rf_noisy_mnist_sgd", RF),
                       ("cnn_fashion_mnist_sgd", find("cnn_fashion_mnist"))):
        setting = find(name)
        there, here = base.configuration(), setting.configuration()
        changed = {part for part in there if there[part] != here[part]}
        assert changed == {"setting", "teacher", "student"}
        assert setting.teacher == dataclasses.replace(setting.student, loss=setting.teacher.loss)
        for value in ("optimiser", "learning_rate"):
            different = getattr(setting.teacher, value) != getattr(base.teacher, value)
            assert setting.guesses.get(f"student.{value}", "").startswith("ours: Table 7 has") == different
        assert base.guesses.items() <= setting.guesses.items() or name.startswith("cnn")


def test_cnn_values_missing_from_table_7_are_marked_as_guesses():
    setting = find("cnn_cifar10")
    assert (setting.teacher.optimiser, setting.student.loss.terms) == ("adam", "distilled")  # all that the paper gives
    assert setting.guesses.keys() >= {
        "data.train_examples", "model.channels", "model.kernel", "model.pool", "teacher.epochs", "teacher.batch_size",
        "teacher.learning_rate", "student.loss.temperature"}


def test_resnets_are_recorded_about_two_hundred_times():
    for name in ("resnet56_resnet20_cifar10", "resnet_cifar10", "resnet_cifar100_v2", "resnet20_fashion_mnist",
                 "resnet8_mnist", "resnet56_digits"):
        setting = find(name)
        blocks = (setting.model.depth - 2) // 6
        assert setting.analysis.layers == ("stem", "stage1.0.conv1", f"stage2.{blocks // 2}.conv1",
                                           f"stage3.{blocks - 1}.conv2", "classifier.linear")
        steps = setting.teacher.epochs * (setting.data.set.examples[0] // setting.teacher.batch_size)
        assert 150 < steps / setting.analysis.every < 250
    assert not find("mobilenet_cifar10").analysis.layers and not find("resnet_imagenet").analysis.layers
