"""A data set, in memory or memory-mapped, and where it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from validation.errors import UsageError


@dataclass(frozen=True)
class Source:
    """Where a data set comes from: a short name that a run is identified by, and a sentence for people."""

    name: str
    note: str
    megabytes: float = 0.0
    """What loading it would fetch from the network first."""
    examples: int | None = None
    """To train on, where it is known and not as many as settings.sizes.EXAMPLES has."""
    missing: str = ""
    """Where it is not there and may not be fetched: what to do about it, the message of the `UsageError` of loading."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images (n, channels, height, width) uint8 and labels (n,) int64: a pool to train on and a test set.

    Images may be memory-mapped: nothing here reads them. digests: by an array's name, what tells its content from
    others', where that is known beforehand.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: int
    source: Source
    digests: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        for split in ("train", "test"):
            images, labels = getattr(self, f"{split}_images"), getattr(self, f"{split}_labels")
            if images.ndim != 4 or images.dtype != np.uint8 or labels.shape != images.shape[:1]:
                raise UsageError(f"data: expected {split} images (n, channels, height, width) of bytes and n labels, "
                                 f"got {images.shape} of {images.dtype} and {labels.shape}; replace the files")
            if labels.size == 0 or labels.min() < 0 or labels.max() >= self.classes:
                raise UsageError(f"data: expected {split} labels from 0 to {self.classes - 1}, got "
                                 f"{(labels.min(), labels.max()) if labels.size else 'none'}; replace the files")


def check_data_dir(data_dir):
    """The folder as a Path; UsageError where it is something else."""
    path = Path(data_dir)
    if path.exists() and not path.is_dir():
        raise UsageError(f"--data-dir: expected a folder, got the file {path}; name the folder with the data sets")
    return path


def every_fifth(images, labels, classes, source):
    """A `Dataset` of a set that has no split of its own: every fifth example of each class tests."""
    by_class = np.argsort(labels, kind="stable")
    test = np.zeros(len(labels), dtype=bool)
    test[by_class[4::5]] = True
    return Dataset(images[~test], labels[~test], images[test], labels[test], classes, source)
