"""The best of several steps of self-distillation with free weights: least squares over checkpoints of one training.

k steps of one training s reach exactly the gains sum_j alpha_j s^j, j = 1 ... k + 1, sum alpha = 1; for a flow of time
t the affine hull of its checkpoints at t, 2 t, ..., (k + 1) t. Their risk is quadratic in the coefficients.
"""

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from array_api_compat import array_namespace

from eigenkd import filters
from eigenkd._arrays import is_concrete, real_array
from eigenkd._pytrees import pytree
from eigenkd.filters.algebra import Filter, filter_named
from eigenkd.flow import LinearFlow
from eigenkd.risk._text import numbers
from eigenkd.risk.directions import checked_flow, equally_weighted, has_intercept, of_targets, parts
from eigenkd.risk.estimates import given_noise, unknown
from eigenkd.risk.left_out import left_out_of
from eigenkd.typing import Array, ArrayLike

CANCEL = {64: 100, 32: 1}  # errors of leave-one-out errors over rounding, about, by the bits of a number


@pytree("student", "coefficients", "weights", "risks", "oracle")
@dataclass(frozen=True, eq=False)
class Steps:
    """The best steps of one training.

    coefficients: (k + 1,), alpha of sum_j alpha_j s^j, the last one 0 where a step less does as well. weights: (k,), xi
    of `filters.steps`, first to last; the first one 0 where a step less does as well. risks: (k + 1,), after 0, 1, ...,
    k steps, each with its own best weights; the last one is that of `filter`. oracle: the least risk of any gain at
    all; NaN for estimates.
    """

    student: Filter
    coefficients: Array
    weights: Array
    risks: Array
    oracle: Array

    @property
    def filter(self) -> Filter:
        """The last model, to be trained as it is: flow.fit(found.filter)."""
        return filters.steps(self.student, [self.weights[i] for i in range(self.weights.shape[0])])

    @property
    def amplification(self) -> Array:
        """sum_j |alpha_j|: how many times an error that one training makes can grow on the way to the last model."""
        return array_namespace(self.coefficients).sum(array_namespace(self.coefficients).abs(self.coefficients))

    def __repr__(self) -> str:
        return f"Steps({self.student!r}, {numbers(weights=self.weights, risks=self.risks, oracle=self.oracle)})"

    def __str__(self) -> str:
        weights, risks = (", ".join(f"{float(v) + 0.0:.4g}" for v in values) for values in (self.weights, self.risks))
        return (f"{self.student!r} and {self.weights.shape[0]} step(s); weights of the model before: "
                f"{weights or 'none'}; risk after each: {risks}; errors of one training can grow "
                f"{float(self.amplification):.2g} times.")


def best_steps(flow: LinearFlow, student: Filter, count: int, signal: ArrayLike, noise: ArrayLike,
               mean: ArrayLike | None = None) -> Steps:
    """`count` steps of self-distillation with the weights of least risk on the training inputs.  Eqs. (101)-(103)

    student: the filter of each training, with single numbers as parameters. signal, noise, mean: as in `fixed_design`.
    By QR of the columns, each scaled to length 1. As many steps as there are eigenvalues reach the oracle in exact
    arithmetic, if these are distinct (among equal ones no filter tells apart, as the oracle does). The weights grow by
    the step, and the models of a training cancel more and more: steps whose terms are more than eps^(-1/3) (165,000 in
    double precision) times as large as their sum are left out with a warning, so that `risks` are what `filter` has, to
    about 1e-10. `amplification` says how large the terms are.

    >>> from eigenkd import filters, linear_flow
    >>> flow = linear_flow(np.diag([2.0, 1.0, 0.5]), np.ones(3))
    >>> found = best_steps(flow, filters.flow(1.0), 3, signal=[2.0, 1.0, 0.0], noise=0.5)
    >>> print(found.risks.round(4), found.oracle.round(4))
    [0.2809 0.2802 0.2775 0.2593] 0.2593

    Raises TypeError or ValueError as `fixed_design`, and for a family of filters or a count that is not whole. Returns
    `Steps`.
    """
    flow, student, s, left = _checked(flow, student, count)
    xp, n = array_namespace(s), flow.targets.shape[0]
    noise = _number(noise, s)
    expected, offset, outside = parts(flow, signal, mean)
    aim = xp.sum(expected * (expected + offset), axis=-1)
    power = xp.sum(expected**2, axis=-1) + noise
    rest = xp.sum((expected + offset) ** 2, axis=-1) - _over(aim**2, power)
    columns, target = _quadratic(s, left, power, aim, count)
    return _steps(student, columns, target, (xp.sum(rest) + outside) / n, n, _trained(s, left, power, target))


