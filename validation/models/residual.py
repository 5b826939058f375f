"""The parts of a pre-activation residual network, as torch modules."""

import math
from collections import OrderedDict

import torch.nn.functional as F
from torch import nn


def convolution(inputs, outputs, kernel_size, stride=1):
    """A convolution without bias that keeps height and width, divided by its stride."""
    return nn.Conv2d(inputs, outputs, kernel_size, stride, padding=kernel_size // 2, bias=False)


def make_stem(kind, inputs, outputs):
    """The layers before the first block, which has its own norm and relu: "3x3", or "7x7" with a max-pool."""
    if kind == "3x3":
        return convolution(inputs, outputs, 3)
    return nn.Sequential(OrderedDict(conv=convolution(inputs, outputs, 7, 2), pool=nn.MaxPool2d(3, 2, padding=1)))


class Padding(nn.Module):
    """A shortcut without parameters: takes every `stride`-th position and appends channels of zeros."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.stride, self.channels = stride, outputs - inputs

    def forward(self, x):
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.channels))


class Block(nn.Module):
    """x + branch(a), a = relu(norm(x)); if the shape changes, x is replaced by a shortcut from a."""

    expansion = 1

    def __init__(self, inputs, outputs, stride, shortcut):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.make_branch(inputs, outputs, stride)
        changed = stride != 1 or inputs != outputs
        make = {"projection": lambda: convolution(inputs, outputs, 1, stride),
                "padding": lambda: Padding(inputs, outputs, stride)}
        self.shortcut = make[shortcut]() if changed else None

    def forward(self, x):
        activated = F.relu(self.norm1(x))
        return (x if self.shortcut is None else self.shortcut(activated)) + self.branch(activated)


class Basic(Block):
    """The branch: 3x3 convolution, norm, relu, 3x3 convolution."""

    def make_branch(self, inputs, outputs, stride):
        self.conv1 = convolution(inputs, outputs, 3, stride)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = convolution(outputs, outputs, 3)

    def branch(self, activated):
        return self.conv2(F.relu(self.norm2(self.conv1(activated))))


class Bottleneck(Block):
    """The branch: 1x1 convolution to a quarter of the outputs, norm, relu, 3x3, norm, relu, 1x1 to the outputs."""

    expansion = 4

    def make_branch(self, inputs, outputs, stride):
        width = outputs // self.expansion
        self.conv1 = convolution(inputs, width, 1)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3, stride)
        self.norm3 = nn.BatchNorm2d(width)
        self.conv3 = convolution(width, outputs, 1)

    def branch(self, activated):
        hidden = self.conv2(F.relu(self.norm2(self.conv1(activated))))
        return self.conv3(F.relu(self.norm3(hidden)))


class Classifier(nn.Module):
    """norm, relu, mean over positions, linear: (n, channels, height, width) -> logits (n, classes)."""

    def __init__(self, channels, classes):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.linear = nn.Linear(channels, classes)

    def forward(self, x):
        return self.linear(F.relu(self.norm(x)).mean(dim=(2, 3)))


def initialise(network):
    """Initialises convolutions with variance 2 / (outputs * kernel area) and the last layer's bias with zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * math.prod(module.kernel_size)
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
    return network
