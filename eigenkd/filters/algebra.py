"""The algebra of filters: one operation, and the leaves that it is applied to.

    leaf         a residual r(lam) in closed form: exp(-t lam) for gradient flow
    relaxation   gain = w target + (1 - w) start, where the weight w is itself the gain of a filter      Eq. (10)

A filter is evaluated as the pair (gain, residual), or as the pair of their logarithms. A relaxation adds only positive
terms in both pairs, so that neither suffers from cancellation. A leaf whose gain can leave [0, 1] (momentum, steps
beyond the stable ones) has no logarithm. It, and filters made of it, raise `Overshoot` for logarithms and have the
linear pair.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from array_api_compat import array_namespace

from eigenkd._arrays import is_concrete, leading, moved, real_array
from eigenkd._pytrees import pytree
from eigenkd.filters.elementary import log1mexp, log1p
from eigenkd.typing import Array, ArrayLike, Pair


class Overshoot(ValueError):
    """Raised for a logarithm of a gain or residual that leaves [0, 1]."""


class Filter(ABC):
    """A gain as a function of the eigenvalue; `student @ teacher` is the student of a teacher.

    The four evaluations take lam, an array of eigenvalues (>= 0) of any shape (k, ...), and return an array of shape
    (..., *lam.shape) where ... is the common (broadcast) shape of the filter's parameters, in lam's library, or in that
    of the parameters where lam is a number or a NumPy array. The logarithms raise `Overshoot`, a ValueError, for a
    filter whose gain leaves [0, 1].
    """

    @property
    @abstractmethod
    def parameters(self) -> tuple[Array, ...]:
        """The arrays that the filter depends on, leaves from left to right, without axes of a leaf's own."""

    @abstractmethod
    def _pair(self, lam: Array) -> Pair:
        """(gain, residual) at lam, both to a few units in the last place; for oscillating momentum, to a few units of
        1."""

    @abstractmethod
    def _log_pair(self, lam: Array) -> Pair:
        """(log gain, log residual) at lam, both to a few units in the last place."""

    def gain(self, lam: ArrayLike) -> Array:
        """The gain g(lam), within a few ulp, times |log g| where that is more, with derivatives that are finite
        everywhere, lam = 0 and t = inf included."""
        return self._evaluate(self._pair, lam)[0]

    def residual(self, lam: ArrayLike) -> Array:
        """The residual r(lam) = 1 - g(lam), without cancellation; for oscillating momentum its error is relative to
        1."""
        return self._evaluate(self._pair, lam)[1]

    def log_gain(self, lam: ArrayLike) -> Array:
        """log g(lam), within 4 ulp relative to max(1, |log g|); -inf where the gain is 0."""
        return self._evaluate(self._log_pair, lam)[0]

    def log_residual(self, lam: ArrayLike) -> Array:
        """log r(lam), within 4 ulp relative to max(1, |log r|), also where r rounds to 1; -inf where r is 0."""
        return self._evaluate(self._log_pair, lam)[1]

    def _evaluate(self, pair, lam):
        lam = real_array("lam", lam, nonnegative=True)
        lam = moved(lam, leading(lam, *self.parameters))
        with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):
            return pair(lam)

    def __matmul__(self, teacher: "Filter") -> "Filter":
        return Relaxation(self, filter_named("teacher", teacher), zero)


@dataclass(frozen=True, eq=False)
class Leaf(Filter):
    """A filter in closed form, named as its user made it, with `arguments` called `names`.

    own_axes: how many trailing axes of every argument belong to the leaf itself, as the steps of a schedule do, and
    are not the axes of a family of filters.
    """

    name: str
    names: tuple[str, ...]
    arguments: tuple[Array, ...]
    own_axes: int = field(default=0, kw_only=True)

    @property
    def parameters(self) -> tuple[Array, ...]:
        return tuple(a[(..., *(0,) * self.own_axes)] for a in self.arguments)

    def _arguments(self, lam):
        """The arguments, shaped to broadcast with lam; own axes stay behind."""
        values = [real_array(name, a, like=lam, finite=False) for name, a in zip(self.names, self.arguments)]
        split = [a.ndim - self.own_axes for a in values]
        return [a.reshape((*a.shape[:n], *(1,) * lam.ndim, *a.shape[n:])) for a, n in zip(values, split)]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(short(a) for a in self.arguments)})" if self.arguments else self.name


