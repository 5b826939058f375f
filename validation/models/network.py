"""The base class of network configurations."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Cost:
    """The cost of training: GFLOP of a step per image of `side` x `side` pixels, or per token with a side of 1, and the
    estimated number of them per second on an H100."""

    gflop: float
    side: int
    on_gpu: float


@dataclass(frozen=True)
class Network:
    """The configuration of a network. To add one, write a frozen dataclass that extends it, with a literal `name`, a
    `title` and `build`.

    Fields become command-line flags (--model.depth). PyTorch is imported in `build`, so that settings can be listed
    without it.
    """

    name: str
    title: ClassVar[str]
    """The name shown to people."""
    cost: ClassVar[Cost | None] = None
    """The cost of training, if known."""

    def located(self, data_dir, download) -> "Network":
        """The network that `build` is called on, with the files that it needs, such as pretrained weights; by default
        itself, as most networks need none.

        data_dir, download: as of `Dataset.locate`. Raises UsageError for missing files.
        """
        return self

    def build(self, shape, classes):
        """A pair of torch modules for examples of `shape`, initialised with PyTorch's default generator:

            embed       the fixed part, applied once to the data: inputs (n, *shape) -> inputs of the network; the
                        identity for convolutional networks, whose images are already normalised; a tokeniser for
                        texts
            network     the trained part: embedded examples -> logits (n, classes)

        Raises UsageError for a shape that the network does not support.
        """
        raise NotImplementedError(f"{type(self).__name__}.build(shape, classes) -> (embed, network)")
