"""Pre-activation residual networks for small and for large images."""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from validation.errors import UsageError
from validation.models.network import Cost, Network

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
COSTS = {
    (8, (16, 32, 64)): Cost(0.075, 32, 90_000),
    (20, (16, 32, 64)): Cost(0.245, 32, 50_000),
    (56, (16, 32, 64)): Cost(0.75, 32, 20_000),
    (18, (64, 128, 256, 512)): Cost(13.4, 64, 8_000),
    (50, (64, 128, 256, 512)): Cost(31.0, 64, 3_500),
}
BOTTLENECK_FROM = 50  # least number of layers with bottleneck blocks: 1x1, 3x3, 1x1, four times wider at the end


@dataclass(frozen=True)
class ResNet(Network):
    """ResNet-v2 with `depth` layers. He et al. (2016), Identity Mappings in Deep Residual Networks.

    A block is x + conv(relu(norm(conv(relu(norm(x)))))). If the shape changes, the shortcut starts after the first
    relu(norm(x)). The last stage is followed by norm, relu, mean over positions, and one linear layer.

    Three widths define the family for small images: depth 6n + 2, with n basic blocks per stage. Four widths define the
    family for large images: depth 18 or 34 with basic blocks, or 50, 101 or 152 with bottlenecks, where widths are
    those inside the bottleneck. Each stage except the first halves height and width in its first 3x3 convolution.
    Convolutions have no bias and normal weights of variance 2 / (outputs * kernel area), He et al. (2015).

    Raises UsageError for a depth or widths outside both families.
    """

    name: Literal["resnet"] = "resnet"
    depth: int = 56
    widths: tuple[int, ...] = (16, 32, 64)
    stem: Literal["3x3", "7x7"] = "3x3"
    """3x3 keeps height and width; 7x7 with its max-pool divides both by four."""
    shortcut: Literal["projection", "padding"] = "projection"
    """If a block changes the shape, its shortcut is a 1x1 convolution, or subsampling with appended zero channels."""

    def __post_init__(self):
        if len(self.widths) not in (3, 4) or min(self.widths) < 1:
            raise UsageError("--model.widths: expected three widths for small images or four for large ones, got "
                             f"{self.widths}; pass for example --model.widths 16 32 64")
        if len(self.widths) == 3 and (self.depth < 8 or self.depth % 6 != 2):
            raise UsageError(f"--model.depth: expected 6 n + 2 with widths for small images, got {self.depth}; pass 8, "
                             "14, 20, 32, 44, 56, 110, or four widths")
        if len(self.widths) == 4 and self.depth not in BLOCKS:
            raise UsageError(f"--model.depth: expected one of {', '.join(map(str, BLOCKS))} with four widths, got "
                             f"{self.depth}; pass one of them, or three widths")

    @property
    def title(self):
        return f"ResNet-{self.depth}"

    @property
    def cost(self):
        return COSTS.get((self.depth, self.widths))

    def build(self, shape, classes):
        from torch import nn

        from validation.models.residual import Basic, Bottleneck, Classifier, initialise, make_stem

        large = len(self.widths) == 4
        blocks = BLOCKS[self.depth] if large else ((self.depth - 2) // 6,) * 3
        kind = Bottleneck if large and self.depth >= BOTTLENECK_FROM else Basic
        outputs = [width * kind.expansion for width in self.widths]
        modules = OrderedDict(stem=make_stem(self.stem, shape[0], self.widths[0]))
        for i, (count, inputs) in enumerate(zip(blocks, [self.widths[0], *outputs])):
            chain = [inputs] + [outputs[i]] * count
            modules[f"stage{i + 1}"] = nn.Sequential(*(
                kind(before, after, stride=2 if i > 0 and j == 0 else 1, shortcut=self.shortcut)
                for j, (before, after) in enumerate(pairwise(chain))))
        modules["classifier"] = Classifier(outputs[-1], classes)
        return nn.Identity(), initialise(nn.Sequential(modules))
