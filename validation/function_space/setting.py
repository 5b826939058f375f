"""The configuration of a function-space run, and the studies outside the theorem's assumptions."""

from dataclasses import asdict, dataclass
from typing import Literal

NAME = "function_space"
ROLES = ("teacher", "student")


@dataclass(frozen=True)
class FunctionSpace:
    """All values that determine one run: one network and one seed."""

    width: int = 1024
    seed: int = 0
    examples: int = 128
    data: str = "mnist"
    steps: int = 400
    """Number of steps of the teacher, and of the student."""
    learning_rate: float = 0.5
    """The learning rate times the largest eigenvalue of the tangent kernel at initialisation."""
    loss: Literal["squared", "cross_entropy"] = "squared"
    """The loss, summed over examples. Under cross_entropy, students are trained on their teacher's probabilities."""
    optimiser: Literal["sgd", "momentum", "adam"] = "sgd"
    """Gradient descent, gradient descent with momentum 0.9, or Adam with a learning rate of learning_rate / 1000."""

    @property
    def name(self):
        return NAME

    @property
    def command(self):
        """The command that produces runs."""
        return "python -m validation.function_space"

    @property
    def flags(self):
        """Names of values -> flags, if they differ."""
        return {"width": "widths", "learning_rate": "learning_rates", "loss": "losses", "optimiser": "optimisers"}

    def configuration(self):
        """All values that determine the result, as a JSON mapping: configuration and seed determine the run."""
        return {"setting": NAME} | {name: value for name, value in asdict(self).items() if name != "seed"}

    @property
    def runner(self):
        """The module whose `run(setting, out, device=..., data_dir=...)` makes a run folder and returns its result."""
        return "validation.function_space.training"

    @property
    def exact(self):
        """Whether the closed form is exact for the steps of this study if the kernel does not change."""
        return self.loss == "squared" and self.optimiser != "adam"


FUNCTION_SPACE = FunctionSpace()
AWAY = (FUNCTION_SPACE, *(FunctionSpace(learning_rate=rate) for rate in (0.1, 1.0, 1.5, 1.9)),
        FunctionSpace(optimiser="momentum"), FunctionSpace(optimiser="adam"), FunctionSpace(loss="cross_entropy"),
        FunctionSpace(loss="cross_entropy", optimiser="adam"))
