"""Intervals over groups of points, by hand, against an independent computation, and for groups that decide all."""

import math

import numpy as np
import pytest
from scipy import stats

from eigenkd.deviation import clusters, compare, slope

RNG = np.random.default_rng(0)


def test_groups_of_one_point_are_independent_points():
    values = RNG.normal(size=50)
    one, each = clusters.mean(values), clusters.mean(values, np.arange(50))
    assert one.low == pytest.approx(each.low) and one.groups == each.groups == 50
    low, high = stats.t.interval(0.95, 49, values.mean(), stats.sem(values))
    assert (one.low, one.high) == (pytest.approx(low), pytest.approx(high))


def test_equal_groups_are_one_measurement_each():
    of_group = RNG.normal(size=12)
    found = clusters.mean(np.repeat(of_group, 7), np.repeat(np.arange(12), 7))
    low, high = stats.t.interval(0.95, 11, of_group.mean(), stats.sem(of_group))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.points == 84 and found.groups == 12


def test_a_mean_over_groups_of_other_sizes_by_hand():
    found = clusters.mean([1, 2, 6], np.array([0, 0, 1]))  # m = 3; residuals 3 - 6, 6 - 3
    assert found.standard_error == pytest.approx(math.sqrt(2 / 1 * (9 + 9)) / 3)


def test_one_group_says_nothing_about_others():
    found = clusters.mean([1.0, 2.0], np.zeros(2, int))
    assert (found.value, found.low, found.high) == (1.5, -math.inf, math.inf)
    assert clusters.share_interval(np.array([True, False]), np.zeros(2, int)) == (0, 1)


def test_shares_of_independent_points_are_nearly_wilsons():
    hit = np.arange(400) % 5 == 0
    low, high = clusters.share_interval(hit, np.arange(400))
    wilson = stats.binomtest(80, 400).proportion_ci(method="wilson")
    assert (low, high) == (pytest.approx(wilson.low, abs=2e-3), pytest.approx(wilson.high, abs=2e-3))


def test_shares_that_groups_decide_are_as_wide_as_for_as_many_points():
    hit = np.repeat(np.arange(20) < 15, 30)
    low, high = clusters.share_interval(hit, np.repeat(np.arange(20), 30))
    wilson = stats.binomtest(15, 20).proportion_ci(method="wilson")
    assert low < wilson.low + 0.02 and high > wilson.high - 0.02
    assert clusters.share_interval(np.ones(600, bool), np.repeat(np.arange(20), 30))[0] == pytest.approx(
        stats.binomtest(20, 20).proportion_ci(method="wilson").low, abs=1e-6)


def drawn(groups, size, shared, seed=1):
    """Confidences whose noise is shared by the points of a group to the degree `shared`."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(groups, 1)) + 0.3 * rng.normal(size=(groups, size))
    noise = math.sqrt(shared) * rng.normal(size=(groups, 1)) + math.sqrt(1 - shared) * rng.normal(size=(groups, size))
    return x.ravel(), (1.2 * x + noise).ravel(), np.repeat(np.arange(groups), size)


def test_the_slopes_interval_is_that_of_resampled_groups():
    x, y, of = drawn(40, 15, 0.5)
    found = slope.fit(x, y, 0.0, of)
    rng, slopes = np.random.default_rng(5), []
    for _ in range(1500):
        at = np.concatenate([np.flatnonzero(of == g) for g in rng.integers(40, size=40)])
        slopes.append(np.polyfit(x[at], y[at], 1)[0])
    low, high = np.percentile(slopes, [2.1, 97.9])  # moved out a little for 40 groups
    np.testing.assert_allclose([found.low, found.high], [low, high], atol=0.12 * (high - low))
    assert found.value == slope.fit(x, y, 0.0).value


def test_the_interval_depends_neither_on_the_names_of_groups_nor_on_the_order():
    x, y, of = drawn(30, 5, 0.5)
    order, names = RNG.permutation(150), RNG.permutation(30)
    found, again = slope.fit(x, y, 0.0, of), slope.fit(x[order], y[order], 0.0, names[of][order])
    np.testing.assert_allclose([again.low, again.high], [found.low, found.high], rtol=1e-9)


def test_two_groups_have_no_interval():
    x, y, of = drawn(2, 30, 0.0)
    found = slope.fit(x, y, 0.0, of)
    assert math.isfinite(found.value) and (found.low, found.high) == (-math.inf, math.inf)


def test_intervals_over_groups_cover_where_those_over_points_do_not():
    """200 data sets of 25 groups whose points share most of their noise: the true slope is 1.2."""
    covered = np.zeros(2)
    for seed in range(200):
        x, y, of = drawn(25, 12, 0.8, seed)
        for k, found in enumerate((slope.fit(x, y, 0.0), slope.fit(x, y, 0.0, of))):
            covered[k] += found.low <= 1.2 <= found.high
    assert covered[0] < 130 and covered[1] > 175


def test_compare_takes_groups_and_says_so():
    teacher = RNG.normal(size=(90, 4))
    student = teacher + 0.5 * RNG.normal(size=(90, 4))
    of = np.array([f"text {k % 9}" for k in range(90)])
    d = compare(teacher, student, groups=of)
    assert d.interval == "95% bootstrap interval over 9 groups of points"
    assert "[95% bootstrap interval over 9 groups of points]" in d.table()
    assert d.slope().value == compare(teacher, student).slope().value
    assert d.mean(d.divergence).groups == 9 and d.mean(d.divergence).value == pytest.approx(d.kl)
    half = d.subset(np.arange(90) < 45)
    np.testing.assert_array_equal(half.clusters, d.clusters[:45])
    expected = clusters.share_interval(*(lambda keep: (d.student_confidence[keep] < d.teacher_confidence[keep],
                                                       d.clusters[keep]))(np.argsort(d.teacher_confidence)[:22]))
    assert f"[{expected[0]:.0%}, {expected[1]:.0%}]" in d.verdict.low.sentence
    with pytest.raises(ValueError, match=r"values: expected shape \(90,\), a number a point, got \(3,\)"):
        d.mean([1, 2, 3])
