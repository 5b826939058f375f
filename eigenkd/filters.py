"""Filters: what training does to one eigendirection, as a function of its eigenvalue.

A filter maps an eigenvalue lam >= 0 of K = X X^T to a gain g in [0, 1]: the share of the target that a model has
learned along that direction, with residual r = 1 - g. Every filter is built by one operation from one kind of leaf.

    leaf         residual exp(-x(lam)) with an exponent x >= 0: x = t lam for gradient flow
    relaxation   gain = w target + (1 - w) start, where the weight w is itself the gain of a filter      Eq. (8)

A teacher relaxes from zero to the labels, its student from zero to the teacher, the next generation from zero to the
student, a loss switch from where the first loss left off to the second target, a mixture with a weight that is the same
for every direction. Gains and residuals (or their logarithms) go through a relaxation as a pair in which only positive
terms are added, so that neither suffers from cancellation. Eqs. (7)-(12), docs/theory.md.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, log

import numpy as np
from array_api_compat import array_namespace

from eigenkd.arrays import is_concrete, leading, moved, real_array

__all__ = ["Filter", "descend", "descent", "flow", "identity", "mix", "relax", "ridge", "zero"]


class Filter(ABC):
    """A gain between 0 and 1 as a function of the eigenvalue; `student @ teacher` is the student of a teacher.

    The four evaluations take lam, an array of eigenvalues (>= 0) of any shape (k, ...), and return an array of shape
    (..., *lam.shape) where ... is the common (broadcast) shape of the filter's parameters, in lam's library, or in that
    of the parameters where lam is a number or a NumPy array.
    """

    @property
    @abstractmethod
    def parameters(self):
        """The arrays that the filter depends on, leaves from left to right."""

    @abstractmethod
    def _pair(self, lam):
        """(gain, residual) at lam, both to a few units in the last place."""

    @abstractmethod
    def _log_pair(self, lam):
        """(log gain, log residual) at lam, both to a few units in the last place."""

    def gain(self, lam):
        """The gain g(lam), with derivatives that are finite everywhere, lam = 0 and t = inf included."""
        return self._evaluate(self._pair, lam)[0]

    def residual(self, lam):
        """The residual r(lam) = 1 - g(lam), without cancellation."""
        return self._evaluate(self._pair, lam)[1]

    def log_gain(self, lam):
        """log g(lam), within 4 ulp relative to max(1, |log g|); -inf where the gain is 0."""
        return self._evaluate(self._log_pair, lam)[0]

    def log_residual(self, lam):
        """log r(lam), within 4 ulp relative to max(1, |log r|), also where r rounds to 1; -inf where r is 0."""
        return self._evaluate(self._log_pair, lam)[1]

    def _evaluate(self, pair, lam):
        lam = real_array("lam", lam, nonnegative=True)
        lam = moved(lam, leading(lam, *self.parameters))
        with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):
            return pair(lam)

    def __matmul__(self, teacher):
        if not isinstance(teacher, Filter):
            return NotImplemented
        return _Relaxation(self, teacher, zero)


@dataclass(frozen=True, eq=False)
class _Leaf(Filter):
    """Residual exp(-x), with the exponent x = exponent(lam, *arguments)."""

    name: str
    exponent: Callable
    arguments: tuple = ()

    @property
    def parameters(self):
        return self.arguments

    def _exponent(self, lam):
        arguments = [real_array(self.name, a, like=lam, finite=False) for a in self.arguments]
        return self.exponent(lam, *(a.reshape(tuple(a.shape) + (1,) * lam.ndim) for a in arguments))

    def _pair(self, lam):
        xp, x = array_namespace(lam), self._exponent(lam)
        return -xp.expm1(-x), xp.exp(-x)

    def _log_pair(self, lam):
        x = self._exponent(lam)
        return log1mexp(x), 0 - x  # not -0.0 where nothing is learned

    def __repr__(self):
        return f"{self.name}({', '.join(_short(a) for a in self.arguments)})" if self.arguments else self.name


@dataclass(frozen=True, eq=False)
class _Relaxation(Filter):
    """Gain = w target + (1 - w) start with w the gain of `weight`: the one operation.  Eq. (8)"""

    weight: Filter
    target: Filter
    start: Filter

    def __post_init__(self):
        shapes = [tuple(p.shape) for p in self.parameters]
        try:
            np.broadcast_shapes(*shapes)
        except ValueError as error:
            raise ValueError(f"parameters of a filter: expected shapes that broadcast, got "
                             f"{' and '.join(map(str, shapes))}; add axes of length 1, as in time[:, None]") from error

    @property
    def parameters(self):
        return self.weight.parameters + self.target.parameters + self.start.parameters

    def _pair(self, lam):
        xp = array_namespace(lam)
        (w, v), (a, b), (c, d) = (f._pair(lam) for f in (self.weight, self.target, self.start))
        gain, residual = w * a + v * c, w * b + v * d
        # The larger of the two follows from the smaller, so that they add up to one and never leave [0, 1].
        return xp.where(gain > residual, 1 - residual, gain), xp.where(gain > residual, residual, 1 - gain)

    def _log_pair(self, lam):
        xp = array_namespace(lam)
        (w, v), (a, b), (c, d) = (f._log_pair(lam) for f in (self.weight, self.target, self.start))
        gain, residual = xp.logaddexp(w + a, v + c), xp.logaddexp(w + b, v + d)
        smaller = xp.minimum(gain, residual)
        larger = log1p(-xp.exp(smaller))  # relative accuracy next to 0, which logaddexp can't give
        return xp.where(gain > residual, larger, gain), xp.where(gain > residual, residual, larger)

    def __repr__(self):
        if self.start is zero:
            return f"{self.weight!r} @ {self.target!r}"
        return f"relaxation(weight={self.weight!r}, target={self.target!r}, start={self.start!r})"


def log1mexp(x):
    """log(1 - exp(-x)) for x >= 0, split at x = log 2 so that both ends keep all their digits."""
    xp = array_namespace(x)
    return xp.where(x < log(2), xp.log(-xp.expm1(-x)), log1p(-xp.exp(-x)))


def log1p(x):
    """log(1 + x) to one ulp for x >= -1 in every library: XLA's own log1p is off by a hundred ulp at x = -0.41."""
    xp = array_namespace(x)
    rounded = 1 + x
    usable = (rounded > 0) & xp.isfinite(rounded)
    return xp.log(rounded) + xp.where(usable, (x - (rounded - 1)) / xp.where(usable, rounded, 1.0), 0.0)


