"""Risk where the targets are a signal plus noise: bias and variance of a fit, and flipped classes."""

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from eigenkd._arrays import is_concrete, moved, real_array
from eigenkd._pytrees import pytree
from eigenkd.fit import Fit
from eigenkd.risk.directions import checked_fit, checked_noise, parts
from eigenkd.typing import Array, ArrayLike


@pytree("bias", "variance")
@dataclass(frozen=True, eq=False)
class Risk:
    """Expected squared error per sample, summed over outputs, in two parts (...,) of the shape of the parameters.

    bias: squared distance of the expected fit from the signal. variance: what the noise of the targets adds.
    """

    bias: Array
    variance: Array

    @property
    def total(self) -> Array:
        """bias + variance: E ||f - signal||^2 / n."""
        return self.bias + self.variance


def fixed_design(fit: Fit, signal: ArrayLike, noise: ArrayLike, mean: ArrayLike | None = None) -> Risk:
    """Risk on the training inputs of models trained as `fit`, over the noise of their targets.  Eqs. (41), (42)

    bias = (1/n) [sum_k ||r_k b_k + d_k||^2 + ||outside||^2], variance = (noise/n) sum_k g_k^2, with b = U^T (mean -
    f0), d = U^T (signal - mean), and outside the part of signal - f0 orthogonal to the range of K. Only the filter,
    inputs and start of `fit` matter, not its targets.

    signal: (n,) or (n, m), what is to be predicted. noise: variance of a sample's targets around their mean, summed
    over outputs, as in `sure`. mean: the mean of the targets, like signal, if it is not the signal: labels flipped at a
    rate have `flip_mean(signal, rate)` and `flip_noise(rate, classes)`. Noise is independent between samples, of any
    law.

    Raises TypeError or ValueError for anything but a fit, for values that are not finite, negative noise or another
    shape, and for a flow with sample weights or an intercept. Returns a `Risk`.
    """
    return risk_of(checked_fit(fit), parts(fit.flow, signal, mean), noise)


def risk_of(fit: Fit, parts: tuple[Array, Array, Array], noise: ArrayLike) -> Risk:
    """`fixed_design` from the `parts` that all fits of a flow share."""
    (expected, offset, outside), n = parts, fit.flow.targets.shape[0]
    noise = checked_noise(noise, fit.gain)
    r, g = fit.residual, fit.gain
    xp = array_namespace(r)
    bias = (xp.sum((r[..., None] * expected + offset) ** 2, axis=(-2, -1)) + outside) / n
    variance = noise * xp.sum(g**2, axis=-1) / n
    return Risk(bias + 0 * variance, variance + 0 * bias)


def flip_noise(rate: ArrayLike, classes: int) -> Array:
    """Variance of one-hot labels flipped at a rate, summed over classes: 1 - (1 - rho)^2 - rho^2/(C - 1).  Eq. (44)

    rate: rho in [0, 1], a number or an array of any shape, the probability that a label becomes another class, each of
    them as likely. classes: C >= 2. The same for every class: the one-hot label has squared length 1 and its mean
    (1 - rho)^2 + (C - 1) (rho/(C - 1))^2. Raises ValueError for values out of range.

    >>> print(round(float(flip_noise(0.2, classes=10)), 4))
    0.3556
    """
    rate, others = _rate(rate), _classes(classes) - 1
    return rate * (2 - rate - rate / others)


def flip_mean(one_hot: ArrayLike, rate: ArrayLike) -> Array:
    """The mean of one-hot labels flipped at a rate, y + rho [(1 - y)/(C - 1) - y]: shrunk towards 1/C.  Eq. (45)

    one_hot: (n, C) labels, or class probabilities, rows that add up to 1. rate: rho in [0, 1], a number, as in
    `flip_noise`. A probe trained on flipped labels predicts this mean, not the labels: its largest class is the right
    one for rho < (C - 1)/C, where flips cost accuracy by variance alone. Raises ValueError for other rows or rates.

    >>> print(flip_mean([[1, 0, 0], [0, 1, 0]], rate=0.2))
    [[0.8 0.1 0.1]
     [0.1 0.8 0.1]]
    """
    y = real_array("one_hot", one_hot, ndim=(2,), nonnegative=True)
    rate, others = moved(_rate(rate), y), _classes(y.shape[1]) - 1
    xp = array_namespace(y)
    if rate.ndim:
        raise ValueError(f"rate: expected a number, got shape {tuple(rate.shape)}; call flip_mean once a rate")
    if is_concrete(y) and bool(xp.any(xp.abs(xp.sum(y, axis=-1) - 1) > 1e-5)):
        raise ValueError("one_hot: expected rows that add up to 1, got others; pass labels or probabilities that are "
                         "not centred or scaled")
    return y + xp.astype(rate, y.dtype) * ((1 - y) / others - y)


def _rate(rate):
    rate = real_array("rate", rate, nonnegative=True)
    if is_concrete(rate) and bool(array_namespace(rate).any(rate > 1)):
        raise ValueError(f"rate: expected probabilities between 0 and 1, got up to "
                         f"{float(array_namespace(rate).max(rate)):g}; divide percentages by 100")
    return rate


def _classes(classes):
    if isinstance(classes, bool) or not isinstance(classes, int | np.integer) or classes < 2:
        raise ValueError(f"classes: expected a whole number of at least 2, got {classes!r}; pass how many classes "
                         f"there are")
    return int(classes)
