"""Label noise in the linear model: which points are underfit, and whether the student is better. Sec. 5."""

from validation.studies.quantities import accuracy, gain, pairs, slope, underfit
from validation.studies.study import Study

LABEL_NOISE = Study(
    name="label_noise_rf",
    title="random features on digits, by the share of flipped labels",
    settings=("rf_noisy_mnist",),
    vary={"data.label_noise": (0.0, 0.1, 0.25, 0.4)},
    quantities=(pairs("head"), slope(), underfit(), accuracy("teacher"), accuracy("distilled"), gain()),
)
