"""Criteria from the training data alone: a fit's loss, its degrees of freedom, and estimates of its risk.

A fit is linear in the targets: f - f0 = S (y - f0) with S = U diag(g) U^T and f0 what the start predicts. All criteria
are computed from the residuals r = 1 - g, direction by direction, so that nothing cancels where a fit interpolates.
Functions that end in `_of` also take the `Directions` of the targets, for callers that evaluate many fits of one flow.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from array_api_compat import device as device_of

from eigenkd._arrays import Array
from eigenkd._pytrees import pytree
from eigenkd.fit import Fit
from eigenkd.risk.directions import checked_fit, checked_noise, equally_weighted, has_intercept, of_targets


def training_loss(fit: Fit) -> Array:
    """(...,): (1/n) ||y - f||^2 = (1/n) [sum_k r_k^2 ||c_k||^2 + ||outside||^2], c = U^T (y - f0).  Eq. (36)

    outside: the part of y - f0 orthogonal to the range of K. For flow.student(s[:, None], T) the result is the loss
    surface over both times. It is right to a few units in the last place even where it is far below rounding of y. With
    sample weights (1/n) sum_i w_i ||y_i - f_i||^2.

    Raises TypeError for what is not a Fit, as all functions of a fit here do.
    """
    return loss_of(checked_fit(fit), of_targets(fit.flow))


def loss_of(fit, here):
    r = fit.residual
    return (array_namespace(r).sum(r**2 * here.energy, axis=-1) + here.floor) / here.outside.shape[0]


def degrees_of_freedom(fit: Fit) -> Array:
    """(...,): tr S = sum_k g_k, the number of samples that the fit follows, the same for every output.  Eq. (37)

    An intercept adds 1.
    """
    fit = checked_fit(fit)
    return array_namespace(fit.gain).sum(fit.gain, axis=-1) + int(has_intercept(fit.flow))


def sure(fit: Fit, noise: Array) -> Array:
    """(...,): Stein's unbiased estimate of the risk, (1/n) ||y - f||^2 + 2 noise df/n - noise.  Eq. (38)

    noise: variance of a sample's targets around their mean, summed over outputs (sigma^2 for one, m sigma^2 for m of
    the same variance, `flip_noise` for flipped classes): >= 0, a number or an array that broadcasts with the fit's
    parameters. Unbiased for the risk towards that mean, for any noise that is independent between samples with this
    variance. It may be negative, unlike the risk. Raises ValueError for a flow with sample weights.
    """
    return sure_of(checked_fit(fit), of_targets(fit.flow), noise)


def sure_of(fit, here, noise):
    equally_weighted(fit.flow)
    noise = checked_noise(noise, fit)
    return loss_of(fit, here) + noise * (2 * degrees_of_freedom(fit) / here.outside.shape[0] - 1)


def gcv(fit: Fit) -> Array:
    """(...,): generalised cross-validation, (1/n) ||y - f||^2 / (1 - df/n)^2.  Eq. (39)

    Numerator and denominator vanish together as a fit approaches interpolation; their ratio stays accurate. Where every
    residual is 0 (t = inf, or exp(-t lam) below the range of floats) the model is the minimum-norm interpolant, and the
    value is that of ridge regression with a vanishing penalty.
    """
    return gcv_of(checked_fit(fit), of_targets(fit.flow))


def gcv_of(fit, here):
    size, shape = _scaled(fit)
    xp, n = array_namespace(shape), here.outside.shape[0]
    size = xp.where(here.unreached > 0, size, 1.0)  # it cancels from the ratio
    loss = (size**2 * xp.sum(shape**2 * here.energy, axis=-1) + here.floor) / n
    left = (here.unreached + size * xp.sum(shape, axis=-1)) / n
    return loss / left**2


@pytree("residuals", "value", "exact")
@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """The result of `leave_one_out`; `...` is the shape of the fit's parameters.

    residuals: (..., n) or (..., n, m), y_i - f^(-i)(x_i), each from a model that has not seen its sample. value (...,):
    (1/n) sum of their squares, weighted as the loss is. exact (...,): whether they equal those of n refits; else they
    are an approximation.
    """

    residuals: Any
    value: Any
    exact: Any


def leave_one_out(fit: Fit) -> LeaveOneOut:
    """Leave-one-out errors without refitting, (y_i - f_i)/(1 - S_ii).  Eq. (40)

    Exact where the gain is lam/(lam + mu): ridge regression, and its limits, the minimum-norm interpolant (a flow at t
    = inf) and the start itself (t = 0). For a flow that is stopped early, a student or a chain it is an approximation
    without a bound: leaving a sample out also changes the eigenvalues, and the formula accounts for that with ridge's
    filter alone. An intercept is fitted again without the sample. `exact` says which: it compares the filter with
    ridge's, to rounding, at eigenvalues over nine decades.

    >>> from eigenkd import linear_flow
    >>> flow = linear_flow([[1.0], [1.0], [1.0]], [1.0, 2.0, 6.0])     # at t = inf the mean of the others
    >>> found = leave_one_out(flow.teacher([0.1, float("inf")]))
    >>> print(found.residuals[1].round(4), found.exact)
    [-3.  -1.5  4.5] [False  True]

    Returns a `LeaveOneOut`.
    """
    residuals, value = left_out_of(checked_fit(fit), of_targets(fit.flow))
    return LeaveOneOut(residuals[..., 0, :] if fit.flow.vector else array_namespace(value).matrix_transpose(residuals),
                       value, _is_ridge(fit))


def left_out_of(fit, here):
    """(residuals (..., m, n), value (...,)) of `leave_one_out`."""
    size, shape = _scaled(fit)
    xp, n = array_namespace(shape), here.outside.shape[0]
    some = here.beyond > 0  # where it is 0, so is the row of `outside`
    size = xp.where(some, size[..., None], 1.0)  # (..., n): elsewhere it cancels from the ratio
    learned = xp.matrix_transpose(shape[..., None] * here.components)  # (..., m, k)
    errors = (learned.reshape((-1, learned.shape[-1])) @ here.basis.T).reshape((*learned.shape[:-1], n))
    errors = size[..., None, :] * errors + xp.where(some, here.outside.T, 0.0)
    left = size * (shape @ here.leverage.T) + here.beyond
    residuals = errors / left[..., None, :]
    value = xp.sum(residuals**2, axis=(-2, -1)) / n
    return residuals if fit.flow.weighting is None else residuals / fit.flow.weighting.root[:, 0], value


def _scaled(fit):
    """(size (...,), shape (..., k)) with residual = size * shape: shape is finite and not all 0 where the residual is.

    Null directions have shape 0. Where every residual is 0, shape is ridge's as its penalty vanishes, 1/lam.
    """
    lam = fit.flow.spectrum.eigenvalues
    xp, learned = array_namespace(lam), lam > 0
    r = xp.where(learned, fit.residual, 0.0)
    size = xp.max(xp.abs(r), axis=-1)
    some = (size > 0)[..., None]
    least = xp.min(xp.where(learned, lam, xp.inf))
    interpolant = xp.where(learned, least / xp.where(learned, lam, 1.0), 0.0)
    return size, xp.where(some, r / xp.where(some, size[..., None], 1.0), interpolant)


def _is_ridge(fit):
    """(...,): whether the filter is lam/(lam + mu) for one mu in [0, inf], at all eigenvalues that K may have without a
    sample."""
    lam = fit.flow.spectrum.eigenvalues
    xp = array_namespace(lam)
    probes = lam[0] * 10.0 ** (-0.5 * xp.arange(19, dtype=lam.dtype, device=device_of(lam)))
    g, r = fit.filter.gain(probes), fit.filter.residual(probes)
    at_limit = xp.all(g == 0, axis=-1) | xp.all(r == 0, axis=-1)
    middle = (g[..., 9:10] > 0) & (r[..., 9:10] > 0)
    with np.errstate(over="ignore"):
        strength = probes[9] * xp.where(middle, r[..., 9:10], 1.0) / xp.where(middle, g[..., 9:10], 1.0)
    tolerance, total = 100 * xp.finfo(lam.dtype).eps, probes + strength
    total = xp.where((total > 0) & xp.isfinite(total), total, 1.0)
    gain, rest = probes / total, strength / total
    same = (xp.abs(g - gain) <= tolerance * gain) & (xp.abs(r - rest) <= tolerance * rest)
    return at_limit | (xp.all(same, axis=-1) & middle[..., 0])
