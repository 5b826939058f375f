"""Theorem 4.1 and its pivot form: matched along one eigendirection, how do teacher and student differ on the others?

The paper's theorem: stop a student (time s, teacher stopped at T) and a teacher (time t) when both have the same
component along an eigendirection. Then along every direction of smaller eigenvalue the student's component is strictly
smaller than the teacher's. Pivot form: and along every direction of larger eigenvalue strictly larger. It needs
0 < s, T < inf; at the ends of that range teacher and student are equal. Eqs. (14)-(19), docs/theory.md.
"""

from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from eigenkd import filters, gap
from eigenkd.arrays import is_concrete, leading, moved, real_array
from eigenkd.filters import Filter
from eigenkd.flow import LinearFlow

__all__ = ["Check", "check", "matched_time"]


def matched_time(filter, lam):
    """The time at which a teacher, trained on the labels, has the gain filter(lam): t = -log r(lam) / lam.  Eq. (14)

    filter: any filter; for a product of flows the effective time never decreases with lam and never exceeds the
    shortest of its times, whatever the number of generations. lam: eigenvalues > 0, of any shape. Returns
    (..., *lam.shape) with ... the shape of the filter's parameters; inf where the residual is 0.

    Raises TypeError for what is no filter, ValueError for lam that is not positive.
    """
    if not isinstance(filter, Filter):
        raise TypeError(f"filter: expected a filter, got {type(filter).__name__}; make one with filters.flow(time) ...")
    lam = real_array("lam", lam, nonnegative=True)
    if is_concrete(lam) and bool(array_namespace(lam).any(lam == 0)):
        raise ValueError("lam: expected positive eigenvalues, got 0; along a null direction nothing is ever learned")
    log_residual = filter.log_residual(lam)
    return -log_residual / moved(lam, log_residual)


@dataclass(frozen=True, eq=False)
class Check:
    """What `check` found; `...` is the broadcast shape of the two times, k the number of eigenvalues.

    matched_time (...): the teacher's time t that has the student's gain at the pivot.
    direction (k,): -1 for eigenvalues below the pivot's, 0 for those equal to it, +1 above.
    log_gap (..., k): log |student's gain - teacher's gain|, right where both gains round to 1; -inf where equal.
    log_margin (..., k): log of the certified lower bound of that gap, never above log_gap.
    holds (..., k): whether the student's gain is strictly on the theorem's side of the teacher's: by the integral, by
        the margin, and, wherever plain subtraction of the gains resolves a difference, by that as well. True at the
        pivot and in null directions, where both gains are equal. False where a time is 0 or inf: the two models are the
        same there, and the theorem says nothing.
    """

    matched_time: Any
    direction: Any
    log_gap: Any
    log_margin: Any
    holds: Any


def check(flow_or_eigenvalues, student_time, teacher_time, pivot=0):
    """Decide Theorem 4.1 and its pivot form for a student of time s of a teacher stopped at T.  Eqs. (14)-(19)

    flow_or_eigenvalues: what linear_flow or kernel_flow returned, or eigenvalues (k,) >= 0 of K in any order.
    student_time, teacher_time: s and T >= 0, numbers or arrays that broadcast, inf allowed. pivot: the index of the
    eigenvalue at which teacher and student are matched. Decided in float64 with log_gap right to 1e-12 relative to
    max(1, |log_gap|); tested for lam t from 1e-6 to 300 and ratios of eigenvalues from 1e-9 to 1 - 1e-7 and from 1 up.

    Raises TypeError or ValueError for eigenvalues or times that are none, and for a pivot out of range or null.
    Returns a `Check`.
    """
    if isinstance(flow_or_eigenvalues, LinearFlow):
        flow_or_eigenvalues = flow_or_eigenvalues.spectrum.eigenvalues
    lam = real_array("flow_or_eigenvalues", flow_or_eigenvalues, ndim=(1,), nonnegative=True)
    s = real_array("student_time", student_time, nonnegative=True, finite=False)
    T = real_array("teacher_time", teacher_time, nonnegative=True, finite=False)
    student = filters.flow(s) @ filters.flow(T)
    lam = moved(lam, leading(lam, s, T))
    xp = array_namespace(lam)
    s, T = (xp.astype(moved(t, lam), lam.dtype) for t in (s, T))
    s, T = xp.broadcast_arrays(s, T)
    lam_p = lam[_pivot(pivot, lam)]
    time = matched_time(student, lam_p)
    with np.errstate(divide="ignore", under="ignore", over="ignore", invalid="ignore"):
        s, T = s[..., None], T[..., None]
        log_gap, log_margin = gap.log_gap(lam, lam_p, s, T), gap.log_margin(lam, lam_p, s, T)
        direction = xp.sign(lam - lam_p)
        contradicted = _contradicted(student.log_gain(lam), filters.flow(time).log_gain(lam), log_gap, direction)
    strict = (log_gap > -xp.inf) & (log_gap >= log_margin) & ~contradicted
    holds = xp.where((direction == 0) | (lam == 0), True, strict)
    return Check(time, xp.astype(direction, xp.int32), log_gap, log_margin, holds)


def _contradicted(student, teacher, log_gap, direction):
    """Where plain subtraction of the two log gains resolves a gap, and it has another sign or size.

    Both are right to a few ulp, and an error of the matched time of a few ulp moves the teacher's by no more (times
    x/(exp(x) - 1) <= 1), so that their difference, log(1 -+ gap/gain), is right to `rounding`.
    """
    xp = array_namespace(student)
    represented = log(float(xp.finfo(student.dtype).smallest_normal)) + 40  # below, the matched time has few digits
    finite = (student > represented) & (teacher > represented)
    student, teacher = xp.where(finite, student, 0.0), xp.where(finite, teacher, 0.0)
    rounding = 16 * xp.finfo(student.dtype).eps * (1 + xp.abs(student) + xp.abs(teacher))
    by_subtraction = xp.expm1(student - teacher)
    by_integral = direction * xp.exp(log_gap - teacher)
    tolerance = rounding * (1 + xp.abs(by_integral)) + 1e-9 * xp.abs(by_integral)
    return finite & (xp.abs(by_subtraction - by_integral) > tolerance)


def _pivot(pivot, lam):
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
