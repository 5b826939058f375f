"""Checks of the flow's arguments: arrays in double precision, labels as probabilities, times, numbers."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from eigenkd._arrays import is_concrete, real_array, to_numpy
from eigenkd.typing import ArrayLike

T = TypeVar("T")

MANY = 100_000  # so many classes mean that labels are not numbered from 0
COUPLED = ", and probabilities (n, m) where the kernel is that of all n m outputs"


def double(name: str, value: ArrayLike, **checks: Any) -> np.ndarray:
    """A checked array, as NumPy's in double precision."""
    value = real_array(name, value, **checks)
    if not is_concrete(value):
        raise TypeError(f"{name}: expected values, got a traced array; call the flow outside of jit, vmap and grad")
    return to_numpy(value).astype(np.float64, copy=False)


def times(name: str, value: ArrayLike) -> np.ndarray:
    times = double(name, value, nonnegative=True, finite=False)
    if np.isinf(times).any():
        raise ValueError(f"{name}: expected finite times, got inf; where classes are separable logits diverge, so that "
                         f"there is no limit: pass the largest time that matters")
    return times


def number(name: str, value: object, wanted: str, valid: Callable[[T], bool], convert: Callable[[Any], T] = float) -> T:
    try:
        number = convert(value)
        if valid(number):
            return number
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{name}: expected {wanted}, got {value!r}; pass one such number, and loop over several")


def targets(y: ArrayLike, inputs: np.ndarray, coupled: bool = False) -> np.ndarray:
    """y as probabilities (n, m); coupled: whether inputs may have a row for each of them, not only for each sample."""
    y = double("y", y, ndim=(1, 2))
    if y.shape[0] != inputs.shape[0] and not (coupled and y.ndim == 2 and y.size == inputs.shape[0]):
        raise ValueError(f"y: expected {inputs.shape[0]} rows like the inputs, got shape {y.shape}; pass one label or "
                         f"one row of probabilities a sample{COUPLED * coupled}")
    if y.ndim == 1:
        if (y < 0).any() or (y != np.floor(y)).any():
            raise ValueError(f"y: expected class labels 0, 1, ..., got values between {y.min():g} and {y.max():g}; "
                             f"number the classes from 0, or pass probabilities (n, m)")
        if y.max() >= MANY:
            raise ValueError(f"y: expected fewer than {MANY} classes, got a label of {y.max():.0f}; number the classes "
                             "from 0 without gaps")
        y = np.eye(int(y.max()) + 1)[y.astype(int)]
    if y.shape[1] < 2:
        raise ValueError("y: expected at least 2 classes, got 1; pass probabilities (n, m) where only one of the m "
                         "classes occurs")
    totals = y.sum(1, keepdims=True)
    if (y < 0).any() or (abs(totals - 1) > 1e-5).any():
        raise ValueError(f"y: expected probabilities >= 0 that sum to 1 in each row, got a smallest of {y.min():g} and "
                         f"sums between {totals.min():g} and {totals.max():g}; pass softmax(logits), or labels (n,)")
    return y / totals  # sums in single precision are not exactly 1


def start(start: ArrayLike | None, length: int, y: np.ndarray) -> np.ndarray | None:
    if start is None:
        return None
    start = double("start", start)
    expected = (length, y.shape[1])
    if start.shape != expected:
        raise ValueError(f"start: expected shape {expected}, got {start.shape}; pass the weights that training starts "
                         f"from (for a kernel its logits on the training inputs), with a column a class")
    return start
