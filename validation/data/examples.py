"""The examples of one run: what its seed draws from the pool, and which labels it flips."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from validation.errors import UsageError
from validation.seeding import generator


@dataclass(frozen=True, eq=False)
class Examples:
    """Arrays as in `Dataset`. train_labels are those trained on; mislabelled (n,): where they are not the true ones.

    train_indices (n,) int64: the examples' places in the pool. digests: as of a `Dataset`, of arrays taken as they are.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    train_true_labels: np.ndarray
    train_indices: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def mislabelled(self):
        return self.train_labels != self.train_true_labels

    def sha256(self):
        """A digest of every array, shapes and types included; one whose digest is known is not read."""
        total = hashlib.sha256()
        for name in sorted(self.__dataclass_fields__.keys() - {"digests"}):
            array = getattr(self, name)
            digest = self.digests.get(name) or hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
            total.update(f"{name} {array.dtype.str} {array.shape} {digest}\n".encode())
        return total.hexdigest()


def draw(dataset, data, seed):
    """Draws `data.train_examples` of the pool without replacement and flips labels; the test set stays whole.

    The whole pool is taken as it is, memory-mapped where it is; a part of it is copied.

    Raises UsageError where the pool is smaller than that.
    """
    pool = len(dataset.train_labels)
    n = pool if data.train_examples is None else data.train_examples
    if n > pool:
        raise UsageError(f"--data.train-examples: expected at most {pool}, the training pool of {dataset.source.name}, "
                         f"got {n}; take fewer or other data")
    chosen, images, digests = np.arange(pool), dataset.train_images, dict(dataset.digests)
    if n < pool:
        chosen = torch.randperm(pool, generator=generator(seed, "subset"))[:n].numpy()
        images = images[chosen]
        digests.pop("train_images", None)
    true = dataset.train_labels[chosen]
    labels = flip(true, data.label_noise, dataset.classes, data.flip_to, generator(seed, "label noise"))
    return Examples(images, labels, true, chosen, dataset.test_images, dataset.test_labels, digests)


def flip(labels, share, classes, flip_to, random):
    """Uniform label noise: round(share n) labels, drawn without replacement, are drawn anew.

    flip_to: "other": uniformly from the other classes, so that a flipped label never equals the true one and exactly
    this share is wrong; "any": uniformly from all classes, so that it equals the true one once in `classes` times.
    labels: (n,) whole numbers; random: a torch.Generator. Returns a new array.
    """
    labels = labels.copy()
    where = _drawn(len(labels), share, random)
    if flip_to == "any":
        labels[where] = torch.randint(classes, where.shape, generator=random).numpy()
    else:
        shift = 1 + torch.randint(classes - 1, where.shape, generator=random).numpy()
        labels[where] = (labels[where] + shift) % classes
    return labels


def mask(n, share, random):
    """(n,) booleans, round(share n) of them true, drawn without replacement.

    A teacher that is trained where it is true interpolates there and not elsewhere, the paper's controlled experiment.
    """
    chosen = np.zeros(n, dtype=bool)
    chosen[_drawn(n, share, random)] = True
    return chosen


def _drawn(n, share, random):
    return torch.randperm(n, generator=random)[: round(share * n)].numpy()
