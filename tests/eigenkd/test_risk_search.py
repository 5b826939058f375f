"""The search under tuning: grids, a bowl, starts, holes, limits."""

import numpy as np
import pytest

from eigenkd.risk import search
from eigenkd.risk.search import Axis, ShareAxis


@pytest.mark.parametrize("axes, interchangeable", [
    ([Axis(1e-3, 1e5)], 0), ([Axis(1e-3, 1e5)] * 2, 1), ([Axis(1e-3, 1e5)] * 3, -1),
    ([Axis(1e-3, 1e5), Axis(1e-2, 1e2), ShareAxis()], 0)])
def test_a_grid_fills_its_budget_and_has_the_limits(axes, interchangeable):
    points, places = search.grid(axes, 1000, interchangeable)
    assert len(points) <= 1000
    assert len(points) == 66 if len(axes) == 1 else len(points) > 800  # eight a decade, and the two limits
    assert len(np.unique(points, axis=0)) == len(points)
    for i, axis in enumerate(axes):
        assert set(axis.limits) <= set(points[:, i])
        inner = np.unique(points[:, i])[1:-1]
        assert inner[[0, -1]] == pytest.approx([axis.low, axis.high])
        steps = np.diff(axis.coordinate(inner))
        np.testing.assert_allclose(steps, steps[0])
        np.testing.assert_allclose(axis.value(axis.coordinate(inner)), inner)
    if interchangeable:
        falling = np.sort(points, axis=1)[:, ::interchangeable]
        np.testing.assert_array_equal(points, falling)
    np.testing.assert_array_equal(places.min(axis=0), 0)


def bowl(points):
    return np.sum((np.log(np.clip(points, 1e-9, 1e9)) - [1.0, -2.0]) ** 2, axis=1) + 3


def test_the_search_finds_the_bottom_of_a_bowl_and_keeps_a_better_start():
    axes = [Axis(1e-3, 1e3), Axis(1e-3, 1e3)]
    for method, tolerance in ((search.smooth, 1e-9), (search.stepwise, 1e-2)):
        objective = search.Objective(bowl)
        point, value = method(objective, axes, [], 100, 0)
        np.testing.assert_allclose(np.log(point), [1, -2], atol=tolerance**0.5)
        assert 3 <= value <= 3 + tolerance
    hidden = search.Objective(lambda points: bowl(points) - 100 * np.all(points == 7.0, axis=1))
    for method in (search.smooth, search.stepwise):
        point, value = method(hidden, axes, [(7.0, 7.0)], 100, 0)
        np.testing.assert_array_equal(point, 7.0)
        assert value == bowl(point[None])[0] - 100


def test_values_that_are_none_are_never_chosen():
    holes = search.Objective(lambda points: np.where(points[:, 0] < 1, np.nan, points[:, 0]))
    _, value = search.smooth(holes, [Axis(1e-3, 1e3)], [], 50, 0)
    assert 1 <= value < 1.2
