import dataclasses
import subprocess
import sys

import pytest

from validation.errors import UsageError
from validation.settings import SETTINGS, find
from validation.settings.setting import Data

RF, MLP = find("rf_noisy_mnist"), find("mlp_mnist")


def test_registry_names_match_and_every_guess_names_a_value():
    for name, setting in SETTINGS.items():
        assert setting.name == name
        for guess in setting.guesses:
            value = setting
            for part in guess.split("."):
                value = getattr(value, part)  # an AttributeError is the failure


def test_table_7_random_features():
    assert (RF.model.features, RF.data.train_examples, RF.data.label_noise) == (5000, 128, 0.25)
    for recipe in (RF.teacher, RF.student):
        assert (recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.optimiser) == (40, 16, 1e-3, "adam")
    assert (RF.distillation.temperature, RF.distillation.weight, RF.distillation.share_initialisation) == (5, 1, True)
    assert (RF.analysis.pairs, RF.analysis.top, RF.analysis.bottom) == (15, (0, 15), (20, 60))


def test_table_7_mlp():
    assert (MLP.model.hidden, MLP.model.layers, MLP.data.train_examples, MLP.data.label_noise) == (1000, 2, 128, 0)
    for recipe in (MLP.teacher, MLP.student):
        assert (recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.optimiser) == (20, 16, 1e-4, "adam")
    distillation = MLP.distillation
    assert (distillation.temperature, distillation.weight, distillation.share_initialisation) == (4, 1, True)
    assert (MLP.analysis.pairs, MLP.analysis.top, MLP.analysis.bottom) == (15, (0, 15), (20, 60))


def test_an_unknown_setting_lists_the_known_ones_and_the_nearest():
    with pytest.raises(UsageError, match=r"mlp_mnist, rf_noisy_mnist; got 'rf_mnist'; did you mean rf_noisy_mnist\?"):
        find("rf_mnist")


def test_a_configuration_is_all_values_and_no_words():
    configuration = MLP.configuration()
    assert configuration["model"] == {"name": "mlp", "hidden": 1000, "layers": 2, "bias": True}
    assert configuration["analysis"]["top"] == [0, 15]
    assert not {"guesses", "title", "expected_seconds"} & configuration.keys()


@pytest.mark.parametrize(("part", "field", "value", "flag"), [
    ("data", "name", "cifra10", "--data.name"),
    ("data", "train_examples", 0, "--data.train-examples"),
    ("data", "label_noise", 1.5, "--data.label-noise"),
    ("model", "hidden", 0, "--model.hidden"),
    ("teacher", "epochs", 0, "--teacher.epochs"),
    ("student", "batch_size", 0, "--student.batch-size"),
    ("student", "learning_rate", float("nan"), "--student.learning-rate"),
    ("distillation", "temperature", 0.0, "--distillation.temperature"),
    ("distillation", "weight", -0.1, "--distillation.weight"),
    ("analysis", "pairs", 0, "--analysis.pairs"),
    ("analysis", "top", (0, 14), "--analysis.top"),
    ("analysis", "bottom", (-1, 60), "--analysis.bottom"),
])
def test_a_value_that_no_experiment_can_have_is_refused_by_its_flag(part, field, value, flag):
    changed = dataclasses.replace(getattr(MLP, part), **{field: value})
    with pytest.raises(UsageError, match=f"^{flag}: expected .*got"):
        dataclasses.replace(MLP, **{part: changed})


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RF.data.train_examples = 5
    assert dataclasses.replace(RF, data=Data("mnist")).data.train_examples is None


def test_listing_needs_no_pytorch():
    code = "import sys, validation.run; sys.exit('torch' in sys.modules or 'torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
