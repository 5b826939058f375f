"""Schedules of distillation: targets that change, teachers that still learn or learn back, and generations."""

from dataclasses import dataclass
from math import exp, factorial, log, pi

from array_api_compat import array_namespace

from eigenkd._arrays import is_concrete, real_array
from eigenkd._pytrees import pytree
from eigenkd.filters.algebra import (
    ClosedForm,
    Exponential,
    Filter,
    Relaxation,
    check_shapes,
    filter_named,
    identity,
    log_completed,
    parameter,
    share,
    short,
    toward,
    whole,
    zero,
)
from eigenkd.filters.elementary import log1mexp, log1p, log_sinhc, product
from eigenkd.filters.training import flow, relax
from eigenkd.filters.two_rates import log_real_rates, real_rates
from eigenkd.typing import Array, ArrayLike


def switch(first: Filter, second: Filter, before: ArrayLike, after: ArrayLike, window: ArrayLike = 0.0,
           start: Filter | None = None) -> Filter:
    """Trained on one target for `before`, on a moving mixture for `window`, then on another target for `after`.

    first, second: filters, as teacher and identity for a switch from distillation to the one-hot loss, or the other way
    round. before, after, window: times >= 0, inf allowed, that broadcast; a window of 0 is an abrupt switch. start: a
    filter, zero if left out. Eqs. (10), (22)

    >>> teacher = relax(identity, 0.5)
    >>> print(switch(teacher, identity, before=1.0, after=1.0, window=[0.0, 2.0]).gain(1.0).round(4))
    [0.7236 0.8963]
    """
    first, second = filter_named("first", first), filter_named("second", second)
    before, after, window = (parameter(name, time) for name, time in
                             (("before", before), ("after", after), ("window", window)))
    return relax(second, after, start=anneal(first, second, window, start=relax(first, before, start)))


def anneal(first: Filter, second: Filter, time: ArrayLike, start: Filter | None = None) -> Filter:
    """Gradient flow towards targets that move linearly from `first` to `second` over `time`, from `start`.  Eq. (22)

    g = (1 - phi) second + (phi - d) first + d start, d = exp(-x), phi = (1 - d)/x, x = t lam. first, second, start:
    filters. time: t >= 0, a number or an array of any shape, inf allowed.
    """
    first, second, time = filter_named("first", first), filter_named("second", second), parameter("time", time)
    later = Exponential("annealed", ("time",), (time,), exponent=_later_exponent)
    sooner = Exponential("annealed", ("time",), (time,), exponent=_sooner_exponent)
    return toward(second, later, toward(first, sooner, start))


def _later_exponent(lam, time):
    """-log phi, phi = (1 - exp(-x))/x: the share of the first target and the start together."""
    return _annealed(product(time, lam))[0]


def _sooner_exponent(lam, time):
    """-log(d/phi) = log((exp(x) - 1)/x): the share of the start in that."""
    return _annealed(product(time, lam))[1]


def _annealed(x):
    xp = array_namespace(x)
    half = xp.where(x < 2, x / 2, 0.0)
    bend = log_sinhc(half)
    far = xp.where((x < 2) | xp.isinf(x), 2.0, x)
    later = xp.log(far) - log1mexp(far)
    end = xp.where(xp.isinf(x), x, later)
    return xp.where(x < 2, half - bend, end), xp.where(x < 2, half + bend, xp.where(xp.isinf(x), x, far - later))


def generations(student: Filter, count: ArrayLike, weight: ArrayLike = 0.0, start: Filter = identity) -> Filter:
    """Self-distillation `count` times over, each on weight * labels + (1 - weight) * the generation before.  Eq. (23)

    g_k = a (alpha + (1 - alpha) g_{k-1}) = q^k g_0 + (1 - q^k) limit, q = (1 - alpha) a, limit = alpha a/(1 - q), which
    has the odds gain/residual of the student times alpha. student: the filter a of each generation, as flow(s). count:
    whole, >= 0, inf for the limit; weight: alpha, between 0 and 1; numbers or arrays that broadcast. start: generation
    0, identity if left out: the first one sees labels alone. For generations that differ see `LinearFlow.chain`.
    Raises ValueError for values out of range.

    >>> from eigenkd import filters
    >>> print(generations(filters.ridge(1.0), [1, 2, 3, float("inf")], weight=0.5).gain(1.0).round(4))
    [0.5    0.375  0.3438 0.3333]
    >>> print(filters.ridge(2.0).gain(1.0).round(4))  # where they end
    0.3333
    """
    student, start = filter_named("student", student), filter_named("start", start)
    count, weight = whole("count", count, fix="round it"), share("weight", weight)
    return Relaxation(Handover(student, count, weight), Limit(student, weight), start)


