"""torchvision's networks, for any number of input channels and without random parts such as dropout."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from validation.errors import UsageError
from validation.models.network import Cost, Network

IMAGENET_STRIDES = (2, 1, 2, 2, 2, 1, 2, 1)
EXPANSIONS, WIDTHS, COUNTS = (1, 6, 6, 6, 6, 6, 6), (16, 24, 32, 64, 96, 160, 320), (1, 2, 3, 4, 3, 3, 1)


@dataclass(frozen=True)
class MobileNetV2(Network):
    """MobileNet-v2 of width 1.0, without dropout. Sandler et al. (2018), Table 2.

    Raises UsageError unless there are eight strides of 1 or 2.
    """

    name: Literal["mobilenet_v2"] = "mobilenet_v2"
    title: ClassVar = "MobileNet-v2"
    cost: ClassVar = Cost(0.04, 32, 40_000)
    strides: tuple[int, ...] = IMAGENET_STRIDES
    """Strides of the first convolution and the seven stages. The default, ImageNet's, reduces 32 x 32 pixels to one."""

    def __post_init__(self):
        if len(self.strides) != len(IMAGENET_STRIDES) or not set(self.strides) <= {1, 2}:
            raise UsageError(f"--model.strides: expected eight strides of 1 or 2, got {self.strides}; pass for example "
                             "--model.strides 1 1 1 2 2 1 2 1")

    def build(self, shape, classes):
        from torch import nn
        from torchvision.models.mobilenetv2 import MobileNetV2 as Network

        first, *stages = self.strides
        table = [list(row) for row in zip(EXPANSIONS, WIDTHS, COUNTS, stages)]
        network = Network(num_classes=classes, inverted_residual_setting=table, dropout=0.0)
        network.features[0][0].stride = (first, first)
        return nn.Identity(), _plain(_with_channels(network, network.features[0], "0", shape[0]))


@dataclass(frozen=True)
class TorchvisionResNet18(Network):
    """torchvision's ResNet-18, without pre-activation: 7x7 stem with max-pool, 11.69 million parameters on ImageNet."""

    name: Literal["torchvision_resnet18"] = "torchvision_resnet18"
    title: ClassVar = "torchvision's ResNet-18"
    cost: ClassVar = Cost(10.9, 224, 3_000)

    def build(self, shape, classes):
        from torch import nn
        from torchvision.models import resnet18

        network = resnet18(num_classes=classes)
        return nn.Identity(), _plain(_with_channels(network, network, "conv1", shape[0]))


def _with_channels(network, parent, name, channels):
    """The network with its first convolution, `name` in `parent`, replaced to match the number of input channels."""
    from torch import nn

    old = getattr(parent, name)
    if channels != old.in_channels:
        new = nn.Conv2d(channels, old.out_channels, old.kernel_size, old.stride, old.padding, bias=False)
        nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
        setattr(parent, name, new)
    return network


def _plain(network):
    """The network without in-place activations, which functional transforms do not support."""
    from torch import nn

    for module in network.modules():
        if isinstance(module, nn.ReLU | nn.ReLU6):
            module.inplace = False
    return network
