"""How the paper trains on each data set, Table 1, and which of those values are guesses."""

from dataclasses import dataclass, field, replace

from validation import data as sets
from validation.data import Images
from validation.settings.loss import Loss
from validation.settings.setting import Data, Evaluation, Training

CROPPED = Images(padding=4, flip=True)


@dataclass(frozen=True)
class Recipe:
    """What all settings on one data set share. loss: the student's; guesses: as of a `Setting`, where "training" stands
    for both roles."""

    data: Data
    training: Training
    loss: Loss
    evaluation: Evaluation
    guesses: dict[str, str] = field(default_factory=dict)


EVERYWHERE = {
    "training.weight_decay": "that it is on every parameter, those of the normalisations and biases too; the value is "
                             "Table 1's",
    "training.warmup_epochs": "that the learning rate rises linearly, step by step; the value is Table 1's",
    "data.view.padding": "that the teacher answers for the very crop and flip that the student sees, in evaluation "
                         "mode; the value is known",
    "share_initialisation": "known of the eigenspace settings only; across architectures the student "
                                         "shares it with the one-hot student",
}

TRAINING_V1 = Training(
    epochs=450, batch_size=1024, learning_rate=1.0, optimiser="sgd", momentum=0.9, nesterov=True, weight_decay=1e-4,
    warmup_epochs=15, schedule="steps", decay_epochs=(200, 300, 400), decay_factor=0.1, drop_last=True)
EVALUATED = Evaluation(evaluated=10_000)

DISTILLED = Loss("distilled", temperature=4.0)

CIFAR10 = Recipe(Data(sets.CIFAR10(), CROPPED), TRAINING_V1, DISTILLED, EVALUATED, EVERYWHERE)
CIFAR100 = Recipe(Data(sets.CIFAR100(), CROPPED), TRAINING_V1, DISTILLED, EVALUATED, EVERYWHERE)

CIFAR100_NOISY = replace(CIFAR100, data=replace(CIFAR100.data, label_noise=0.05), guesses=EVERYWHERE | {
    "data.label_noise": "the share is not known; to be calibrated so that the teacher tests near 69.8 %",
})

CIFAR100_V2 = replace(
    CIFAR100, training=Training(
        epochs=240, batch_size=64, learning_rate=0.05, optimiser="sgd", momentum=0.9, weight_decay=5e-4,
        schedule="steps", decay_epochs=(150, 180, 210), decay_factor=0.1),
    guesses=EVERYWHERE | {
        "training.nesterov": "the scripts that it is based on use none, the paper's row says Nesterov",
        "training.drop_last": "the scripts that it is based on keep the last batch",
    })

TINY_IMAGENET = Recipe(
    Data(sets.TinyImageNet(), CROPPED),
    replace(TRAINING_V1, epochs=200, batch_size=128, learning_rate=0.1, weight_decay=5e-4, warmup_epochs=5,
            decay_epochs=(75, 135)),
    DISTILLED, EVALUATED, EVERYWHERE | {
        "training.drop_last": "as on CIFAR",
        "model.stem": "3x3 without a max-pool, at 64 x 64 pixels",
    })

IMAGENET = Recipe(
    Data(sets.ImageNet(), Images(resized_crop=True, flip=True)),
    Training(epochs=90, batch_size=256, learning_rate=0.1, optimiser="sgd", momentum=0.9, weight_decay=1e-4,
             warmup_epochs=5, schedule="cosine", drop_last=True),
    Loss("0.1 distilled + 0.9 one_hot", temperature=4.0),
    Evaluation(evaluated=50_000, saved_logits=100_000),  # all 1.3 million would be 5 GB of logits a network
    {
        **{f"training.{name}": "not in the paper; usual for ImageNet" for name in (
            "epochs", "batch_size", "learning_rate", "weight_decay", "warmup_epochs", "nesterov", "drop_last")},
        "student.loss.terms": "small, after Cho and Hariharan (2019)",
        "student.loss.temperature": "after Cho and Hariharan (2019)",
        "data.view.resized_crop": "the usual one; the paper says standard augmentations",
        "share_initialisation": EVERYWHERE["share_initialisation"],
    })

# Where the paper's data cannot be had. What its recipe becomes there is ours.
SHRUNK = {f"training.{name}": "ours: of fewer epochs about the share that it is of 450" for name in (
    "decay_epochs", "warmup_epochs")}
SHORT = replace(TRAINING_V1, epochs=60, warmup_epochs=2, decay_epochs=(27, 40, 53))
FASHION_MNIST = Recipe(
    Data(sets.FashionMNIST(), CROPPED), SHORT, DISTILLED, EVALUATED, EVERYWHERE | {
        "training.epochs": "not a setting of the paper's: its CIFAR recipe in 60 of 450 epochs", **SHRUNK})

FASHION_MNIST_SHORT = replace(
    FASHION_MNIST,
    training=replace(SHORT, epochs=15, batch_size=128, learning_rate=0.1, warmup_epochs=1, decay_epochs=(7, 10, 13)),
    guesses=FASHION_MNIST.guesses | {
        "training.epochs": "not a setting of the paper's: its small-batch CIFAR recipe in 15 of 450 epochs"})
FASHION_MNIST_NOISY = replace(
    FASHION_MNIST_SHORT, data=replace(FASHION_MNIST.data, label_noise=0.2), guesses=FASHION_MNIST_SHORT.guesses | {
        "data.label_noise": "ours: the paper's share on CIFAR-100 is not known"})

SMALL_BATCH = replace(SHORT, batch_size=128, learning_rate=0.1)
OURS = EVERYWHERE | {
    "training.epochs": "not a setting of the paper's: its small-batch CIFAR recipe in fewer epochs",
    "data.view.flip": "mirrored digits are none",
    "data.view.padding": "ours: half of CIFAR's or less, on smaller images",
    **SHRUNK,
}
MNIST = Recipe(
    Data(sets.MNIST(), Images(padding=2)),
    replace(SMALL_BATCH, epochs=30, warmup_epochs=1, decay_epochs=(13, 20, 27)),
    DISTILLED, EVALUATED, OURS)
MNIST_NOISY = replace(MNIST, data=replace(MNIST.data, label_noise=0.25), guesses=OURS | {
    "data.label_noise": "as in the random-features setting",
})
DIGITS = Recipe(Data(sets.Digits(), Images(padding=1)), MNIST.training, MNIST.loss, EVALUATED, OURS)
