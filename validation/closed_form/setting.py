"""For which setting the closed form is worked out, as data."""

from dataclasses import asdict, dataclass

from validation.settings import find

NAME = "closed_form"


@dataclass(frozen=True)
class ClosedForm:
    """Teacher and student by gradient flow on the squared loss, with the kernel of a setting's untrained network.

    All that the flow has not seen of the network is its training: its initialisation, images and labels are those of
    the setting's run of the same seed.
    """

    of: str = "cnn_fashion_mnist_noisy"
    """A setting that sees examples as rows of numbers."""
    seed: int = 0
    label_noise: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4)
    """Shares of flipped labels, each with a diagram of its own."""
    teacher_fractions: tuple[float, ...] = (1.0, 0.5)
    """Fractions of the examples that the teacher is trained on, likewise."""
    times: int = 20
    """How many training times of either, evenly spaced in the logarithm."""
    decades: tuple[float, float] = (1.5, 6.0)
    """From which power of ten to which, over the inverse of the largest eigenvalue."""
    test_examples: int = 2500
    """Of the test set, evenly spaced."""

    @property
    def name(self):
        return NAME

    @property
    def title(self):
        return f"the closed form for {self.of}"

    @property
    def command(self):
        """The command line that makes runs."""
        return "python -m validation.study closed_form"

    @property
    def base(self):
        return None

    @property
    def data(self):
        """The `Data` of the setting."""
        return find(self.of).data

    def configuration(self):
        """What decides the result, as a JSON-able mapping: the same configuration and seed give the same run."""
        own = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
               if name != "seed"}
        of = find(self.of).configuration()
        return {"setting": NAME} | own | {part: of[part] for part in ("data", "model")}

    @property
    def runner(self):
        """The module whose `run(setting, out, device=..., data_dir=...)` makes a run folder and returns its result."""
        return "validation.closed_form.diagram"


CLOSED_FORM = ClosedForm()
