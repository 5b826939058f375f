"""The idx files that MNIST and its likes come in: four of them, packed by gzip or not."""

import gzip
import struct
import zlib

import numpy as np

from validation.data.dataset import Splits
from validation.data.published import corrupt, fetch, matches
from validation.errors import UsageError

SIDE = 28
FILES = {(split, kind): f"{prefix}-{kind}-idx{ndim}-ubyte"
         for split, prefix in (("train", "train"), ("test", "t10k")) for kind, ndim in (("images", 3), ("labels", 1))}


def found(folder):
    """The path of each of the four files that is in the folder, by its key in FILES, as it is or packed."""
    candidates = {key: (folder / name, folder / f"{name}.gz") for key, name in FILES.items()}
    return {key: next(path for path in paths if path.exists())
            for key, paths in candidates.items() if any(path.exists() for path in paths)}


def complete(folder, files, title, download):
    """The paths of the four files, once those that the folder lacks have been fetched from the published `files`.

    Raises UsageError where one is missing and may not be fetched, or fetching fails.
    """
    missing = [name for key, name in FILES.items() if key not in found(folder)]
    if missing and not download:
        raise UsageError(f"--data-dir: expected {title}'s four files in {folder}, got no {', '.join(missing)}; "
                         "give --download, or name a folder without these for what else there is")
    if missing:
        fetch([file for file in files if file.name.removesuffix(".gz") in missing], folder, title)
    return found(folder)


def load(paths, classes, source, digests=None):
    """The `Splits` of the four files of `complete`.

    digests: the published hash of each file's unpacked content, by its key, where that is to be checked.

    Raises UsageError for a file that is corrupt.
    """
    arrays = {}
    for key, path in paths.items():
        content = _unpacked(path, key[1])
        arrays[key] = _parse(content, path, key[1])
        if digests and not matches(content, digests[key]):
            raise corrupt(path, digests[key], f"the {key[1]}")
    return Splits(
        train_inputs=arrays["train", "images"], train_labels=arrays["train", "labels"],
        test_inputs=arrays["test", "images"], test_labels=arrays["test", "labels"],
        classes=classes, source=source,
    )


def _unpacked(path, kind):
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise _broken(path, kind, error) from error


def _parse(content, path, kind):
    """Images (n, 1, 28, 28) uint8, or labels (n,) int64.

    The format: 0, 0, 8 for bytes, the number of dimensions; the sizes, big-endian; the values.
    """
    ndim = 3 if kind == "images" else 1
    header = 4 + 4 * ndim
    if len(content) < header or content[:4] != bytes((0, 0, 8, ndim)):
        raise _broken(path, kind, "it does not begin like one")
    shape = struct.unpack(f">{ndim}I", content[4:header])
    if shape[1:] != (SIDE, SIDE)[: ndim - 1]:
        raise _broken(path, kind, f"its pictures are {' x '.join(map(str, shape[1:]))}")
    values = np.frombuffer(content, np.uint8, offset=header)
    if values.size != np.prod(shape, dtype=np.int64):
        raise _broken(path, kind, f"{values.size} values for the shape {shape}")
    return values.reshape(-1, 1, SIDE, SIDE) if kind == "images" else values.astype(np.int64)


def _broken(path, kind, reason):
    values = "28 x 28 bytes each" if kind == "images" else "a byte each"
    return UsageError(f"--data-dir: expected an idx file of {kind}, {values}, {path} is corrupt "
                      f"({' '.join(str(reason).split())[:100]}); delete it and fetch it again, for example with "
                      "--download")
