"""The examples of one run: what its seed draws from the pool, and which labels it flips."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch

from validation.errors import UsageError
from validation.seeding import generator


@dataclass(frozen=True, eq=False)
class Examples:
    """Arrays as in `Dataset`. train_labels are those trained on; mislabelled (n,): where they are not the true ones."""

    train_images: np.ndarray
    train_labels: np.ndarray
    train_true_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    @property
    def mislabelled(self):
        return self.train_labels != self.train_true_labels

    def sha256(self):
        """A digest of every array, shapes and types included."""
        digest = hashlib.sha256()
        for name in sorted(self.__dataclass_fields__):
            array = np.ascontiguousarray(getattr(self, name))
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()


def draw(dataset, data, seed):
    """Draws `data.train_examples` of the pool without replacement and flips labels; the test set stays whole.

    Raises UsageError where the pool is smaller than that.
    """
    pool = len(dataset.train_labels)
    n = pool if data.train_examples is None else data.train_examples
    if n > pool:
        raise UsageError(f"--data.train-examples: expected at most {pool}, the training pool of {dataset.source.name}, "
                         f"got {n}; take fewer or other data")
    chosen = torch.randperm(pool, generator=generator(seed, "subset"))[:n].numpy()
    if n == pool:
        chosen = np.arange(pool)
    true = dataset.train_labels[chosen]
    labels = flip(true, data.label_noise, dataset.classes, data.flip_to, generator(seed, "label noise"))
    return Examples(dataset.train_images[chosen], labels, true, dataset.test_images, dataset.test_labels)


def flip(labels, share, classes, flip_to, random):
    """Uniform label noise: round(share n) labels, drawn without replacement, are drawn anew.

    flip_to: "other": uniformly from the other classes, so that a flipped label never equals the true one and exactly
    this share is wrong; "any": uniformly from all classes, so that it equals the true one once in `classes` times.
    labels: (n,) whole numbers; random: a torch.Generator. Returns a new array.
    """
    labels = labels.copy()
    count = round(share * len(labels))
    where = torch.randperm(len(labels), generator=random)[:count].numpy()
    if flip_to == "any":
        labels[where] = torch.randint(classes, (count,), generator=random).numpy()
    else:
        shift = 1 + torch.randint(classes - 1, (count,), generator=random).numpy()
        labels[where] = (labels[where] + shift) % classes
    return labels
