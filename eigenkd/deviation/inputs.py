"""What may be compared: rows of logits or probabilities, labels and masks, each checked with a mend."""

import numpy as np

from eigenkd.arrays import real_array, to_numpy
from eigenkd.deviation.pointwise import TOLERANCE, rows_at_once

KINDS = ("auto", "logits", "probabilities")


def rows_of(name, value):
    """An array, or something with rows to slice, of two dimensions; nothing is read that is on disk."""
    if not (hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__getitem__")):
        value = real_array(name, value)
    if len(value.shape) != 2 or 0 in value.shape:
        return real_array(name, value, ndim=(2,))
    return value


def labels_of(labels, n, classes):
    """(n,) NumPy integers from 0 to classes - 1."""
    labels = to_numpy(real_array("labels", labels))
    if labels.shape != (n,):
        raise ValueError(f"labels: expected shape ({n},), one class a point, got {labels.shape}; "
                         "for one-hot rows their argmax")
    if (fractional := labels[labels != np.floor(labels)]).size:
        raise ValueError(f"labels: expected whole numbers, got {fractional[0]} among them; pass the classes' indices")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels: expected classes from 0 to {classes - 1}, got {int(labels.min())} to "
                         f"{int(labels.max())}; number the classes as the columns of the logits")
    return labels.astype(int)


def mask_of(name, mask, n):
    """(n,) NumPy bool."""
    mask = to_numpy(real_array(name, mask))
    if mask.shape != (n,):
        raise ValueError(f"{name}: expected {n} values true or false, one a point, got shape {mask.shape}; pass a "
                         "boolean array")
    if (other := mask[~np.isin(mask, (0, 1))]).size:
        raise ValueError(f"{name}: expected values true or false (1 or 0), got {other[0]:g} among them; pass a boolean "
                         "array")
    return mask.astype(bool)


def kind_of(name, rows, inputs):
    """Whether `rows` are "logits" or "probabilities": as `inputs` says, or by a look at the first block for "auto".

    Taken for probabilities are blocks most of whose rows lie in [0, 1] and sum to 1; the others are then errors. Raises
    ValueError for other `inputs`, and under "auto" for what might be either: numbers in [0, 1] with other sums, and
    percentages.
    """
    if inputs not in KINDS:
        raise ValueError(f"inputs: expected {', '.join(map(repr, KINDS))}, got {inputs!r}; 'auto' finds out")
    if inputs != "auto":
        return inputs
    first = to_numpy(real_array(name, rows[: rows_at_once(rows)], values=False)).astype(float)
    sums = first.sum(axis=1)
    shares = (first >= -TOLERANCE).all(axis=1) & (np.abs(sums - 1) < 10 * TOLERANCE)
    if shares.mean() > 0.5:
        return "probabilities"
    percentages = np.abs(sums - 100).max() < 0.1
    if len(first) >= 10 and first.min() >= 0 and (first.max() <= 1 or percentages):
        raise ValueError(f"{name}: expected logits, or probabilities whose rows sum to 1, got numbers from "
                         f"{first.min():.3g} to {first.max():.3g} with row sums around {np.median(sums):.3g}; "
                         f"normalise the rows, or pass inputs='logits' if they are logits")
    return "logits"