@pytree("arguments")
@dataclass(frozen=True, eq=False, repr=False)
class Exponential(Leaf):
    """Residual exp(-x), with the exponent x = exponent(lam, *arguments) >= 0.  Eq. (9)"""

    exponent: Callable[..., Array]

    def _pair(self, lam):
        xp, x = array_namespace(lam), self.exponent(lam, *self._arguments(lam))
        return -xp.expm1(-x), xp.exp(-x)

    def _log_pair(self, lam):
        x = self.exponent(lam, *self._arguments(lam))
        return log1mexp(x), 0 - x  # not -0.0 where nothing is learned


@pytree("arguments")
@dataclass(frozen=True, eq=False, repr=False)
class ClosedForm(Leaf):
    """Gain and residual by functions of (lam, *arguments); log_pair is None, or raises, where a gain leaves [0, 1]."""

    pair: Callable[..., Pair]
    log_pair: Callable[..., Pair] | None = None

    def _pair(self, lam):
        return self.pair(lam, *self._arguments(lam))

    def _log_pair(self, lam):
        if self.log_pair is None:
            raise Overshoot(f"{self.name}: expected a filter with a gain between 0 and 1 to take logarithms of, got "
                             f"one that overshoots; use gain and residual, which need none")
        return self.log_pair(lam, *self._arguments(lam))


@pytree("arguments")
@dataclass(frozen=True, eq=False, repr=False)
class Alternating(Leaf):
    """Residual +-exp(-x), by a rule that gives (x, where the residual is negative, where 1 - eta lam is).  Eq. (11)"""

    rule: Callable[..., tuple[Array, Array, Array]]

    def _pair(self, lam):
        xp = array_namespace(lam)
        x, negative, _ = self.rule(lam, *self._arguments(lam))
        size = xp.exp(-x)
        return xp.where(negative, 1 + size, -xp.expm1(-x)), xp.where(negative, -size, size)

    def _log_pair(self, lam):
        xp = array_namespace(lam)
        x, _, overshoots = self.rule(lam, *self._arguments(lam))
        if is_concrete(overshoots) and bool(xp.any(overshoots)):
            raise Overshoot(f"{self.names[0]}: expected learning_rate * eigenvalue <= 1 for a logarithm, got more "
                             f"(the largest eigenvalue is {float(xp.max(lam)):.6g}): there the residual changes its "
                             f"sign from step to step; use smaller steps, or gain and residual, which need no "
                             f"logarithm")
        x = xp.where(overshoots, xp.nan, x)  # under transformations, where no error can be raised
        return log1mexp(x), 0 - x


@pytree("weight", "target", "start")
@dataclass(frozen=True, eq=False)
class Relaxation(Filter):
    """Gain = w target + (1 - w) start with w the gain of `weight`: the one operation.  Eq. (10)"""

    weight: Filter
    target: Filter
    start: Filter

    def __post_init__(self) -> None:
        check_shapes(self.parameters)

    @property
    def parameters(self) -> tuple[Array, ...]:
        return self.weight.parameters + self.target.parameters + self.start.parameters

    def _pair(self, lam):
        (w, v), (a, b), (c, d) = (f._pair(lam) for f in (self.weight, self.target, self.start))
        return completed(w * a + v * c, w * b + v * d)

    def _log_pair(self, lam):
        xp = array_namespace(lam)
        (w, v), (a, b), (c, d) = (f._log_pair(lam) for f in (self.weight, self.target, self.start))
        return log_completed(xp.logaddexp(w + a, v + c), xp.logaddexp(w + b, v + d))

    def __repr__(self) -> str:
        if self.start is zero:
            return f"{self.weight!r} @ {self.target!r}"
        return f"relaxation(weight={self.weight!r}, target={self.target!r}, start={self.start!r})"


def completed(gain: Array, residual: Array) -> Pair:
    """(gain, residual) whose larger one follows from the smaller, so that they add up to one and stay in [0, 1]."""
    xp = array_namespace(gain)
    return xp.where(gain > residual, 1 - residual, gain), xp.where(gain > residual, residual, 1 - gain)


