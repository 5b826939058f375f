"""ImageNet (ILSVRC 2012): 1,281,167 pictures of 1,000 classes; its 50,000 validation pictures are the test set.

It is free for research but given out by hand only, so nothing here downloads it. Pictures are kept at STORED pixels a
side: training crops, and evaluation takes the middle SHAPE of them.
"""

import re

from validation.data.dataset import Source, check_data_dir
from validation.data.decoded import Cache
from validation.data.folders import Folder, listings
from validation.errors import UsageError

NAME, TITLE = "imagenet", "ImageNet"
CLASSES = 1000
SHAPE = (3, 224, 224)
STORED = 256
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ON_FIRST_USE = False
SIZE_MB = 150_000

FOLDER = "imagenet"
COUNTS = {"train": 1_281_167, "test": 50_000}
PARTS = {"train": "train", "test": "val"}
LAYOUT = (f"{FOLDER}/train/<class>/*.JPEG, and {FOLDER}/val/<class>/*.JPEG, or {FOLDER}/val/*.JPEG with "
          f"{FOLDER}/LOC_val_solution.csv, with classes like n01440764")
HOW = ("get ILSVRC 2012 (150 GB) from image-net.org, or from Kaggle's ImageNet Object Localization Challenge, after "
       "signing up there; the decoded pictures take another 262 GB of data_dir/cache, links are followed")


def locate(data_dir, download):
    """The folder data_dir/imagenet, else the decoded pictures alone; there is no download."""
    folder, cache = _places(data_dir)
    if folder.exists():
        return Source(NAME, f"{TITLE} from {folder}")
    if cache.complete():
        return Source(NAME, f"{TITLE}, decoded, from {cache.folder}")
    message = f"--data-dir: expected {TITLE} in {folder}, found none; {HOW}; put there {LAYOUT}"
    return Source(NAME, message, missing=message)


def load(data_dir, download):
    """The data set of `locate`, its pictures decoded on first use into data_dir/cache (262 GB) and memory-mapped.

    Raises UsageError for missing or corrupt files.
    """
    source = locate(data_dir, download)
    if source.missing:
        raise UsageError(source.missing)
    folder, cache = _places(data_dir)
    if not folder.exists():
        return cache.dataset(TITLE, CLASSES, source)
    place = Folder(folder)
    rows = re.findall(r"^(\S+?),(\S+)", place.read("LOC_val_solution.csv").decode(), re.MULTILINE)
    annotations = {f"{picture}.JPEG": name for picture, name in rows}
    return cache.dataset(TITLE, CLASSES, source, place,
                         listings(place, COUNTS, CLASSES, PARTS, annotations, LAYOUT))


def _places(data_dir):
    path = check_data_dir(data_dir)
    return path / FOLDER, Cache(path / "cache" / f"{NAME}-{STORED}", STORED)
