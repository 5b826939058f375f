"""A network trained next to its kernels, as data, and the studies that move away from the theorem's assumptions."""

from dataclasses import asdict, dataclass
from typing import Literal

NAME = "function_space"
ROLES = ("teacher", "student")


@dataclass(frozen=True)
class FunctionSpace:
    """One network, one seed: what decides its numbers."""

    width: int = 1024
    seed: int = 0
    examples: int = 128
    data: str = "mnist"
    steps: int = 400
    """Of the teacher, and as many of the student."""
    learning_rate: float = 0.5
    """Over the tangent kernel's largest eigenvalue at the start."""
    loss: Literal["squared", "cross_entropy"] = "squared"
    """Summed over examples. A student of the cross-entropy is trained on its teacher's probabilities."""
    optimiser: Literal["sgd", "momentum", "adam"] = "sgd"
    """Plain gradient descent, the same with a momentum of 0.9, or Adam, whose learning rate is a thousandth of it."""

    @property
    def name(self):
        return NAME

    @property
    def command(self):
        """The command line that makes runs."""
        return "python -m validation.function_space"

    @property
    def flags(self):
        """Names of values -> flags, where they are others."""
        return {"width": "widths", "learning_rate": "learning_rates", "loss": "losses", "optimiser": "optimisers"}

    def configuration(self):
        """What decides the result, as a JSON-able mapping: the same configuration and seed give the same run."""
        return {"setting": NAME} | {name: value for name, value in asdict(self).items() if name != "seed"}

    def run(self, out, *, device, data_dir):
        """Makes its run folder in `out`, and returns its result, also of a finished run."""
        from validation.function_space.training import run

        return run(self, out, device=device, data_dir=data_dir)

    @property
    def exact(self):
        """Whether the closed form has the very steps of this study, on a kernel that does not change."""
        return self.loss == "squared" and self.optimiser != "adam"


FUNCTION_SPACE = FunctionSpace()
AWAY = (FUNCTION_SPACE, *(FunctionSpace(learning_rate=rate) for rate in (0.1, 1.0, 1.5, 1.9)),
        FunctionSpace(optimiser="momentum"), FunctionSpace(optimiser="adam"), FunctionSpace(loss="cross_entropy"),
        FunctionSpace(loss="cross_entropy", optimiser="adam"))
