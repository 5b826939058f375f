"""The one-hot learner that has a filter's gain along one eigendirection: its time, or its penalty."""

from typing import TypeAlias

from array_api_compat import array_namespace

from eigenkd._arrays import is_concrete, moved, real_array
from eigenkd.filters import Filter
from eigenkd.flow import Fit, LinearFlow
from eigenkd.spectrum import Spectrum
from eigenkd.typing import Array, ArrayLike

FlowOrEigenvalues: TypeAlias = LinearFlow | Spectrum | ArrayLike


def matched_time(filter: Filter, lam: ArrayLike) -> Array:
    """The time at which a teacher, trained on the labels, has the gain filter(lam): t = -log r(lam) / lam.  Eq. (25)

    filter: any filter with a gain in [0, 1]; for a product of flows the effective time never decreases with lam and
    never exceeds the shortest of its times, whatever the number of generations. lam: eigenvalues > 0, of any shape.
    Returns (..., *lam.shape) with ... the shape of the filter's parameters; inf where the residual is 0.

    Raises TypeError for anything but a filter, ValueError for lam that is not positive and for a gain beyond [0, 1].

    >>> from eigenkd import filters
    >>> print(matched_time(filters.flow(2.0) @ filters.flow(1.0), [0.1, 1.0, 10.0]).round(4))
    [0.174  0.7909 1.    ]
    """
    log_residual = _checked(filter).log_residual(positive(lam))
    return -log_residual / moved(real_array("lam", lam), log_residual)


def matched_strength(filter: Filter, lam: ArrayLike) -> Array:
    """The penalty with which ridge regression on the labels has the gain filter(lam): mu = lam r/g.  Eq. (32)

    Arguments, shapes and errors as `matched_time`; 0 where the residual is 0, inf where the gain is. For a product of
    ridge regressions, flows and stable steps of descent it never increases with lam.
    """
    lam = positive(lam)
    log_odds = _checked(filter).log_residual(lam) - filter.log_gain(lam)
    return moved(real_array("lam", lam), log_odds) * array_namespace(log_odds).exp(log_odds)


def positive(lam: ArrayLike) -> Array:
    lam = real_array("lam", lam, nonnegative=True)
    if is_concrete(lam) and bool(array_namespace(lam).any(lam == 0)):
        raise ValueError("lam: expected positive eigenvalues, got 0; along a null direction nothing is ever learned")
    return lam


def eigenvalues_of(flow_or_eigenvalues: FlowOrEigenvalues) -> Array:
    """Eigenvalues (k,) from what linear_flow or kernel_flow returned, or as they are; those that rounding alone makes
    negative, by up to k eps times the largest, are 0."""
    if hasattr(flow_or_eigenvalues, "top_eigenpairs"):
        raise TypeError("flow_or_eigenvalues: expected a factorised flow or eigenvalues, got a matrix-free flow; pass "
                        "flow.top_eigenpairs(count).eigenvalues")
    if isinstance(flow_or_eigenvalues, Fit):
        raise TypeError("flow_or_eigenvalues: expected a flow or eigenvalues, got a Fit; pass fit.flow")
    if isinstance(flow_or_eigenvalues, LinearFlow):
        flow_or_eigenvalues = flow_or_eigenvalues.spectrum
    if isinstance(flow_or_eigenvalues, Spectrum):
        flow_or_eigenvalues = flow_or_eigenvalues.eigenvalues
    lam = real_array("flow_or_eigenvalues", flow_or_eigenvalues, ndim=(1,))
    if is_concrete(lam):
        xp = array_namespace(lam)
        least = -lam.shape[0] * xp.finfo(lam.dtype).eps * xp.max(lam)
        lam = xp.where((lam < 0) & (lam >= least), 0.0, lam)
    return real_array("flow_or_eigenvalues", lam, nonnegative=True)


def pivot_index(pivot: int, lam: Array) -> int:
    """The index of the pivot, checked: of one of the eigenvalues lam (k,), and not a null one."""
    k = lam.shape[0]
    if isinstance(pivot, bool) or not hasattr(pivot, "__index__"):
        raise TypeError(f"pivot: expected the index of an eigenvalue, got {pivot!r}; pass a whole number from 0 to "
                        f"{k - 1}")
    pivot = pivot.__index__()
    if not -k <= pivot < k:
        raise ValueError(f"pivot: expected the index of one of {k} eigenvalues, got {pivot}; pass a whole number from "
                         f"0 to {k - 1}")
    if is_concrete(lam) and not bool(lam[pivot] > 0):
        raise ValueError(f"pivot: expected an eigenvalue > 0, got eigenvalue {pivot}, which is null; choose another")
    return pivot


def _checked(filter):
    if not isinstance(filter, Filter):
        raise TypeError(f"filter: expected a filter, got {type(filter).__name__}; make one with filters.flow(time) ...")
    return filter