@pytree("student", "weight")
@dataclass(frozen=True, eq=False, repr=False)
class Limit(Filter):
    """The limit of generations: gain = alpha a/(alpha a + r), a and r the gain and residual of each.  Eq. (23)"""

    student: Filter
    weight: Array

    def __post_init__(self) -> None:
        check_shapes(self.parameters)

    @property
    def parameters(self) -> tuple[Array, ...]:
        return (*self.student.parameters, self.weight)

    def __repr__(self) -> str:
        return f"limit({self.student!r}, weight={short(self.weight)})"

    def _pair(self, lam):
        xp = array_namespace(lam)
        a, r = self.student._pair(lam)
        top = _aligned("weight", self.weight, lam) * a
        total = top + r
        stuck = total == 0  # without labels, and each generation a perfect copy, nothing changes
        total = xp.where(stuck, 1.0, total)
        return top / total, xp.where(stuck, 1.0, r / total)

    def _log_pair(self, lam):
        xp = array_namespace(lam)
        a, r = self.student._log_pair(lam)
        top = xp.log(_aligned("weight", self.weight, lam)) + a
        r = xp.where((top == -xp.inf) & (r == -xp.inf), 0.0, r)
        total = xp.logaddexp(top, r)
        return log_completed(top - total, r - total)


@pytree("student", "count", "weight")
@dataclass(frozen=True, eq=False, repr=False)
class Handover(Filter):
    """The weight of the limit next to generation 0: residual ((1 - alpha) a)^count, a the gain of each.  Eq. (23)"""

    student: Filter
    count: Array
    weight: Array

    def __post_init__(self) -> None:
        check_shapes(self.parameters)

    @property
    def parameters(self) -> tuple[Array, ...]:
        return (*self.student.parameters, self.count, self.weight)

    def __repr__(self) -> str:
        return f"handover({self.student!r}, count={short(self.count)}, weight={short(self.weight)})"

    def _pair(self, lam):
        xp = array_namespace(lam)
        count, alpha = _aligned("count", self.count, lam), _aligned("weight", self.weight, lam)
        a, r = self.student._pair(lam)
        if is_concrete(a) and bool(xp.any(xp.isinf(count) & (xp.abs((1 - alpha) * a) > 1 + 1e-12))):
            raise ValueError("count: expected a finite number for a student that overshoots so far that generations "
                             "grow, got inf; they have no limit: use a finite count, or a student that settles")
        lost = alpha + (1 - alpha) * r
        near = lost < 0.5
        exponent = product(count, -log1p(-xp.where(near, lost, 0.0)))
        ordinary = (count > 0) & ~xp.isinf(count)  # elsewhere the power has another derivative
        power = xp.where(ordinary, ((1 - alpha) * a) ** xp.where(ordinary, count, 1.0), xp.where(count > 0, 0.0, 1.0))
        return xp.where(near, -xp.expm1(-exponent), 1 - power), xp.where(near, xp.exp(-exponent), power)

    def _log_pair(self, lam):
        xp = array_namespace(lam)
        count, alpha = _aligned("count", self.count, lam), _aligned("weight", self.weight, lam)
        a, r = self.student._log_pair(lam)
        log_lost = xp.logaddexp(xp.log(alpha), log1p(-alpha) + r)
        near = log_lost < -0.7
        log_kept = xp.where(near, log1p(-xp.exp(xp.where(near, log_lost, -1.0))), log1p(-alpha) + a)
        exponent = product(count, -log_kept)
        return log1mexp(exponent), 0 - exponent


def _aligned(name, value, lam):
    """A parameter, shaped to broadcast with lam."""
    value = real_array(name, value, like=lam, finite=False)
    return value.reshape((*value.shape, *(1,) * lam.ndim))


def online(time: ArrayLike, speed: ArrayLike = 1.0) -> Filter:
    """A student of a teacher that is still learning, both from zero for `time`: online distillation.  Eq. (20)

    r = exp(-lam t) + (exp(-c lam t) - exp(-lam t))/(1 - c): the teacher learns from the labels at c times the student's
    rate. time: t >= 0, inf allowed; speed: c >= 0, finite; numbers or arrays that broadcast.
    """
    arguments = parameter("time", time), parameter("speed", speed, finite=True)
    check_shapes(arguments)
    return ClosedForm("online", ("time", "speed"), arguments, pair=_online, log_pair=_log_online)


def _online(lam, time, speed):
    return real_rates(*_rates(lam, time, speed))


def _log_online(lam, time, speed):
    return log_real_rates(*_rates(lam, time, speed))


def _rates(lam, time, speed):
    x = product(time, lam)
    xp = array_namespace(x)
    return xp.broadcast_arrays(x, product(speed, x))


