"""The base class of data sets."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from validation.data import generated
from validation.data.splits import Source, Splits
from validation.errors import UsageError


@dataclass(frozen=True)
class Dataset:
    """A data set. To add one, write a frozen dataclass that extends it with a literal `name`, the attributes below,
    `locate` and `load`.

    Fields, such as a path, become command-line flags (--data.set.path). The attributes are class attributes, or
    properties that look at the files.
    """

    name: str
    title: ClassVar[str]
    """The name shown to people."""
    licence: ClassVar[str]
    """The licence of the data."""
    shape: ClassVar[tuple[int, ...]]
    """The shape of one example as a network sees it: (channels, height, width), (features,), or (texts,)."""
    texts: ClassVar[int] = 0
    """The number of texts of an example; 0 for numbers."""
    classes: ClassVar[int]
    examples: ClassVar[tuple[int, int]]
    """The numbers of training and test examples, those available without a download if they are fewer."""
    megabytes: ClassVar[float] = 0.0
    """The size of the published files."""
    on_first_use: ClassVar[bool] = False
    """Whether `load` downloads missing files by default."""
    mean: ClassVar[tuple[float, ...] | None] = None
    """The mean of each channel, for pixels in [0, 1]; None: computed from the training pool."""
    std: ClassVar[tuple[float, ...] | None] = None
    """The standard deviation of each channel, like `mean`."""

    @property
    def usual_source(self) -> str:
        """The name of the `Source` on a machine with none of the data set's files, which runs do not name in their
        address."""
        return self.name

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes in the order of their numbers; empty if they have none."""
        return ()

    def locate(self, data_dir, download) -> Source:
        """The `Source` that `load` would use; reads and downloads nothing.

        data_dir: the folder of --data-dir; download: True (download missing files), False (never), or None (as
        `on_first_use` says).
        """
        raise NotImplementedError(f"{type(self).__name__}.locate(data_dir, download) -> Source")

    def located(self, data_dir, download) -> Source:
        """What `locate` returns. Raises UsageError for missing files."""
        source = self.locate(data_dir, download)
        if source.missing:
            raise UsageError(source.missing)
        return source

    def load(self, data_dir, download) -> Splits:
        """The arrays. Raises UsageError for missing or corrupt files and for a failed download."""
        raise NotImplementedError(f"{type(self).__name__}.load(data_dir, download) -> Splits")

    def generate(self, train, test) -> Splits:
        """Synthetic arrays of this kind for a smoke run: `train` and `test` examples."""
        return generated.load(self.shape, self.classes, train, test)


class InFile(Dataset):
    """A data set whose attributes are read from a file of the user; subclasses define `read`."""

    licence: ClassVar = "your own"

    def read(self) -> tuple[Splits, tuple[str, ...]]:
        """The arrays and the names of the classes; cached between calls."""
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

    @property
    def usual_source(self):
        return self.read()[0].source.name

    def locate(self, data_dir, download):
        return self.read()[0].source

    def load(self, data_dir, download):
        return self.read()[0]


def stamp(*paths):
    """What changes if one of these files does: the times and sizes."""
    files = [Path(path).expanduser() for path in paths if path]
    return tuple((file.stat().st_mtime_ns, file.stat().st_size) if file.exists() else None for file in files)


def check_data_dir(data_dir):
    """The folder as a Path. Raises UsageError if it is not a folder."""
    path = Path(data_dir)
    if path.exists() and not path.is_dir():
        raise UsageError(f"--data-dir: expected a folder, got the file {path}; name the folder with the data sets")
    return path


def every_fifth(labels):
    """(n,) booleans, the test set of data without a split: every fifth example, in the order of classes."""
    test = np.zeros(len(labels), dtype=bool)
    test[np.argsort(labels, kind="stable")[4::5]] = True
    return test


def split(inputs, labels, classes, source, test=None):
    """The `Splits` of unsplit arrays; `test` (n,) marks the test examples, `every_fifth` by default."""
    test = every_fifth(labels) if test is None else test
    return Splits(inputs[~test], labels[~test], inputs[test], labels[test], classes, source)
