"""Two learners in a row, one fed by the other while both learn, at rates x and y: one function of x + y and x y.

A student whose teacher is still learning, and the heavy ball in continuous time, whose rates may be a complex pair,
obey the same equation: the gain is x y times the second divided difference of exp at 0, -x and -y.  Eqs. (19), (20)
"""

from array_api_compat import array_namespace

from eigenkd.filters.elementary import hyperbolic, log1p, mean_decay
from eigenkd.typing import Array, Pair

TERMS = 30  # of the series, exact to rounding where (x + y)/2 <= 2 and the discriminant is within 1


def two_rates(total: Array, area: Array) -> Pair:
    """(gain, residual) for x + y = total >= 0 and x y = area >= 0; the rates are complex where 4 area > total^2.

    The gain to a few ulp of itself where both rates are real, to a few ulp of 1 where they are not.
    """
    xp = array_namespace(total, area)
    half = total / 2
    disc = half * half - area
    near = xp.abs(disc) <= 1
    apart, swings = disc > 1, disc < -1
    # Near each other, the shifted series (positive for real rates) and cosh, sinh as functions of the discriminant.
    small = near & (half <= 2)
    series = area * xp.exp(-half) * _shifted_series(xp.where(small, half, 0.0), xp.where(small, disc, 0.0))
    cosine, sine = hyperbolic(xp.where(near, disc, 0.0))
    together = xp.exp(-half) * (cosine + half * sine)
    # Apart: exp(-x) (1 + x mean_decay(y - x)) with x the slower rate.
    root = xp.sqrt(xp.where(apart, disc, 1.0))
    slow = xp.where(apart, area / (half + root), 0.0)
    lag = slow * mean_decay(2 * root)
    creeping = xp.exp(-slow) * (1 + lag)
    crept = -xp.expm1(-slow) - xp.exp(-slow) * lag
    w = xp.sqrt(xp.where(swings, -disc, 1.0))
    swinging = xp.exp(-half) * (xp.cos(w) + half * xp.sin(w) / w)
    residual = xp.where(near, together, xp.where(apart, creeping, swinging))
    gain = xp.where(small, series, xp.where(apart, crept, 1 - residual))
    return gain, xp.where(small, 1 - series, residual)


def real_rates(x: Array, y: Array) -> Pair:
    """(gain, residual) for real rates x, y >= 0, inf allowed."""
    xp = array_namespace(x, y)
    most = float(xp.finfo(x.dtype).max) ** 0.5 / 4  # exp(-most) is 0 all the same, and most^2 is finite
    x, y = (xp.minimum(rate, xp.full_like(rate, most)) for rate in (x, y))
    return two_rates(x + y, x * y)


def log_real_rates(x: Array, y: Array) -> Pair:
    """(log gain, log residual) for real rates x, y >= 0, inf allowed, to a few ulp relative to max(1, |log|)."""
    xp = array_namespace(x, y)
    gain, residual = real_rates(x, y)
    slow, fast = xp.minimum(x, y), xp.maximum(x, y)
    half, disc = (x + y) / 2, ((x - y) / 2) ** 2
    small = (half <= 2) & (disc <= 1)  # where x y may be out of range, and the gain is it times a number near 1/2
    share = xp.exp(-half) * _shifted_series(xp.where(small, half, 0.0), xp.where(small, disc, 0.0))
    log_small = xp.where(small, xp.log(x) + xp.log(y) + xp.log(xp.where(small, share, 1.0)), xp.log(gain))
    log_gain = xp.where(gain < residual, log_small, log1p(-residual))
    done = xp.isinf(slow)
    slow, fast = xp.where(done, 1.0, slow), xp.where(done, 1.0, fast)
    unfinished = xp.where(done, -xp.inf, -slow + log1p(slow * mean_decay(fast - slow)))
    return log_gain, xp.where(gain < residual, log1p(-gain), unfinished)


def _shifted_series(half, disc):
    """exp(half) times the divided difference of exp at 0, -x, -y: sum_n h_n(half, d, -d)/(n + 2)!, d^2 = disc."""
    complete, power, factorial, total = 0.0, 1.0, 1.0, 0.0
    for n in range(TERMS):
        factorial = factorial * (n + 2)
        complete = half * complete + (power if n % 2 == 0 else 0.0)
        power = power * disc if n % 2 == 0 else power
        total = total + complete / factorial
    return total
