"""Tests of exaggeration, over pairs of directions and over seeds."""

from dataclasses import dataclass

import numpy as np

from eigenkd._intervals import SHARE, sign_p_value, t_interval
from eigenkd.projection.paths import is_exaggerated
from eigenkd.typing import ArrayLike


@dataclass(frozen=True)
class Significance:
    """Exaggeration over pairs and seeds: the result of `sign_test`.

    share: the mean of the shares, with Student's 95% interval low to high (NaN for fewer than two): over seeds, for a
    new seed, where there are two or more, else over pairs, for another pair. exaggerated, pairs: over all seeds, the
    number of pairs whose share is above one half, and of pairs that have one. seeds: how many; exaggerated_seeds: those
    whose mean share is above one half. p_pairs, p_seeds: two-sided sign tests of the two counts: how likely one as
    extreme is if each pair, each seed, went either way by a coin. Pairs of one seed share their two networks, so that
    p_pairs is too small where they go together; p_seeds is safe, and cannot be below 2^(1 - seeds).
    """

    share: float
    low: float
    high: float
    exaggerated: int
    pairs: int
    p_pairs: float
    exaggerated_seeds: int
    seeds: int
    p_seeds: float


def sign_test(shares: ArrayLike) -> Significance:
    """The `Significance` of what `exaggeration` returns, for one seed (pairs,) or for several (seeds, pairs).

    NaN, a pair without a common range, and a share of exactly one half count for neither side.
    Raises ValueError for other shapes and for values that are no shares.
    """
    try:
        shares = np.asarray(shares, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"shares: expected numbers, as many of each seed, got what NumPy makes no array of ({error}); "
                         "fill up with NaN") from error
    if shares.ndim not in (1, 2) or not shares.size or np.any((shares < 0) | (shares > 1)):
        found = f"{np.nanmin(shares):g} to {np.nanmax(shares):g}" if shares.size else "none"
        raise ValueError(f"shares: expected values from 0 to 1 of shape (pairs,) or (seeds, pairs), got {found} of "
                         f"shape {shares.shape}; pass what exaggeration returns, a row a seed")
    seeds = [row[np.isfinite(row)] for row in np.atleast_2d(shares)]
    seeds = [row for row in seeds if row.size]
    means = [float(row.mean()) for row in seeds]
    every = np.concatenate([*seeds, []])
    units = means if len(means) > 1 else every.tolist()
    interval = t_interval(units, SHARE) if len(units) > 1 else (*(units or [np.nan]), np.nan, np.nan)
    (won, p_pairs), (won_seeds, p_seeds) = _tested(every), _tested(np.array(means))
    return Significance(
        *interval, exaggerated=won, pairs=len(every), p_pairs=p_pairs, exaggerated_seeds=won_seeds, seeds=len(seeds),
        p_seeds=p_seeds)


def _tested(shares):
    """The number of shares above one half, and its p-value by the sign test."""
    won = int(is_exaggerated(shares).sum())
    return won, sign_p_value(won, int((shares != 0.5).sum()))
