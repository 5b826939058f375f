"""What may be compared: rows of logits or probabilities, labels and masks, each checked with a mend."""

import numpy as np

from eigenkd.arrays import real_array, to_numpy
from eigenkd.deviation.pointwise import rows_at_once

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
    if mask.shape != (n,) or not np.isin(mask, (0, 1)).all():
        raise ValueError(f"{name}: expected {n} values true or false (1 or 0), one a point, got shape {mask.shape}; "
                         "pass a boolean array")
    return mask.astype(bool)


def kind_of(name, rows, inputs):
    """Whether `rows` are "logits" or "probabilities": as `inputs` says, or by a look at the first block for "auto".

    Taken for probabilities are rows in [0, 1] whose sums are near 1 on average. Raises ValueError for other `inputs`.
    """
    if inputs not in KINDS:
        raise ValueError(f"inputs: expected {', '.join(map(repr, KINDS))}, got {inputs!r}")
    if inputs != "auto":
        return inputs
    first = to_numpy(real_array(name, rows[: rows_at_once(rows)])).astype(float)
    shares = first.min() >= 0 and first.max() <= 1
    return "probabilities" if shares and abs(first.sum(axis=1).mean() - 1) < 0.1 else "logits"