def online_chain(time: ArrayLike, learners: int) -> Filter:
    """The last of a chain of learners that all learn at once, each from the one before it.  Eq. (21)

    g = P(learners, lam t), the regularised incomplete gamma function (Erlang's distribution). time: t >= 0, a number or
    an array of any shape, inf allowed. learners: a whole number >= 1, the first learning from the labels; 1 is flow(t),
    2 is online(t). Raises ValueError where it is not.
    """
    if isinstance(learners, bool) or not hasattr(learners, "__index__") or learners < 1:
        raise ValueError(f"learners: expected a whole number >= 1, got {learners!r}; pass how many learn at once")
    count = learners.__index__()
    if count == 1:
        return flow(time)
    return ClosedForm(f"online_chain[{count}]", ("time",), (parameter("time", time),), pair=_Erlang(count, False),
                      log_pair=_Erlang(count, True))


@dataclass(frozen=True)
class _Erlang:
    """(gain, residual) of Erlang's distribution, or their logarithms: by the sum whose terms shrink."""

    learners: int
    logarithms: bool

    def __call__(self, lam, time):
        xp = array_namespace(lam)
        x, count = product(time, lam), self.learners
        below, some = x < count, x > 0
        # Below: the gain is x^G/G! exp(-x) (1 + x/(G + 1) + ...), whose factors by themselves may be out of range.
        near = xp.where(below & some, x, 1.0)
        term, tail = 1.0, 1.0
        for j in range(1, int(9 * count**0.5) + 60):
            term = term * (near / (count + j))
            tail = tail + term
        log_gain = xp.where(some, _log_poisson(near, count) + xp.log(tail), -xp.inf)
        small = (near / count * xp.exp(1 - near / count)) ** count * exp(-_stirling(count)) * tail
        gain = xp.where(some, xp.where(2 * near < count, small, xp.exp(xp.where(some, log_gain, 0.0))), 0.0)
        # Above: the residual is x^(G-1)/(G-1)! exp(-x) (1 + (G - 1)/x + ...).
        far = xp.where(below | xp.isinf(x), float(count), x)
        term, head = 1.0, 1.0
        for j in range(1, count):
            term = term * ((count - j) / far)
            head = head + term
        log_residual = xp.where(xp.isinf(x), -xp.inf, _log_poisson(far, count - 1) + xp.log(head + 0 * far))
        if not self.logarithms:
            residual = xp.exp(log_residual)
            return xp.where(below, gain, 1 - residual), xp.where(below, 1 - gain, residual)
        return (xp.where(below, log_gain, log1p(-xp.exp(log_residual))),
                xp.where(below, log1p(-gain), log_residual))


def _log_poisson(x, m):
    """log(x^m exp(-x)/m!) for x > 0, with an error relative to 1 near x = m, where its terms are many times larger."""
    return m * array_namespace(x).log(x / m) + (m - x) - _stirling(m) if m else -x


def _stirling(m):
    """log(m! exp(m)/m^m) for m >= 1, by Stirling's formula log(2 pi m)/2 plus a small correction."""
    if m <= 100:
        return log(factorial(m) / m**m * exp(m))
    return log(2 * pi * m) / 2 + 1 / (12 * m) - 1 / (360 * m**3)


def mutual(time: ArrayLike, weight: ArrayLike, start: tuple[Filter, Filter] = (zero, zero)) -> tuple[Filter, Filter]:
    """Two students that teach each other for `time`, with this weight on the labels: the pair of their filters.

    Mean: 1 - exp(-alpha x)(1 - mean_0), difference: exp(-(2 - alpha) x) difference_0, x = t lam. time: t >= 0, inf
    allowed; weight: alpha, between 0 and 1; numbers or arrays that broadcast. start: the filters that they start from.
    From the same start both are flow(alpha t): they teach each other only where they differ.  Eq. (24)

    >>> first, second = mutual(1.0, weight=0.5, start=(relax(identity, 1.0), zero))
    >>> print(first.gain(1.0).round(4), second.gain(1.0).round(4))
    0.6557 0.5146
    """
    time, weight = parameter("time", time), share("weight", weight)
    if not isinstance(start, tuple | list) or len(start) != 2:
        raise ValueError(f"start: expected a pair of filters, got {start!r}; pass (first, second)")
    first, second = (filter_named(f"start[{i}]", one) for i, one in enumerate(start))
    arguments = ("time", "weight"), (time, weight)
    check_shapes(arguments[1])
    exchange = ClosedForm("exchange", *arguments, pair=_exchange, log_pair=_log_exchange)
    labels = Exponential("labels", *arguments, exponent=_labels_exponent)
    return (toward(identity, labels, toward(first, exchange, second)),
            toward(identity, labels, toward(second, exchange, first)))


def _labels_exponent(lam, time, weight):
    return product(weight, product(time, lam))


def _exchange(lam, time, weight):
    """A student's share of its own start next to the other's: gain (1 + exp(-2 (1 - alpha) x))/2."""
    xp, z = array_namespace(lam), product(2 * (1 - weight), product(time, lam))
    return (1 + xp.exp(-z)) / 2, -xp.expm1(-z) / 2


def _log_exchange(lam, time, weight):
    xp = array_namespace(lam)
    residual = _exchange(lam, time, weight)[1]
    return log1p(-residual), xp.log(residual)
