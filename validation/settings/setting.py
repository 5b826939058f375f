"""The configuration of an experiment: data, networks, training and analysis."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from tyro.conf import Suppress

from validation.data import Dataset, View
from validation.models import Network
from validation.settings.checks import check
from validation.settings.loss import ONE_HOT, Loss


@dataclass(frozen=True)
class Data:
    """The training examples of a run, and how a network sees them."""

    set: Dataset
    view: View
    train_examples: int | None = None
    """The number of examples that the seed draws from the training pool; None for all."""
    label_noise: float = 0.0
    """The share of training labels that is flipped."""
    flip_to: Literal["other", "any"] = "other"
    """Draw a flipped label uniformly from the other classes, or from all classes including its own."""
    teacher_fraction: float = 1.0
    """The fraction of the training examples that the teacher is trained on."""

    def counts(self, pool):
        """The number of training examples per role for a pool of `pool` examples: {"teacher": ..., "student": ...}."""
        examples = pool if self.train_examples is None else self.train_examples
        return {"teacher": round(self.teacher_fraction * examples), "student": examples}


@dataclass(frozen=True)
class Training:
    """How one network is trained. Table 1."""

    epochs: int
    batch_size: int
    learning_rate: float
    """The peak learning rate."""
    optimiser: Literal["adam", "sgd"] = "adam"
    momentum: float = 0.0
    """Momentum of sgd."""
    nesterov: bool = False
    weight_decay: float = 0.0
    warmup_epochs: int | float = 0
    """Epochs over which the learning rate increases linearly from zero."""
    schedule: Literal["constant", "steps", "linear", "cosine"] = "constant"
    """After the warm-up the learning rate is constant, is multiplied by decay_factor at decay_epochs, or decays to zero
    along a line or a cosine."""
    decay_epochs: tuple[int | float, ...] = ()
    decay_factor: float = 0.1
    drop_last: bool = False
    """Drop the last batch of an epoch if it is smaller."""
    loss: Loss = ONE_HOT
    """The loss that is minimised."""


@dataclass(frozen=True)
class Eigenspace:
    """Recording of layers: ||W v_k|| along the eigendirections v_k of their inputs. App. D.3, D.7."""

    layers: tuple[str, ...] = ()
    """Names of modules in the network. The inputs of the first layer are fixed; a deeper layer is recorded in the
    eigenspace of its inputs in the trained teacher. A student whose architecture differs from its teacher's is not
    recorded."""
    pairs: int = 15
    top: tuple[int, int] = (0, 15)
    """Top indices are drawn without replacement from this half-open range; index 0 has the largest eigenvalue."""
    bottom: tuple[int, int] = (20, 60)
    """The range of bottom indices. Directions up to its end are recorded; for layers with fewer directions, both ranges
    are scaled down."""
    every: int = 1
    """Steps between two records."""


@dataclass(frozen=True)
class Evaluation:
    """When networks are evaluated, and on which training examples; the test set is always evaluated in full."""

    every: int = 1
    """Epochs between two evaluations; the last epoch is always evaluated."""
    evaluated: int | None = None
    """Number of training examples that are evaluated, evenly spaced; None for all."""
    saved_logits: int | None = None
    """Number of training examples whose logits are saved, evenly spaced; None for all."""
    snapshots: tuple[int, ...] = ()
    """Epochs of the student after which its logits on these examples are saved too."""


@dataclass(frozen=True)
class PaperAccuracy:
    """The paper's accuracies in per cent, each (teacher, one-hot student, distilled student). Table 2."""

    train: tuple[float, float, float]
    test: tuple[float, float, float]


@dataclass(frozen=True)
class Setting:
    """One experiment. `guesses` maps the dotted name of each value that the paper does not give to an explanation.

    Every field that is not suppressed becomes a command-line flag. `model` is the teacher, and also the student unless
    there is a `student_model`. A `student_model` is also trained on one-hot labels, for comparison.
    """

    name: Suppress[str]
    title: Suppress[str]
    data: Data
    model: Network
    teacher: Training
    student: Training
    share_initialisation: bool = True
    """Start the student from the same initial weights as the one-hot training of its architecture."""
    analysis: Eigenspace = field(default_factory=Eigenspace)
    student_model: Network | None = None
    evaluation: Evaluation = field(default_factory=Evaluation)
    precision: Literal["auto", "fp32", "bf16", "fp64"] = "auto"
    """Precision of the computations in training; auto is bf16 on a GPU, else fp32. Weights, inputs and logits are fp32,
    or fp64 with fp64."""
    published: Suppress[PaperAccuracy | None] = None
    guesses: Suppress[dict[str, str]] = field(default_factory=dict)
    given: Suppress[frozenset[str]] = frozenset()
    """The dotted names of the values from the command line, which must take effect, see `effect.check`."""
    base: Suppress[Any] = None
    """For a changed setting, the unchanged one; the address of a run lists the differences from it."""

    def __post_init__(self):
        check(self)

    @property
    def is_self_distillation(self):
        return self.student_model is None

    @property
    def networks(self):
        """The titles of the networks, such as "ResNet-56 to ResNet-20"."""
        return " to ".join(model.title for model in (self.model, self.student_model) if model)

    def configuration(self):
        """All values that determine the result, as a JSON mapping: configuration and seed determine the run."""
        parts = ("data", "model", "student_model", "teacher", "student", "analysis", "evaluation")
        plain = {part: None if value is None else _plain(asdict(value))
                 for part, value in ((part, getattr(self, part)) for part in parts)}
        return {"setting": self.name} | plain | {"share_initialisation": self.share_initialisation,
                                                 "precision": self.precision}


def retrained(setting, name, title, why, **changes):
    """Our variation of a `Setting`, with changes to the training of teacher and student that are marked as guesses."""
    return replace(setting, name=name, title=title, teacher=replace(setting.teacher, **changes),
                   student=replace(setting.student, **changes),
                   guesses=setting.guesses | {f"{role}.{value}": why for role in ("teacher", "student")
                                              for value in changes})


def _plain(value):
    """The value as JSON would return it: tuples become lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
