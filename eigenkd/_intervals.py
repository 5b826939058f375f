"""Intervals and tests that several measurements share."""

from math import inf, sqrt
from statistics import mean, stdev

from eigenkd.table import NONE

ANYWHERE, SHARE, PERCENT = (-inf, inf), (0.0, 1.0), (0.0, 100.0)  # where a mean can lie


def t_interval(values, within=ANYWHERE):
    """(mean, low, high): Student's 95% interval of the mean of two independent values or more.

    within: the range that the mean is known to lie in; the interval is cut there. It holds the true mean exactly
    as often as the whole one does: what is cut off cannot be the true mean. Intervals on the
    scale of logits or arcsines stay in the range too, but logits are infinite for a share of 0 or 1, and what the
    arcsine's interval is about is not the mean, which may even lie outside it.
    """
    from scipy.special import stdtrit

    half = float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / sqrt(len(values))
    return mean(values), max(mean(values) - half, within[0]), min(mean(values) + half, within[1])


def in_words(values, digits=2, within=ANYWHERE):
    """The mean of a list with its `t_interval` in brackets; of a single value that value, of none a dash."""
    if len(values) < 2:
        return f"{values[0]:z.{digits}f}" if len(values) else NONE
    return "{:z.{d}f} [{:z.{d}f}, {:z.{d}f}]".format(*t_interval(values, within), d=digits)


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
