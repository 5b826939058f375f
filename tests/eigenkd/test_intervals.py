"""Intervals and tests, next to their formulas."""

from math import comb, sqrt

import pytest

from eigenkd._intervals import PERCENT, SHARE, in_words, share_interval, sign_p_value, t_interval


def test_an_interval_ends_where_the_mean_can_no_longer_lie():
    """The mean keeps its place, and an end inside the range too: 12.7062 is Student's quantile of one degree."""
    values = (0.95, 0.99)
    assert t_interval(values) == pytest.approx((0.97, 0.97 - 12.7062 * 0.02, 0.97 + 12.7062 * 0.02), abs=1e-5)
    assert t_interval(values, SHARE) == (*t_interval(values)[:2], 1.0)
    assert t_interval((1.0, 1.0, 1.0), SHARE) == (1, 1, 1)
    assert in_words((0.0, 4.0), 0, PERCENT) == "2 [0, 27]" and in_words((0.0, 4.0)) == "2.00 [-23.41, 27.41]"
    assert in_words([7.0], 1) == "7.0" and in_words([]) == "\u2013"


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (3, 4), (7, 20), (10, 20), (441, 450)])
def test_the_sign_test_counts_outcomes_as_extreme(successes, trials):
    far = abs(2 * successes - trials)
    expected = sum(comb(trials, k) for k in range(trials + 1) if abs(2 * k - trials) >= far) / 2**trials
    assert sign_p_value(successes, trials) == pytest.approx(expected)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (600, 1000)])
def test_the_ends_of_a_shares_interval_are_1_96_deviations_away(successes, trials):
    """Wilson 1927: of each end p, the share observed is z sqrt(p (1 - p) / n) away."""
    for end in share_interval(successes, trials):
        away = abs(successes / trials - end)
        assert away == pytest.approx(1.959964 * sqrt(max(end * (1 - end), 0) / trials), abs=1e-6)


def test_nothing_is_known_of_no_trial():
    assert sign_p_value(0, 0) == 1 and share_interval(0, 0) == (0, 1)
