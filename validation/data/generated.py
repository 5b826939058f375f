"""Examples made up for smoke runs: noisy prototypes, one a class, of any shape."""

import numpy as np

from validation.data.dataset import Dataset, Source

SOURCE = Source("generated", "made up for a smoke run: not data, its numbers mean nothing")


def load(shape, classes, train=256, test=256):
    """A data set of `train` and `test` examples of `shape` (channels, height, width) in `classes` classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(train + test) % classes
    prototypes = rng.integers(0, 128, (labels.max() + 1, *shape), dtype=np.uint8)
    images = prototypes[labels] + rng.integers(0, 128, (train + test, *shape), dtype=np.uint8)
    return Dataset(images[:train], labels[:train], images[train:], labels[train:], classes, SOURCE)
