"""Distillation to one-hot labels and back, under teachers of several fits. Sec. 5.2, App. E, Figs. 4b, 24 to 26."""

from validation.studies.quantities import accuracy, best, gain, slope
from validation.studies.study import Study

SHARES = (25, 50, 75, 95)  # of the training, in per cent
TEACHERS = {"interpolating": {"data.label_noise": 0.0},
            "half the data": {"data.label_noise": 0.0, "data.teacher_fraction": 0.5},
            "stopped after 15 epochs": {"data.label_noise": 0.0, "teacher.epochs": 15}}
WAYS = ("distilled to one_hot", "one_hot to distilled")
EVALUATED = {"evaluation.every": 5}
MEASURED = (accuracy("teacher"), accuracy("distilled", "train"), accuracy("distilled"), gain(), best("distilled"),
            slope())


def switched(over):
    """{label: values} of both ways at each of the times; over: what the sentence says of the window."""
    return {f"{way} at {share}%{over(share)}": {"student.loss.terms": f"{way} at {share}%{over(share)}"}
            for way in WAYS for share in SHARES}


LOSS_SWITCHING = Study(
    name="loss_switching",
    title="CNN on Fashion-MNIST, the student's loss switched, by teacher",
    settings=("cnn_fashion_mnist_noisy",),
    values=EVALUATED | {"evaluation.snapshots": (10, 30, 45, 60)},
    vary={"teacher": TEACHERS,
          "loss": {"distilled": {}, "one_hot": {"student.loss.terms": "one_hot"}}
          | switched(lambda share: "")},
    quantities=MEASURED,
)

LOSS_SWITCHING_GRADUAL = Study(
    name="loss_switching_gradual",
    title="CNN on Fashion-MNIST, the student's loss changed little by little, by teacher",
    settings=("cnn_fashion_mnist_noisy",),
    values=EVALUATED,
    vary={"teacher": TEACHERS, "loss": switched(lambda share: f" over {min(25, 100 - share)}%")},
    quantities=MEASURED,
)

LOSS_SWITCHING_LONG = Study(
    name="loss_switching_long",
    title="CNN on Fashion-MNIST, the student's loss switched and trained three times as long, by teacher",
    settings=("cnn_fashion_mnist_noisy",),
    values=EVALUATED,
    vary={"teacher": TEACHERS, "loss": {terms: {"student.epochs": 180, "student.loss.terms": terms} for terms in (
        "distilled", "distilled to one_hot at epoch 45", "one_hot to distilled at epoch 45")}},
    quantities=MEASURED,
)

LOSS_SWITCHING_IMAGENET = Study(
    name="loss_switching_imagenet",
    title="ResNet-18 on ImageNet: distilled throughout, late and early",
    settings=("resnet_imagenet", "resnet_imagenet_late", "resnet_imagenet_early"),
    quantities=MEASURED,
    seeds=(0,),
)
