"""The least value of a function of a few parameters: a grid in one vectorised call, then a local search.

Parameters that a grid point has at a limit (0 or inf; 0 or 1 of a weight) stay there in the local search. The result is
never worse than the best grid point, nor than the starts that a caller gives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from math import comb, inf, log
from typing import ClassVar

import numpy as np

STARTS = 4  # interior grid points, apart from each other, that the local search starts from, besides those at limits
PER_DECADE = 8  # grid points on an axis, at most
ROUGHLY: dict[str, float] = {"maxiter": 20, "ftol": 1e-6}  # of L-BFGS-B
FULLY: dict[str, float] = {"maxiter": 100, "ftol": 1e-12, "gtol": 1e-9}
STEP = 1e-4  # of the central differences, in logarithms of time: their error is of the order of its square


@dataclass(frozen=True)
class Axis:
    """One parameter > 0: searched by its logarithm on [low, high], and at the limits 0 and inf."""

    low: float
    high: float
    limits: ClassVar[tuple[float, float]] = (0.0, inf)

    def coordinate(self, value: float | np.ndarray) -> np.ndarray:
        return np.log(value)

    def value(self, coordinate: float | np.ndarray) -> np.ndarray:
        return np.exp(coordinate)

    def most(self) -> int:
        """The largest useful number of grid points on this axis."""
        return max(2, round(PER_DECADE * log(self.high / self.low) / log(10)))

    def grid(self, points: int) -> np.ndarray:
        """(points + 2,) values in increasing order, limits included."""
        inner = np.linspace(self.coordinate(self.low), self.coordinate(self.high), points)
        return np.concatenate([self.limits[:1], self.value(inner), self.limits[1:]])


@dataclass(frozen=True)
class ShareAxis(Axis):
    """One parameter between 0 and 1: searched by its log-odds, and at the limits 0 and 1."""

    low: float = 1e-4
    high: float = 1 - 1e-4
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def coordinate(self, value: float | np.ndarray) -> np.ndarray:
        return np.log(value) - np.log1p(-value)

    def value(self, coordinate: float | np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-coordinate))

    def most(self) -> int:
        return 11


class Objective:
    """A function of points (G, d) that counts its evaluations; NaN becomes infinite."""

    function: Callable[[np.ndarray], np.ndarray]
    evaluations: int

    def __init__(self, function: Callable[[np.ndarray], np.ndarray]) -> None:
        self.function, self.evaluations = function, 0

    def __call__(self, points: np.ndarray) -> np.ndarray:
        points = np.atleast_2d(points)
        self.evaluations += len(points)
        values = np.asarray(self.function(points), dtype=float)
        return np.where(np.isnan(values), np.inf, values)


def grid(axes: Sequence[Axis], budget: int, interchangeable: int) -> tuple[np.ndarray, np.ndarray]:
    """(points (G, d), places (G, d) on the axes): as many on every axis as a budget of points allows.

    interchangeable: 1 or -1 keeps of every set of values one order, rising or falling.
    """
    points = 2
    while points < max(axis.most() for axis in axes) and _size(axes, points + 1, interchangeable) <= budget:
        points += 1
    values = [axis.grid(min(points, axis.most())) for axis in axes]
    if interchangeable:
        places = np.array(list(combinations_with_replacement(range(len(values[0])), len(axes))))[:, ::interchangeable]
    else:
        places = np.array(list(product(*(range(len(v)) for v in values))))
    return np.stack([v[places[:, i]] for i, v in enumerate(values)], axis=1), places


def _size(axes, points, interchangeable):
    lengths = [2 + min(points, axis.most()) for axis in axes]
    return comb(lengths[0] + len(axes) - 1, len(axes)) if interchangeable else int(np.prod(lengths))


def smooth(objective: Objective, axes: Sequence[Axis], starts: Sequence[np.ndarray], budget: int,
           interchangeable: int) -> tuple[np.ndarray, float]:
    """(point, value): grid, and L-BFGS-B from its best points and from `starts` (points of this space)."""
    points, places = grid(axes, budget, interchangeable)
    values = objective(points)
    chosen = [points[i] for i in _starts(axes, points, places, values)]
    chosen += [np.asarray(start, dtype=float) for start in starts]
    found = [(points[values.argmin()], values.min())]
    for start in chosen:
        found += _descend(objective, axes, start, ROUGHLY)
    for start in _best(found, 3):
        found += _descend(objective, axes, start, FULLY)
    return _at_limits(objective, axes, *min(found, key=lambda pair: pair[1]))


def stepwise(objective: Objective, axes: Sequence[Axis], starts: Sequence[np.ndarray], budget: int,
             interchangeable: int, rounds: int = 3) -> tuple[np.ndarray, float]:
    """(point, value) of a function that is constant in pieces: the grid, then finer ones around its best point."""
    points, places = grid(axes, budget, interchangeable)
    values = objective(points)
    best, value = points[values.argmin()], values.min()
    for start in starts:
        if (at := objective(start)[0]) < value:
            best, value = np.asarray(start, dtype=float), at
    widths = [(axis.coordinate(axis.high) - axis.coordinate(axis.low)) / max(places[:, i].max() - 2, 1)
              for i, axis in enumerate(axes)]
    for k in range(rounds):
        around = [axis.value(axis.coordinate(x) + width / 3**k * np.linspace(-1, 1, 5)) if _inside(axis, x)
                  else np.array([x]) for axis, x, width in zip(axes, best, widths)]
        points = np.array(list(product(*around)))
        values = objective(points)
        if values.min() < value:
            best, value = points[values.argmin()], values.min()
    return best, value


def _inside(axis, value):
    return axis.limits[0] < value < axis.limits[1]


def _starts(axes, points, places, values):
    """Indices of grid points: the best inside, three places apart along some axis, and the best at each limit alone."""
    at_limit = np.array([points[:, i] == limit for i, axis in enumerate(axes) for limit in axis.limits])
    limits = at_limit.sum(axis=0)
    inside = np.flatnonzero(limits == 0)
    chosen = []
    for i in inside[np.argsort(values[inside], kind="stable")]:
        if all(np.abs(places[i] - places[j]).max() >= 3 for j in chosen):
            chosen.append(i)
        if len(chosen) == STARTS:
            break
    for there in map(np.flatnonzero, at_limit & (limits == 1)):
        if there.size:
            chosen.append(there[values[there].argmin()])
    return chosen


def _best(found, count):
    """Up to so many of the points of (point, value) pairs, best first, of values that differ."""
    chosen, last = [], -np.inf
    for point, value in sorted(found, key=lambda pair: pair[1]):
        if value > last + 1e-9 * abs(value) and len(chosen) < count:
            chosen.append(point)
            last = value
    return chosen


def _descend(objective, axes, start, options):
    """[(point, value)] at the start and at the end of L-BFGS-B from it, over parameters that are not at a limit."""
    from scipy.optimize import minimize

    free = [i for i, axis in enumerate(axes) if _inside(axis, start[i])]
    value = objective(start)[0]
    if not free or not np.isfinite(value):
        return [(start, value)]
    scale = abs(value) or 1.0

    def at(coordinates):
        points = np.tile(start, (len(coordinates), 1))
        for column, i in enumerate(free):
            points[:, i] = axes[i].value(coordinates[:, column])
        return points

    def value_and_slope(u):
        steps = STEP * np.eye(len(u))
        values = objective(at(np.concatenate([u[None], u + steps, u - steps]))) / scale
        with np.errstate(invalid="ignore"):  # there is no slope next to an infinite value
            return values[0], np.nan_to_num((values[1:len(u) + 1] - values[len(u) + 1:]) / (2 * STEP))

    u = np.array([axes[i].coordinate(start[i]) for i in free])
    # A start may lie beyond the range of the grid.
    bounds = [(min(axes[i].coordinate(axes[i].low), x), max(axes[i].coordinate(axes[i].high), x))
              for i, x in zip(free, u)]
    end = minimize(value_and_slope, u, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return [(start, value), (at(end.x[None])[0], scale * end.fun)]


def _at_limits(objective, axes, point, value):
    """(point, value) with parameters moved to their limits where that costs no more than rounding."""
    for i, axis in enumerate(axes):
        for limit in axis.limits:
            moved = np.where(np.arange(len(axes)) == i, limit, point)
            at = objective(moved)[0]
            if at <= value + 1e-14 * abs(value):
                point, value = moved, min(at, value)
    return point, value