def flow(time):
    """Gradient flow for `time` from zero towards the labels: g = 1 - exp(-t lam).  Eq. (4)

    time: t >= 0, a number or an array of any shape, inf allowed. Unit: 1/eigenvalue, for the loss (1/2)||X b - y||^2.
    Raises ValueError for a negative or NaN time.
    """
    return _Leaf("flow", lambda lam, t: _product(t, lam), (_parameter("time", time),))


def descent(learning_rate, steps):
    """Gradient descent for `steps` steps from zero towards the labels: g = 1 - (1 - eta lam)^k.  Eq. (9)

    learning_rate: eta >= 0; steps: k, a whole number >= 0, inf allowed; numbers or arrays that broadcast.
    Raises ValueError for values out of range, and on evaluation where eta lam > 1: there the residual changes its sign
    from step to step, is no longer a share, has no logarithm, and the order that Theorem 4.1 rests on fails.
    """
    steps = _parameter("steps", steps)
    xp = array_namespace(steps)
    if is_concrete(steps) and bool(xp.any(steps != xp.floor(steps))):
        raise ValueError(f"steps: expected whole numbers, got {_short(steps)}; round it, or use flow(time) for a "
                         f"continuous time")

    return _Leaf("descent", _descent_exponent, (_parameter("learning_rate", learning_rate, finite=True), steps))


def ridge(strength):
    """Ridge regression with penalty (mu/2)||b||^2: g = lam / (lam + mu).  Eq. (12)

    strength: mu >= 0, a number or an array of any shape, inf allowed, in units of the eigenvalue; mu = 0 is the limit
    of a vanishing penalty: 1 where lam > 0 and 0 in null directions.
    """
    return _Leaf("ridge", _ridge_exponent, (_parameter("strength", strength),))


def relax(target, time, start=None):
    """Gradient flow for `time` towards `target`, from `start` (zero): g = tau + exp(-t lam) (g0 - tau).  Eq. (8)

    target, start: filters, what is trained on and what is trained from. time: as in `flow`.
    """
    return _Relaxation(flow(time), _filter("target", target), _filter("start", zero if start is None else start))