def estimated_steps(flow: LinearFlow, student: Filter, count: int, noise: ArrayLike | None = None,
                    inputs: str = "new") -> Steps:
    """The same from the data: by exact leave-one-out errors ("new") or Stein's estimate ("training").  Eq. (104)

    noise: for "training", the variance of the labels; `noise_variance` where it is None. risks: the estimates, for new
    inputs with the noise of new labels. Weights are fitted, so that these are too small, by some times the noise over
    n a weight on training inputs. One or two steps pay for a teacher that was stopped badly; after tuning they do harm:
    docs/advisor.md.
    """
    flow, student, s, left = _checked(flow, student, count)
    here, (n, m) = of_targets(flow), flow.targets.shape
    xp = array_namespace(s)
    if inputs == "training":
        equally_weighted(flow)
        noise = None if noise is None else _number(noise, s)
        noise, _ = given_noise(flow, noise, xp.sum(s, axis=-1))
        energy = here.energy
        columns, target = _quadratic(s, left, energy, energy - noise, count)
        rest = xp.sum(energy - _over((energy - noise) ** 2, energy)) + here.floor - n * noise
        rest = rest + 2 * noise * has_intercept(flow)
        return _steps(student, columns, target, rest / n, n, _trained(s, left, energy, target), estimated=True)
    if inputs != "new":
        raise unknown(inputs)
    powers, model = [], student
    for _ in range(count + 1):
        powers.append(left_out_of(flow.fit(model), here)[0].reshape((n * m,)))
        model = student @ model
    columns = xp.stack([a - b for a, b in pairwise(powers)], axis=-1) if count else powers[0][:, None][:, :0]
    size = [xp.sqrt(xp.sum(power**2)) for power in powers]
    cancel = xp.stack([a + b for a, b in pairwise(size)]) if count else powers[0][:0]
    return _steps(student, columns, powers[0], 0.0, n, lambda q, _: powers[0] - columns[:, :q.shape[0]] @ q,
                  CANCEL[xp.finfo(s.dtype).bits] * cancel, estimated=True)


def _checked(flow, student, count):
    """(flow in the library of the filter, student, its gain and residual)."""
    flow, student = checked_flow(flow), filter_named("student", student)
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
        raise ValueError(f"count: expected a whole number of steps >= 0, got {count!r}; 0 is the student on labels")
    fit = flow.fit(student)
    if fit.gain.ndim != 1:
        raise ValueError(f"student: expected single numbers as parameters, got {student!r}; call once for each")
    return fit.flow, student, fit.gain, fit.residual


def _number(noise, like):
    noise = real_array("noise", noise, like=like, nonnegative=True)
    if noise.ndim:
        raise ValueError(f"noise: expected a number, got shape {tuple(noise.shape)}; call once for each")
    return noise


def _quadratic(s, left, power, aim, count):
    """(columns, target) of the least squares for q in the gain s - s (1 - s) q(s).  Eq. (102)"""
    xp = array_namespace(s)
    root = xp.sqrt(power)
    target = _over(s * power - aim, root)
    columns = [root * s * left * s**i for i in range(count)]
    return xp.stack(columns, axis=-1) if count else target[:, None][:, :0], target


