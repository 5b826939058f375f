"""The numbers of a deviation as a table that pastes into a paper: text, Markdown, LaTeX, and HTML for notebooks."""

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite, isnan
from statistics import mean
from typing import Any, Protocol, runtime_checkable

from eigenkd._arrays import to_numpy
from eigenkd.deviation.slope import FRACTIONS, Slope
from eigenkd.deviation.verdict import FEWEST
from eigenkd.table import INFINITE, NONE, Cells, html_table, number, written

FEW = "*"  # marks a slope of fewer points than a verdict needs
GROUPS = {"both": "both right", "only_teacher": "only teacher right", "only_student": "only student right",
          "neither": "neither right"}
INFINITIES = {"kl": "KL(teacher ‖ student)", "reverse_kl": "KL(student ‖ teacher)",
              "teacher_confidence": "teacher's confidence",
              "student_confidence": "student's confidence", "teacher_nll": "teacher's NLL",
              "student_nll": "student's NLL"}


@runtime_checkable
class Measured(Protocol):
    """What a table takes: a `Deviation`, or the `Seeds` of several."""

    @property
    def interval(self) -> str:
        """What the intervals of slopes are, in words."""
        ...

    @property
    def members(self) -> Sequence[Any]:
        """The deviations whose means are written."""
        ...

    def slope(self, side: str, fraction: float) -> Slope:
        """A `Slope`."""
        ...

    def by_mask(self) -> Mapping[str, Any]:
        """name -> the same of the mask's points, or None."""
        ...


def table(measured: "Measured", format: str = "text") -> str:
    """The slopes with their intervals, the shares beyond the teacher, agreement, KL and entropy, with labels also
    calibration and groups, as a string; a column for all points and one for each mask.

    measured: a `Deviation`, or the `Seeds` of several, of which it gives the means. format: "text", "markdown",
    "latex" (for the package booktabs), "csv" or "json". Raises ValueError for another format, TypeError for something
    else to measure.
    """
    return written(cells(measured), format)


def html(measured: "Measured") -> str:
    """The verdict and the table as a piece of HTML without scripts, for a notebook or a page. Raises as `table`."""
    verdict = measured.verdict
    lines = [f"<strong>{escape(verdict.sentence)}</strong>",
             *(escape(text) for text in (verdict.low.sentence, verdict.high.sentence, *verdict.notes))]
    return f'<div class="eigenkd"><p>{"<br>".join(lines)}</p>{html_table(cells(measured))}</div>'


def expect_measured(measured: object) -> None:
    """Raises TypeError for anything but a `Deviation` or `Seeds`."""
    if not isinstance(measured, Measured):
        raise TypeError(f"measured: expected what compare or over_seeds returns, got {type(measured).__name__}")


def cells(measured: "Measured") -> Cells:
    """The `Cells` of a `Deviation` or of `Seeds`. Raises TypeError for anything else."""
    expect_measured(measured)
    columns = {"all points": measured, **measured.by_mask()}
    means = "; the other numbers are means over them" if len(measured.members) > 1 else ""
    notes = [f"slope [{measured.interval}]{means}"]
    if _labelled(measured):
        notes.append("groups: share of the points (share of these on which the student is less confident)")
    rows = [("points", *(_points(column) for column in columns.values()))]
    for side, which in (("low", "least"), ("high", "most")):
        for fraction in FRACTIONS:
            label = f"slope, {which} confident {fraction:.0%}"
            slopes = {name: column.slope(side, fraction) for name, column in columns.items() if column is not None}
            rows.append((label, *(_slope(slopes.get(name)) for name in columns)))
            notes += [f"{NONE} {label}, {name}: {slope.reason}" for name, slope in slopes.items() if slope.reason]
    rows += [(label, *(_cell(column, write) for column in columns.values())) for label, write in _scalars(measured)]
    if any(cell.endswith(FEW) for row in rows for cell in row):
        notes.insert(1, f"{FEW} fewer than {FEWEST} points, too few for a trustworthy interval")
    notes += [f"{INFINITE} {INFINITIES[quantity]}, {name}: {reason}" for name, column in columns.items()
              if column is not None for quantity, reason in column.infinite.items()]
    notes += [f"{NONE} {name}: the mask has no points" for name, column in columns.items() if column is None]
    return Cells(("", *map(_one_line, columns)), tuple(rows), tuple(map(_one_line, notes)))


def _scalars(measured):
    """(label, function from the mean of a number over seeds to what is written) of each row under the slopes."""
    rows = [
        ("underfit, least confident 25%", lambda of: number(of(lambda d: d.underfit()))),
        ("overfit, most confident 25%", lambda of: number(of(lambda d: d.overfit()))),
        ("agreement of the classes", lambda of: number(of(lambda d: d.agreement))),
        ("KL(teacher ‖ student), nats", lambda of: _bounded(of, "divergence", ".3g")),
        ("entropy, nats: teacher / student",
         lambda of: " / ".join(_bounded(of, f"{role}_entropy") for role in ("teacher", "student"))),
    ]
    if not _labelled(measured):
        return rows
    for name, label in (("accuracy", "accuracy"), ("ece", "calibration error (ECE)"), ("nll", "NLL, nats"),
                        ("brier", "Brier score")):
        rows.append((f"{label}: teacher / student", lambda of, name=name: _pair(
            of, lambda d, role: getattr(getattr(d.calibration, role), name))))
    for name, label in GROUPS.items():
        rows.append((label, lambda of, name=name: f"{of(lambda d: getattr(d.groups, name).share):.3f} "
                                                  f"({number(of(lambda d: getattr(d.groups, name).underfit))})"))
    return rows


def _bounded(of, name, digits=".3f"):
    """The mean of an array of the points, or its certain bounds."""
    def value(d):
        return float(to_numpy(getattr(d, name)).mean(dtype=float))

    if not isnan(found := of(value)):
        return number(found, digits)
    ends = (of(lambda d, k=k: d.bounds.get(name, (value(d),) * 2)[k]) for k in range(2))
    return " to ".join(number(end, digits) for end in ends)


def _pair(of, quantity):
    return " / ".join(number(of(lambda d, role=role: float(quantity(d, role)))) for role in ("teacher", "student"))


def _cell(column, write):
    return NONE if column is None else write(lambda quantity: mean(quantity(d) for d in column.members))


def _labelled(measured):
    return all(d.labels is not None for d in measured.members)


def _points(column):
    counts = sorted({d.points for d in column.members}) if column is not None else []
    return NONE if not counts else f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"


def _slope(slope):
    if slope is None or not isfinite(slope.value):
        return NONE
    low, high = number(slope.low, ".2f"), number(slope.high, ".2f")
    return f"{slope.value:.2f} [{low}, {high}]{FEW if slope.points < FEWEST else ''}"


def _one_line(text):
    return " ".join(str(text).split())
