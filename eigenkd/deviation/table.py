"""The numbers of a deviation as a table that pastes into a paper: text, Markdown, LaTeX, and HTML for notebooks."""

from html import escape
from math import isfinite
from statistics import mean

from eigenkd.arrays import to_numpy
from eigenkd.deviation.comparison import FRACTIONS, Deviation
from eigenkd.deviation.seeds import Seeds, over_seeds
from eigenkd.deviation.verdict import FEWEST
from eigenkd.table import NONE, Cells, html_table, written

FEW = "*"  # behind a slope of fewer points than a verdict takes
GROUPS = {"both": "both right", "only_teacher": "only teacher right", "only_student": "only student right",
          "neither": "neither right"}


def table(measured, format="text"):
    """The slopes with their intervals, the shares beyond the teacher, agreement, KL and entropy, with labels also
    calibration and groups, as a string; a column for all points and one for each mask.

    measured: a `Deviation`, or the `Seeds` of several, of which it gives the means. format: "text", "markdown" or
    "latex" (for the package booktabs). Raises ValueError for another format, TypeError for something else to measure.
    """
    return written(cells(measured), format)


def html(measured):
    """The verdict and the table as a piece of HTML without scripts, for a notebook or a page. Raises as `table`."""
    verdict = measured.verdict
    lines = [f"<strong>{escape(verdict.sentence)}</strong>",
             *(escape(text) for text in (verdict.low.sentence, verdict.high.sentence, *verdict.notes))]
    return f'<div class="eigenkd"><p>{"<br>".join(lines)}</p>{html_table(cells(measured))}</div>'


def cells(measured):
    """The `Cells` of a `Deviation` or of `Seeds`. Raises TypeError for something else."""
    if not isinstance(measured, Deviation | Seeds):
        raise TypeError(f"measured: expected what compare or over_seeds returns, got {type(measured).__name__}")
    columns = {"all points": measured, **_by_mask(measured)}
    notes = [f"slope [95% t interval over {len(measured.deviations)} seeds]; the other numbers are means over them"
             if isinstance(measured, Seeds) else "slope [95% bootstrap interval over points]"]
    if any(len(_all(column)) for column in columns.values()) and _labelled(measured):
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
    notes += [f"{NONE} {name}: the mask has no points" for name, column in columns.items() if column is None]
    return Cells(("", *map(_one_line, columns)), tuple(rows), tuple(map(_one_line, notes)))


def _scalars(measured):
    """(label, function from the mean of a number over seeds to what is written) of each row under the slopes."""
    rows = [
        ("underfit, least confident 25%", lambda of: f"{of(lambda d: d.underfit()):.3f}"),
        ("overfit, most confident 25%", lambda of: f"{of(lambda d: d.overfit()):.3f}"),
        ("agreement of the classes", lambda of: f"{of(lambda d: d.agreement):.3f}"),
        ("KL(teacher ‖ student), nats", lambda of: f"{of(lambda d: d.kl):.3g}"),
        ("entropy, nats: teacher / student",
         lambda of: _pair(of, lambda d, role: to_numpy(getattr(d, f"{role}_entropy")).mean(dtype=float))),
    ]
    if not _labelled(measured):
        return rows
    for name, label in (("accuracy", "accuracy"), ("ece", "calibration error (ECE)"), ("nll", "NLL, nats"),
                        ("brier", "Brier score")):
        rows.append((f"{label}: teacher / student", lambda of, name=name: _pair(
            of, lambda d, role: getattr(getattr(d.calibration, role), name))))
    for name, label in GROUPS.items():
        rows.append((label, lambda of, name=name: f"{of(lambda d: getattr(d.groups, name).share):.3f} "
                                                  f"({_number(of(lambda d: getattr(d.groups, name).underfit))})"))
    return rows


def _pair(of, number):
    return " / ".join(f"{of(lambda d, role=role: float(number(d, role))):.3f}" for role in ("teacher", "student"))


def _cell(column, write):
    return NONE if column is None else write(lambda number: mean(number(d) for d in _all(column)))


def _all(measured):
    return () if measured is None else measured.deviations if isinstance(measured, Seeds) else (measured,)


def _labelled(measured):
    return all(d.labels is not None for d in _all(measured))


def _by_mask(measured):
    """name -> the measurement of the mask's points alone, None where there are none."""
    first, *others = _all(measured)
    columns = {}
    for name in first.masks:
        if all(name in d.masks for d in others):
            some = all(d.masks[name].any() for d in _all(measured))
            parts = [d.subset(d.masks[name]) for d in _all(measured)] if some else []
            columns[name] = None if not some else over_seeds(parts) if isinstance(measured, Seeds) else parts[0]
    return columns


def _points(column):
    counts = sorted({d.points for d in _all(column)})
    return NONE if not counts else f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"


def _slope(slope):
    if slope is None or not isfinite(slope.value):
        return NONE
    return f"{slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}]{FEW if slope.points < FEWEST else ''}"


def _number(value):
    return f"{value:.3f}" if isfinite(value) else NONE


def _one_line(text):
    return " ".join(str(text).split())
