"""A fully connected network with ReLU."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from validation.models.network import Network


@dataclass(frozen=True)
class MLP(Network):
    """Linear layers `linear1` to `linear<layers>` with ReLU between them, `hidden` units wide. Table 7."""

    name: Literal["mlp"] = "mlp"
    title: ClassVar = "MLP"
    hidden: int = 1000
    layers: int = 2
    bias: bool = True

    def build(self, shape, classes):
        from torch import nn

        widths = [math.prod(shape)] + [self.hidden] * (self.layers - 1) + [classes]
        modules = OrderedDict()
        for i, (inputs, outputs) in enumerate(pairwise(widths), start=1):
            modules[f"linear{i}"] = nn.Linear(inputs, outputs, bias=self.bias)
            modules[f"relu{i}"] = nn.ReLU()
        modules.popitem()  # no ReLU after the logits
        return nn.Flatten(), nn.Sequential(modules)