def _trained(s, left, power, target):
    """(q, weights) -> target - columns q, as the filter of these weights computes it."""
    root = array_namespace(s).sqrt(power)

    def missed(_, weights):
        residual = left  # of the model before the last step: 1 - h_j = 1 - s + s xi_j (1 - h_{j-1})
        for i in range(weights.shape[0] - 1):
            residual = left + s * weights[i] * residual
        return target - root * s * weights[-1] * residual

    return missed


def _steps(student, columns, target, rest, n, missed, cancel=None, estimated=False):
    """`Steps` from q = argmin ||target - columns q|| for every number of columns, of those that are resolved.

    missed: (q, weights) -> what is left of the target. cancel: the length of each term with q = 1 that rounding is
    relative to, that of its column where None.
    """
    xp, count = array_namespace(target), columns.shape[-1]
    size = xp.sqrt(xp.sum(columns**2, axis=0))
    size = xp.where(size > 0, size, 1.0)
    cancel = size if cancel is None else cancel
    whole, zero = xp.sqrt(xp.sum(target**2)), 0 * target[:1]
    q, weights, risks, left_out = target[:0], target[:0], [whole**2 / n + rest], xp.zeros((0,), dtype=xp.bool)
    if count:
        Q, R = xp.linalg.qr(columns / size)
        along = Q.T @ target
    for k in range(1, count + 1):
        q, weights = xp.concat([q, zero]), xp.concat([zero, weights])  # a step more, which changes nothing
        if k > R.shape[0]:
            risks.append(risks[-1])
            continue
        found = _solved(R[:k, :k], along[:k], xp) / size[:k]
        resolved = xp.sum(xp.abs(found) * cancel[:k]) <= whole * xp.finfo(R.dtype).eps ** (-1 / 3)
        wanted = _weights(_coefficients(found, xp), xp)
        risk = xp.sum(missed(found, wanted) ** 2) / n + rest
        better = resolved & (risk < risks[-1])
        q, weights = xp.where(better, found, q), xp.where(better, wanted, weights)
        risks.append(xp.where(better, risk, risks[-1]))
        left_out = xp.concat([left_out, ~resolved[None]])
    if is_concrete(left_out) and bool(xp.any(left_out)):
        warnings.warn(f"count: expected steps that rounding resolves, got {count}; {int(xp.sum(left_out))} are left "
                      f"out, as their terms would cancel; fewer steps have the same risk", RuntimeWarning,
                      stacklevel=3)
    oracle = np.nan * risks[0] if estimated else xp.asarray(rest)
    return Steps(student, _coefficients(q, xp), weights, xp.stack(risks), oracle)


def _coefficients(q, xp):
    """alpha of s - s (1 - s) q(s)."""
    one = xp.ones_like(q[:1]) if q.shape[0] else xp.ones((1,), dtype=q.dtype)
    zero = 0 * one
    return xp.concat([one, q * 0]) - xp.concat([q, zero]) + xp.concat([zero, q])


def _solved(R, along, xp):
    """R^-1 along by substitution, with 0 for columns that add nothing to those before."""
    count = R.shape[0]
    eps = xp.finfo(R.dtype).eps
    found = [xp.zeros_like(along[0])] * count
    for i in reversed(range(count)):
        rest = along[i] - sum(R[i, j] * found[j] for j in range(i + 1, count))
        pivot = R[i, i]
        some = xp.abs(pivot) > 10 * count * eps
        found[i] = xp.where(some, rest / xp.where(some, pivot, 1.0), 0.0)
    return xp.stack(found)


def _weights(coefficients, xp):
    """xi, first to last: xi_k = 1 - alpha_1, and the rest over xi_k are the coefficients of the step before."""
    found = []
    for _ in range(coefficients.shape[0] - 1):
        weight = 1 - coefficients[0]
        found.append(weight)
        safe = xp.where(weight != 0, weight, 1.0)
        coefficients = xp.where(weight != 0, coefficients[1:] / safe, 0 * coefficients[1:])
    return xp.stack(found[::-1]) if found else coefficients[:0]


def _over(a, b):
    xp = array_namespace(b)
    return xp.where(b > 0, a / xp.where(b > 0, b, 1.0), 0.0)
