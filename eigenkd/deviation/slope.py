"""Least-squares slopes of student on teacher confidence, with bootstrap intervals. App. C.4 of the paper."""

from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
LARGE = 8192  # points from which on the sums over a resample are drawn from their normal limit
DRAWS_AT_ONCE = 2**20  # resampled points held at a time: some 40 MB


@dataclass(frozen=True)
class Slope:
    """A least-squares slope, its 95% interval, the points under it, and why it is NaN where it is."""

    value: float
    low: float
    high: float
    points: int
    reason: str | None = None


def undetermined(points, reason):
    """A slope that the data do not have."""
    return Slope(np.nan, np.nan, np.nan, points, reason)


def fit(x, y, rounding):
    """The slope of y on x, (m,) each, with the middle 95% of the slopes of 1,000 bootstrap resamples of the points.

    rounding: the relative size of differences in x that mean nothing. The resamples come from a fixed seed; those
    without spread are left out. From 8,192 points on, the sums that make a slope are drawn together from the normal
    distribution that they tend to, with the mean and covariance that resampling gives them: the same interval to within
    its own noise, at the cost of one pass. NaN, with a reason, for fewer than 3 points or without spread in x.
    """
    m = x.shape[0]
    if m < 3:
        return undetermined(m, f"a slope needs at least 3 points, got {m}")
    if np.ptp(x) <= rounding * max(1.0, np.abs(x).max()):
        return undetermined(m, f"the teacher is equally confident on all {m} points")
    order = np.lexsort((y, x))  # the interval must not depend on the order of the points
    x, y = x[order] - x.mean(), y[order] - y.mean()
    rng = np.random.default_rng(0)
    slopes = _of_sums(_limit_sums(x, y, rng) if m >= LARGE else _resampled_sums(x, y, rng))
    low, high = np.percentile(slopes, [2.5, 97.5])
    return Slope(float(x @ y / (x @ x)), float(low), float(high), m)


def _of_sums(sums):
    """Slopes from rows (count, sum x, sum y, sum x^2, sum x y), those without spread left out."""
    count, x, y, xx, xy = sums.T
    spread, cross = xx - x * x / count, xy - x * y / count
    some = spread > 1e-12 * xx
    return cross[some] / spread[some]


def _resampled_sums(x, y, rng):
    m, rows = x.size, max(1, DRAWS_AT_ONCE // x.size)
    parts = []
    for begin in range(0, RESAMPLES, rows):
        drawn = rng.integers(m, size=(min(rows, RESAMPLES - begin), m), dtype=np.int32)
        xs, ys = x[drawn], y[drawn]
        parts.append(np.stack([np.full(len(drawn), float(m)), xs.sum(axis=1), ys.sum(axis=1),
                               np.einsum("ij,ij->i", xs, xs), np.einsum("ij,ij->i", xs, ys)], axis=1))
    return np.concatenate(parts)


def _limit_sums(x, y, rng):
    terms = np.stack([x, y, x * x, x * y])
    mean = terms.mean(axis=1)
    spread, axes = np.linalg.eigh((terms - mean[:, None]) @ (terms - mean[:, None]).T)
    noise = rng.normal(size=(RESAMPLES, 4)) * np.sqrt(np.maximum(spread, 0))
    return np.concatenate([np.full((RESAMPLES, 1), float(x.size)), x.size * mean + noise @ axes.T], axis=1)
