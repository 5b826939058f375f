"""A validation set as a criterion: squared error, or the share of wrong classes."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from eigenkd._arrays import real_array, to_numpy
from eigenkd.fit import Fit
from eigenkd.flow import LinearFlow
from eigenkd.typing import ArrayLike

Criterion: TypeAlias = Callable[[Fit], np.ndarray]


def validation_set(validation: Sequence[ArrayLike],
                   flow: LinearFlow) -> tuple[np.ndarray, np.ndarray, Any]:
    """(inputs, targets as columns, predictions of the start or None), checked against a NumPy flow.

    Where the flow has an intercept, inputs are centred and the predictions of the start include the mean of y.
    """
    if not isinstance(validation, tuple | list) or len(validation) not in (2, 3):
        raise TypeError(f"validation: expected (X_val, y_val), got {type(validation).__name__}; pass a pair of arrays, "
                        f"and for a kernel flow with a start that function's predictions as a third")
    names = ("validation[0]", "validation[1]", "validation[2]")
    inputs, y, *begin = (_plain(name, value) for name, value in zip(names, validation))
    flow.spectrum.kind.check_columns(inputs, flow.inputs.shape[1], names[0])
    expected = flow.shape_of(inputs.shape[0])
    if y.shape != expected:
        raise ValueError(f"{names[1]}: expected shape {expected}, got {y.shape}; pass a row a sample of validation[0], "
                         f"with columns like y")
    if flow.weighting is not None:
        inputs = flow.weighting.centred(inputs)
    start = flow.spectrum.new_start_outputs(inputs, flow.start, begin[0] if begin else None, expected,
                                            names[2])
    if flow.weighting is not None:
        start = flow.level + (0 if start is None else start) + np.zeros((inputs.shape[0], 1))
    return inputs, y.reshape((-1, flow.targets.shape[1])), start


def squared_error(flow: LinearFlow, inputs: np.ndarray, y: np.ndarray, start: np.ndarray | None) -> Criterion:
    """fit -> (...,): (1/n_val) ||y_val - f(X_val)||^2, as a function of k coordinates where there are more samples."""
    coordinates = flow.spectrum.project(inputs)
    z = y if start is None else y - start
    beyond = 0.0
    if coordinates.shape[0] > coordinates.shape[1]:
        Q, coordinates = np.linalg.qr(coordinates)
        reduced = Q.T @ z
        beyond, z = np.sum((z - Q @ reduced) ** 2), reduced
    n = y.shape[0]
    return lambda fit: (np.sum((z.T - _predicted(fit, coordinates)) ** 2, axis=(-2, -1)) + beyond) / n


def wrong(flow: LinearFlow, inputs: np.ndarray, y: np.ndarray, start: np.ndarray | None) -> Criterion:
    """fit -> (...,): the number of samples whose class in y does not have the single largest output, plus a number
    below 1 that grows with the squared error and decides between equal counts."""
    if y.shape[1] < 2:
        raise ValueError("criterion: expected targets of at least two classes for 'error', got one column; train on "
                         "one-hot labels, a column a class, or tune by 'squared'")
    squared, labels = squared_error(flow, inputs, y, start), y.argmax(axis=-1)
    coordinates, samples = flow.spectrum.project(inputs), np.arange(len(y))

    def criterion(fit):
        outputs = _predicted(fit, coordinates)
        if start is not None:
            outputs = outputs + start.T
        own = outputs[..., labels, samples]
        outputs[..., labels, samples] = -np.inf  # an argmax over few classes takes several times as long
        tie = squared(fit)
        return np.sum(own <= outputs.max(axis=-2), axis=-1) + tie / (1 + tie)

    return criterion


def _predicted(fit, coordinates):
    """(..., m, n_val): predictions less those of the start, outputs in front."""
    learned = np.swapaxes(fit.gain[..., None] * fit.flow.limit, -1, -2)
    return (learned.reshape((-1, learned.shape[-1])) @ coordinates.T).reshape((*learned.shape[:-1], -1))


def _plain(name, value):
    return to_numpy(real_array(name, value)).astype(float)
