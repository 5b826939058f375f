"""An experiment of the paper as data: what it trains on, what, how, and what is looked at."""

from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from tyro.conf import Suppress

from validation.models import Model
from validation.settings.sound import check


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
    normalise: bool = False
    """Whether each channel is centred and scaled by the data set's mean and deviation; else pixels are in [0, 1]."""
    padding: int = 0
    """Zeros around an image, of which a random crop of its own size is trained on."""
    flip: bool = False
    """Whether images are mirrored at random."""
    resized_crop: bool = False
    """Whether a random part of an image, resized, is trained on, instead of a crop after padding."""
    taught_share: float = 1.0
    """The share of the training examples that the teacher is trained on; it interpolates on no others."""


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
    warmup_epochs: int = 0
    """Over which the learning rate rises linearly from zero."""
    schedule: Literal["constant", "steps", "cosine"] = "constant"
    """After the warm-up the learning rate stays, is multiplied by decay_factor at decay_epochs, or falls to zero."""
    decay_epochs: tuple[int, ...] = ()
    decay_factor: float = 0.1
    drop_last: bool = False
    """Whether an epoch's last batch is left out where it is smaller."""


@dataclass(frozen=True)
class Distillation:
    temperature: float
    weight: float = 1.0
    """The weight of the teacher's softened probabilities; one minus it goes to the one-hot labels."""
    share_initialisation: bool = True
    """Whether the student starts from the initial weights that a one-hot training of its architecture starts from."""
    switch: Literal["none", "to_one_hot", "to_distillation"] = "none"
    """Whether the weight goes over from itself to zero in the course of the training, or from zero to itself."""
    switch_epoch: float | None = None
    """When that begins, in epochs."""
    switch_step: int | None = None
    """When that begins, in steps, instead of epochs."""
    switch_window: int = 0
    """Over how many steps the weight goes over, linearly."""


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
    """Which training examples are looked at; the test set always is in full."""

    watched: int | None = None
    """How many are evaluated after each epoch, evenly spaced; None for all."""
    kept: int | None = None
    """Of how many the logits are kept, evenly spaced; None for all."""


@dataclass(frozen=True)
class Published:
    """The paper's accuracies in per cent, each (teacher, one-hot student, distilled student). Table 2."""

    train: tuple[float, float, float]
    test: tuple[float, float, float]


@dataclass(frozen=True)
class Expected:
    """Seconds that one seed takes on two CPU cores and on one H100, None where it is hopeless or unknown."""

    cpu: float | None = None
    gpu: float | None = None
    measured: tuple[str, ...] = ()
    """Which of "cpu" and "gpu" were measured; the rest is estimated."""


@dataclass(frozen=True)
class Setting:
    """One experiment. `guesses` maps the dotted name of each value that the paper does not give to what is guessed.

    Every field that is not suppressed is a flag of the command line. `model` is the teacher, and the student too where
    there is no `student_model`. Where there is one, it is also trained on the one-hot labels, to be compared with.
    """

    name: Suppress[str]
    title: Suppress[str]
    data: Data
    model: Model
    teacher: Training
    student: Training
    distillation: Distillation
    analysis: Eigenspace = field(default_factory=Eigenspace)
    student_model: Model | None = None
    evaluation: Evaluation = field(default_factory=Evaluation)
    precision: Literal["auto", "fp32", "bf16", "fp64"] = "auto"
    """What networks compute in while they are trained; auto is bf16 on a GPU, else fp32. Weights, inputs and logits are
    fp32; with fp64 everything is."""
    expected: Suppress[Expected] = field(default_factory=Expected)
    published: Suppress[Published | None] = None
    guesses: Suppress[dict[str, str]] = field(default_factory=dict)

    def __post_init__(self):
        check(self)

    @property
    def is_self_distillation(self):
        return self.student_model is None

    def configuration(self):
        """What decides the result, as a JSON-able mapping: the same configuration and seed give the same run."""
        parts = ("data", "model", "student_model", "teacher", "student", "distillation", "analysis", "evaluation")
        plain = {part: None if value is None else _plain(asdict(value))
                 for part, value in ((part, getattr(self, part)) for part in parts)}
        return {"setting": self.name} | plain | {"precision": self.precision}


def retrained(setting, name, title, why, **changes):
    """The `Setting` with teacher and student both trained otherwise: a variation of ours, whose changes are guesses."""
    return replace(setting, name=name, title=title, teacher=replace(setting.teacher, **changes),
                   student=replace(setting.student, **changes), expected=replace(setting.expected, measured=()),
                   guesses=setting.guesses | {f"{role}.{value}": why for role in ("teacher", "student")
                                              for value in changes})


def network_title(model):
    """What people call a network."""
    titles = {"resnet": "ResNet", "mlp": "MLP", "cnn": "CNN", "random_features": "random features",
              "mobilenet_v2": "MobileNet-v2", "torchvision_resnet18": "torchvision's ResNet-18"}
    return f"{titles.get(model.name, model.name)}{f'-{model.depth}' if hasattr(model, 'depth') else ''}"


def _plain(value):
    """As JSON would read it back: tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
