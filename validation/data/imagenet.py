"""ImageNet (ILSVRC 2012): 1,281,167 images of 1,000 classes; its 50,000 validation images are the test set.

It is free for research but needs a registration, so nothing here downloads it. Images are stored as squares of STORED
pixels a side; training uses random crops and evaluation the centre.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from validation.data.dataset import Dataset, check_data_dir
from validation.data.decoded import Cache
from validation.data.folders import Folder, listings
from validation.data.splits import Source

STORED = 256
FOLDER = "imagenet"
COUNTS = {"train": 1_281_167, "test": 50_000}
PARTS = {"train": "train", "test": "val"}
LAYOUT = (f"{FOLDER}/train/<class>/*.JPEG, and {FOLDER}/val/<class>/*.JPEG, or {FOLDER}/val/*.JPEG with "
          f"{FOLDER}/LOC_val_solution.csv, with classes like n01440764")
HOW = ("sign up and download ILSVRC 2012 (150 GB) from image-net.org or from Kaggle's ImageNet Object Localization "
       "Challenge; the decoded images take another 262 GB in data_dir/cache, and links are followed")


@dataclass(frozen=True)
class ImageNet(Dataset):
    """The folder data_dir/imagenet, else the decoded images alone; there is no download."""

    name: Literal["imagenet"] = "imagenet"
    title: ClassVar = "ImageNet"
    licence: ClassVar = "for research, given out by image-net.org"
    shape: ClassVar = (3, 224, 224)
    classes: ClassVar = 1000
    examples: ClassVar = (1_281_167, 50_000)
    megabytes: ClassVar = 150_000
    mean: ClassVar = (0.485, 0.456, 0.406)
    std: ClassVar = (0.229, 0.224, 0.225)

    def locate(self, data_dir, download):
        folder, cache = _places(data_dir)
        if folder.exists():
            return Source(self.name, f"{self.title} from {folder}")
        if cache.complete():
            return Source(self.name, f"{self.title}, decoded, from {cache.folder}")
        message = f"--data-dir: expected {self.title} in {folder}, found none; {HOW}; the layout is {LAYOUT}"
        return Source(self.name, message, missing=message)

    def load(self, data_dir, download):
        """The images, decoded on first use into data_dir/cache (262 GB) and memory-mapped."""
        source = self.located(data_dir, download)
        folder, cache = _places(data_dir)
        if not folder.exists():
            return cache.splits(self.title, self.classes, source)
        place = Folder(folder)
        rows = re.findall(r"^(\S+?),(\S+)", place.read("LOC_val_solution.csv").decode(), re.MULTILINE)
        annotations = {f"{picture}.JPEG": name for picture, name in rows}
        return cache.splits(self.title, self.classes, source, place,
                            listings(place, COUNTS, self.classes, PARTS, annotations, LAYOUT))


def _places(data_dir):
    path = check_data_dir(data_dir)
    return path / FOLDER, Cache(path / "cache" / f"{ImageNet.name}-{STORED}", STORED)
