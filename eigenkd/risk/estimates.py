"""One fit's estimates: of the noise of the labels, and of the line between two models, with standard errors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from eigenkd._arrays import constant, moved, real_array, to_numpy
from eigenkd._pytrees import pytree
from eigenkd.filters.algebra import Filter, filter_named
from eigenkd.flow import LinearFlow
from eigenkd.risk.criteria import degrees_of_freedom, loss_of
from eigenkd.risk.directions import Directions, checked_flow, checked_values, equally_weighted, of_targets
from eigenkd.risk.left_out import left_out_of
from eigenkd.risk.mixing import Line, gains
from eigenkd.typing import Array, ArrayLike, Pair

ROUGHEST = 1.0  # the powers of the eigenvalue that a signal's energy may have
SMOOTHEST = 3.0
PAIRS = 2**0.5  # errors of two samples that are left out come in pairs, and so does their covariance


class LineErrors(NamedTuple):
    """Standard errors (...,) of the numbers of an `EstimatedLine`; of the weight to first order."""

    risk: Array
    difference: Array
    distance: Array
    weight: Array


@pytree("noise", "of_risk", "of_difference", "of_distance", "standard_errors")
@dataclass(frozen=True, eq=False, repr=False)
class EstimatedLine(Line):
    """A `Line` estimated from the data. `noise_at` and `weight` have the errors of what they are made of. For new
    inputs `noise_at` raises ValueError: leave-one-out errors do not say which part of them is noise."""

    standard_errors: LineErrors = None


def estimated_mixing(flow: LinearFlow, student: Filter, teacher: Filter, noise: ArrayLike | None = None,
                     inputs: str = "new") -> EstimatedLine:
    """Students of weight * teacher + (1 - weight) * labels, from the data: `mixing` without the signal.  Eqs. (93)-(95)

    inputs: "training", the risk on the training inputs, unbiased given the variance `noise` of the labels (Stein's
    estimate; summed over outputs), which is `noise_variance` of the flow where it is None; or "new", by exact
    leave-one-out errors, without the noise: `risk` then contains that of new labels, less `noise` where it is given.
    student, teacher: filters, as in `mixing`; for "new" ones that `leave_one_out` is exact for.

    The best weight is found well away from the best stopping time. Where the teacher is tuned there is nothing to gain,
    and the estimated weight loses: docs/advisor.md. Where students of labels and of the teacher hardly differ, late in
    training, it is the ratio of two roundings, with a standard error to match; `Advice.weight` is NaN there.

    >>> import numpy as np
    >>> from eigenkd import filters, linear_flow
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 300)) / np.arange(1, 301) ** 0.5
    >>> flow = linear_flow(X, X[:, 0] + rng.normal(size=200))
    >>> found = estimated_mixing(flow, filters.flow(1.0), filters.flow(1.0))     # an over-trained teacher
    >>> print(found.weight.round(2), found.standard_errors.weight.round(2))
    2.64 0.64

    Raises ValueError for unknown inputs, and for a flow with sample weights (for "training"). Returns an
    `EstimatedLine`.
    """
    flow, student, teacher = checked_pair(flow, student, teacher)
    if inputs == "training":
        return _in_sample(flow, student, teacher, noise)
    if inputs == "new":
        return _left_out(flow, student, teacher, noise)
    raise unknown(inputs)


def checked_pair(flow: LinearFlow, student: Filter, teacher: Filter) -> tuple[LinearFlow, Filter, Filter]:
    """(flow, student, teacher), the flow in the library of the filters' parameters."""
    flow, student, teacher = checked_flow(flow), filter_named("student", student), filter_named("teacher", teacher)
    return flow.fit(student @ teacher).flow, student, teacher


def unknown(inputs: object) -> ValueError:
    return ValueError(f"inputs: expected 'training' or 'new', got {inputs!r}; the answers differ where the target is "
                      f"partly outside of the features")


