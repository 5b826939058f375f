"""Intervals and tests that several measurements share."""

from math import sqrt
from statistics import mean, stdev


def t_interval(values):
    """(mean, low, high): Student's 95% interval of the mean of two independent values or more."""
    from scipy.special import stdtrit

    half = float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / sqrt(len(values))
    return mean(values), mean(values) - half, mean(values) + half


def sign_p_value(successes, trials):
    """The two-sided exact p-value of `successes` in `trials` where both outcomes are equally likely; 1 for no trial."""
    from scipy.stats import binomtest

    return float(binomtest(successes, trials).pvalue) if trials else 1.0


def share_interval(successes, trials):
    """(low, high): Wilson's 95% interval of the probability of a success; (0, 1) for no trial."""
    from scipy.stats import binomtest

    if not trials:
        return 0.0, 1.0
    found = binomtest(successes, trials).proportion_ci(method="wilson")
    return float(found.low), float(found.high)
