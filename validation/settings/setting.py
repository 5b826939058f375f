"""An experiment of the paper as data: what it trains on, what, how, and what is looked at."""

import math
from dataclasses import asdict, dataclass, field
from typing import Literal

from tyro.conf import Suppress

from validation.data import DATASETS
from validation.errors import UsageError, unknown
from validation.models import Model


@dataclass(frozen=True)
class Data:
    name: str
    """The data set, a name of validation.data.DATASETS."""
    train_examples: int | None = None
    """How many examples of the training pool the seed draws; None for all of them."""
    label_noise: float = 0.0
    """The share of training labels that is flipped."""
    flip_to: Literal["other", "any"] = "other"
    """A flipped label is drawn uniformly from the other classes, or from any class, its own included."""


@dataclass(frozen=True)
class Training:
    epochs: int
    batch_size: int
    learning_rate: float
    optimiser: Literal["adam"] = "adam"


@dataclass(frozen=True)
class Distillation:
    temperature: float
    weight: float = 1.0
    """The weight of the teacher's softened probabilities; one minus it goes to the one-hot labels."""
    share_initialisation: bool = True
    """Whether the student starts from the teacher's initial weights."""


@dataclass(frozen=True)
class Eigenspace:
    """What is recorded of one layer: ||W v_k|| along the eigendirections of its input. App. D.3."""

    layer: str
    """A module's name in the network; it acts on the data itself, or on a fixed embedding of it."""
    pairs: int = 15
    top: tuple[int, int] = (0, 15)
    """Top indices are drawn without replacement from this half-open range; index 0 has the largest eigenvalue."""
    bottom: tuple[int, int] = (20, 60)


@dataclass(frozen=True)
class Setting:
    """One experiment. `guesses` maps the dotted name of each value that the paper does not give to what is guessed.

    Every field that is not suppressed is a flag of the command line.
    """

    name: Suppress[str]
    title: Suppress[str]
    data: Data
    model: Model
    teacher: Training
    student: Training
    distillation: Distillation
    analysis: Eigenspace
    expected_seconds: Suppress[float]
    """One seed on two CPU cores."""
    guesses: Suppress[dict[str, str]] = field(default_factory=dict)

    def __post_init__(self):
        check(self)

    def configuration(self):
        """What decides the result, as a JSON-able mapping: the same configuration and seed give the same run."""
        parts = ("data", "model", "teacher", "student", "distillation", "analysis")
        return {"setting": self.name} | {part: _plain(asdict(getattr(self, part))) for part in parts}


def check(setting):
    """Raises UsageError, in the words of the command line, for values that no experiment can have."""
    if setting.data.name not in DATASETS:
        raise unknown("--data.name", setting.data.name, DATASETS)
    for name, value in vars(setting.model).items():
        sound = not isinstance(value, int | float) or value > 0 or isinstance(value, bool)
        _require(sound, f"--model.{name}", "a positive number", value)
    examples = setting.data.train_examples
    _require(examples is None or examples >= 1, "--data.train-examples", "at least 1", examples)
    _require(0 <= setting.data.label_noise <= 1, "--data.label-noise", "a share from 0 to 1", setting.data.label_noise)
    for role in ("teacher", "student"):
        recipe = getattr(setting, role)
        _require(recipe.epochs >= 1, f"--{role}.epochs", "at least 1", recipe.epochs)
        _require(recipe.batch_size >= 1, f"--{role}.batch-size", "at least 1", recipe.batch_size)
        positive = recipe.learning_rate > 0 and math.isfinite(recipe.learning_rate)
        _require(positive, f"--{role}.learning-rate", "a positive number", recipe.learning_rate)
    temperature, weight = setting.distillation.temperature, setting.distillation.weight
    positive = temperature > 0 and math.isfinite(temperature)
    _require(positive, "--distillation.temperature", "a positive number", temperature)
    _require(0 <= weight <= 1, "--distillation.weight", "a weight from 0 to 1", weight)
    _require(setting.analysis.pairs >= 1, "--analysis.pairs", "at least 1", setting.analysis.pairs)
    for side in ("top", "bottom"):
        first, end = getattr(setting.analysis, side)
        enough = first >= 0 and end - first >= setting.analysis.pairs
        _require(enough, f"--analysis.{side}", f"a range of {setting.analysis.pairs} indices or more", (first, end))


def _require(holds, flag, expected, got):
    if not holds:
        raise UsageError(f"{flag}: expected {expected}, got {got}; pass another value or leave the flag out")


def _plain(value):
    """As JSON would read it back: tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