def _in_sample(flow, student, teacher, noise):
    """Stein's estimates: c^2 - noise in place of the signal's energy.  Eqs. (93), (94)"""
    s, left, d = gains(flow, student, teacher)
    here, noise, error = stein(flow, teacher, noise)
    xp, n = array_namespace(s), flow.targets.shape[0]
    fit = flow.fit(student)
    of_risk = loss_of(fit, here), 2 * degrees_of_freedom(fit) / n - 1
    of_difference = -xp.sum(d * left * here.energy, axis=-1) / n, xp.sum(d, axis=-1) / n
    of_distance = xp.sum(d**2 * here.energy, axis=-1) / n, 0 * xp.sum(d, axis=-1)
    errors = error(left**2, of_risk[1], 1.0), error(d * left, of_difference[1]), error(d**2, 0.0)
    return _line(noise, of_risk, of_difference, of_distance, errors, True)


def stein(flow: LinearFlow, teacher: Filter, noise: ArrayLike | None) -> tuple[Directions, Array, Callable[..., Array]]:
    """(directions, noise, error) of estimates on the training inputs: error(q, slope, beyond) is the standard error of
    (1/n) sum_k q_k ||c_k||^2 + slope * noise, and of beyond times the energy that no training reaches.  Eq. (94)

    noise: of all outputs; where it is None estimated, with the teacher's degrees of freedom.
    """
    here, (n, m) = of_targets(equally_weighted(flow)), flow.targets.shape
    noise, spread = given_noise(flow, noise, degrees_of_freedom(flow.fit(teacher)))
    xp = array_namespace(here.energy)
    unit = _unit(here.energy, here.floor + xp.max(noise))
    energy = variance_of_energy(here.energy / unit, noise[..., None] / unit / m, m)
    outside = variance_of_energy(here.floor / unit, noise / unit / m, m * here.unreached)

    def error(quadratic, slope, beyond=0.0):
        xp = array_namespace(quadratic)
        variance = (xp.sum(quadratic**2 * energy, axis=-1) + beyond**2 * outside) / n**2
        return unit * root(variance + (slope * (spread / unit)) ** 2)

    return here, noise, error


def _left_out(flow, student, teacher, noise):
    """Averages of products of leave-one-out errors.  Eq. (95)"""
    here = of_targets(flow)
    alone, taught = (left_out_of(flow.fit(f), here)[0] for f in (student, student @ teacher))
    xp = array_namespace(alone, taught)
    noise = real_array("noise", 0.0 if noise is None else noise, like=alone, nonnegative=True)
    between = alone - taught
    values, errors = zip(*(averaged(xp.sum(a * b, axis=-2))
                           for a, b in ((alone, alone), (alone, between), (between, between))))
    nothing = 0 * values[1]
    return _line(noise, (values[0], nothing - 1), (values[1], nothing), (values[2], nothing), errors, False)


def _line(noise, of_risk, of_difference, of_distance, errors, separated):
    line = Line(noise, of_risk, of_difference, of_distance)
    xp, D = array_namespace(errors[1]), line.distance
    positive = xp.where(D > 0, D, 1.0)
    weight = root((errors[1] / positive) ** 2 + (line.weight * (errors[2] / positive)) ** 2)
    risk, difference, distance = errors
    errors = LineErrors(risk, difference, distance, xp.where(D > 0, weight, xp.inf))
    return EstimatedLine(noise, of_risk, of_difference, of_distance, separated, errors)


def averaged(values: Array) -> Pair:
    """(mean, standard error) over the last axis, of functions of leave-one-out errors."""
    xp, n = array_namespace(values), values.shape[-1]
    mean = xp.mean(values, axis=-1)
    unit = _unit(values)
    spread = unit * root(xp.sum(((values - mean[..., None]) / unit) ** 2, axis=-1) / max(n - 1, 1))
    return mean, PAIRS * spread / n**0.5