def descend(target, learning_rate, steps, start=None):
    """Gradient descent for `steps` steps towards `target`, from `start` (zero): `relax` by steps.  Eqs. (8), (9)"""
    return _Relaxation(descent(learning_rate, steps), _filter("target", target),
                       _filter("start", zero if start is None else start))


def mix(a, b, weight):
    """weight * a + (1 - weight) * b: what targets that mix labels and teacher teach.  Eq. (11)

    weight: between 0 and 1, a number or an array of any shape. Raises ValueError where it is not.
    """
    weight = _parameter("weight", weight)
    if is_concrete(weight) and bool(array_namespace(weight).any(weight > 1)):
        raise ValueError(f"weight: expected numbers between 0 and 1, got {_short(weight)}; pass a share, 0.5 "
                         f"for equal parts")
    constant = _Leaf("constant", lambda lam, w: -log1p(-w) + 0 * lam, (weight,))
    return _Relaxation(constant, _filter("a", a), _filter("b", b))


zero = _Leaf("zero", lambda lam: array_namespace(lam).zeros_like(lam))
identity = _Leaf("identity", lambda lam: array_namespace(lam).full_like(lam, inf))


def _product(amount, rate):
    """amount * rate with 0 * inf = 0, and derivatives that stay finite where a factor is infinite."""
    xp = array_namespace(amount, rate)
    unbounded = xp.isinf(amount) | xp.isinf(rate)
    bounded = xp.where(unbounded, 1.0, amount) * xp.where(unbounded, 1.0, rate)
    limit = xp.where((amount > 0) & (rate > 0), xp.full_like(bounded, inf), 0.0)
    return xp.where(unbounded, limit, bounded)


def _descent_exponent(lam, learning_rate, steps):
    xp = array_namespace(lam)
    progress, rest = exact_product(learning_rate, lam)
    if is_concrete(progress) and bool(xp.any(progress > 1 + 4 * xp.finfo(progress.dtype).eps)):
        largest = float(xp.max(progress))
        raise ValueError(f"learning_rate: expected learning_rate * eigenvalue <= 1, got a largest product of "
                         f"{largest:.6g}; use a learning rate at most 1/{largest:.6g} of this one (beyond it the "
                         f"residual changes its sign at every step and is no longer a share between 0 and 1)")
    # Next to 1 the rounding of eta * lam is not small beside 1 - eta * lam: it has to come along.
    near, far = progress > 0.5, xp.where(progress > 0.5, 0.5, progress)
    remaining = 1 - progress - rest
    unstable = progress > 1 + 4 * xp.finfo(progress.dtype).eps  # seen only where nothing can be raised
    remaining = xp.where(unstable, xp.nan, xp.where(remaining > 0, remaining, 0.0))
    logarithm = xp.where(near, xp.log(xp.where(near, remaining, 1.0)), log1p(-far) - rest / (1 - far))
    return _product(steps, -logarithm)


def _ridge_exponent(lam, strength):
    xp = array_namespace(lam)
    null = (lam == 0) & (strength == 0)
    return xp.where(null, 0.0, log1p(lam / xp.where(null, 1.0, strength)))


def exact_product(a, b):
    """(p, e) with p = a * b rounded and p + e the exact product (Dekker 1971; e = 0 where splitting would overflow)."""
    xp = array_namespace(a, b)
    factor = 2.0 ** (27 if a.dtype == xp.float64 else 12) + 1

    def halves(x):
        high = factor * x - (factor * x - x)
        return high, x - high

    p = a * b
    (a1, a2), (b1, b2) = halves(a), halves(b)
    e = ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2
    return p, xp.where(xp.isfinite(e), e, 0.0)


def _parameter(name, value, finite=False):
    return real_array(name, value, nonnegative=True, finite=finite)


def _filter(name, value):
    if not isinstance(value, Filter):
        raise TypeError(f"{name}: expected a filter, got {type(value).__name__}; make one with filters.flow(time), "
                        f"filters.ridge(strength), filters.identity ...")
    return value


def _short(a):
    """A parameter as a message or a repr shows it."""
    if not is_concrete(a):
        return "traced"
    return f"{float(a):g}" if a.ndim == 0 else f"array of shape {tuple(a.shape)}"
