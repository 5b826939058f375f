"""The registry of settings. To add one, write a file here and add a line below, or add a row to images.SETTINGS."""

import re
from importlib import import_module

from validation.errors import UsageError, unknown
from validation.settings import images, language
from validation.settings.cnn import CNN_CIFAR10, CNN_FASHION_MNIST, CNN_FASHION_MNIST_NOISY, CNN_FASHION_MNIST_SGD
from validation.settings.mlp_mnist import MLP_MNIST, MLP_MNIST_ADAM_1E3, MLP_MNIST_SGD
from validation.settings.rf_noisy_mnist import RF_NOISY_MNIST, RF_NOISY_MNIST_SGD
from validation.settings.setting import Setting

NAME = re.compile(r"[A-Za-z0-9_][\w-]*")  # the name of a setting is also the name of a folder

SETTINGS = {setting.name: setting for setting in (
    RF_NOISY_MNIST,
    RF_NOISY_MNIST_SGD,
    MLP_MNIST,
    MLP_MNIST_SGD,
    MLP_MNIST_ADAM_1E3,
    CNN_CIFAR10,
    CNN_FASHION_MNIST,
    CNN_FASHION_MNIST_SGD,
    CNN_FASHION_MNIST_NOISY,
    *images.SETTINGS,
    *language.SETTINGS,
)}


def find(name) -> Setting:
    """The registered setting of that name, or the one at an import path such as my_package.my_settings:PETS.

    Raises UsageError for an unknown name, with the known ones, and for an object that is not a setting."""
    if ":" in name:
        return _imported(name)
    if name not in SETTINGS:
        raise unknown("NAME", name, SETTINGS)
    return SETTINGS[name]


def _imported(name):
    module, _, attribute = name.partition(":")
    wanted = "NAME: expected MODULE:SETTING, such as my_package.my_settings:PETS"
    try:
        setting = getattr(import_module(module), attribute)
    except ImportError as error:
        raise UsageError(f"{wanted}, got {name!r}, which cannot be imported ({error}); run the command in the folder "
                         f"that contains {module.partition('.')[0]}, or install it") from error
    except AttributeError as error:
        raise UsageError(f"{wanted}, got {name!r}, but {module} has no {attribute}; name a Setting in it") from error
    if not isinstance(setting, Setting):
        raise UsageError(f"{wanted}, got {name!r}, which is a {type(setting).__name__}; make it a "
                         "validation.settings.Setting")
    if setting.name in SETTINGS or not NAME.fullmatch(setting.name):
        raise UsageError(f"{wanted}, got {name!r} with the name {setting.name!r}; give it a unique name of letters, "
                         "digits, _ and -")
    return setting