def _unit(*values):
    """The largest size among the values, a constant, 1 for none: squares of what is divided by it do not overflow."""
    xp = array_namespace(*values)
    largest = constant(xp.max(xp.stack([xp.max(xp.abs(part)) for part in values])))
    return xp.where((largest > 0) & xp.isfinite(largest), largest, 1.0)


def root(x: Array) -> Array:
    """The square root of what is >= 0, with derivative 0 at 0: a standard error has a kink there."""
    xp, some = array_namespace(x), x > 0
    return xp.where(some, xp.sqrt(xp.where(some, x, 1.0)), 0.0)


def variance_of_energy(energy: Array, sigma: Array, count: Any) -> Array:
    """Variance 4 b^2 sigma + 2 count sigma^2 of a squared norm of `count` entries of variance sigma, b^2 being what its
    expectation is above count sigma; at least the second term.  Eq. (94)"""
    least = 2 * count * sigma**2
    found = 4 * energy * sigma - least
    return array_namespace(found).where(found > least, found, least + 0 * found)


def given_noise(flow: LinearFlow, noise: ArrayLike | None, df: Any) -> tuple[Array, Any]:
    """(noise, its standard error): as given, and then exact, or estimated, with df of the samples spent on a signal."""
    if noise is not None:
        return real_array("noise", noise, like=flow.limit, nonnegative=True), 0.0
    noise, (n, m) = noise_variance(flow), flow.targets.shape
    xp = array_namespace(df)
    return noise, noise * xp.sqrt(2 / (m * xp.where(n - df > 1, n - df, 1.0)))


def noise_variance(flow: LinearFlow) -> Array:
    """The variance of the labels' noise, summed over outputs, by marginal likelihood.  Eq. (96)

    Components are taken for independent with variance noise * (rho lam^alpha + 1), those that no training reaches for
    noise alone; rho >= 0 and 1 <= alpha <= 3 maximise the likelihood. Over 500 problems the estimate is 0.68, 0.80,
    1.02, 1.57 and 3.01 times the noise at the quantiles of 1, 5, 50, 95 and 99 %. It fails where the signal is not like
    that: a signal rougher than alpha = 1 and one outside of the features count as noise, and no estimate can tell them
    apart. In double precision, without derivatives. Raises ValueError for sample weights.
    """
    from scipy.optimize import minimize

    flow = equally_weighted(checked_values(checked_flow(flow)))
    here, m = of_targets(flow), flow.targets.shape[1]
    energy, lam, floor, unreached = (to_numpy(a).astype(float) for a in (
        here.energy, flow.spectrum.eigenvalues, here.floor, here.unreached))
    energy, lam = energy[lam > 0], lam[lam > 0]
    count = m * (len(lam) + max(float(unreached), 0.0))
    if not len(lam):
        raise ValueError("flow: expected inputs that are not all 0, got a spectrum without a positive eigenvalue; the "
                         "noise is then the mean square of y")
    log_lam = np.log(lam / lam.max())

    def fitted(point):
        log_rho, alpha = point
        scale = np.exp(np.clip(log_rho + alpha * log_lam, -700, 700)) + 1
        noise = (np.sum(energy / scale) + floor) / count  # of one output
        return noise, m * np.sum(np.log(scale)) + count * np.log(max(noise, 1e-300))

    grid = [(log_rho, alpha) for log_rho in np.linspace(-8, 28, 25) for alpha in (1.0, 1.5, 2.0, 2.5, 3.0)]
    start = min(grid, key=lambda point: fitted(point)[1])
    best = minimize(lambda point: fitted(point)[1], start, method="L-BFGS-B",
                    bounds=[(-10, 30), (ROUGHEST, SMOOTHEST)])
    point = best.x if best.fun <= fitted(start)[1] else start
    return moved(np.asarray(m * fitted(point)[0], dtype=to_numpy(flow.limit).dtype), flow.limit)
