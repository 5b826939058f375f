"""The gap between the gains of a teacher and a student that are matched at a pivot, where float64 can't subtract them.

Matched along an eigenvalue lam_p, along another eigenvalue lam_k, with kappa = lam_k/lam_p, a = exp(-lam_p s),
b = exp(-lam_p T) and r = a + b - ab the residual of both at the pivot,

    gap = teacher's gain - student's gain = a^kappa + b^kappa - r^kappa - (ab)^kappa                          Eq. (26)

is a second difference, and loses every digit to subtraction where the two gains agree to sixteen digits. As an integral
of a positive function it loses none. Eqs. (26)-(30), docs/theory.md.
"""

from itertools import pairwise

import numpy as np
from array_api_compat import array_namespace

from eigenkd.filters.elementary import log1mexp, log1p
from eigenkd.typing import Array

# Panels of Gauss-Legendre quadrature for d in [0, 64]. The integrand's singularities lie at height pi over d = -z0,
# which is below log 2 unless the whole range is: a panel may grow with its distance from 0. Beyond, two exponentials.
EDGES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)


def log_gap(lam: Array, pivot: Array, student_time: Array, teacher_time: Array) -> Array:
    """log |gap|, within 1e-12 max(1, |log gap|) for all finite times and ratios of eigenvalues; -inf for a gap of 0.

    lam: eigenvalues; pivot: the pivot's eigenvalue > 0; the times >= 0; arrays that broadcast. The gap is 0 at
    eigenvalues equal to the pivot, at null ones, and where a time is 0 or inf. Its sign is that of pivot - lam.
    """
    return _on_both_sides(_log_gap_below, lam, pivot, student_time, teacher_time)


def log_margin(lam: Array, pivot: Array, student_time: Array, teacher_time: Array) -> Array:
    """log of a certified lower bound of |gap|, never above the gap.  Eqs. (29), (30)

    Lowered by the rounding error of its own evaluation. Arguments as `log_gap`.
    """
    xp = array_namespace(lam)
    margin = _on_both_sides(_log_margin_below, lam, pivot, student_time, teacher_time)
    finite = xp.isfinite(margin)
    rounding = 64 * xp.finfo(margin.dtype).eps * (1 + xp.abs(xp.where(finite, margin, 0.0)))
    return xp.where(finite, margin - rounding, margin)


def _on_both_sides(log_below, lam, pivot, student_time, teacher_time):
    """log_below(kappa, 1 - kappa, x, y) where lam < pivot; above it matched at lam and brought back by Eq. (30)."""
    xp = array_namespace(lam, pivot, student_time, teacher_time)
    high, low = xp.maximum(lam, pivot), xp.minimum(lam, pivot)
    shorter, longer = xp.minimum(student_time, teacher_time), xp.maximum(student_time, teacher_time)
    nothing = (low == 0) | (low == high) | (shorter == 0) | xp.isinf(longer)
    # Where there is no gap other arguments avoid NaN; their value is not used.
    high, low = xp.where(nothing, 2.0, high), xp.where(nothing, 1.0, low)
    shorter, longer = xp.where(nothing, 1.0, shorter), xp.where(nothing, 1.0, longer)
    below = log_below(low / high, (high - low) / high, high * shorter, high * longer)
    above = _bring_back(below, high / low, log_common_residual(low * shorter, low * longer))
    return xp.where(nothing, -xp.inf, xp.where(lam > pivot, above, below))


def log_common_residual(x: Array, y: Array) -> Array:
    """log r, r = a + b - ab, a = exp(-x), b = exp(-y): the common residual of teacher and student at the pivot."""
    xp = array_namespace(x, y)
    log_gain = log1mexp(x) + log1mexp(y)
    log_residual = xp.logaddexp(-x, -y + log1mexp(x))
    return xp.where(log_gain < log_residual, log1p(-xp.exp(xp.minimum(log_gain, -0.5 + xp.zeros_like(log_gain)))),
                    log_residual)


def _log_margin_below(kappa, rest, x, y):
    """log of kappa (1 - kappa) h1 h2 r^(kappa - 2), the least value of the integrand of Eq. (27) times its area."""
    log_sides = log1mexp(x) + log1mexp(y) - x - y
    return array_namespace(kappa).log(kappa * rest) + log_sides + (kappa - 2) * log_common_residual(x, y)


def _log_gap_below(kappa, rest, x, y):
    """log gap for 0 < kappa < 1, rest = 1 - kappa, x <= y the exponents lam_p s and lam_p T in either order.  Eq. (28)

    With d the distance from the upper end of the integral over z = log(ab + v):
    gap = kappa b^kappa int_0^x exp(-kappa d) (1 - exp(-rest S(d))) dd, S(d) = log(1 + exp(z0 + d)), z0 = log(h1/b).
    """
    xp = array_namespace(kappa)
    kappa, rest, x, y = xp.broadcast_arrays(kappa, rest, x, y)
    z0 = (y - x) + log1mexp(y)
    first = -xp.expm1(-rest * xp.logaddexp(z0, xp.zeros_like(z0)))  # the integrand at d = 0, taken out as the scale
    total = xp.zeros_like(x)
    nodes, weights = (xp.asarray(v, dtype=x.dtype) for v in (NODES, WEIGHTS))
    for left, right in pairwise(EDGES):
        lower, upper = (xp.minimum(xp.full_like(x, edge), x) for edge in (left, right))
        half = ((upper - lower) / 2)[..., None]
        d = (upper + lower)[..., None] / 2 + half * nodes
        S = xp.logaddexp(z0[..., None] + d, xp.zeros_like(d))
        values = xp.exp(-kappa[..., None] * d) * (-xp.expm1(-rest[..., None] * S) / first[..., None])
        total = total + xp.sum(half * (weights * values), axis=-1)
    # Beyond the last edge S(d) = z0 + d to all digits: two exponentials.
    D, L = EDGES[-1], xp.where(x > EDGES[-1], x, EDGES[-1])
    slow = xp.exp(-kappa * D) * -xp.expm1(-kappa * (L - D)) / kappa
    fast = xp.exp(-rest * z0 - D) * -xp.expm1(-(L - D))
    total = total + xp.where(x > D, slow - fast, 0.0) / first
    return xp.log(kappa) - kappa * y + xp.log(first) + xp.log(total)


def _bring_back(log_gap, kappa, log_residual):
    """|gap| at lam > pivot, from the gap at the pivot of a teacher that is matched at lam.  Eq. (30)

    With kappa = lam/pivot > 1, r the student's residual at the pivot, q = gap/r: |gap'| = r^kappa (1 - (1 - q)^kappa).
    """
    xp = array_namespace(log_gap)
    log_q = xp.minimum(log_gap - log_residual, xp.zeros_like(log_gap))
    log_product = xp.log(kappa) + log_q
    # exponent = -kappa log(1 - q): kappa q where q vanishes next to 1, which kappa q need not.
    exponent = xp.where(log_q < -40, xp.exp(log_product), -kappa * log1p(-xp.exp(log_q)))
    return kappa * log_residual + xp.where(log_product < -40, log_product, log1mexp(exponent))
