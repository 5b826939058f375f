"""Flipped labels on real images: which points are underfit, and whether the student beats its teacher. Fig. 4a."""

from validation.studies.quantities import accuracy, gain, slope, underfit
from validation.studies.study import Study

NOISY_LABELS = Study(
    name="noisy_labels",
    title="CNN on Fashion-MNIST, by the share of flipped labels",
    settings=("cnn_fashion_mnist_noisy",),
    vary={"data.label_noise": (0.0, 0.1, 0.2, 0.4)},
    quantities=(accuracy("teacher", "train"), accuracy("distilled", "train"), accuracy("teacher"),
                accuracy("distilled"), gain(), slope(), underfit()),
)
