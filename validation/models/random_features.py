"""A linear model on fixed ReLU random features."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar, Literal

from validation.models.network import Network


@dataclass(frozen=True)
class RandomFeatures(Network):
    """logits = head(relu(A x)), A (features, inputs) fixed, entries normal with variance scale / inputs. Table 7."""

    name: Literal["random_features"] = "random_features"
    title: ClassVar = "random features"
    features: int = 5000
    scale: float = 1.0
    bias: bool = False

    def build(self, shape, classes):
        from torch import nn

        inputs = math.prod(shape)
        random = nn.Linear(inputs, self.features, bias=False).requires_grad_(False)
        nn.init.normal_(random.weight, std=math.sqrt(self.scale / inputs))
        head = nn.Linear(self.features, classes, bias=self.bias)
        return nn.Sequential(nn.Flatten(), random, nn.ReLU()), nn.Sequential(OrderedDict(head=head))
