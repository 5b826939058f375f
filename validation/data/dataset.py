"""What a data set is: a class to extend; the arrays that it loads; and where they come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from validation.errors import UsageError


@dataclass(frozen=True)
class Source:
    """Where the arrays of a data set come from: a short name that a run is identified by, and a sentence for people."""

    name: str
    note: str
    megabytes: float = 0.0
    """What loading it would fetch from the network first."""
    examples: int | None = None
    """To train on, where that is known and not as many as the data set's `examples` say."""
    missing: str = ""
    """Why it cannot be loaded, and what to do: the message of the `UsageError` that `load` raises. Empty otherwise."""


@dataclass(frozen=True, eq=False)
class Splits:
    """Inputs (n, ...) and labels (n,) int64: a pool to train on and a test set.

    Inputs are images (n, channels, height, width) of bytes, or rows of numbers. They may be memory-mapped: nothing here
    reads them. digests: a digest of an array's content by its name, where it is known beforehand.
    """

    train_inputs: np.ndarray
    train_labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    classes: int
    source: Source
    digests: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        for split in ("train", "test"):
            inputs, labels = getattr(self, f"{split}_inputs"), getattr(self, f"{split}_labels")
            if inputs.ndim < 2 or labels.shape != inputs.shape[:1]:
                raise UsageError(f"data: expected {split} inputs (n, ...) and n labels, got {inputs.shape} and "
                                 f"{labels.shape}; replace the files")
            if labels.size == 0 or labels.min() < 0 or labels.max() >= self.classes:
                raise UsageError(f"data: expected {split} labels from 0 to {self.classes - 1}, got "
                                 f"{(labels.min(), labels.max()) if labels.size else 'none'}; replace the files")


@dataclass(frozen=True)
class Dataset:
    """A data set. Extend it: a frozen dataclass with a literal `name`, the facts below, `locate` and `load`.

    Fields, such as a path, are flags of the command line (--data.set.path). The facts are class attributes where they
    are known, or properties that look at the files.
    """

    name: str
    title: ClassVar[str]
    """What people call it."""
    licence: ClassVar[str]
    """Under which terms the data may be used."""
    shape: ClassVar[tuple[int, ...]]
    """Of one example as a network sees it: (channels, height, width), or (features,)."""
    classes: ClassVar[int]
    examples: ClassVar[tuple[int, int]]
    """How many there are to train on and to test on; where less is there without a download, that."""
    megabytes: ClassVar[float] = 0.0
    """Of the files that it is published as."""
    on_first_use: ClassVar[bool] = False
    """Whether `load` fetches it where nobody said otherwise."""
    mean: ClassVar[tuple[float, ...] | None] = None
    """Of each channel of the pixels in [0, 1], as is `std`; None: computed from the training pool."""
    std: ClassVar[tuple[float, ...] | None] = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes in the order of their numbers; empty where they have none."""
        return ()

    def locate(self, data_dir, download) -> Source:
        """The `Source` that `load` would read; reads and fetches nothing.

        data_dir: the folder of --data-dir; download: True (fetch what is not on disk), False (never), or None (as
        `on_first_use` says).
        """
        raise NotImplementedError(f"{type(self).__name__}.locate(data_dir, download) -> Source")

    def load(self, data_dir, download) -> Splits:
        """The arrays. Raises UsageError for missing or corrupt files and for a download that fails."""
        raise NotImplementedError(f"{type(self).__name__}.load(data_dir, download) -> Splits")


class InFile(Dataset):
    """A data set whose facts are read from a file of the user's own: extend it with `read`."""

    licence: ClassVar = "your own"

    def read(self) -> tuple[Splits, tuple[str, ...]]:
        """The arrays and the names of the classes; kept between calls."""
        raise NotImplementedError(f"{type(self).__name__}.read() -> (Splits, names)")

    @property
    def title(self):
        return f"the file {Path(self.path).name}"

    @property
    def shape(self):
        return self.read()[0].train_inputs.shape[1:]

    @property
    def classes(self):
        return len(self.class_names)

    @property
    def class_names(self):
        return self.read()[1]

    @property
    def examples(self):
        splits, _ = self.read()
        return len(splits.train_labels), len(splits.test_labels)

    def locate(self, data_dir, download):
        return self.read()[0].source

    def load(self, data_dir, download):
        return self.read()[0]


def check_data_dir(data_dir):
    """The folder as a Path; UsageError where it is something else."""
    path = Path(data_dir)
    if path.exists() and not path.is_dir():
        raise UsageError(f"--data-dir: expected a folder, got the file {path}; name the folder with the data sets")
    return path


def every_fifth(labels):
    """(n,) booleans: the test set of data without a split of its own, every fifth example in the order of classes."""
    test = np.zeros(len(labels), dtype=bool)
    test[np.argsort(labels, kind="stable")[4::5]] = True
    return test


def split(inputs, labels, classes, source, test=None):
    """The `Splits` of arrays in one piece: the examples where `test` (n,) is true test, else `every_fifth`."""
    test = every_fifth(labels) if test is None else test
    return Splits(inputs[~test], labels[~test], inputs[test], labels[test], classes, source)
