"""Arrays of inputs and labels from one .npz file."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from eigenkd._atomic import sha256
from eigenkd.deviation import files
from validation.data.dataset import InFile, split, stamp
from validation.data.splits import Splits, own_source
from validation.errors import UsageError

KEYS = "x_train, y_train, x_test and y_test, or x and y (every fifth example of a class is then a test example)"
CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Arrays(InFile):
    """Inputs x (n, ...) and labels y (n,) of a .npz file, stored as x_train, y_train, x_test, y_test or as x, y.

    x: uint8 images (n, height, width), (n, height, width, channels) or (n, channels, height, width), or features
    (n, features). y: whole numbers or strings; the sorted distinct values are the classes.
    """

    name: Literal["arrays"] = "arrays"
    path: str = ""
    """The .npz file."""

    def read(self):
        return _read(self.path, stamp(self.path))


@lru_cache(maxsize=2)
def _read(path, stamps):
    """(`Splits`, names of the classes) of the file; stamps: changes with it."""
    try:
        if Path(path).suffix.lower() != ".npz":
            raise ValueError("not an .npz file")
        stored = files.read_all(Path(path).expanduser())  # checks sizes and checksums
        arrays = {name.lower(): np.asarray(load()) for name, load in stored.items()}
    except (OSError, ValueError) as error:
        raise UsageError(f"--data.set.path: expected a .npz file of arrays, got {path or 'none'} ({error}); write it "
                         "with numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)") from error
    whole = {"x", "y"} <= arrays.keys()
    names = ("x", "y") if whole else ("x_train", "y_train", "x_test", "y_test")
    if missing := [name for name in names if name not in arrays]:
        raise UsageError(f"--data.set.path: expected the arrays {KEYS} in {path}, got {', '.join(arrays) or 'none'}; "
                         f"add {missing[0]}")
    inputs = [_inputs(arrays[name], name) for name in names if name.startswith("x")]
    labels = [_labels(arrays[name], name) for name in names if name.startswith("y")]
    for x, y, name in zip(inputs, labels, (name for name in names if name.startswith("y"))):
        if len(x) != len(y):
            raise UsageError(f"--data.set.path: expected one label per input in {name}, got {len(y)} labels for "
                             f"{len(x)} inputs; check the file")
    known = np.unique(labels[0])
    if len(known) < 2:
        raise UsageError(f"--data.set.path: expected labels of at least two classes in {path}, got {len(known)}; check "
                         "the file")
    if len(strangers := np.setdiff1d(labels[-1], known)):
        raise UsageError(f"--data.set.path: expected the classes of y_train in y_test, got {str(strangers[0])!r}; add "
                         "training examples of it, or remove it")
    numbers = [np.searchsorted(known, y).astype(np.int64) for y in labels]
    source = own_source(Arrays.name, sha256(Path(path).expanduser().read_bytes()),
                        f"{sum(map(len, inputs)):,} examples of {len(known)} classes in {path}")
    splits = (split(inputs[0], numbers[0], len(known), source) if whole else
              Splits(inputs[0], numbers[0], inputs[1], numbers[1], len(known), source))
    if splits.train_inputs.shape[1:] != splits.test_inputs.shape[1:]:
        raise UsageError(f"--data.set.path: expected inputs of one shape, got {splits.train_inputs.shape[1:]} for "
                         f"training and {splits.test_inputs.shape[1:]} for testing; check the file")
    return splits, tuple(map(str, known))


def _inputs(x, name):
    """uint8 images with channels first, or finite float32 numbers."""
    if x.dtype.kind not in "uif" or x.ndim < 2 or not x.size:
        raise UsageError(f"--data.set.path: expected numbers (n, ...) in {name}, got {x.shape} of {x.dtype}; store "
                         "numbers, with one example per row")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise UsageError(f"--data.set.path: expected finite numbers in {name}, got infinite or missing ones; remove "
                         "these examples, or fill them in")
    if x.dtype != np.uint8:
        return x.astype(np.float32)
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[1] not in CHANNELS and x.shape[3] in CHANNELS:
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return x


def _labels(y, name):
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim != 1 or y.dtype.kind not in "uiUSb":
        raise UsageError(f"--data.set.path: expected labels (n,), whole numbers or strings, in {name}, got {y.shape} "
                         f"of {y.dtype}; store one class per example")
    return y
