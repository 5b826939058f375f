"""The theorem decided in float64, for any number of generations of flow, descent and ridge regression."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import log

import numpy as np
from array_api_compat import array_namespace

from eigenkd import filters
from eigenkd._arrays import is_concrete, leading, moved, real_array
from eigenkd._pytrees import pytree
from eigenkd.filters.algebra import Filter, Leaf, check_shapes
from eigenkd.filters.elementary import log1mexp, product
from eigenkd.theorem import gap, penalty
from eigenkd.theorem.matching import FlowOrEigenvalues, eigenvalues_of, pivot_index
from eigenkd.theorem.penalty import log_sum
from eigenkd.typing import Array, ArrayLike

KINDS: dict[tuple[str, ...], str] = {("time",): "flow", ("learning_rate", "steps"): "descent", ("strength",): "ridge"}


@pytree(*["matched_time", "direction", "log_gap", "log_margin", "holds"])
@dataclass(frozen=True, eq=False)
class Check:
    """The result of `check`; `...` is the broadcast shape of the parameters, k the number of eigenvalues.

    matched_time (...): the teacher's time t that has the student's gain at the pivot. For ridge regression, which
    mixed kinds are matched with as well, its penalty; for descent its number of steps, a real number, since whole
    ones do not match.
    direction (k,): -1 for eigenvalues below the pivot's, 0 for those equal to it, +1 above.
    log_gap (..., k): log |student's gain - teacher's gain|, right where both gains round to 1; -inf where equal.
    log_margin (..., k): log of the certified lower bound of that gap, never above log_gap.
    holds (..., k): whether the student's gain is strictly on the theorem's side of the teacher's: by the integral, by
    the margin, and, wherever plain subtraction of the gains resolves a difference, by that as well. True at the
    pivot and in null directions, where both gains are equal. False where the two models are the same (a time is 0
    or inf, a single generation, no penalty): the theorem says nothing there.
    """

    matched_time: Array
    direction: Array
    log_gap: Array
    log_margin: Array
    holds: Array


def check(flow_or_eigenvalues: FlowOrEigenvalues, student_time: ArrayLike, teacher_time: ArrayLike,
          pivot: int = 0) -> Check:
    """Decide Theorem 4.1 and its pivot form for a student of time s of a teacher stopped at T.  Eqs. (25)-(30)

    flow_or_eigenvalues: what linear_flow or kernel_flow returned, or eigenvalues (k,) >= 0 of K in any order.
    student_time, teacher_time: s and T >= 0, numbers or arrays that broadcast, inf allowed. pivot: the index of the
    eigenvalue at which teacher and student are matched. Decided in float64 with log_gap right to 1e-12 relative to
    max(1, |log_gap|); tested for lam t from 1e-6 to 300 and ratios of eigenvalues from 1e-9 to 1 - 1e-7 and from 1 up.

    Raises TypeError or ValueError for eigenvalues or times that are none, and for a pivot out of range or null.
    Returns a `Check`.

    >>> found = check([1.0, 0.5, 0.1], student_time=30.0, teacher_time=0.01)
    >>> print(found.holds, found.log_gap.round(2))   # gaps of 1e-8 and 5e-5
    [ True  True  True] [  -inf -20.3   -9.91]
    """
    times = (real_array(name, time, nonnegative=True, finite=False)
             for name, time in (("teacher_time", teacher_time), ("student_time", student_time)))
    return check_generations(flow_or_eigenvalues, [filters.flow(time) for time in times], pivot)


def check_generations(flow_or_eigenvalues: FlowOrEigenvalues, generations: Sequence[Filter], pivot: int = 0) -> Check:
    """Decide the theorem for the last of several generations, against the one-hot learner that `learner` names.

    generations: filters, the first trained on the labels, each next one on the outputs of the one before:
    filters.flow(time), filters.ridge(strength) and filters.descent(learning_rate, steps), the learning rate at most
    1/eigenvalue; parameters may be arrays that broadcast. Flows alone are matched with a flow, descents at one learning
    rate, a number, with descent at that rate, and all others, mixed kinds and mixed rates, with ridge regression;
    another filters.ridge(0), which changes nothing, has any of them matched with that. The other arguments are those of
    `check`. log_gap is right to 1e-11 relative to max(1, |log_gap|) for up to six generations. Eqs. (31)-(33)

    Raises TypeError for what are no such filters, ValueError for a learning rate that is too large. Returns a `Check`.

    >>> found = check_generations([1.0, 0.5, 0.1], [filters.ridge(0.3), filters.flow(30.0), filters.descent(0.5, 9)])
    >>> print(found.holds, found.matched_time.round(3))    # of the matched ridge regression
    [ True  True  True] 0.303
    """
    lam = eigenvalues_of(flow_or_eigenvalues)
    kind, leaves = learner(generations), [one for one in generations if isinstance(one, Leaf)]
    kinds = [KINDS[one.names] for one in leaves]
    lam = moved(lam, leading(lam, *(a for one in leaves for a in one.arguments)))
    xp = array_namespace(lam)
    arguments = _arguments(leaves, lam)
    pivot = pivot_index(pivot, lam)
    with np.errstate(divide="ignore", under="ignore", over="ignore", invalid="ignore"):
        _check_rates(kinds, arguments, lam)
        if kind == "ridge":
            matched, log_gap, log_margin = penalty.log_gap(lam, lam[pivot], list(zip(kinds, arguments)))
            teacher = filters.ridge(matched[..., 0]).log_gain(lam)
        else:
            # Steps of descent are a flow in -log(1 - eta lam), which has a unit of time for every step.
            scale = lam if kind == "flow" else _per_step(lam, leaves[0].arguments[0], pivot)
            matched, log_gap, log_margin = _flow_gap(scale, scale[pivot], [amounts[-1] for amounts in arguments])
            teacher = log1mexp(product(matched, scale))
        direction = xp.sign(lam - lam[pivot])
        student = reduce(lambda teacher, one: one @ teacher, generations).log_gain(lam)
        contradicted = _contradicted(student, teacher, log_gap, direction)
    strict = (log_gap > -xp.inf) & (log_gap >= log_margin) & ~contradicted
    holds = xp.where((direction == 0) | (lam == 0), True, strict)
    return Check(matched[..., 0], xp.astype(direction, xp.int32), log_gap, log_margin, holds)


def learner(generations: Sequence[Filter]) -> str:
    """The one-hot learner that generations are matched with: "flow", "descent" at their one rate, or "ridge".

    Raises TypeError for what are no generations of flow, descent and ridge regression.
    """
    if not isinstance(generations, list | tuple) or not generations:
        raise TypeError(f"generations: expected a list of filters, the first generation first, got {generations!r}")
    for i, one in enumerate(generations):
        if not isinstance(one, Leaf) or one.names not in KINDS:
            raise TypeError(f"generations[{i}]: expected filters.flow(time), filters.descent(learning_rate, steps) or "
                            f"filters.ridge(strength), got {one!r}; for other filters use theorem.compare_gains")
    leaves = [one for one in generations if isinstance(one, Leaf)]
    check_shapes([a for one in leaves for a in one.parameters])
    kinds = {KINDS[one.names] for one in leaves}
    if kinds == {"descent"}:
        rates = [one.arguments[0] for one in leaves]
        return "ridge" if any(r.ndim != 0 or bool(r != rates[0]) for r in rates) else "descent"
    return "flow" if kinds == {"flow"} else "ridge"


def _arguments(generations, lam):
    """The parameters of each generation, all (..., 1), in the library of lam."""
    xp = array_namespace(lam)
    flat = xp.broadcast_arrays(*(xp.astype(moved(a, lam), lam.dtype) for one in generations for a in one.arguments))
    flat = iter([a[..., None] for a in flat])
    return [[next(flat) for _ in one.arguments] for one in generations]


def _check_rates(kinds, arguments, lam):
    """Raise for a learning rate beyond 1/eigenvalue."""
    xp = array_namespace(lam)
    for rate in (one[0] for kind, one in zip(kinds, arguments) if kind == "descent"):
        if is_concrete(rate * lam) and bool(xp.any(rate * xp.max(lam) > 1 + 1e-12)):
            raise ValueError(f"generations: expected a learning_rate of at most 1/eigenvalue, got "
                             f"{float(xp.max(rate)):.6g} next to an eigenvalue of {float(xp.max(lam)):.6g}; use "
                             f"smaller steps, or theorem.compare_gains")


def _per_step(lam, rate, pivot):
    """-log(1 - eta lam); finite at the pivot."""
    scale = -filters.descent(rate, 1).log_residual(lam)
    if is_concrete(scale) and not bool(array_namespace(scale).isfinite(scale[pivot])):
        raise ValueError(f"pivot: expected an eigenvalue below 1/learning_rate, got {float(lam[pivot]):.6g}, along "
                         f"which a single step learns everything; choose another, or smaller steps")
    return scale


def _flow_gap(lam, pivot, times):
    """(matched time, log gap, log margin) of generations of gradient flow, (..., 1) and (..., k).  Eq. (31)

    One more generation multiplies the gap so far by its own gain, and adds that of two generations, of which the
    teacher is the learner that the others are matched with: only positive terms.
    """
    xp = array_namespace(lam)
    same = xp.isinf(lam) | (lam == 0)  # learned by both, in a single step of descent, or by neither
    lam = xp.where(same, pivot, lam)
    matched = times[0]
    log_gap = log_margin = xp.full_like(lam + matched, -xp.inf)
    for time in times[1:]:
        log_gain = log1mexp(product(time, lam))
        rounding = 16 * xp.finfo(lam.dtype).eps * (1 - xp.where(xp.isinf(log_gain), 0.0, log_gain))
        log_gap = log_sum(log_gain + log_gap, gap.log_gap(lam, pivot, time, matched))
        log_margin = log_sum(log_gain + log_margin, gap.log_margin(lam, pivot, time, matched)) - rounding
        matched = -gap.log_common_residual(product(time, pivot), product(matched, pivot)) / pivot
    return matched, xp.where(same, -xp.inf, log_gap), xp.where(same, -xp.inf, log_margin)


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
