"""ResNets on all of Fashion-MNIST, clean and with a fifth of the labels flipped. Table 2 in small."""

from validation.studies.quantities import accuracy, gain, slope, underfit
from validation.studies.study import Study

RESNETS = Study(
    name="resnets",
    title="ResNet-20 and ResNet-8 on Fashion-MNIST, clean and noisy",
    settings=("resnet20_fashion_mnist_short", "resnet20_resnet8_fashion_mnist_short", "resnet20_fashion_mnist_noisy",
              "resnet20_resnet8_fashion_mnist_noisy"),
    quantities=(accuracy("teacher", "train"), accuracy("distilled", "train"), accuracy("teacher"), accuracy("one_hot"),
                accuracy("distilled"), gain(), slope(), underfit(), slope("test"), underfit("test")),
)
