"""CIFAR-10 and CIFAR-100 from their files: the binary version, which has only bytes, or the pickled Python version.

Files are read into memory from a folder or directly from an archive; nothing is unpacked on disk. The published hash of
each file is checked before the file is parsed, and therefore before anything is unpickled.
"""

import io
import pickle
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from validation.data import published
from validation.data.dataset import Dataset, check_data_dir
from validation.data.published import Published, checked
from validation.data.splits import Source, Splits
from validation.errors import UsageError

SHAPE = (3, 32, 32)
ADDRESS = "https://www.cs.toronto.edu/~kriz"


@dataclass(frozen=True)
class Version:
    """One of the two versions of a data set: its archive, the folder inside it, its files in order with their hashes.

    label: in the binary version, the index of the label among the bytes before the 3072 bytes of the image; in the
    pickled version, the key of the labels.
    """

    archive: Published
    folder: str
    train: Mapping[str, str]
    test: Mapping[str, str]
    label: int | str

    def place(self, data_dir):
        """The folder or the archive, whichever exists, or None; the folder is where torchvision puts it."""
        paths = (check_data_dir(data_dir) / self.folder, Path(data_dir) / self.archive.name)
        return next((path for path in paths if path.exists()), None)


@dataclass(frozen=True)
class CIFAR(Dataset):
    """Base of CIFAR-10 and CIFAR-100. Uses the first version found on disk, else downloads the first one."""

    licence: ClassVar = "none given; for research, cite Krizhevsky (2009)"
    shape: ClassVar = SHAPE
    examples: ClassVar = (50_000, 10_000)
    on_first_use: ClassVar = True
    versions: ClassVar[tuple[Version, ...]]

    def locate(self, data_dir, download):
        for version in self.versions:
            if place := version.place(data_dir):
                return Source(self.name, f"{self.title} from {place}")
        accepted = ", ".join(f"{version.archive.name}, {version.folder}/" for version in self.versions)
        return published.source(self.title, self.name, (self.versions[0].archive,), Path(data_dir), download,
                                f" ({accepted})")

    def load(self, data_dir, download):
        source = self.located(data_dir, download)
        if source.megabytes:
            published.fetch((self.versions[0].archive,), Path(data_dir), self.title)
            source = self.locate(data_dir, download)
        version, place = next((version, place) for version in self.versions if (place := version.place(data_dir)))
        read = _in_folder if place.is_dir() else _in_archive
        contents = read(version, place, self.title)
        decode = _binary if isinstance(version.label, int) else _pickled
        arrays = {split: [np.concatenate(parts) for parts in zip(*(
            decode(contents[file], version.label) for file in getattr(version, split)))]
            for split in ("train", "test")}
        return Splits(*arrays["train"], *arrays["test"], self.classes, source)


def _in_folder(version, place, title):
    try:
        return {file: checked(place / file, digest, f"{title}'s {file}")
                for file, digest in (version.train | version.test).items()}
    except OSError as error:
        raise UsageError(f"--data-dir: expected {title}'s files in {place}, got: {error}; delete that folder and "
                         "download it again") from error


def _in_archive(version, place, title):
    """Members are matched by their full name; other members of the archive are never read."""
    wanted = {f"{version.folder}/{file}": file for file in version.train | version.test}
    packed = io.BytesIO(checked(place, version.archive.digest, f"{title}'s archive"))
    with tarfile.open(fileobj=packed, mode="r:gz") as archive:
        return {wanted[member.name]: archive.extractfile(member).read() for member in archive
                if member.isfile() and member.name in wanted}


def _binary(content, label):
    """Images (n, 3, 32, 32) and labels (n,) of records; each record has one or two label bytes, then the image."""
    pixels = int(np.prod(SHAPE))
    records = np.frombuffer(content, np.uint8).reshape(-1, label + 1 + pixels)
    return records[:, -pixels:].reshape(-1, *SHAPE), records[:, label].astype(np.int64)


def _pickled(content, label):
    batch = pickle.loads(content, encoding="latin1")  # safe: its hash matches the published one
    return np.asarray(batch["data"], np.uint8).reshape(-1, *SHAPE), np.asarray(batch[label], np.int64)
