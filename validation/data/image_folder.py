"""A folder of images with one folder per class, as torchvision's ImageFolder reads it."""

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

import numpy as np

from eigenkd._atomic import sha256
from validation.data.dataset import Dataset, check_data_dir, every_fifth
from validation.data.decoded import Cache
from validation.data.folders import PICTURES, Folder, Listing
from validation.data.splits import own_source
from validation.errors import UsageError

TESTS = ("test", "val", "valid", "validation")
LAYOUT = f"PATH/train/<class>/* and PATH/test/<class>/* (or {', '.join(TESTS[1:])}), or PATH/<class>/* alone"


@dataclass(frozen=True)
class ImageFolder(Dataset):
    """Images in PATH/train/<class> and PATH/test/<class>, or in PATH/<class>, where every fifth is a test image.

    They are decoded once into DATA_DIR/cache: RGB, the shorter side resized to `side` pixels, central square. Classes
    are numbered in alphabetical order.
    """

    name: Literal["image_folder"] = "image_folder"
    path: str = ""
    """The folder."""
    side: int = 64
    """Side of the square images that a network sees, in pixels."""
    licence: ClassVar = "your own"

    def __post_init__(self):
        if self.side < 1:
            raise UsageError(f"--data.set.side: expected a positive number of pixels, got {self.side}; pass 32 or 64")

    @property
    def title(self):
        return f"the folder {Path(self.path).name}"

    @property
    def shape(self):
        return 3, self.side, self.side

    @property
    def class_names(self):
        return _scan(self.path)[0]

    @property
    def classes(self):
        return len(self.class_names)

    @property
    def examples(self):
        return tuple(len(listing.names) for listing in _scan(self.path)[1].values())

    def locate(self, data_dir, download):
        (train, test), listings = self.examples, _scan(self.path)[1].values()
        return own_source(self.name, sha256("".join(listing.sha256 for listing in listings).encode()),
                          f"{train:,} training and {test:,} test images of {self.classes} classes in {self.path}")

    @property
    def usual_source(self):
        return self.locate(None, None).name

    def load(self, data_dir, download):
        names, listings = _scan(self.path)
        place = Folder(Path(self.path).expanduser())
        digest = hashlib.sha256(str(place.path.resolve()).encode()).hexdigest()[:12]
        cache = Cache(check_data_dir(data_dir) / "cache" / f"{place.path.name}-{digest}-{self.side}", self.side)
        return cache.splits(self.title, len(names), self.locate(data_dir, download), place, listings)


@lru_cache(maxsize=8)
def _scan(path):
    """(names of the classes, {"train": Listing, "test": Listing}) of the folder."""
    folder = Folder(Path(path).expanduser())
    if not path or not folder.path.is_dir():
        raise UsageError(f"--data.set.path: expected a folder of images, got {path or 'none'}; arrange them as "
                         f"{LAYOUT}")
    found = next((name for name in TESTS if (folder.path / name).is_dir()), None)
    if (folder.path / "train").is_dir() != (found is not None):
        raise UsageError(f"--data.set.path: expected folders train and test in {path}, got only one of them; arrange "
                         f"the images as {LAYOUT}")
    parts = {"train": "train", "test": found} if found else {"train": "."}
    files = {split: _by_class(folder, part) for split, part in parts.items()}
    names = sorted({name for name, _, _ in files["train"]})
    if len(names) < 2:
        raise UsageError(f"--data.set.path: expected at least two folders with images ({', '.join(PICTURES)}) in "
                         f"{folder.path / parts['train']}, one per class, got {len(names)}; arrange them as {LAYOUT}")
    if strangers := sorted({name for name, _, _ in files.get("test", ())} - set(names)):
        raise UsageError(f"--data.set.path: expected the classes of train in {folder.path / found}, got "
                         f"{strangers[0]!r}; add it to train, or remove it")
    number = {name: i for i, name in enumerate(names)}
    listings = {split: Listing([file for _, file, _ in rows], [size for _, _, size in rows],
                               np.array([number[name] for name, _, _ in rows], np.int64))
                for split, rows in files.items()}
    if not found:
        test = every_fifth(listings["train"].labels)
        listings = {"train": _part(listings["train"], ~test), "test": _part(listings["train"], test)}
    if any(not listing.names for listing in listings.values()):
        raise UsageError(f"--data.set.path: expected training and test images in {path}, got none for one of the two; "
                         f"arrange them as {LAYOUT}")
    return tuple(names), listings


def _by_class(folder, part):
    """(class, name, size in bytes) of each image in a class folder below `part`, sorted."""
    depth = 0 if part == "." else 1
    rows = [(PurePosixPath(name).parts, name, size) for name, size in folder.files(part)]
    return [(parts[depth], name, size) for parts, name, size in rows if len(parts) > depth + 1]


def _part(listing, where):
    chosen = where.nonzero()[0]
    return replace(listing, names=[listing.names[i] for i in chosen], sizes=[listing.sizes[i] for i in chosen],
                   labels=listing.labels[chosen])
