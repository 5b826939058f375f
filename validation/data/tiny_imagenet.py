"""Tiny-ImageNet: 100,000 pictures of 200 classes, 64 x 64; its 10,000 validation pictures are the test set.

Its own test pictures have no public labels.
"""

import re

from validation.data import published
from validation.data.dataset import Source, check_data_dir
from validation.data.decoded import Cache
from validation.data.folders import Folder, Zip, listings
from validation.data.published import Published
from validation.errors import UsageError

NAME, TITLE = "tiny_imagenet", "Tiny-ImageNet"
CLASSES = 200
SHAPE = (3, 64, 64)
MEAN, STD = (0.4802, 0.4481, 0.3975), (0.2770, 0.2691, 0.2821)
ON_FIRST_USE = True
SIZE_MB = 248

ARCHIVE = Published("tiny-imagenet-200.zip", "http://cs231n.stanford.edu",
                    "sha256:6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821", SIZE_MB)
FOLDER = "tiny-imagenet-200"
COUNTS = {"train": 100_000, "test": 10_000}
PARTS = {"train": "train", "test": "val"}
LAYOUT = f"{FOLDER}/train/<class>/images/*.JPEG, {FOLDER}/val/images/*.JPEG and {FOLDER}/val/val_annotations.txt"


def locate(data_dir, download):
    """The folder, else the archive, else the decoded pictures alone, else the archive to be fetched into data_dir."""
    folder, archive, cache = _places(data_dir)
    for place in (folder, archive):
        if place.exists():
            return Source(NAME, f"{TITLE} from {place}")
    if cache.complete():
        return Source(NAME, f"{TITLE}, decoded, from {cache.folder}")
    return published.source(TITLE, NAME, (ARCHIVE,), archive.parent, download, f" ({ARCHIVE.name}, {FOLDER}/)")


def load(data_dir, download):
    """The data set of `locate`, its pictures decoded on first use into data_dir/cache (1.4 GB) and memory-mapped.

    Raises UsageError for missing or corrupt files and for a download that fails.
    """
    source = locate(data_dir, download)
    if source.missing:
        raise UsageError(source.missing)
    folder, archive, cache = _places(data_dir)
    if source.megabytes:
        published.fetch((ARCHIVE,), archive.parent, TITLE)
        source = locate(data_dir, download)
    if not folder.exists() and not archive.exists():
        return cache.dataset(TITLE, CLASSES, source)
    place = Folder(folder) if folder.exists() else Zip(archive, FOLDER, ARCHIVE.digest)
    annotations = dict(re.findall(r"^(\S+)\t(\S+)", place.read("val/val_annotations.txt").decode(), re.MULTILINE))
    return cache.dataset(TITLE, CLASSES, source, place,
                         listings(place, COUNTS, CLASSES, PARTS, annotations, LAYOUT))


def _places(data_dir):
    path = check_data_dir(data_dir)
    return path / FOLDER, path / ARCHIVE.name, Cache(path / "cache" / f"{NAME}-{SHAPE[1]}", SHAPE[1])
