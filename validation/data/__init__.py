"""The registry of data sets: a new one is a file here and a line below.

A data set's module has

    CLASSES, SHAPE                      how many classes; an example's (channels, height, width)
    locate(data_dir, download)          the `Source` that `load` would read, without reading it
    load(data_dir, download)            the `Dataset`

`download` is True (fetch what is not on disk), False (never), or None (as the data set sees fit).
"""

from validation.data import mnist

DATASETS = {
    "mnist": mnist,
}
