"""A two-layer ReLU network in the tangent parametrisation: wider networks follow their tangent kernel more closely."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar, Literal

from validation.models.network import Network


@dataclass(frozen=True)
class TangentMLP(Network):
    """f(x) = sqrt(2 / hidden) V relu(W x / sqrt(inputs)), with standard normal weights and no biases.

    Jacot et al. (2018). The prefactors, not the sizes of the weights, keep outputs of order 1. The relative change of
    each weight under gradient descent then vanishes as `hidden` grows.
    """

    name: Literal["tangent_mlp"] = "tangent_mlp"
    title: ClassVar = "tangent MLP"
    hidden: int = 1024

    def build(self, shape, classes):
        from torch import nn

        class Scaled(nn.Linear):
            """x -> scale * W x."""

            def __init__(self, inputs, outputs, scale):
                super().__init__(inputs, outputs, bias=False)
                nn.init.normal_(self.weight)
                self.scale = scale

            def forward(self, x):
                return super().forward(x) * self.scale

        inputs = math.prod(shape)
        return nn.Flatten(), nn.Sequential(OrderedDict(
            linear1=Scaled(inputs, self.hidden, inputs**-0.5), relu1=nn.ReLU(),
            linear2=Scaled(self.hidden, classes, (2 / self.hidden) ** 0.5)))
