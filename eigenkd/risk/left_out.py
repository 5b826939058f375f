"""Leave-one-out errors, exact for flows, and generalised cross-validation: errors of models without a sample.

For ridge regression with penalty p both follow from one fit. They are analytic in p and linear in the residual, so that
the same holds for every filter whose residual is a sum of ridge's with complex penalties (`filters.resolvents`).
"""

import sys
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from array_api_compat import device as device_of

from eigenkd._arrays import is_concrete, library
from eigenkd._pytrees import pytree
from eigenkd.filters import identity
from eigenkd.filters.resolvents import NoResolvents, groups
from eigenkd.fit import Fit
from eigenkd.risk.directions import Directions, checked_fit, of_targets
from eigenkd.typing import Array

AT_ONCE = 2**22  # numbers held at a time: 32 MB


@pytree("residuals", "value", "exact")
@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """The result of `leave_one_out`; `...` is the shape of the fit's parameters.

    residuals: (..., n) or (..., n, m), y_i - f^(-i)(x_i), each from a model that has not seen its sample. value (...,):
    (1/n) sum of their squares, weighted as the loss is. exact (...,): whether they equal those of n refits; else they
    are an approximation.
    """

    residuals: Array
    value: Array
    exact: Array


def leave_one_out(fit: Fit) -> LeaveOneOut:
    """Errors y_i - f^(-i)(x_i) of the n models that have not seen one sample, without refitting.  Eqs. (40), (82), (83)

    Exact for gradient flow, ridge regression, students of either, up to 12 generations, mixtures of them with labels
    (any weight) and starts from an earlier model: (y_i - f_i)/(1 - S_ii) of ridge regression at a dozen complex
    penalties a time, with errors of about 1e-13 of the largest target. An intercept is fitted again without the sample.
    For other filters (steps, momentum, targets that move) it is (y_i - f_i)/(1 - S_ii) of their own smoother, an
    approximation without a bound: leaving a sample out also changes the eigenvalues. `exact` says which.

    >>> from eigenkd import linear_flow
    >>> flow = linear_flow([[1.0], [1.0], [1.0]], [1.0, 2.0, 6.0])     # at t = inf the mean of the others
    >>> found = leave_one_out(flow.teacher([0.1, float("inf")]))
    >>> print(found.residuals.round(4), found.exact)
    [[ 0.2749  1.3656  5.7281]
     [-3.     -1.5     4.5   ]] [ True  True]

    Returns a `LeaveOneOut`.
    """
    residuals, value, exact = left_out_of(checked_fit(fit), of_targets(fit.flow))
    if fit.flow.weighting is not None:
        residuals = residuals / fit.flow.weighting.root[:, 0]
    return LeaveOneOut(residuals[..., 0, :] if fit.flow.vector else array_namespace(value).matrix_transpose(residuals),
                       value, exact)


def left_out_of(fit: Fit, here: Directions) -> tuple[Array, Array, Array]:
    """(residuals (..., m, n), value (...,), exact (...,)) of `leave_one_out`, residuals times the roots of the weights,
    so that the value is the mean of their squares."""
    xp, n = array_namespace(here.energy), here.outside.shape[0]
    sums = _resolvents(fit)
    if sums is None:
        residuals = _shortcut(fit, here)
        exact = _is_ridge(fit)
    else:
        residuals = _compiled(_exact, fit.flow)(sums, fit.flow, here)
        exact = xp.ones(residuals.shape[:-2], dtype=xp.bool, device=device_of(residuals))
    value = xp.sum(residuals**2, axis=(-2, -1)) / n
    return residuals, value, exact


def gcv(fit: Fit) -> Any:
    """(...,): generalised cross-validation, leave-one-out errors with equal leverages.  Eqs. (39), (84)

    For ridge regression (1/n) ||y - f||^2 / (1 - df/n)^2; for flows, their students and what else `leave_one_out` is
    exact for, the same at complex penalties: a sum over directions alone, without one over samples. The familiar
    formula with a flow's own df estimates another quantity, which for new inputs can be twice the risk (Patil, Wu and
    Tibshirani 2024). It is what other filters get. Finite for models that interpolate: those have the value of ridge
    regression with a vanishing penalty.
    """
    return gcv_of(checked_fit(fit), of_targets(fit.flow))


def gcv_of(fit: Fit, here: Directions) -> Array:
    xp, n = array_namespace(here.energy), here.outside.shape[0]
    sums = _resolvents(fit)
    if sums is None:
        deflated, outside = _deflated(fit, here)
    else:
        deflated, outside = _compiled(_exact_deflated, fit.flow)(sums, fit.flow, here)
    return (xp.sum(deflated**2 * here.energy, axis=-1) + outside**2 * here.floor) / n


def _resolvents(fit):
    try:
        return groups(fit.filter, fit.flow.spectrum.eigenvalues)
    except NoResolvents:
        return None


def _compiled(function, flow):
    """The function; for JAX compiled, as operation by operation it takes seconds the first time."""
    return _jitted(function) if library(flow.limit) == "JAX" else function


@cache
def _jitted(function):
    return sys.modules["jax"].jit(function)


def _exact(sums, flow, here):
    """(..., m, n): leave-one-out errors of a residual that is a sum of groups."""
    def limit():
        return _shortcut(Fit(flow, identity), here)

    return sum(group.weight[..., None, None] * _over(_left_out_at, group, flow, here, limit) for group in sums)


def _exact_deflated(sums, flow, here):
    """(r (..., k), 1 (...,)) over (1 - df/n), of a residual that is a sum of groups."""
    def limit():
        deflated, outside = _deflated(Fit(flow, identity), here)
        return array_namespace(deflated).concat([deflated, outside[..., None]], axis=-1)

    found = sum(group.weight[..., None] * _over(_deflated_at, group, flow, here, limit) for group in sums)
    return found[..., :-1], found[..., -1]


