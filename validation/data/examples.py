"""The examples of one run: those that its seed draws from the pool, and the labels that it flips."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from validation.data.splits import content
from validation.errors import UsageError
from validation.seeding import generator


@dataclass(frozen=True, eq=False)
class Examples:
    """Arrays as in `Splits`. train_labels are the training labels; mislabelled (n,) marks those that are wrong.

    train_indices (n,) int64: indices of the examples in the pool. digests: those of `Splits`, for unchanged arrays.
    """

    train_inputs: np.ndarray
    train_labels: np.ndarray
    train_true_labels: np.ndarray
    train_indices: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def mislabelled(self):
        return self.train_labels != self.train_true_labels

    def sha256(self):
        """A digest of all arrays with their shapes and types; an array whose digest is known is not read."""
        total = hashlib.sha256()
        for name in sorted(self.__dataclass_fields__.keys() - {"digests"}):
            array = getattr(self, name)
            digest = self.digests.get(name) or hashlib.sha256(content(array)).hexdigest()
            total.update(f"{name} {array.dtype.str} {array.shape} {digest}\n".encode())
        return total.hexdigest()


def draw(splits, data, seed):
    """Draws `data.train_examples` from the pool without replacement and flips labels; the test set is not changed.

    The whole pool is used without a copy (it may be memory-mapped); a part of it is copied.

    Raises UsageError if the pool is smaller than that.
    """
    pool = len(splits.train_labels)
    n = pool if data.train_examples is None else data.train_examples
    if n > pool:
        raise UsageError(f"--data.train-examples: expected at most {pool}, the training pool of {splits.source.name}, "
                         f"got {n}; pass fewer, or use other data")
    chosen, inputs, digests = np.arange(pool), splits.train_inputs, dict(splits.digests)
    if n < pool:
        chosen = torch.randperm(pool, generator=generator(seed, "subset"))[:n].numpy()
        inputs = inputs[chosen]
        digests.pop("train_inputs", None)
    true = splits.train_labels[chosen]
    labels = flip(true, data.label_noise, splits.classes, data.flip_to, generator(seed, "label noise"))
    return Examples(inputs, labels, true, chosen, splits.test_inputs, splits.test_labels, digests)


def flip(labels, share, classes, flip_to, random):
    """Uniform label noise: round(share n) labels, chosen without replacement, are redrawn.

    flip_to: "other" draws uniformly from the other classes, so a flipped label never equals the true one and exactly
    this share is wrong; "any" draws uniformly from all classes, so it equals the true one with probability 1 /
    `classes`. labels: (n,) whole numbers; random: a torch.Generator. Returns a new array.
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

    In the paper's controlled experiment, a teacher trained on the true ones interpolates these examples and no others.
    """
    chosen = np.zeros(n, dtype=bool)
    chosen[_drawn(n, share, random)] = True
    return chosen


def _drawn(n, share, random):
    return torch.randperm(n, generator=random)[: round(share * n)].numpy()
