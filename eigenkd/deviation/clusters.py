"""Intervals for points that are not independent: those of one text, chunk or patient are resampled together.

With G groups of sums s_g over n_g points, a mean m = sum s_g / n has the linearised variance
G/(G - 1) sum (s_g - m n_g)^2 / n^2, and Student's t of G - 1 degrees of freedom gives the interval. Points without
groups are groups of one point.
"""

from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np

from eigenkd.typing import ArrayLike

Z = 1.959963984540054  # the normal distribution's 97.5% point


@dataclass(frozen=True)
class Mean:
    """A mean over points, its 95% interval and standard error, and how many points and groups it is over."""

    value: float
    low: float
    high: float
    standard_error: float
    points: int
    groups: int


def coded(groups: ArrayLike) -> np.ndarray:
    """(n,) codes from 0 of any names of groups, NumPy."""
    return np.unique(groups, return_inverse=True)[1].reshape(-1)


def sums(values: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """(groups, columns) sums of values (n, columns) over the points of each group; clusters: (n,) codes."""
    count = int(clusters.max()) + 1
    return np.stack([np.bincount(clusters, column, minlength=count) for column in values.T], axis=1)


def mean(values: np.ndarray, clusters: np.ndarray | None = None) -> Mean:
    """The `Mean` of values (n,), NaN where one is; without clusters points are independent.

    One group has no spread between groups: its interval is infinite.
    """
    values = np.asarray(values, dtype=float)
    n, m = values.size, float(values.mean())
    if not np.isfinite(m):
        return Mean(m, nan, nan, nan, n, n if clusters is None else np.unique(clusters).size)
    if clusters is None:
        groups, residuals = n, values - m
    else:
        totals = sums(np.stack([np.ones(n), values], axis=1), clusters)
        totals = totals[totals[:, 0] > 0]
        groups, residuals = len(totals), totals[:, 1] - m * totals[:, 0]
    error = sqrt(groups / (groups - 1) * float(residuals @ residuals)) / n if groups > 1 else inf
    half = _t(groups - 1) * error if groups > 1 else inf
    return Mean(m, m - half, m + half, error, n, groups)


def share_interval(successes: np.ndarray, clusters: np.ndarray | None) -> tuple[float, float]:
    """(low, high): Wilson's 95% interval of a share with the effective number of points in place of their number.

    successes: (n,) bool. The effective number is p (1 - p) over the variance between groups, corrected for the degrees
    of freedom (Korn and Graubard 1998), at most n; where all points are equal, which says nothing about the spread, it
    is the number of groups.
    """
    found = mean(successes, clusters)
    p, n = found.value, found.points
    if found.groups < 2:
        return 0.0, 1.0
    effective = found.groups
    if 0 < p < 1 and found.standard_error > 0:
        effective = p * (1 - p) / found.standard_error**2 * (Z / _t(found.groups - 1)) ** 2
    n = min(n, effective)
    centre, spread = p + Z * Z / (2 * n), Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return max(0.0, (centre - spread) / (1 + Z * Z / n)), min(1.0, (centre + spread) / (1 + Z * Z / n))


def _t(freedom):
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))