def log_completed(log_gain: Array, log_residual: Array) -> Pair:
    """The same for logarithms, with relative accuracy next to 0, which a sum in log space does not have.  Eq. (15)"""
    xp = array_namespace(log_gain)
    larger = log1p(-xp.exp(xp.minimum(log_gain, log_residual)))
    return xp.where(log_gain > log_residual, larger, log_gain), xp.where(log_gain > log_residual, log_residual, larger)


def _nothing(lam):
    return array_namespace(lam).zeros_like(lam)


def _everything(lam):
    xp = array_namespace(lam)
    return xp.full_like(lam, xp.inf)


zero: Filter = Exponential("zero", (), (), exponent=_nothing)
identity: Filter = Exponential("identity", (), (), exponent=_everything)


def toward(target: Filter, training: Filter, start: Filter | None = None) -> Filter:
    """A training that is known by its gain from zero towards the labels, towards `target` from `start` (zero).  Eq.
    (10)

    target, training, start: filters. toward(teacher, ridge(0.1)) is ridge(0.1) @ teacher.
    """
    return Relaxation(filter_named("training", training), filter_named("target", target),
                      filter_named("start", zero if start is None else start))


def mix(a: Filter, b: Filter, weight: ArrayLike) -> Filter:
    """weight * a + (1 - weight) * b, as for targets that mix labels and teacher.  Eq. (13)

    weight: any finite number, or an array of any shape. Below 0 or above 1 it moves away from one of the two, and the
    gain may leave [0, 1]: the filter then has gain and residual, and raises `Overshoot` for logarithms.
    """
    constant = ClosedForm("constant", ("weight",), (real_array("weight", weight),), pair=_constant,
                          log_pair=_log_constant)
    return Relaxation(constant, filter_named("a", a), filter_named("b", b))


def _constant(lam, weight):
    return weight + 0 * lam, 1 - weight + 0 * lam


def _log_constant(lam, weight):
    xp = array_namespace(lam)
    outside = (weight < 0) | (weight > 1)
    if is_concrete(outside) and bool(xp.any(outside)):
        raise Overshoot(f"weight: expected numbers between 0 and 1 for a logarithm, got {short(weight)}: outside of "
                        f"that the gain may leave [0, 1]; use gain and residual, which need no logarithm")
    weight = xp.where(outside, xp.nan, weight)  # under transformations, where no error can be raised
    return xp.log(weight) + 0 * lam, log1p(-weight) + 0 * lam


def parameter(name: str, value: ArrayLike, finite: bool = False) -> Array:
    """An argument of a filter: numbers >= 0, inf allowed unless `finite`."""
    return real_array(name, value, nonnegative=True, finite=finite)


def share(name: str, value: ArrayLike, fix: str = "pass a share, 0.5 for equal parts") -> Array:
    """An argument between 0 and 1."""
    value = parameter(name, value)
    if is_concrete(value) and bool(array_namespace(value).any(value > 1)):
        raise ValueError(f"{name}: expected numbers between 0 and 1, got {short(value)}; {fix}")
    return value


def whole(name: str, value: ArrayLike, finite: bool = False,
          fix: str = "round it, or use flow(time) for a continuous time") -> Array:
    """A number of steps or generations >= 0, inf allowed unless `finite`."""
    value = parameter(name, value, finite)
    xp = array_namespace(value)
    if is_concrete(value) and bool(xp.any(value != xp.floor(value))):
        raise ValueError(f"{name}: expected whole numbers, got {short(value)}; {fix}")
    return value


def filter_named(name: str, value: object) -> Filter:
    if not isinstance(value, Filter):
        raise TypeError(f"{name}: expected a filter, got {type(value).__name__}; make one with filters.flow(time), "
                        f"filters.ridge(strength), filters.identity ...")
    return value


def check_shapes(parameters: Iterable[Array], own_axes: int = 0) -> None:
    shapes = [tuple(p.shape[: p.ndim - own_axes]) for p in parameters]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ValueError(f"parameters of a filter: expected shapes that broadcast, got "
                         f"{' and '.join(str(shape) for shape in shapes if shape)}; add axes of length 1, as in "
                         f"time[:, None]") from error


def short(a: Array) -> str:
    """A parameter as text for messages and reprs."""
    if not is_concrete(a):
        return "traced"
    return f"{float(a):g}" if a.ndim == 0 else f"array of shape {tuple(a.shape)}"
