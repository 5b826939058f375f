"""Whole runs on generated data: what they leave, that it hangs together, that they repeat."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch

from eigenkd import deviation, projection
from validation import experiment, plans, trainer
from validation.assembly import build
from validation.data import generated
from validation.data.examples import draw
from validation.device import threads
from validation.eigenspace import DEFINITIONS
from validation.engine import Engine
from validation.inputs import Inputs
from validation.plans import plan_of
from validation.progress import Progress
from validation.record import Folder
from validation.settings import find
from validation.smoke import shortened


def run(out, name="rf_noisy_mnist", seed=0, **changes):
    plan = plan_of(replace(find(name), **changes), seed, out=out, data_dir=out / "data", smoke=True)
    with threads(1):
        result = experiment.run(plan, engine=Engine(torch.device("cpu")), progress=Progress())
    return plan.folder.path, result


def arrays(path):
    with np.load(path) as stored:
        return {name: stored[name] for name in stored}


KINDS = ("rf_noisy_mnist", "mlp_mnist", "resnet8_digits", "resnet8_mnist_noisy",
         "cnn_cifar10", "resnet56_resnet20_cifar100", "mobilenet_fashion_mnist",
         "resnet50_resnet18_tiny_imagenet", "resnet_imagenet_early")  # each network, each size of images


@pytest.mark.parametrize("name", KINDS)
def test_a_smoke_run_leaves_a_whole_folder(tmp_path, name):
    path, result = run(tmp_path, name)
    setting = find(name)
    recorded = ["trajectory.npz"] if setting.analysis.layers and setting.is_self_distillation else []
    assert bool(result["eigenspace"]) == bool(recorded)
    flipped = ["mislabelled.npz"] if recorded and setting.data.label_noise else []
    assert sorted(p.name for p in path.iterdir()) == ["config.json", "metrics.jsonl", *flipped, "outputs.npz",
                                                      "result.json", *recorded, "weights.safetensors"]
    assert Folder.at(path).finished() == result
    assert result["smoke"] is True and result["setting"] == name and result["seed"] == 0 and result["seconds"] > 0
    assert result["data"]["source"] == "generated" and len(result["data"]["sha256"]) == 64
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    roles = ["teacher", "student"] if setting.is_self_distillation else ["teacher", "one_hot", "student"]
    assert [(line["role"], line["epoch"]) for line in lines] == [(role, 1) for role in roles]
    assert list(result["teachers"]) == roles[:-1]
    if setting.published:
        assert result["published"]["accuracy"]["test"]["distilled"] == pytest.approx(setting.published.test[2] / 100)
    for split in ("train", "test"):
        assert result["deviation"][split].keys() >= {"slope_low", "slope_high", "underfit", "agreement", "kl"}
        for side in ("slope_low", "slope_high"):
            assert result["deviation"][split][side].keys() == {"0.1", "0.25", "0.5"}
            assert all(slope.keys() == {"value", "low", "high"} for slope in result["deviation"][split][side].values())


def test_rarer_evaluations_and_snapshots_change_no_number(tmp_path, monkeypatch):
    def at(place, **changes):
        def trained(setting):
            setting = replace(shortened(setting), evaluation=replace(setting.evaluation, **changes))
            return replace(setting, teacher=replace(setting.teacher, epochs=3), student=replace(
                setting.student, epochs=3))

        monkeypatch.setattr(plans, "shortened", trained)
        return run(tmp_path / place, "mlp_mnist")[0]

    usual, rarer = at("usual"), at("rarer", every=2, snapshots=(1, 3))
    before, now = arrays(usual / "outputs.npz"), arrays(rarer / "outputs.npz")
    assert all(np.array_equal(before[name], now[name]) for name in before)
    along = arrays(rarer / "snapshots.npz")
    assert along["epochs"].tolist() == [1, 3] and along["student"].shape == (2, *now["student_train"].shape)
    assert np.array_equal(along["student"][1], now["student_train"].astype(np.float16))
    assert not np.array_equal(along["student"][0], along["student"][1])
    assert np.array_equal(along["teacher"], now["teacher_train"].astype(np.float16))
    lines = Folder.at(usual).read_log()
    assert Folder.at(rarer).read_log() == [line for line in lines if line["epoch"] in (2, 3)]
    (teacher,) = (tmp_path / "rarer/teachers").iterdir()
    assert "snapshots" not in Folder.at(teacher).configuration()["evaluation"]


def test_a_result_follows_from_the_arrays_beside_it(tmp_path):
    path, result = run(tmp_path)
    outputs, paths = arrays(path / "outputs.npz"), arrays(path / "trajectory.npz")
    assert outputs.keys() == {"teacher_train", "student_train", "teacher_test", "student_test", "train_labels",
                              "train_true_labels", "test_labels", "mislabelled"}
    assert paths.keys() == {"every", "head/eigenvalues", "head/teacher", "head/student", "head/pairs"}
    for split in ("train", "test"):
        labels = outputs[f"{split}_labels"]
        for role, column in (("teacher", "teacher"), ("student", "distilled")):
            logits = outputs[f"{role}_{split}"]
            assert logits.shape == (len(labels), 10)
            assert result["accuracy"][split][column] == (logits.argmax(axis=1) == labels).mean()
        compared = deviation.compare(outputs[f"teacher_{split}"], outputs[f"student_{split}"], labels)
        assert result["deviation"][split]["underfit"] == compared.underfit()
        assert result["deviation"][split]["kl"] == pytest.approx(compared.kl, rel=1e-4)
    assert outputs["mislabelled"].sum() == 32
    np.testing.assert_array_equal(outputs["mislabelled"], outputs["train_labels"] != outputs["train_true_labels"])
    teacher, student = paths["head/teacher"], paths["head/student"]
    assert teacher.shape == student.shape == (9, 2, 60) and paths["head/eigenvalues"].shape == (60,)
    assert paths["every"] == 1  # 128 examples in batches of 16, once, and the start
    np.testing.assert_array_equal(teacher[0], student[0])  # a shared initialisation
    assert np.all(teacher[0, 1] == 0) and (teacher[-1] != student[-1]).any()
    for row, name in enumerate(DEFINITIONS):
        shares = projection.exaggeration(teacher[:, row], student[:, row], paths["head/pairs"])
        found = result["eigenspace"]["head"]
        np.testing.assert_allclose([pair[name] for pair in found["per_pair"]], shares)
        assert (found[name]["exaggerated"], found[name]["pairs"]) == ((shares > 0.5).sum(), 15)
        assert found[name]["share"] == pytest.approx(shares.mean())


def test_the_mislabelled_are_fitted_by_what_the_arrays_say(tmp_path):
    """Over all directions the shares of each group sum to one, whatever network it is."""
    for name, layer in (("rf_noisy_mnist", "head"), ("resnet8_mnist_noisy", "stem")):
        path, result = run(tmp_path, name, analysis=replace(find(name).analysis, layers=(layer,)))
        shares = arrays(path / "mislabelled.npz")
        eigenvalues = shares.pop("eigenvalues")
        assert np.all(np.diff(eigenvalues) <= 0) and eigenvalues[-1] >= 0
        assert shares.keys() == result["mislabelled"].keys() == {
            f"{role}_{group}" for role in ("teacher", "student") for group in ("clean", "mislabelled")}
        for group, found in shares.items():
            assert found.sum() == pytest.approx(1)
            assert result["mislabelled"][group] == pytest.approx({"top": found[:15].sum(), "rest": found[20:].sum()})


def test_where_all_labels_are_wrong_there_is_nothing_to_compare(tmp_path):
    data = replace(find("rf_noisy_mnist").data, label_noise=1.0)
    path, result = run(tmp_path, data=data)
    assert result["mislabelled"] == {} and not (path / "mislabelled.npz").exists()


def test_a_deeper_layer_is_seen_as_the_finished_teacher_sees_it(tmp_path):
    """A reused teacher has the path of its training. In double precision, in which directions of close eigenvalues are
    told apart."""
    path, result = run(tmp_path, "mlp_mnist", precision="fp64")
    paths = arrays(path / "trajectory.npz")
    setting = shortened(find("mlp_mnist"))
    _, networks = build(setting, 0)
    made = generated.load((1, 28, 28), 10, 256, 256)
    inputs = Inputs(draw(made, setting.data, 0), setting, torch.nn.Flatten(), torch.device("cpu"), seed=0,
                    dtype=torch.float64)
    (folder,) = (tmp_path / "teachers").iterdir()
    safetensors.torch.load_model(networks["teacher"].double(), folder / "weights.safetensors")
    hidden = networks["teacher"][:2](inputs.train.inputs).detach().numpy()
    _, singular, V = np.linalg.svd(hidden, full_matrices=False)
    np.testing.assert_allclose(paths["linear2/eigenvalues"], singular[:60] ** 2, rtol=1e-10)
    last = networks["teacher"].linear2.weight.detach().numpy() @ V[:60].T
    np.testing.assert_allclose(paths["linear2/teacher"][-1, 0], np.linalg.norm(last, axis=0), rtol=1e-8)
    np.testing.assert_array_equal(paths["linear2/teacher"], arrays(folder / "trajectory.npz")["linear2"])
    (path / "result.json").unlink()
    again, same = run(tmp_path, "mlp_mnist", precision="fp64")
    assert result["eigenspace"] == same["eigenspace"]
    np.testing.assert_array_equal(arrays(again / "trajectory.npz")["linear2/student"], paths["linear2/student"])


def test_a_run_repeats_bit_for_bit_and_another_seed_is_another_run(tmp_path):
    path, result = run(tmp_path / "one")
    torch.manual_seed(123)
    np.random.seed(5)  # noqa: NPY002 (the legacy global state is what must not matter)
    again, same = run(tmp_path / "two")
    _, other = run(tmp_path / "three", seed=1)
    for name in ("outputs.npz", "trajectory.npz"):
        one, two = arrays(path / name), arrays(again / name)
        assert all(one[key].tobytes() == two[key].tobytes() for key in one)
    assert result | {"seconds": 0} == same | {"seconds": 0}
    assert result["data"]["sha256"] != other["data"]["sha256"]
    assert result["deviation"] != other["deviation"]


def test_a_run_leaves_global_state_as_it_was(tmp_path):
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate(), torch.get_num_threads()  # noqa: NPY002
    dtype, deterministic = torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled()
    run(tmp_path)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert before[2:] == (random.getstate(), torch.get_num_threads())
    assert (dtype, deterministic) == (torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled())


def test_the_student_learns_from_its_teachers_logits(tmp_path, monkeypatch):
    calls, real = [], trainer.train
    monkeypatch.setattr(trainer, "train", lambda *given, **named: (calls.append((given[2], named)),
                                                                   real(*given, **named))[1])
    path, _ = run(tmp_path)
    (teacher, of_teacher), (student, of_student) = calls
    assert (teacher.name, student.name) == ("teacher", "student") and of_teacher["teacher"] is None
    answered = of_student["teacher"](None, torch.arange(128)).numpy()
    np.testing.assert_array_equal(answered, arrays(path / "outputs.npz")["teacher_train"])
    assert student.recipe.loss == find("rf_noisy_mnist").student.loss


def test_inputs_are_pixels_from_0_to_1_through_the_embedding():
    setting, dataset = find("rf_noisy_mnist"), generated.load((1, 28, 28), 10)
    examples = draw(dataset, setting.data, 0)
    embed = build(setting, 0)[0]["teacher"]
    data = Inputs(examples, setting, embed, torch.device("cpu"), seed=0)
    pixels = torch.from_numpy(examples.train_inputs).float() / 255
    assert 0 <= pixels.min() < 0.1 and 0.9 < pixels.max() <= 1
    torch.testing.assert_close(data.train.inputs, embed(pixels))
    assert data.test.inputs.shape == (256, 5000) and not data.train.inputs.requires_grad
    np.testing.assert_array_equal(data.train.labels.numpy(), examples.train_labels)


@pytest.mark.parametrize("name", ["rf_noisy_mnist", "mlp_mnist", "resnet8_digits"])
def test_teacher_and_student_share_their_start_only_where_the_setting_says_so(name):
    setting = find(name)
    assert_same_start(setting, "teacher", True)
    apart = replace(setting, share_initialisation=False)
    assert_same_start(apart, "teacher", False)


def test_a_student_of_another_network_starts_where_its_one_hot_training_does():
    setting = find("resnet20_resnet8_mnist")
    assert_same_start(setting, "one_hot", True)
    _, networks = build(setting, 0)
    _, of_its_own = build(find("resnet8_mnist"), 0)
    assert all(torch.equal(a, b) for a, b in zip(networks["one_hot"].parameters(), of_its_own["teacher"].parameters()))


def assert_same_start(setting, role, same):
    """Whether the student's weights, but for constant ones, are those of `role`, in memory of their own."""
    _, networks = build(setting, 0)
    pairs = [(a, b) for a, b in zip(networks[role].parameters(), networks["student"].parameters()) if a.std() > 0]
    assert pairs and all(torch.equal(a, b) == same and a is not b for a, b in pairs)
