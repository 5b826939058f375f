"""At which fit of the teacher distillation begins to pay, by label noise. Sec. 5.2, Fig. 4b."""

from validation.studies.quantities import accuracy, gain, slope, underfit
from validation.studies.study import Study


def trained(epochs):
    """Teacher and student both trained for so many epochs, learning rate and all."""
    return {"teacher.epochs": epochs, "student.epochs": epochs}


TEACHER_FIT = Study(
    name="teacher_fit",
    title="CNN on Fashion-MNIST, by the share of flipped labels and the teacher's fit",
    settings=("cnn_fashion_mnist_noisy",),
    vary={"data.label_noise": (0.0, 0.2, 0.4),
          "teacher": {f"{epochs} epochs": trained(epochs) for epochs in (5, 10, 15, 30, 60)}
          | {"half the data": {"data.teacher_fraction": 0.5}}},
    quantities=(accuracy("teacher", "train"), accuracy("distilled", "train"), accuracy("teacher"),
                accuracy("distilled"), gain(), slope(), underfit()),
)
