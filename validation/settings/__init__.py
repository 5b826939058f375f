"""The registry of experiments: a new one is a file here and a line below, or a row of images.SETTINGS."""

from validation.errors import unknown
from validation.settings import images
from validation.settings.cnn import CNN_CIFAR10, CNN_FASHION_MNIST, CNN_FASHION_MNIST_SGD
from validation.settings.mlp_mnist import MLP_MNIST, MLP_MNIST_ADAM_1E3, MLP_MNIST_SGD
from validation.settings.rf_noisy_mnist import RF_NOISY_MNIST, RF_NOISY_MNIST_SGD
from validation.settings.setting import Setting

SETTINGS = {setting.name: setting for setting in (
    RF_NOISY_MNIST,
    RF_NOISY_MNIST_SGD,
    MLP_MNIST,
    MLP_MNIST_SGD,
    MLP_MNIST_ADAM_1E3,
    CNN_CIFAR10,
    CNN_FASHION_MNIST,
    CNN_FASHION_MNIST_SGD,
    *images.SETTINGS,
)}


def find(name) -> Setting:
    """The setting of that name; UsageError with the known ones for an unknown name."""
    if name not in SETTINGS:
        raise unknown("NAME", name, SETTINGS)
    return SETTINGS[name]