def _over(function, group, flow, here, limit):
    """function(u, omega, z, lam, here) for u (...,), a part of its elements at a time, and limit() at u = inf."""
    u, lam = group.u, flow.spectrum.eigenvalues
    xp = array_namespace(u)
    at_once = max(1, AT_ONCE // (2 * group.z[0].shape[0] * (flow.targets.shape[1] + 1) * flow.targets.shape[0]))
    if prod(u.shape) <= at_once:
        values = function(u, group.omega, group.z, lam, here)
    else:
        flat, omega = u.reshape((-1,)), group.omega
        if omega[0].ndim > 1:
            omega = tuple(xp.broadcast_to(part, (*u.shape, part.shape[-1])).reshape((-1, part.shape[-1]))
                          for part in omega)
        rows = [function(flat[i:i + at_once], tuple(part[i:i + at_once] if part.ndim > 1 else part for part in omega),
                         group.z, lam, here) for i in range(0, flat.shape[0], at_once)]
        values = xp.concat(rows)
        values = values.reshape((*u.shape, *values.shape[1:]))
    endless = xp.isinf(u)
    if is_concrete(endless) and not bool(xp.any(endless)):
        return values
    return xp.where(endless[(..., *(None,) * (values.ndim - u.ndim))], limit(), values)


def _left_out_at(u, omega, z, lam, here):
    """(..., m, n): Re sum_j omega_j l(z_j/u), l(p) = (y - f)_i/(1 - S_ii) of ridge regression.  Eqs. (82), (83)"""
    re, im = _ridge_residuals(u, z, lam)  # (..., J, k)
    c, U, leverage = here.components.T, here.basis.T, here.leverage.T
    top_re, top_im = ((part[..., None, :] * c) @ U for part in (re, im))  # (..., J, m, n)
    low_re, low_im = (re @ leverage + here.beyond)[..., None, :], (im @ leverage)[..., None, :]
    outside = array_namespace(lam).where(here.beyond > 0, here.outside.T, 0.0)  # else rounding, which penalties divide
    return _combined(omega, (top_re + outside, top_im), (low_re, low_im), 2)


def _deflated_at(u, omega, z, lam, here):
    """(..., k + 1): Re sum_j omega_j r(z_j/u)/(tr(I - S)/n), by direction, and for what no training reaches.  Eq.
    (84)"""
    xp, n = array_namespace(u), here.outside.shape[0]
    re, im = _ridge_residuals(u, z, lam)
    low_re = ((xp.sum(re, axis=-1) + here.unreached) / n)[..., None]
    low_im = (xp.sum(im, axis=-1) / n)[..., None]
    re, im = (xp.concat([part, last + 0 * part[..., :1]], axis=-1) for part, last in ((re, 1.0), (im, 0.0)))
    return _combined(omega, (re, im), (low_re, low_im), 1)


def _combined(omega, top, low, axes):
    """Re sum_j omega_j top_j/low_j, over the axis in front of the last `axes`."""
    xp = array_namespace(top[0])
    a, b = (part[(..., *(None,) * axes)] for part in omega)
    size = low[0] ** 2 + low[1] ** 2
    size = xp.where(size > 0, size, 1.0)
    a, b = (a * low[0] + b * low[1]) / size, (b * low[0] - a * low[1]) / size
    return xp.sum(a * top[0] - b * top[1], axis=-axes - 1)


def _ridge_residuals(u, z, lam):
    """Real and imaginary part (..., J, k) of z/(z + lam u); 0 in null directions, which `outside` has."""
    xp, eps = array_namespace(lam), array_namespace(lam).finfo(lam.dtype).eps
    learned = lam > 0
    least = xp.min(xp.where(learned, lam, xp.inf))
    most = xp.where(xp.isfinite(least), 0.1 / (eps * xp.where(xp.isfinite(least), least, 1.0)), 1.0)
    u = xp.where(u < most, u, most)[..., None, None]  # nothing changes beyond
    x, y = (part[:, None] for part in z)
    real, imaginary = x + lam * u, y + 0 * lam * u
    size = real**2 + imaginary**2
    re, im = (x * real + y * imaginary) / size, (y * real - x * imaginary) / size
    return xp.where(learned, re, 0.0), xp.where(learned, im, 0.0)


def _shortcut(fit, here):
    """(..., m, n): (y - f)_i/(1 - S_ii) of a fit's own smoother.  Eq. (40)"""
    size, shape = _scaled(fit)
    xp, n = array_namespace(shape), here.outside.shape[0]
    some = here.beyond > 0  # where it is 0, so is the row of `outside`
    size = xp.where(some, size[..., None], 1.0)  # (..., n): elsewhere it cancels from the ratio
    learned = xp.matrix_transpose(shape[..., None] * here.components)  # (..., m, k)
    errors = (learned.reshape((-1, learned.shape[-1])) @ here.basis.T).reshape((*learned.shape[:-1], n))
    errors = size[..., None, :] * errors + xp.where(some, here.outside.T, 0.0)
    left = size * (shape @ here.leverage.T) + here.beyond
    return errors / left[..., None, :]


def _deflated(fit, here):
    """(r (..., k), 1 (...,)) divided by (1 - df/n), of a fit's own smoother.  Eq. (39)"""
    size, shape = _scaled(fit)
    xp, n = array_namespace(shape), here.outside.shape[0]
    size = xp.where(here.unreached > 0, size, 1.0)  # it cancels from the ratio
    left = (here.unreached + size * xp.sum(shape, axis=-1)) / n
    return (size / left)[..., None] * shape, 1 / left


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
