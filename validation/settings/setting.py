"""An experiment of the paper as data: what it trains on, what, how, and what is looked at."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from tyro.conf import Suppress

from validation.data import Dataset, View
from validation.models import Network
from validation.settings.checks import check
from validation.settings.loss import ONE_HOT, Loss


@dataclass(frozen=True)
class Data:
    """Which examples of a data set a run trains on, and how a network sees them."""

    set: Dataset
    view: View
    train_examples: int | None = None
    """How many examples of the training pool the seed draws; None for all of them."""
    label_noise: float = 0.0
    """The share of training labels that is flipped."""
    flip_to: Literal["other", "any"] = "other"
    """A flipped label is drawn uniformly from the other classes, or from any class, its own included."""
    teacher_fraction: float = 1.0
    """The fraction of the training examples that the teacher is trained on; it interpolates on no others."""

    def counts(self, pool):
        """How many examples of a training pool of `pool` each role is trained on: {"teacher": ..., "student": ...}."""
        examples = pool if self.train_examples is None else self.train_examples
        return {"teacher": round(self.teacher_fraction * examples), "student": examples}


@dataclass(frozen=True)
class Training:
    """How one network is trained. Table 1."""

    epochs: int
    batch_size: int
    learning_rate: float
    """Its peak."""
    optimiser: Literal["adam", "sgd"] = "adam"
    momentum: float = 0.0
    """Of sgd."""
    nesterov: bool = False
    weight_decay: float = 0.0
    warmup_epochs: int | float = 0
    """Over which the learning rate rises linearly from zero."""
    schedule: Literal["constant", "steps", "cosine"] = "constant"
    """After the warm-up the learning rate stays, is multiplied by decay_factor at decay_epochs, or falls to zero."""
    decay_epochs: tuple[int | float, ...] = ()
    decay_factor: float = 0.1
    drop_last: bool = False
    """Whether an epoch's last batch is left out where it is smaller."""
    loss: Loss = ONE_HOT
    """What is minimised."""


@dataclass(frozen=True)
class Eigenspace:
    """What is recorded of layers: ||W v_k|| along the eigendirections of what they take in. App. D.3, D.7."""

    layers: tuple[str, ...] = ()
    """Modules' names in the network. What the first layer takes in is fixed; a deeper one is looked at in the
    eigenspace of what it takes in of the teacher at the end of its training. Of a student that is another network than
    its teacher nothing is recorded."""
    pairs: int = 15
    top: tuple[int, int] = (0, 15)
    """Top indices are drawn without replacement from this half-open range; index 0 has the largest eigenvalue."""
    bottom: tuple[int, int] = (20, 60)
    """As many directions are recorded as this ends at; where a layer has fewer, both ranges shrink in proportion."""
    every: int = 1
    """Steps between two records."""


@dataclass(frozen=True)
class Evaluation:
    """Which training examples are evaluated; the test set always is in full."""

    evaluated: int | None = None
    """How many are evaluated after each epoch, evenly spaced; None for all."""
    saved_logits: int | None = None
    """Of how many the logits are saved, evenly spaced; None for all."""


@dataclass(frozen=True)
class PaperAccuracy:
    """The paper's accuracies in per cent, each (teacher, one-hot student, distilled student). Table 2."""

    train: tuple[float, float, float]
    test: tuple[float, float, float]


@dataclass(frozen=True)
class Setting:
    """One experiment. `guesses` maps the dotted name of each value that the paper does not give to what is guessed.

    Every field that is not suppressed is a flag of the command line. `model` is the teacher, and the student too where
    there is no `student_model`. Where there is one, it is also trained on the one-hot labels, to be compared with.
    """

    name: Suppress[str]
    title: Suppress[str]
    data: Data
    model: Network
    teacher: Training
    student: Training
    share_initialisation: bool = True
    """Whether the student starts from the initial weights that a one-hot training of its architecture starts from."""
    analysis: Eigenspace = field(default_factory=Eigenspace)
    student_model: Network | None = None
    evaluation: Evaluation = field(default_factory=Evaluation)
    precision: Literal["auto", "fp32", "bf16", "fp64"] = "auto"
    """What networks compute in while they are trained; auto is bf16 on a GPU, else fp32. Weights, inputs and logits are
    fp32; with fp64 everything is."""
    published: Suppress[PaperAccuracy | None] = None
    guesses: Suppress[dict[str, str]] = field(default_factory=dict)
    given: Suppress[frozenset[str]] = frozenset()
    """The dotted names of the values that the command line gave: these have to take effect, see `effect.check`."""
    base: Suppress[Any] = None
    """The setting as it stands, of one that was changed: what a run's address is relative to."""

    def __post_init__(self):
        check(self)

    @property
    def is_self_distillation(self):
        return self.student_model is None

    @property
    def networks(self):
        """What people call the networks, such as "ResNet-56 to ResNet-20"."""
        return " to ".join(model.title for model in (self.model, self.student_model) if model)

    def configuration(self):
        """What decides the result, as a JSON-able mapping: the same configuration and seed give the same run."""
        parts = ("data", "model", "student_model", "teacher", "student", "analysis", "evaluation")
        plain = {part: None if value is None else _plain(asdict(value))
                 for part, value in ((part, getattr(self, part)) for part in parts)}
        return {"setting": self.name} | plain | {"share_initialisation": self.share_initialisation,
                                                 "precision": self.precision}


def retrained(setting, name, title, why, **changes):
    """The `Setting` with teacher and student both trained otherwise: a variation of ours, whose changes are guesses."""
    return replace(setting, name=name, title=title, teacher=replace(setting.teacher, **changes),
                   student=replace(setting.student, **changes),
                   guesses=setting.guesses | {f"{role}.{value}": why for role in ("teacher", "student")
                                              for value in changes})


def _plain(value):
    """As JSON would read it back: tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
