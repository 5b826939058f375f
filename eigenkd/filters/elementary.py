"""Elementary functions of the filters' closed forms, right to the last digits in every array library."""

import sys
from math import log
from typing import Any

from array_api_compat import array_namespace, is_jax_array

from eigenkd.typing import Array


def rounded_here(x: Array) -> Array:
    """x, computed as it is written: under jit XLA would simplify (1 + x) - 1 to x."""
    return sys.modules["jax"].lax.optimization_barrier(x) if is_jax_array(x) else x


def log1p(x: Array) -> Array:
    """log(1 + x) to one ulp for x >= -1 in every library: XLA's own log1p is off by a hundred ulp at x = -0.41."""
    xp = array_namespace(x)
    rounded = rounded_here(1 + x)
    usable = (rounded > 0) & xp.isfinite(rounded)
    return xp.log(rounded) + xp.where(usable, (x - (rounded - 1)) / xp.where(usable, rounded, 1.0), 0.0)


def log1mexp(x: Array) -> Array:
    """log(1 - exp(-x)) for x >= 0, split at x = log 2 so that both ends keep all their digits."""
    xp = array_namespace(x)
    return xp.where(x < log(2), xp.log(-xp.expm1(-x)), log1p(-xp.exp(-x)))


def product(amount: Array, rate: Array) -> Array:
    """amount * rate for numbers >= 0 with 0 * inf = 0, and derivatives that stay finite where a factor is infinite."""
    xp = array_namespace(amount, rate)
    unbounded = xp.isinf(amount) | xp.isinf(rate)
    bounded = xp.where(unbounded, 1.0, amount) * xp.where(unbounded, 1.0, rate)
    limit = xp.where((amount > 0) & (rate > 0), xp.full_like(bounded, xp.inf), 0.0)
    return xp.where(unbounded, limit, bounded)


def exact_product(a: Array, b: Array) -> tuple[Array, Array]:
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


def mean_decay(z: Array) -> Array:
    """(1 - exp(-z))/z for z >= 0, the mean of exp(-u) over [0, z]: 1 at 0, and 0 at inf."""
    xp = array_namespace(z)
    small = z < 1e-8
    safe = xp.where(small | xp.isinf(z), 1.0, z)
    return xp.where(small, 1 - z / 2, xp.where(xp.isinf(z), 0.0, -xp.expm1(-safe) / safe))


def log_sinhc(h: Array) -> Array:
    """log(sinh(h)/h) for 0 <= h <= 1, to a few ulp relative to itself."""
    square, term = h * h, 1.0
    total: Any = 0.0
    for j in range(1, 11):
        term = term * square / (2 * j * (2 * j + 1))
        total = total + term
    return log1p(total)


def hyperbolic(square: Array) -> tuple[Array, Array]:
    """(cosh d, sinh(d)/d) as functions of d^2 in [-1, 1]: cos and sin(w)/w where d^2 = -w^2."""
    cosine: Any = 0.0
    sine: Any = 0.0
    term = 1.0
    for j in range(12):
        cosine, sine = cosine + term, sine + term / (2 * j + 1)
        term = term * square / ((2 * j + 1) * (2 * j + 2))
    return cosine, sine
