"""Tiny-ImageNet: 100,000 images of 200 classes, 64 x 64; its 10,000 validation images are the test set.

The labels of its own test images are not public.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from validation.data import published
from validation.data.dataset import Dataset, check_data_dir
from validation.data.decoded import Cache
from validation.data.folders import Folder, Zip, listings
from validation.data.published import Published
from validation.data.splits import Source

MEGABYTES = 248
ARCHIVE = Published("tiny-imagenet-200.zip", "http://cs231n.stanford.edu",
                    "sha256:6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821", MEGABYTES)
FOLDER = "tiny-imagenet-200"
SIDE = 64
COUNTS = {"train": 100_000, "test": 10_000}
PARTS = {"train": "train", "test": "val"}
LAYOUT = f"{FOLDER}/train/<class>/images/*.JPEG, {FOLDER}/val/images/*.JPEG and {FOLDER}/val/val_annotations.txt"


@dataclass(frozen=True)
class TinyImageNet(Dataset):
    """The folder, else the archive, else the decoded images alone, else a download of the archive into data_dir."""

    name: Literal["tiny_imagenet"] = "tiny_imagenet"
    title: ClassVar = "Tiny-ImageNet"
    licence: ClassVar = "none given; images from ImageNet, for research"
    shape: ClassVar = (3, SIDE, SIDE)
    classes: ClassVar = 200
    examples: ClassVar = (100_000, 10_000)
    megabytes: ClassVar = MEGABYTES
    on_first_use: ClassVar = True
    mean: ClassVar = (0.4802, 0.4481, 0.3975)
    std: ClassVar = (0.2770, 0.2691, 0.2821)

    def locate(self, data_dir, download):
        folder, archive, cache = _places(data_dir)
        for place in (folder, archive):
            if place.exists():
                return Source(self.name, f"{self.title} from {place}")
        if cache.complete():
            return Source(self.name, f"{self.title}, decoded, from {cache.folder}")
        return published.source(self.title, self.name, (ARCHIVE,), archive.parent, download,
                                f" ({ARCHIVE.name}, {FOLDER}/)")

    def load(self, data_dir, download):
        """The images, decoded on first use into data_dir/cache (1.4 GB) and memory-mapped."""
        source = self.located(data_dir, download)
        folder, archive, cache = _places(data_dir)
        if source.megabytes:
            published.fetch((ARCHIVE,), archive.parent, self.title)
            source = self.locate(data_dir, download)
        if not folder.exists() and not archive.exists():
            return cache.splits(self.title, self.classes, source)
        place = Folder(folder) if folder.exists() else Zip(archive, FOLDER, ARCHIVE.digest)
        annotations = dict(re.findall(r"^(\S+)\t(\S+)", place.read("val/val_annotations.txt").decode(), re.MULTILINE))
        return cache.splits(self.title, self.classes, source, place,
                            listings(place, COUNTS, self.classes, PARTS, annotations, LAYOUT))


def _places(data_dir):
    path = check_data_dir(data_dir)
    return path / FOLDER, path / ARCHIVE.name, Cache(path / "cache" / f"{TinyImageNet.name}-{SIDE}", SIDE)
