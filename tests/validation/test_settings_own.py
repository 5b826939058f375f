"""A user's own settings by their import path, and values by their dotted names."""

import sys

import pytest

from validation.errors import UsageError
from validation.settings import find
from validation.settings.variation import varied

MODULE = '''
from dataclasses import dataclass, replace
from typing import ClassVar, Literal
from validation.data import Digits, Images
from validation.models import Network
from validation.settings import Setting
from validation.settings.loss import Loss
from validation.settings.setting import Data, Training

@dataclass(frozen=True)
class Own(Network):
    name: Literal["own"] = "own"
    title: ClassVar = "a network of one's own"
    hidden: int = 4

    def build(self, shape, classes):
        from torch import nn
        return nn.Identity(), nn.Sequential(nn.Flatten(), nn.Linear(64, self.hidden), nn.ReLU(),
                                            nn.Linear(self.hidden, classes))

TEACHER = Training(epochs=2, batch_size=16, learning_rate=0.01)
OWN = Setting("own_digits", "my digits", Data(Digits(), Images()), Own(), TEACHER,
              replace(TEACHER, loss=Loss("distilled", temperature=2.0)))
TAKEN = replace(OWN, name="mlp_mnist")
NUMBER = 7
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_settings.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_settings"
    sys.modules.pop("own_settings", None)


def test_an_own_setting_runs_by_its_import_path_and_its_values_are_flags(own, result_of):
    result = result_of(f"{own}:OWN", "--model.hidden", 6, "--data.train-examples", 64)
    assert result["setting"] == "own_digits" and result["data"]["source"] == "scikit-learn" and not result["smoke"]


def test_a_dry_run_shows_the_own_network_and_flags(own, command):
    code, out, _ = command(f"{own}:OWN", "--dry-run")
    assert code == 0 and "own_digits: my digits" in out and "model.hidden" in out and "unknown per seed" in out


@pytest.mark.parametrize(("name", "message"), [
    ("nowhere_at_all:OWN", "cannot be imported"), ("own_settings:MISSING", "has no MISSING"),
    ("own_settings:NUMBER", "which is a int"), ("own_settings:TAKEN", "give it a unique name"),
])
def test_an_object_that_is_not_a_setting_raises(own, name, message):
    with pytest.raises(UsageError, match=r"^NAME: expected MODULE:SETTING, such as my_package") as told:
        find(name)
    assert message in str(told.value)


def test_varied_changes_values_by_dotted_names():
    setting = varied(find("mlp_mnist"), {"data.label_noise": 0.25, "student.loss.temperature": 1.0, "model.hidden": 9})
    assert (setting.data.label_noise, setting.student.loss.temperature, setting.model.hidden) == (0.25, 1.0, 9)
    assert setting.title == "MNIST, two-layer MLP, changed" and varied(setting, {}) == setting
    assert "data.label_noise" in setting.given and "model.bias" in setting.guesses
    assert "model.bias" not in varied(find("mlp_mnist"), {"model.bias": False}).guesses
    for name in ("data.labels", "student.loss.temperature.x", "nothing"):
        with pytest.raises(UsageError, match=rf"^values: expected the dotted name .* got '{name}'"):
            varied(find("mlp_mnist"), {name: 1})
