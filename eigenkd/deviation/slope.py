"""Least-squares slopes of student on teacher confidence, with bootstrap intervals. App. C.4 of the paper."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eigenkd.deviation.clusters import sums as group_sums

if TYPE_CHECKING:
    from eigenkd.deviation.table import Measured

FRACTIONS = (0.1, 0.25, 0.5)  # what a summary reports, since the paper's own percentile is not known
RESAMPLES = 1000
LARGE = 4096  # points from which the sums over most of a resample are drawn from their normal limit
FAR = 2048  # points of highest leverage, which are resampled even then
POISSON = np.searchsorted(np.cumsum(np.exp(-1) / np.cumprod([1, *range(1, 12)])), (np.arange(2**16) + 0.5) / 2**16
                          ).astype(float)  # a table of Poisson(1), by a uniform 16-bit number
DRAWS_AT_ONCE = 2**20  # resampled points held at a time: some 40 MB


@dataclass(frozen=True)
class Slope:
    """A least-squares slope, its 95% interval, the number of points fitted, and the reason where it is NaN."""

    value: float
    low: float
    high: float
    points: int
    reason: str | None = None


def undetermined(points: int, reason: str) -> Slope:
    """The `Slope` of points that determine none: NaN, with the reason."""
    return Slope(np.nan, np.nan, np.nan, points, reason)


def reported(measured: 'Measured') -> dict[str, Any]:
    """The part of a summary on slopes: by side and fraction, with the reasons for those that are None."""
    fitted = {f"slope_{side}": {str(f): measured.slope(side, f) for f in FRACTIONS} for side in ("low", "high")}
    reasons = {f"{side} {f}": slope.reason for side, found in fitted.items() for f, slope in found.items()
               if slope.reason}
    return {side: {f: {name: None if np.isnan(value := getattr(slope, name)) else value
                       for name in ("value", "low", "high")}
                   for f, slope in found.items()} for side, found in fitted.items()} | {"reasons": reasons}


def fit(x: np.ndarray, y: np.ndarray, rounding: Any, clusters: np.ndarray | None = None) -> Slope:
    """The slope of y on x, (m,) each, with a 95% bootstrap interval over the points.

    rounding: the relative size of differences in x that are rounding errors. The interval is the expanded percentile
    interval of 1,000 resamples from a fixed seed; resamples without spread are left out. Its percentiles lie further
    out than the plain ones, whose interval is too short for few points (Hesterberg 2015). From 4,096 points on, the
    2,048 points of highest leverage are resampled, and the sum over the others is drawn from its normal limit, which
    costs one pass. clusters: (m,) codes of groups, which are then resampled in place of points; the interval of fewer
    than 3 groups is infinite. The slope is NaN, with a reason, for fewer than 3 points, without spread in x, and where
    x or y is infinite.
    """
    m = x.shape[0]
    if m < 3:
        return undetermined(m, f"a slope needs at least 3 points, got {m}")
    if unknown := int((np.isnan(x) | np.isnan(y)).sum()):
        return undetermined(m, f"the student's confidence is not known on {unknown:,} of the {m:,} points (top-k rows "
                               "without the teacher's token)")
    if infinite := int((~np.isfinite(x) | ~np.isfinite(y)).sum()):
        return undetermined(m, f"confidence is infinite on {infinite:,} of the {m:,} points (a probability of 0 or 1)")
    if np.ptp(x) <= rounding * max(1.0, np.abs(x).max()):
        return undetermined(m, f"the teacher is equally confident on all {m} points")
    order = np.lexsort((y, x))  # the interval must not depend on the order of the points
    x, y = x[order] - x.mean(), y[order] - y.mean()
    rng, units = np.random.default_rng(0), m
    if clusters is not None:
        sums, units = _group_sums(x, y, clusters[order], rng)
    else:
        sums = _limit_sums(x, y, rng) if m >= LARGE else _resampled_sums(x, y, rng)
    slopes = _of_sums(sums)
    low, high = -np.inf, np.inf
    if units > 2 and slopes.size:
        outside = 100 * _expanded(units)
        low, high = np.percentile(slopes, [outside, 100 - outside])
    return Slope(float(x @ y / (x @ x)), float(low), float(high), m)


def _expanded(m):
    """The share to leave out at either end, Phi(-t sqrt(m/(m - 2))): 0.025 for many points, less for few."""
    from scipy.special import ndtr, stdtrit

    return float(ndtr(-stdtrit(m - 2, 0.975) * (m / (m - 2)) ** 0.5))


def _of_sums(sums):
    """Slopes from rows (count, sum x, sum y, sum x^2, sum x y), those without spread left out."""
    count, x, y, xx, xy = sums.T
    spread, cross = xx - x * x / count, xy - x * y / count
    some = spread > 1e-12 * xx
    return cross[some] / spread[some]


def _group_sums(x, y, clusters, rng):
    """(as `_resampled_sums` with groups drawn as wholes, how many groups there are)."""
    found = group_sums(_terms(x, y).T, clusters)
    found = found[found[:, 0] > 0]
    found = found[np.lexsort(found.T)]  # nor on the names of the groups
    groups = len(found)
    times = np.concatenate([_counts(groups, min(rows, RESAMPLES - begin), rng) @ found for rows in
                            [max(1, DRAWS_AT_ONCE // groups)] for begin in range(0, RESAMPLES, rows)])
    return times, groups


def _counts(groups, rows, rng):
    """(rows, groups): how often each group is among as many draws with replacement."""
    drawn = rng.integers(groups, size=(rows, groups)) + groups * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups)


def _terms(x, y):
    """(5, m): what the sums are over."""
    return np.stack([np.ones_like(x), x, y, x * x, x * y])


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
    """As `_resampled_sums`, with each point taken a Poisson(1) number of times: disjoint points are independent."""
    terms = _terms(x, y)
    leverage = np.abs(x) / x.std() + np.abs(y) / (y.std() or 1.0)
    far = np.argpartition(leverage, -FAR)[-FAR:]
    near = np.delete(terms, np.sort(far), axis=1)
    spread, axes = np.linalg.eigh(near @ near.T)
    sums = near.sum(axis=1) + (rng.normal(size=(RESAMPLES, 5)) * np.sqrt(np.maximum(spread, 0))) @ axes.T
    times = POISSON[rng.integers(2**16, size=(RESAMPLES, FAR), dtype=np.uint16)]
    return sums + times @ terms[:, np.sort(far)].T
