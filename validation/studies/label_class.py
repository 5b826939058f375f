"""Confidence on the label's class in place of the teacher's, and who is wrong on underfit points. App. C.3."""

from validation.studies.quantities import either_wrong, label_class, slope, underfit
from validation.studies.study import Study

LABEL_CLASS = Study(
    name="label_class",
    title="CNN on Fashion-MNIST, confidence on the label's class, by the share of flipped labels",
    settings=("cnn_fashion_mnist_noisy",),
    vary={"data.label_noise": (0.0, 0.1, 0.2, 0.4)},
    quantities=(
        *(quantity for split in ("train", "test") for quantity in (
            slope(split), label_class(split, "slope"), underfit(split), label_class(split, "underfit"))),
        *(either_wrong(split, what, title) for split in ("train", "test") for what, title in (
            ("of_underfit", "underfit points on which either is wrong"),
            ("are_underfit", "points on which either is wrong that are underfit"), ("overlap", "overlap of the two"))),
    ),
)
