"""Flipped labels on real images: which points are underfit, and whether the student beats its teacher. Fig. 4a."""

from validation.studies.quantities import accuracy, best, gain, points, separation, slope
from validation.studies.study import Study

NOISY_LABELS = Study(
    name="noisy_labels",
    title="CNN on Fashion-MNIST, by the share of flipped labels",
    settings=("cnn_fashion_mnist_noisy",),
    vary={"data.label_noise": (0.0, 0.1, 0.2, 0.4)},
    quantities=(
        accuracy("teacher", "train"), accuracy("distilled", "train"), accuracy("teacher"), accuracy("distilled"),
        gain(), best("teacher"), best("distilled"), slope(), slope(side="high"), separation(),
        *(points(kind, what, title) for what, title in (
            ("confidence", "teacher's median confidence"), ("low", "in the teacher's low quarter (%)"),
            ("underfit_low", "underfit, of the low quarter (%)"), ("underfit", "underfit, of all (%)"),
            ("fitted", "label predicted by the teacher (%)"),
            ("underfit_fitted", "underfit, of the low quarter with such a label (%)"))
          for kind in ("mislabelled", "clean"))),
)
