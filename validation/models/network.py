"""What a network's configuration is: a class to extend."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Cost:
    """What training takes: GFLOP of a step for one image of `side` x `side` pixels, and how many such images an H100 is
    estimated to train on in a second."""

    gflop: float
    side: int
    on_gpu: float


@dataclass(frozen=True)
class Network:
    """A network's configuration. Extend it: a frozen dataclass with a literal `name`, a `title` and `build`.

    Fields are flags of the command line (--model.depth). PyTorch is imported in `build`, so that settings can be listed
    without it.
    """

    name: str
    title: ClassVar[str]
    """What people call it."""
    cost: ClassVar[Cost | None] = None
    """What training takes, where it is known."""

    def build(self, shape, classes):
        """A pair of torch modules, made with PyTorch's default generator, for examples of `shape`:

            embed       the fixed part, applied once to the data: inputs (n, *shape) -> what the network takes; the
                        identity for convolutional networks, whose images arrive normalised
            network     the trained part: embedded examples -> logits (n, classes)

        Raises UsageError for a shape that the network cannot take.
        """
        raise NotImplementedError(f"{type(self).__name__}.build(shape, classes) -> (embed, network)")
