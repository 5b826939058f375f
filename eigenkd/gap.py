"""The gap between the gains of a teacher and a student that are matched at a pivot, where float64 can't subtract them.

Matched along an eigenvalue lam_p, along another eigenvalue lam_k, with kappa = lam_k/lam_p, a = exp(-lam_p s),
b = exp(-lam_p T) and r = a + b - ab the residual of both at the pivot,

    gap = teacher's gain - student's gain = a^kappa + b^kappa - r^kappa - (ab)^kappa                          Eq. (15)

is a second difference, and loses every digit to subtraction where the two gains agree to sixteen digits. As an integral
of a positive function it loses none. Eqs. (15)-(19), docs/theory.md.
"""

from itertools import pairwise

import numpy as np
from array_api_compat import array_namespace

from eigenkd.filters import log1mexp, log1p

# Panels of Gauss-Legendre quadrature for d in [0, 64]; the singularities of the integrand lie at height pi over
# d < log 2, so that a panel may grow with its distance from 0. Beyond the last edge the integral is elementary.
EDGES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)


def log_gap(lam, pivot, student_time, teacher_time):
    """log |gap|, within 1e-12 of it for all finite times and ratios of eigenvalues; -inf where the gap is 0.

    lam: eigenvalues; pivot: the pivot's eigenvalue > 0; the times >= 0; arrays that broadcast. The gap is 0 at
    eigenvalues equal to the pivot, at null ones, and where a time is 0 or inf. Its sign is that of pivot - lam.

    For lam < pivot by Eq. (17). For lam > pivot matched at lam instead, which gives the gap there, and brought back by
    Eq. (19), so that one integral with 0 < kappa < 1 serves both sides.
    """
    xp = array_namespace(lam, pivot, student_time, teacher_time)
    high, low = xp.maximum(lam, pivot), xp.minimum(lam, pivot)
    shorter, longer = xp.minimum(student_time, teacher_time), xp.maximum(student_time, teacher_time)
    nothing = (low == 0) | (low == high) | (shorter == 0) | xp.isinf(longer)
    # Where there is no gap the integral is taken elsewhere and thrown away, so that no NaN is made on the way.
    high, low = xp.where(nothing, 2.0, high), xp.where(nothing, 1.0, low)
    x, y = high * xp.where(nothing, 1.0, shorter), high * xp.where(nothing, 1.0, longer)
    below = _log_gap_below(low / high, (high - low) / high, x, y)
    log_residual = log_common_residual(low, xp.where(nothing, 1.0, shorter), xp.where(nothing, 1.0, longer))
    above = _bring_back(below, high / low, log_residual)
    return xp.where(nothing, -xp.inf, xp.where(lam > pivot, above, below))


def log_margin(lam, pivot, student_time, teacher_time):
    """log of a certified lower bound of |gap|, never above the gap for any ratio of eigenvalues.  Eq. (18)

    |gap| >= kappa |1 - kappa| a b (1 - a)(1 - b) m, m = r^(kappa - 2) for kappa < 2, (ab)^(kappa - 2) beyond: the least
    value of the integrand of Eq. (16). Lowered by the rounding error of its own evaluation. Arguments as `log_gap`.
    """
    xp = array_namespace(lam, pivot, student_time, teacher_time)
    nothing = (lam == 0) | (lam == pivot) | (student_time == 0) | (teacher_time == 0) | xp.isinf(student_time) \
        | xp.isinf(teacher_time)
    lam = xp.where(nothing, pivot / 2, lam)
    s, T = xp.where(nothing, 1.0, student_time), xp.where(nothing, 1.0, teacher_time)
    kappa, x, y = lam / pivot, pivot * s, pivot * T
    log_least = xp.where(kappa < 2, log_common_residual(pivot, s, T), -(x + y))
    terms = (xp.log(kappa), xp.log(xp.abs(pivot - lam) / pivot), -(x + y), log1mexp(x), log1mexp(y),
             (kappa - 2) * log_least)
    rounding = 4 * xp.finfo(kappa.dtype).eps * (1 + sum(xp.abs(term) for term in terms) + 2 * xp.abs(log_least))
    return xp.where(nothing, -xp.inf, sum(terms) - rounding)


def log_common_residual(lam, s, T):
    """log r(lam), r = a + b - ab: the residual of a student of time s whose teacher stopped at T."""
    xp = array_namespace(lam, s, T)
    log_gain = log1mexp(lam * s) + log1mexp(lam * T)
    log_residual = xp.logaddexp(-lam * s, -lam * T + log1mexp(lam * s))
    return xp.where(log_gain < log_residual, log1p(-xp.exp(xp.minimum(log_gain, -0.5))), log_residual)


def _log_gap_below(kappa, rest, x, y):
    """log gap for 0 < kappa < 1, rest = 1 - kappa, x <= y the exponents lam_p s and lam_p T in either order.

    Eq. (17), with d the distance from the upper end of the integral over z = log(ab + v):
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
        values = xp.exp(-kappa[..., None] * d) * -xp.expm1(-rest[..., None] * S)
        total = total + xp.sum(half * weights * values, axis=-1)
    # Beyond the last edge S(d) = z0 + d to all digits: two exponentials.
    D, L = EDGES[-1], xp.where(x > EDGES[-1], x, EDGES[-1])
    slow = xp.exp(-kappa * D) * -xp.expm1(-kappa * (L - D)) / kappa
    fast = xp.exp(-rest * z0 - D) * -xp.expm1(-(L - D))
    total = total + xp.where(x > D, slow - fast, 0.0)
    return xp.log(kappa) - kappa * y + xp.log(first) + xp.log(total / first)


def _bring_back(log_gap, kappa, log_residual):
    """|gap| at lam > pivot from the gap at the pivot of a teacher matched at lam instead.  Eq. (19)

    With kappa = lam/pivot > 1, r the student's residual at the pivot, q = gap/r: |gap'| = r^kappa (1 - (1 - q)^kappa).
    """
    xp = array_namespace(log_gap)
    log_q = log_gap - log_residual
    tiny = log_q < -40
    q = xp.exp(xp.where(tiny, -1.0, xp.minimum(log_q, xp.zeros_like(log_q))))
    log_share = xp.where(tiny, xp.log(kappa) + log_q, log1mexp(-kappa * log1p(-q)))
    return kappa * log_residual + log_share
