"""Underfitting the teacher's low-confidence points on purpose, next to what is usual against noisy labels. Sec. 7."""

from validation.studies.quantities import accuracy, chosen_half, gain, underfit
from validation.studies.study import Study

ONE_HOT = {"student.loss.terms": "one_hot"}

INTERVENTION = Study(
    name="intervention",
    title="CNN on Fashion-MNIST with noisy labels: examples treated by the teacher's confidence, and what is usual",
    settings=("cnn_fashion_mnist_noisy",),
    values={"evaluation.every": 5},
    vary={"data.label_noise": (0.2, 0.4), "student": {
        "distilled": {},
        **{f"weight p^{power:g}": {"student.loss.confidence_weight": power} for power in (1.0, 2.0, 4.0)},
        **{f"temperature p^-{power:g}": {"student.loss.confidence_temperature": power} for power in (0.5, 1.0, 2.0)},
        **{f"smoothing {share:g}": ONE_HOT | {"student.loss.smoothing": share} for share in (0.1, 0.3, 0.5)},
        **{f"one_hot, {epochs} epochs": ONE_HOT | {"student.epochs": epochs} for epochs in (5, 10, 15, 30)},
    }},
    quantities=(accuracy("teacher"), accuracy("distilled"), gain(), chosen_half("even"), chosen_half("odd"),
                underfit()),
)
