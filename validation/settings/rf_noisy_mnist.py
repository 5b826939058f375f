"""A linear model on random features, with a quarter of the labels flipped. Table 7, App. D.4, Figs. 17-19."""

from dataclasses import replace

from validation.data import MNIST, Rows
from validation.models import RandomFeatures
from validation.settings.loss import Loss
from validation.settings.setting import Data, Eigenspace, Setting, Training, retrained

TEACHER = Training(epochs=40, batch_size=16, learning_rate=1e-3, optimiser="adam")
STUDENT = replace(TEACHER, loss=Loss("distilled", temperature=5.0))

RF_NOISY_MNIST = Setting(
    name="rf_noisy_mnist",
    title="NoisyMNIST, linear on random features",
    data=Data(MNIST(), Rows(), train_examples=128, label_noise=0.25),
    model=RandomFeatures(features=5000),
    teacher=TEACHER,
    student=STUDENT,
    analysis=Eigenspace(layers=("head",), pairs=15, top=(0, 15), bottom=(20, 60)),
    guesses={
        "data.flip_to": 'the paper says "uniform" noise: exactly this share of labels flips, each to another class',
        "data.train_examples": "128 is the paper's number; that each seed draws its own examples is our choice",
        "model.scale": "the scale of the features is not given: weights of variance scale / inputs, pixels in [0, 1]",
        "model.bias": "a bias of the linear model is not mentioned; the theorem has none",
        "analysis.bottom": "indices 20 to 59 counted from 0; the paper's may be counted from 1 or include 60",
    },
)

RF_NOISY_MNIST_SGD = retrained(
    RF_NOISY_MNIST, "rf_noisy_mnist_sgd", "NoisyMNIST, linear on random features, plain SGD",
    "ours: Table 7 has Adam, 1e-3", optimiser="sgd", learning_rate=0.1)
