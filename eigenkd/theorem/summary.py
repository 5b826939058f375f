"""The result of a check as a table, for a terminal, a notebook or a paper."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import isfinite, log
from typing import Any

import numpy as np

from eigenkd import filters
from eigenkd._arrays import real_array, to_numpy
from eigenkd.filters.algebra import Filter
from eigenkd.table import NONE, Cells, html_table, written
from eigenkd.theorem.generations import Check, check_generations, learner
from eigenkd.theorem.matching import FlowOrEigenvalues, eigenvalues_of
from eigenkd.typing import ArrayLike

ROWS = 12  # a table that fits on a screen


@dataclass(frozen=True, eq=False)
class Report:
    """A `Check` next to its eigenvalues and gains (k,); print it, or let a notebook show it.

    pivot: the index of the eigenvalue at which teacher and student are matched; student, teacher: sentences on how each
    was trained.
    """

    check: Check
    eigenvalues: np.ndarray
    teacher_gain: np.ndarray
    student_gain: np.ndarray
    pivot: int
    student: str
    teacher: str

    def table(self, format: str = "text", rows: int = ROWS) -> str:
        """The table as a string, "text", "markdown" or "latex", or with all digits "csv" or "json", of at most `rows`
        directions, the pivot among them."""
        if isinstance(rows, bool) or not hasattr(rows, "__index__") or rows < 1:
            raise ValueError(f"rows: expected a whole number from 1 on, got {rows!r}; leave it out for {ROWS}")
        return written(self._numbers(rows) if format in ("csv", "json") else self._cells(rows), format)

    def __str__(self) -> str:
        return self.table()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f'<div class="eigenkd">{html_table(self._cells(ROWS))}</div>'

    def _cells(self, rows):
        shown = _shown(len(self.eigenvalues), self.pivot, rows)
        body = []
        for before, k in zip([None, *shown], shown):
            if before is not None and k > before + 1:
                body.append(("...", *[""] * 6))
            body.append(self._row(k))
        header = ("direction", "eigenvalue", "teacher's gain", "student's gain", "student is", "gap", "at least")
        return Cells(header, tuple(body), self._notes())

    def _numbers(self, rows):
        """The `Cells` that another program reads; gaps as natural logarithms, which do not underflow."""
        rows = tuple((k, k == self.pivot, float(self.eigenvalues[k]), float(self.teacher_gain[k]),
                      float(self.student_gain[k]), self._side(k), *(float(log) if isfinite(log) else None for log in (
                          self.check.log_gap[k], self.check.log_margin[k])))
                     for k in _shown(len(self.eigenvalues), self.pivot, rows))
        return Cells(("direction", "is the pivot", "eigenvalue", "teacher's gain", "student's gain", "student is",
                      "log gap", "log at least"), rows, self._notes())

    def _row(self, k):
        return (f"{k}{' (pivot)' if k == self.pivot else ''}", f"{self.eigenvalues[k]:.4g}",
                _gain(self.teacher_gain[k]), _gain(self.student_gain[k]), self._side(k), _power(self.check.log_gap[k]),
                _power(self.check.log_margin[k]))

    def _side(self, k):
        side = {-1: "smaller", 0: "equal", 1: "larger"}[int(self.check.direction[k])]
        if self.eigenvalues[k] == 0:
            side = "equal (null)"
        elif side == "equal" and k != self.pivot:
            side = "equal (the pivot's eigenvalue)"
        elif not self.check.holds[k]:
            side = "not decided" if isfinite(self.check.log_gap[k]) else "equal"
        return side

    def _notes(self):
        strict = (self.check.direction != 0) & (self.eigenvalues > 0)
        held, decided = int(np.sum(self.check.holds & strict)), int(np.sum(strict))
        if not decided:
            verdict = "There is no direction other than the pivot to decide."
        elif not np.any(np.isfinite(self.check.log_gap)):
            verdict = "Teacher and student are the same model at these times: there is nothing to decide."
        else:
            verdict = f"Theorem 4.1 and its pivot form hold in {held} of {decided} directions other than the pivot."
        return (verdict, f"Student: {self.student}. Teacher: {self.teacher}.",
                "gap: |student's gain - teacher's gain|; at least: its certified lower bound.")


def report(flow_or_eigenvalues: FlowOrEigenvalues, student_time: ArrayLike, teacher_time: ArrayLike,
           pivot: int = 0) -> Report:
    """Theorem 4.1 decided for one student, as a table. Arguments and errors are those of `check`, with one s and one T.

    Returns a `Report`: print it, or leave it at the end of a notebook's cell.

    >>> report([10.0, 1.0, 0.1], student_time=1.0, teacher_time=2.0)
    direction  eigenvalue  teacher's gain  student's gain  student is     gap  at least
    ---------  ----------  --------------  --------------  ----------  ------  --------
    0 (pivot)          10        0.999955        0.999955       equal       –         –
    1                   1        0.632119        0.546572     smaller  0.0855   1.50e-6
    2                 0.1        0.095162        0.017250     smaller  0.0779   4.07e-7
    <BLANKLINE>
    Theorem 4.1 and its pivot form hold in 2 of 2 directions other than the pivot.
    Student: for s = 1, on a teacher stopped at T = 2. Teacher: stopped at t = 0.999995.
    gap: |student's gain - teacher's gain|; at least: its certified lower bound.
    """
    times: dict[str, Any] = {"student_time": student_time, "teacher_time": teacher_time}
    for name, time in times.items():
        times[name] = time = real_array(name, time, nonnegative=True, finite=False)
        if time.ndim:
            raise ValueError(f"{name}: expected one number, got shape {tuple(time.shape)}; make one report a pair of "
                             f"times, or use theorem.check for arrays")
    s, T = (float(time) for time in times.values())
    found = report_generations(flow_or_eigenvalues, [filters.flow(T), filters.flow(s)], pivot)
    return replace(found, student=f"for s = {s:.6g}, on a teacher stopped at T = {T:.6g}",
                   teacher=f"stopped at t = {float(found.check.matched_time) + 0.0:.6g}")


def report_generations(flow_or_eigenvalues: FlowOrEigenvalues, generations: Sequence[Filter], pivot: int = 0) -> Report:
    """The theorem decided for the last of several generations, as a table. Arguments and errors: `check_generations`.

    Every filter has one number for each parameter. Returns a `Report`.

    >>> report_generations([10.0, 1.0, 0.1], [filters.ridge(0.3)] * 3)
    direction  eigenvalue  teacher's gain  student's gain  student is     gap  at least
    ---------  ----------  --------------  --------------  ----------  ------  --------
    0 (pivot)          10        0.915142        0.915142       equal       –         –
    1                   1        0.518869        0.455166     smaller  0.0637    0.0637
    2                 0.1        0.097345        0.015625     smaller  0.0817    0.0817
    <BLANKLINE>
    Theorem 4.1 and its pivot form hold in 2 of 2 directions other than the pivot.
    Student: generation 3 of ridge(0.3), ridge(0.3), ridge(0.3). Teacher: the ridge of strength 0.92727.
    gap: |student's gain - teacher's gain|; at least: its certified lower bound.
    """
    lam = eigenvalues_of(flow_or_eigenvalues)
    found = check_generations(lam, generations, pivot)
    if found.log_gap.ndim > 1:
        raise ValueError(f"generations: expected one number for each parameter, got several of shape "
                         f"{tuple(found.matched_time.shape)}; make one report each, or use theorem.check_generations")
    found = Check(*(to_numpy(getattr(found, name)) for name in Check.__dataclass_fields__))
    lam, matched = to_numpy(lam), float(found.matched_time)
    student = to_numpy(reduce(lambda teacher, one: one @ teacher, generations).gain(lam))
    taught = {"flow": f"the flow stopped at {matched:.6g}", "ridge": f"the ridge of strength {matched:.6g}",
              "descent": f"descent at the same rate, after {matched:.6g} steps"}[learner(generations)]
    return Report(found, lam, student - found.direction * np.exp(found.log_gap), student, pivot % len(lam),
                  f"generation {len(generations)} of {', '.join(map(repr, generations))}", taught)


def _shown(count, pivot, rows):
    """The indices of at most `rows` directions: the first and the last ones, and the pivot with its neighbours."""
    if count <= rows:
        return list(range(count))
    order = sorted(range(count), key=lambda k: (k != pivot, min(k, count - 1 - k, 2 * abs(k - pivot))))
    return sorted(order[:rows])


def _gain(value):
    """A gain with six decimals, or three digits where it is smaller than that."""
    return f"{value:.6f}" if value >= 1e-4 or value == 0 else f"{value:.2e}"


def _power(logarithm):
    """exp(logarithm) with three digits, however small."""
    if not isfinite(logarithm):
        return NONE
    exponent = int(np.floor(logarithm / log(10)))
    if exponent >= -2:
        return f"{np.exp(logarithm):.{2 - exponent}f}"
    mantissa = f"{np.exp(logarithm - exponent * log(10)):.2f}"
    return f"{mantissa}e{exponent}" if mantissa != "10.00" else f"1.00e{exponent + 1}"
