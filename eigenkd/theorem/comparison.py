"""Any filter compared with the one-hot learner that it is matched with, as far as float64 resolves it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from array_api_compat import array_namespace

from eigenkd import filters
from eigenkd._arrays import is_concrete, leading, moved
from eigenkd._pytrees import pytree
from eigenkd.filters.algebra import Filter, Overshoot, filter_named
from eigenkd.theorem.matching import FlowOrEigenvalues, eigenvalues_of, matched_strength, matched_time, pivot_index
from eigenkd.typing import Array, ArrayLike

Learner: TypeAlias = Callable[..., Filter]
Matched: TypeAlias = Callable[[Filter, ArrayLike], Array]

LEARNERS: dict[Learner, Matched] = {filters.flow: matched_time, filters.ridge: matched_strength}


@pytree(*["matched", "direction", "difference", "resolved", "holds", "fails"])
@dataclass(frozen=True, eq=False)
class Comparison:
    """The result of `compare_gains`; `...` is the shape of the filter's parameters, k the number of eigenvalues.

    matched (...): the time, or penalty, of the one-hot learner that has the filter's gain at the pivot.
    direction (k,): -1 for eigenvalues below the pivot's, 0 for those equal to it, +1 above.
    difference (..., k): the filter's gain - the learner's.
    resolved (..., k): whether its sign is certain in spite of rounding.
    holds (..., k): whether it is resolved and on the theorem's side; True at the pivot and in null directions.
    fails (..., k): whether it is resolved and on the other side.
    """

    matched: Array
    direction: Array
    difference: Array
    resolved: Array
    holds: Array
    fails: Array


def compare_gains(flow_or_eigenvalues: FlowOrEigenvalues, filter: Filter, pivot: int = 0,
                  learner: Learner = filters.flow) -> Comparison:
    """Compare any filter with the one-hot learner matched at the pivot, by subtraction as far as float64 resolves it.

    filter: any filter: labels mixed in, generations of different kinds, momentum, a teacher that still learns. learner:
    filters.flow or filters.ridge. The other arguments are those of `check`, which also decides where subtraction
    cannot. Eqs. (34), (35) say when the order holds with labels mixed in.

    Raises TypeError or ValueError for other filters, learners and eigenvalues than these, and for a filter that has
    overshot its target at the pivot, where no one-hot learner has its gain. Returns a `Comparison`.

    >>> mixed = filters.mix(filters.identity, filters.flow(1.0), weight=0.3)
    >>> print(compare_gains([5.0, 1.0, 0.1], filters.flow(10.0) @ mixed, pivot=1).fails)  # the teacher stopped sooner
    [ True False  True]
    """
    filter = filter_named("filter", filter)
    if not any(learner is one for one in LEARNERS):
        raise ValueError(f"learner: expected filters.flow or filters.ridge, got {learner!r}; pass one of these two "
                         f"functions")
    lam = eigenvalues_of(flow_or_eigenvalues)
    lam = moved(lam, leading(lam, *filter.parameters))
    xp = array_namespace(lam)
    pivot = pivot_index(pivot, lam)
    try:
        matched = LEARNERS[learner](filter, lam[pivot])
        if is_concrete(matched) and not bool(xp.all(xp.isfinite(matched) & (matched > 0))):
            raise ValueError(f"filter: expected a gain strictly between 0 and 1 at the pivot, got {filter!r} with a "
                             f"matched learner of {matched}; choose another pivot, or a model that is stopped")
        ours, theirs = filter.log_gain(lam), learner(1.0).log_gain(_scaled(lam, matched, learner))
        with np.errstate(over="ignore", invalid="ignore"):
            apart = xp.where(ours == theirs, 0.0, ours - theirs)
            difference = xp.exp(theirs) * xp.expm1(apart)
            finite = xp.isfinite(ours) & xp.isfinite(theirs)
            size = xp.where(finite, xp.abs(ours) + xp.abs(theirs), 0.0)
            resolved = xp.abs(apart) > 16 * xp.finfo(lam.dtype).eps * (1 + size)
    except Overshoot:
        matched = _matched_linearly(filter, lam[pivot], learner)
        ours, theirs = filter.gain(lam), learner(1.0).gain(_scaled(lam, matched, learner))
        difference = ours - theirs
        resolved = xp.abs(difference) > 1e3 * xp.finfo(lam.dtype).eps * (1 + xp.abs(ours))
    direction = xp.sign(lam - lam[pivot])
    same = (direction == 0) | (lam == 0)
    resolved = resolved & ~same
    right = xp.sign(difference) == direction
    return Comparison(matched, xp.astype(direction, xp.int32), difference, resolved, same | (resolved & right),
                      resolved & ~right)


def _scaled(lam, matched, learner):
    """lam in units of the matched learner, for its filter at 1: both kinds depend on t lam, or lam/mu, alone."""
    matched = matched[..., None]
    return lam * matched if learner is filters.flow else lam / matched


def _matched_linearly(filter, lam, learner):
    xp = array_namespace(lam)
    gain, residual = filter.gain(lam), filter.residual(lam)
    if is_concrete(gain) and not bool(xp.all((gain > 0) & (residual > 0))):
        raise ValueError(f"filter: expected a gain between 0 and 1 at the pivot, got {gain}: it has overshot its "
                         f"target there, where no one-hot learner follows; choose another pivot or another time")
    return -xp.log(residual) / lam if learner is filters.flow else lam * residual / gain
