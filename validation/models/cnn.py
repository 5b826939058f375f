"""A plain convolutional network with ReLU."""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from validation.errors import UsageError
from validation.models.network import Network


@dataclass(frozen=True)
class CNN(Network):
    """Convolutions `conv1`, `conv2`, ..., each followed by ReLU and a max-pool, then the layer `linear`. Table 7.

    A convolution keeps height and width; a max-pool divides them by its size. Raises UsageError for an even kernel, and
    if images are too small for the number of max-pools.
    """

    name: Literal["cnn"] = "cnn"
    title: ClassVar = "CNN"
    channels: tuple[int, ...] = (16, 32)
    """The output channels of each convolution."""
    kernel: int = 5
    pool: int = 2
    """The size of the max-pools; 1 for no pooling."""

    def __post_init__(self):
        if not self.channels or min(self.channels) < 1:
            raise UsageError(f"--model.channels: expected one positive number per convolution, got {self.channels}; "
                             "pass for example --model.channels 16 32")
        if self.kernel % 2 == 0:
            raise UsageError(f"--model.kernel: expected an odd size, got {self.kernel}; pass 3 or 5")

    def build(self, shape, classes):
        from torch import nn

        inputs, *sides = shape
        left = [side // self.pool ** len(self.channels) for side in sides]
        if min(left) < 1:
            raise UsageError(f"--model.pool: expected max-pools that leave at least one of {sides[0]} x {sides[1]} "
                             f"pixels, got {len(self.channels)} of size {self.pool}; pass fewer --model.channels")
        modules = OrderedDict()
        for i, (before, after) in enumerate(pairwise((inputs, *self.channels)), start=1):
            modules[f"conv{i}"] = nn.Conv2d(before, after, self.kernel, padding=self.kernel // 2)
            modules[f"relu{i}"] = nn.ReLU()
            modules[f"pool{i}"] = nn.MaxPool2d(self.pool)
        modules["flatten"] = nn.Flatten()
        modules["linear"] = nn.Linear(self.channels[-1] * left[0] * left[1], classes)
        return nn.Identity(), nn.Sequential(modules)
