"""The registry of data sets: a new one is a file here and a line below.

A data set's module has

    CLASSES, SHAPE                      how many classes; an example's (channels, height, width) as a network sees it
    MEAN, STD                           of each channel of pixels in [0, 1], for normalisation
    SIZE_MB, ON_FIRST_USE               of what it comes as; whether loading fetches it if nobody said otherwise
    locate(data_dir, download)          the `Source` that `load` would read, without reading it
    load(data_dir, download)            the `Dataset`

`download` is True (fetch what is not on disk), False (never), or None (as ON_FIRST_USE says).
"""

from validation.data import cifar10, cifar100, digits, fashion_mnist, imagenet, mnist, tiny_imagenet

DATASETS = {
    "mnist": mnist,
    "fashion_mnist": fashion_mnist,
    "digits": digits,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "tiny_imagenet": tiny_imagenet,
    "imagenet": imagenet,
}
