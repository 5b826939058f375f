"""The four idx files of MNIST and similar data sets, with or without gzip."""

import gzip
import struct
import zlib

import numpy as np

from validation.data.published import corrupt, fetch, matches
from validation.data.splits import Splits
from validation.errors import UsageError

SIDE = 28
FILES = {(split, kind): f"{prefix}-{kind}-idx{ndim}-ubyte"
         for split, prefix in (("train", "train"), ("test", "t10k")) for kind, ndim in (("images", 3), ("labels", 1))}


def found(folder):
    """Key in FILES -> path, for each of the four files that the folder has, compressed or not."""
    candidates = {key: (folder / name, folder / f"{name}.gz") for key, name in FILES.items()}
    return {key: next(path for path in paths if path.exists())
            for key, paths in candidates.items() if any(path.exists() for path in paths)}


def complete(folder, files, title, download):
    """The paths of the four files; downloads those that are missing from the published `files`.

    Raises UsageError if a file is missing and must not be downloaded, or if the download fails.
    """
    missing = [name for key, name in FILES.items() if key not in found(folder)]
    if missing and not download:
        raise UsageError(f"--data-dir: expected {title}'s four files in {folder}, got no {', '.join(missing)}; "
                         "pass --download, or name a folder without any of them to use another source")
    if missing:
        fetch([file for file in files if file.name.removesuffix(".gz") in missing], folder, title)
    return found(folder)


def load(paths, classes, source, digests=None):
    """The `Splits` of the four files of `complete`.

    digests: key -> published hash of the unpacked file, to be checked.

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
        raise _broken(path, kind, "its header is not that of an idx file")
    shape = struct.unpack(f">{ndim}I", content[4:header])
    if shape[1:] != (SIDE, SIDE)[: ndim - 1]:
        raise _broken(path, kind, f"its images are {' x '.join(map(str, shape[1:]))}")
    values = np.frombuffer(content, np.uint8, offset=header)
    if values.size != np.prod(shape, dtype=np.int64):
        raise _broken(path, kind, f"it has {values.size} values for the shape {shape}")
    return values.reshape(-1, 1, SIDE, SIDE) if kind == "images" else values.astype(np.int64)


def _broken(path, kind, reason):
    values = "28 x 28 bytes each" if kind == "images" else "one byte each"
    return UsageError(f"--data-dir: expected an idx file of {kind}, {values}, {path} is corrupt "
                      f"({' '.join(str(reason).split())[:100]}); delete it and download it again, for example with "
                      "--download")
