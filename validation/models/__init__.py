"""The registry of networks: a new one is a file here and a line below.

A network's configuration is a frozen dataclass with a literal `name` and a method `build(shape, classes)` that makes,
with PyTorch's default generator, a pair of torch modules for examples of `shape` (channels, height, width):

    embed       the fixed part, applied once to the data: images (n, *shape) -> what the network takes; the identity for
                convolutional networks, whose images arrive normalised
    network     the trained part: embedded examples -> logits (n, classes)

PyTorch is imported in `build`, so that settings can be listed without it.
"""

from typing import Union

from validation.models.cnn import CNN
from validation.models.mlp import MLP
from validation.models.random_features import RandomFeatures
from validation.models.resnet import ResNet
from validation.models.torchvision_networks import MobileNetV2, TorchvisionResNet18

MODELS = {model.__dataclass_fields__["name"].default: model for model in (
    RandomFeatures,
    MLP,
    CNN,
    ResNet,
    MobileNetV2,
    TorchvisionResNet18,
)}
Model = Union[tuple(MODELS.values())]  # noqa: UP007 (made from the registry)
