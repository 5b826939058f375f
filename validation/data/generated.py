"""Synthetic examples for smoke runs: one noisy prototype per class, of any shape, or texts with a word of the class."""

import numpy as np

from validation.data.splits import Source, Splits

SOURCE = Source("generated", "synthetic data for a smoke run: its numbers mean nothing")


def load(shape, classes, train=256, test=256):
    """The `Splits` of `train` and `test` examples of `shape` in `classes` classes: uint8 for images (channels, height,
    width), float32 for other shapes."""
    rng = np.random.default_rng(0)
    labels = np.arange(train + test) % classes
    prototypes = rng.integers(0, 128, (labels.max() + 1, *shape), dtype=np.uint8)
    inputs = prototypes[labels] + rng.integers(0, 128, (train + test, *shape), dtype=np.uint8)
    if len(shape) != 3:
        inputs = (inputs / 128 - 1).astype(np.float32)
    return Splits(inputs[:train], labels[:train], inputs[train:], labels[train:], classes, SOURCE)


def texts(parts, classes, train, test):
    """The `Splits` of `train` and `test` examples of `parts` texts each in `classes` classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(train + test) % classes
    rows = [[" ".join(["a"] * rng.integers(1, 9)) + f" {label} {rng.integers(9)}" for _ in range(parts)]
            for label in labels]
    inputs = np.array(rows, dtype=np.dtypes.StringDType())
    return Splits(inputs[:train], labels[:train], inputs[train:], labels[train:], classes, SOURCE)
