"""The gap of generations of any kind next to the ridge regression that is matched with the last of them.

With M the penalty that a single regression would need along lam, Eq. (32), a product of gains next to the ridge
regression that has its gain at the pivot leaves

    gap = lam |M(lam) - M(lam_p)| / ((lam + M(lam)) (lam + M(lam_p)))                                       Eq. (33)

and the difference of the M is a sum of positive terms, generation by generation, whatever their kinds. All quantities
are logarithms of odds o = M/lam = (1 - g)/g, which neither overflow nor lose digits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from array_api_compat import array_namespace

from eigenkd import filters
from eigenkd.filters.elementary import log1p, mean_decay, product
from eigenkd.typing import Array

TERMS = 20  # of series for arguments below 1


@dataclass(frozen=True)
class Odds:
    """One generation: o = M/lam of its penalty M along lam ("here", (..., k)) and the pivot ("there", (..., 1)).

    apart: log |M(lam) - M(lam_p)|/lam. unlearned: where M is infinite: nothing is learned, and the other values are
    placeholders.
    """

    log_here: Array
    log_there: Array
    there: Array
    apart: Array
    unlearned: Array


def log_gap(lam: Array, pivot: Array, generations: Sequence[tuple[str, Sequence[Array]]]) -> tuple[Array, Array, Array]:
    """(matched penalty, log gap, log margin), (..., 1), (..., k), (..., k).  Eqs. (32), (33)

    lam (k,), pivot: eigenvalues. generations: pairs of a kind, "flow", "ridge" or "descent", and its parameters
    (..., 1). The gap is 0 at eigenvalues equal to the pivot, at null ones, and where a generation learns nothing.
    """
    xp = array_namespace(lam)
    same = xp.equal(lam, pivot) | (lam <= 0)
    lam = xp.where(same, pivot / 2, lam)
    odds = [ODDS[kind](lam, pivot, *parameters) for kind, parameters in generations]
    matched, unlearned = xp.zeros_like(odds[0].there), same
    for one in odds:
        matched = matched + one.there + product(matched, one.there)
        unlearned = unlearned | one.unlearned
    exact, size = _log_gap(lam, pivot, odds)
    exact = xp.where(unlearned, -xp.inf, exact)
    finite = xp.isfinite(exact)
    rounding = 16 * len(odds) * xp.finfo(lam.dtype).eps * (1 + size)
    nothing = xp.isinf(matched)
    return xp.where(nothing, xp.inf, matched * pivot), exact, xp.where(finite, exact - rounding, -xp.inf)


def _log_gap(lam, pivot, odds):
    """(log gap, the size of its terms).  Eq. (33)

    With t and D the matched odds and |M(lam) - M(lam_p)|/lam so far, q = lam_p/lam, one more generation makes
    D (1 + o(lam)) + d (1 + q t) + q |1 - q| t o(lam_p) of D, and t + o(lam_p) + t o(lam_p) of t.
    """
    xp = array_namespace(lam)
    log_q = xp.log(pivot / lam)
    log_distance = log_q + xp.log(xp.abs(lam - pivot) / lam)
    total = student = xp.zeros_like(odds[0].log_here)
    matched, difference, size = xp.full_like(total, -xp.inf), xp.full_like(total, -xp.inf), xp.abs(log_q)
    for one in odds:
        log_inverse = xp.logaddexp(one.log_here, total)  # log(1 + o) = -log gain
        difference = log_sum(log_sum(difference + log_inverse, one.apart + xp.logaddexp(matched + log_q, total)),
                             matched + one.log_there + log_distance)
        matched = log_sum(log_sum(matched, one.log_there), matched + one.log_there)
        student = student + log_inverse
        size = size + 1 + sum(xp.abs(xp.where(xp.isinf(o), 0.0, o)) for o in (one.log_here, one.log_there))
    return difference - student - xp.logaddexp(matched + log_q, total), size


def log_sum(a: Array, b: Array) -> Array:
    """log(exp(a) + exp(b)), with derivatives of 0 where both are -inf."""
    xp = array_namespace(a)
    nothing = xp.isinf(a) & xp.isinf(b)
    return xp.where(nothing, -xp.inf, xp.logaddexp(*(xp.where(nothing, 0.0, x) for x in (a, b))))


def _ridge(lam, pivot, strength):
    """M = mu, the same everywhere."""
    xp = array_namespace(lam)
    unlearned, none = xp.isinf(strength), strength == 0
    safe = xp.where(unlearned | none, 1.0, strength)
    log_here, log_there = (xp.where(none, -xp.inf, xp.log(safe / at)) for at in (lam, pivot))
    there = xp.where(unlearned, xp.inf, xp.where(unlearned, 1.0, strength) / pivot)
    return Odds(log_here, log_there, there, xp.full_like(log_here, -xp.inf), unlearned)


def _flow(lam, pivot, time):
    """o = 1/(exp(v) - 1), v = t lam."""
    xp = array_namespace(lam)
    here, there = product(time, lam), product(time, pivot)
    return _from_exponents(lam, pivot, here, there, product(time, xp.abs(lam - pivot)), xp.full_like(here, -xp.inf))


def _descent(lam, pivot, rate, steps):
    """The same with v = k x, x = -log(1 - eta lam), of which x/lam grows with lam.

    With y < x along the two eigenvalues, x's factor over y's, less one, is
    |1 - lam_p/lam| or |1 - lam/lam_p|, the lesser, times exp(y) [m(y) F(x - y)/m(x - y) + G(y)]; m, F, G as below.
    """
    xp = array_namespace(lam)
    one_step = filters.descent(rate[..., 0], 1)
    here, there = -one_step.log_residual(lam), -one_step.log_residual(pivot)[..., None]
    y, x = xp.minimum(here, there), xp.maximum(here, there)
    completed = xp.isinf(x)
    y, x = xp.where(xp.isinf(y), 1.0, y), xp.where(completed, 2.0, x)
    share = rate * xp.abs(lam - pivot) * xp.exp(y)  # 1 - exp(y - x)
    near = share < 0.5
    between = xp.where(near, -log1p(-xp.where(near, share, 0.5)), xp.abs(x - y))
    growth = mean_decay(y) * early(between) / mean_decay(between) + late(y)
    growth = growth * xp.abs(lam - pivot) / xp.maximum(lam, pivot)
    growth = xp.where(growth > 0, y + xp.log(xp.where(growth > 0, growth, 1.0)), -xp.inf)
    between = product(steps, xp.where(completed, xp.inf, between))
    return _from_exponents(lam, pivot, product(steps, here), product(steps, there), between, growth)


ODDS: dict[str, Callable[..., Odds]] = {"flow": _flow, "ridge": _ridge, "descent": _descent}


def _from_exponents(lam, pivot, here, there, between, growth):
    """Odds of 1/(exp(v) - 1), v = `here` and `there`, `between` = |here - there| without subtraction.

    With y < x the two exponents, M(y) - M(x) = M(y) (x - y)/x [G(x - y) + exp(y - x) F(y)]/m(x) + M(x) exp(growth),
    every term positive: growth is log of v/lam at x over v/lam at y, less one, and m(v) = (1 - exp(-v))/v.
    """
    xp = array_namespace(lam)
    unlearned, completed = (here == 0) | (there == 0), xp.isinf(here) | xp.isinf(there)
    x, y = xp.maximum(here, there), xp.minimum(here, there)
    log_x, log_y = _log_odds(x), _log_odds(y)
    x, y, between = (xp.where(unlearned | completed, safe, v) for v, safe in ((x, 2.0), (y, 1.0), (between, 1.0)))
    shape = late(between) + xp.exp(-between) * early(y)
    first = log_y + xp.log(between / x) + xp.log(shape) - xp.log(mean_decay(x))
    apart = log_sum(first + xp.log(xp.minimum(lam, pivot) / lam),
                    xp.where(completed, -xp.inf, growth) + log_x + xp.log(xp.maximum(lam, pivot) / lam))
    apart = xp.where(completed, log_y + xp.log(xp.minimum(lam, pivot) / lam), apart)
    larger = lam > pivot
    untaught = there == 0
    at = xp.where(untaught, 1.0, there)
    odds = xp.where(untaught, xp.inf, xp.exp(-at) / -xp.expm1(-at))
    return Odds(xp.where(larger, log_x, log_y), xp.where(larger, log_y, log_x), odds, apart, unlearned)


def _log_odds(v):
    """-log(exp(v) - 1); -inf at inf, and 0 at 0 in place of inf."""
    xp = array_namespace(v)
    usual = (v > 0) & ~xp.isinf(v)
    safe = xp.where(usual, v, 1.0)
    return xp.where(usual, -safe - xp.log(-xp.expm1(-safe)), xp.where(v > 0, -xp.inf, 0.0))


def early(v: Array) -> Array:
    """F(v) = 1 - m(v) >= 0, the mean of 1 - exp(-u) over [0, v]; exp(-v) sum_n (n - 1) v^(n - 1)/n! for small v."""
    return _by_series(v, lambda v: 1 - mean_decay(v), lambda n: n - 1)


def late(v: Array) -> Array:
    """G(v) = m(v) - exp(-v) >= 0, the mean of exp(-u) - exp(-v) over [0, v]; exp(-v) sum_n v^(n - 1)/n! likewise."""
    return _by_series(v, lambda v: mean_decay(v) - array_namespace(v).exp(-v), lambda n: 1)


def _by_series(v, closed, factor):
    """closed(v), or exp(-v) sum over n >= 2 of factor(n) v^(n - 1)/n! where v < 1: positive terms."""
    xp = array_namespace(v)
    small = v < 1
    near, far = xp.where(small, v, 0.0), xp.where(small, 1.0, v)
    total, term = 0.0, 1.0
    for n in range(2, TERMS):
        term = term * near / n
        total = total + factor(n) * term
    return xp.where(small, xp.exp(-near) * total, closed(far))
