"""Data sets stored as folders or an archive of images: lists the images and their classes."""

import hashlib
import os
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from validation.data.published import corrupt, matches
from validation.errors import UsageError

PICTURES = (".jpeg", ".jpg", ".png")


def is_hidden(name):
    """Whether a file or folder of this name is hidden."""
    return name.startswith(".")


class Folder:
    """Files below a folder. Follows links and skips hidden files, such as macOS's ._x.JPEG next to x.JPEG."""

    def __init__(self, path):
        self.path = Path(path)

    def files(self, part):
        """(name, size in bytes) of each image below `part`, sorted; names use forward slashes and start with `part`."""
        return sorted(self._below(self.path / part, part))

    def _below(self, folder, name):
        if not folder.is_dir():
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_hidden(entry.name):
                    continue
                if entry.is_dir():
                    yield from self._below(Path(entry.path), f"{name}/{entry.name}")
                elif entry.name.lower().endswith(PICTURES):
                    yield f"{name}/{entry.name}", entry.stat().st_size

    def read(self, name):
        """The bytes of a file; empty if it does not exist."""
        path = self.path / name
        return path.read_bytes() if path.exists() else b""

    def where(self, name):
        """The path of a file, for messages."""
        return str(self.path / name)

    def verify(self):
        """Does nothing: no hashes of single files are published."""


class Zip:
    """Files in a published zip archive, below the folder `inside`. Skips hidden files, and unpacks nothing on disk.

    Raises UsageError for a file that is not a complete zip archive.
    """

    def __init__(self, path, inside, digest):
        self.path, self.inside, self.digest = Path(path), inside, digest
        try:
            self.archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise self._corrupt() from error

    def files(self, part):
        begin = f"{self.inside}/{part}/"
        found = ((entry.filename.removeprefix(f"{self.inside}/"), entry.file_size)
                 for entry in self.archive.infolist() if entry.filename.startswith(begin))
        return sorted((name, size) for name, size in found
                      if name.lower().endswith(PICTURES) and not any(map(is_hidden, name.split("/"))))

    def read(self, name):
        try:
            return self.archive.read(f"{self.inside}/{name}")
        except KeyError:
            return b""

    def where(self, name):
        return f"{self.inside}/{name} in {self.path}"

    def verify(self):
        """Raises UsageError unless the archive has the published hash."""
        if not matches(self.path, self.digest):
            raise self._corrupt()

    def _corrupt(self):
        return corrupt(self.path, self.digest, f"the archive of {self.inside}")


@dataclass(frozen=True, eq=False)
class Listing:
    """The images of one split: names (n,), sizes in bytes (n,) and labels (n,)."""

    names: list[str]
    sizes: list[int]
    labels: np.ndarray

    @cached_property
    def sha256(self):
        """A digest of names, sizes and labels: it changes if an image is added, removed, renamed or relabelled."""
        digest = hashlib.sha256()
        for row in zip(self.names, self.sizes, self.labels):
            digest.update("{}\t{}\t{}\n".format(*row).encode())
        return digest.hexdigest()


def listings(place, counts, classes, parts, annotations, layout):
    """The `Listing` of each split of a `Folder` or a `Zip`: {"train": ..., "test": ...}.

    The class of an image is given by `annotations` (file name -> class), else by its folder below the split's folder.
    Classes are numbered in alphabetical order. counts: split -> required number of images; classes: number of classes;
    parts: split -> folder; layout: the expected layout, for messages.

    Raises UsageError if images are missing or too many, or if one has an unknown class.
    """
    files = {split: place.files(part) for split, part in parts.items()}
    for split, part in parts.items():
        if len(files[split]) != counts[split]:
            raise _unexpected(f"{counts[split]:,} images", place.where(part), f"{len(files[split]):,}", layout)
    names = sorted({PurePosixPath(name).parts[1] for name, _ in files["train"]})
    if len(names) != classes:
        raise _unexpected(f"{classes} folders, one per class,", place.where(parts["train"]), len(names), layout)
    number = {name: i for i, name in enumerate(names)}

    def label(name):
        path = PurePosixPath(name)
        wanted = annotations.get(path.name, path.parts[1])
        if wanted not in number:
            raise _unexpected(f"a class of {parts['train']}", place.where(name), wanted, layout)
        return number[wanted]

    return {split: Listing([name for name, _ in rows], [size for _, size in rows],
                           np.array([label(name) for name, _ in rows], np.int64)) for split, rows in files.items()}


def _unexpected(expected, where, got, layout):
    return UsageError(f"--data-dir: expected {expected} in {where}, got {got}; the expected layout is {layout}")
