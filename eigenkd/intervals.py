"""Intervals and tests that more than one measurement rests on."""

from math import comb, sqrt
from statistics import mean, stdev


def t_interval(values):
    """(mean, low, high): Student's 95% interval of the mean of two independent values or more."""
    from scipy.special import stdtrit

    half = float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / sqrt(len(values))
    return mean(values), mean(values) - half, mean(values) + half


def sign_p_value(successes, trials):
    """The two-sided exact p-value of `successes` in `trials` where both outcomes are equally likely; 1 for no trial."""
    extreme = max(successes, trials - successes)
    return min(1.0, 2 * sum(comb(trials, count) for count in range(extreme, trials + 1)) / 2**trials)
