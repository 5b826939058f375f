"""A linear model on random features, a quarter of its labels flipped. Table 7, App. D.4, Figs. 17-19."""

from validation.models import RandomFeatures
from validation.settings.setting import Data, Distillation, Eigenspace, Expected, Setting, Training, retrained

RECIPE = Training(epochs=40, batch_size=16, learning_rate=1e-3, optimiser="adam")

RF_NOISY_MNIST = Setting(
    name="rf_noisy_mnist",
    title="NoisyMNIST, linear on random features",
    data=Data(name="mnist", train_examples=128, label_noise=0.25),
    model=RandomFeatures(features=5000),
    teacher=RECIPE,
    student=RECIPE,
    distillation=Distillation(temperature=5.0, weight=1.0, share_initialisation=True),
    analysis=Eigenspace(layers=("head",), pairs=15, top=(0, 15), bottom=(20, 60)),
    expected=Expected(cpu=2, measured=("cpu",)),
    guesses={
        "data.flip_to": 'the noise is "uniform": exactly this share of labels moves, each to one of the other classes',
        "data.train_examples": "128 is the paper's; that every seed draws its own is not",
        "model.scale": "the features' scale is not given: weights of variance scale / inputs on pixels in [0, 1]",
        "model.bias": "the linear model's bias is not mentioned; the theorem has none",
        "analysis.bottom": "indices 20 to 59 counted from 0; the paper's may be counted from 1 or include 60",
    },
)

RF_NOISY_MNIST_SGD = retrained(
    RF_NOISY_MNIST, "rf_noisy_mnist_sgd", "NoisyMNIST, linear on random features, plain SGD",
    "ours: Table 7 has Adam, 1e-3", optimiser="sgd", learning_rate=0.1)
