"""The paper's training on each data set (Table 1), and which of these values are guesses."""

from dataclasses import dataclass, field, replace

from validation import data as sets
from validation.data import Images
from validation.settings.loss import Loss
from validation.settings.setting import Data, Evaluation, Training

CROPPED = Images(padding=4, flip=True)


@dataclass(frozen=True)
class Recipe:
    """The values that all settings on one data set share.

    loss: the student's loss; guesses: as in `Setting`, with "training" for both roles."""

    data: Data
    training: Training
    loss: Loss
    evaluation: Evaluation
    guesses: dict[str, str] = field(default_factory=dict)


EVERYWHERE = {
    "training.weight_decay": "applies to all parameters, including normalisation and biases; the value is Table 1's",
    "training.warmup_epochs": "the learning rate increases linearly at every step; the value is Table 1's",
    "data.view.padding": "the teacher, in evaluation mode, sees the same crop and flip as the student; the value is "
                         "the paper's",
    "share_initialisation": "known only for the eigenspace settings; across architectures the student shares it with "
                            "the one-hot student",
}

TRAINING_V1 = Training(
    epochs=450, batch_size=1024, learning_rate=1.0, optimiser="sgd", momentum=0.9, nesterov=True, weight_decay=1e-4,
    warmup_epochs=15, schedule="steps", decay_epochs=(200, 300, 400), decay_factor=0.1, drop_last=True)
EVALUATED = Evaluation(evaluated=10_000)

DISTILLED = Loss("distilled", temperature=4.0)

CIFAR10 = Recipe(Data(sets.CIFAR10(), CROPPED), TRAINING_V1, DISTILLED, EVALUATED, EVERYWHERE)
CIFAR100 = Recipe(Data(sets.CIFAR100(), CROPPED), TRAINING_V1, DISTILLED, EVALUATED, EVERYWHERE)

CIFAR100_NOISY = replace(CIFAR100, data=replace(CIFAR100.data, label_noise=0.05), guesses=EVERYWHERE | {
    "data.label_noise": "the share is not given; calibrate it until the teacher's test accuracy is about 69.8 %",
})

CIFAR100_V2 = replace(
    CIFAR100, training=Training(
        epochs=240, batch_size=64, learning_rate=0.05, optimiser="sgd", momentum=0.9, weight_decay=5e-4,
        schedule="steps", decay_epochs=(150, 180, 210), decay_factor=0.1),
    guesses=EVERYWHERE | {
        "training.nesterov": "the original scripts do not use it, although the paper's row says Nesterov",
        "training.drop_last": "the original scripts keep the last batch",
    })

TINY_IMAGENET = Recipe(
    Data(sets.TinyImageNet(), CROPPED),
    replace(TRAINING_V1, epochs=200, batch_size=128, learning_rate=0.1, weight_decay=5e-4, warmup_epochs=5,
            decay_epochs=(75, 135)),
    DISTILLED, EVALUATED, EVERYWHERE | {
        "training.drop_last": "as for CIFAR",
        "model.stem": "3x3 without max-pool, for images of 64 x 64 pixels",
    })

IMAGENET = Recipe(
    Data(sets.ImageNet(), Images(resized_crop=True, flip=True)),
    Training(epochs=90, batch_size=256, learning_rate=0.1, optimiser="sgd", momentum=0.9, weight_decay=1e-4,
             warmup_epochs=5, schedule="cosine", drop_last=True),
    Loss("0.1 distilled + 0.9 one_hot", temperature=4.0),
    Evaluation(evaluated=50_000, saved_logits=100_000),  # all 1.3 million would take 5 GB of logits per network
    {
        **{f"training.{name}": "not in the paper; the usual value for ImageNet" for name in (
            "epochs", "batch_size", "learning_rate", "weight_decay", "warmup_epochs", "nesterov", "drop_last")},
        "student.loss.terms": "a small weight, following Cho and Hariharan (2019)",
        "student.loss.temperature": "following Cho and Hariharan (2019)",
        "data.view.resized_crop": "the usual augmentation; the paper says standard augmentations",
        "share_initialisation": EVERYWHERE["share_initialisation"],
    })

# Data that the paper does not use. The adapted recipes are ours.
SHRUNK = {f"training.{name}": "ours: about the same share of the training as with 450 epochs" for name in (
    "decay_epochs", "warmup_epochs")}
SHORT = replace(TRAINING_V1, epochs=60, warmup_epochs=2, decay_epochs=(27, 40, 53))
FASHION_MNIST = Recipe(
    Data(sets.FashionMNIST(), CROPPED), SHORT, DISTILLED, EVALUATED, EVERYWHERE | {
        "training.epochs": "not a setting of the paper: its CIFAR recipe in 60 instead of 450 epochs", **SHRUNK})

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
    "training.epochs": "not a setting of the paper: its small-batch CIFAR recipe in fewer epochs",
    "data.view.flip": "off, because mirrored digits are not digits",
    "data.view.padding": "ours: at most half of CIFAR's, for smaller images",
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
