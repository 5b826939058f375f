"""What the deviations owe to temperature, weight, length and step size. App. C.5, Figs. 15, 16."""

from validation.studies.quantities import accuracy, gain, slope, underfit
from validation.studies.study import Study

BOTH = ("teacher", "student")
MEASURED = (accuracy("teacher", "train"), accuracy("distilled", "train"), accuracy("teacher"), accuracy("distilled"),
            gain(), slope(), underfit(), slope("test"), underfit("test"))

ABLATIONS = Study(
    name="ablations",
    title="CNN on Fashion-MNIST with noisy labels, one value changed at a time",
    settings=("cnn_fashion_mnist_noisy",),
    values={"evaluation.every": 5},
    vary={"data.label_noise": (0.0, 0.2), "changed": {
        "nothing": {},
        **{f"temperature {t:g}": {"student.loss.temperature": t} for t in (1.0, 2.0, 8.0)},
        **{f"weight {w:g}": {"student.loss.terms": f"{1 - w:g} one_hot + {w:g} distilled"} for w in (0.1, 0.5, 0.9)},
        "student for 120 epochs": {"student.epochs": 120},
        "both for 120 epochs": {f"{role}.epochs": 120 for role in BOTH},
        "batches of 16, a quarter of the learning rate": {
            f"{role}.{name}": value for role in BOTH for name, value in (("batch_size", 16), ("learning_rate", 5e-4))},
        "constant learning rate": {f"{role}.schedule": "constant" for role in BOTH},
        "reverse KL": {"student.loss.divergence": "reverse"},
    }},
    quantities=MEASURED,
)

ABLATIONS_CIFAR100 = Study(
    name="ablations_cifar100",
    title="ResNet-56 on CIFAR-100: longer, in smaller batches, by another recipe",
    settings=("resnet_cifar100", "resnet_cifar100_long", "resnet_cifar100_small_batch", "resnet_cifar100_v2"),
    quantities=MEASURED,
    seeds=(0,),
)
