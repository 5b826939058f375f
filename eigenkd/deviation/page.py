"""A page about one deviation for a browser: one file that needs no network."""

import json
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from math import isfinite
from statistics import mean
from typing import TYPE_CHECKING

import numpy as np

from eigenkd._arrays import to_numpy
from eigenkd.deviation.table import cells, expect_measured
from eigenkd.deviation.verdict import FRACTION
from eigenkd.deviation.views import VIEWS
from eigenkd.plot import fitted
from eigenkd.table import html_table, number

if TYPE_CHECKING:
    from eigenkd.deviation.measured import Deviation
    from eigenkd.deviation.seeds import Seeds

MOST = 5000  # points that a browser draws and hovers over without delay
ENDS = 1000  # of them at each end of the teacher's confidence, where the question is decided
WORST = 10  # classes that are shown at once
VIEW_TITLES = {
    "confidence": "confidence: student against teacher", "probability": "probability: student against teacher",
    "entropy": "entropy: student against teacher", "confidence-kl": "KL divergence against the teacher's confidence",
    "probability-kl": "KL divergence against the teacher's probability",
    "entropy-kl": "KL divergence against the teacher's entropy",
}
CLASS_COLUMNS = {
    "class": "class", "points": "points", "underfit": "underfit", "teacher_confidence": "teacher's confidence",
    "student_confidence": "student's confidence", "kl": "KL (nats)", "teacher_accuracy": "teacher's accuracy",
    "student_accuracy": "student's accuracy",
}


def page(measured: 'Deviation | Seeds', title: str = "Student and teacher", names: Sequence[str] | None = None) -> str:
    """The HTML of a page: the verdict, a scatter with the six pairs of axes of Fig. 16, the table, the classes.

    measured: a `Deviation`, or the `Seeds` of several, which the page lets one choose from. names: what the teacher
    and each student are called, teacher first. At most 5,000 points of a student are drawn, and the page says so: the
    1,000 that the teacher is least and most confident of, up to 1,000 in masks, the others by a seeded draw. The
    numbers are always those of all points.

    Raises TypeError for anything else to draw, ValueError for too few or too many names, ImportError without plotly.
    """
    expect_measured(measured)
    students = measured.members
    if names is None:
        numbers = [f" {k + 1}" for k in range(len(students))] if len(students) > 1 else [""]
        names = ["teacher", *(f"student{number}" for number in numbers)]
    if len(names) != 1 + len(students):
        raise ValueError(f"names: expected {1 + len(students)}, the teacher's and one a student, got {len(names)}")
    data = [{"name": escape(str(name)), **_drawing(student)} for name, student in zip(names[1:], students)]
    assets = files("eigenkd.deviation")
    return _PAGE.format(
        title=escape(str(title)), style=assets.joinpath("page.css").read_text(encoding="utf-8"), plotly=_plotly(),
        script=assets.joinpath("page.js").read_text(encoding="utf-8"), data=_json(data), facts=_facts(students, names),
        verdict=_verdict(measured.verdict), students=_options(names[1:]) if len(students) > 1 else "",
        views="".join(f'<option value="{name}">{escape(VIEW_TITLES[name])}</option>' for name in VIEWS),
        numbers=html_table(cells(measured)), classes=_classes(students),
    )


def chosen(deviation: 'Deviation', most: int = MOST) -> tuple[np.ndarray, str]:
    """The indices (m,), ascending, of the points to draw, m <= most, and how they were chosen ("" for all of them)."""
    n = deviation.points
    if n <= most:
        return np.arange(n), ""
    ends = min(ENDS, most // 5)
    rng = np.random.default_rng(0)
    order = np.argsort(to_numpy(deviation.teacher_confidence), kind="stable")
    keep = np.zeros(n, dtype=bool)
    keep[order[:ends]] = keep[order[-ends:]] = True
    masked = np.flatnonzero(np.any([np.zeros(n, bool), *deviation.masks.values()], axis=0) & ~keep)
    keep[rng.permutation(masked)[:ends]] = True
    keep[rng.permutation(np.flatnonzero(~keep))[:most - int(keep.sum())]] = True
    of_masks = f", up to {ends:,} in masks" if deviation.masks else ""
    return np.flatnonzero(keep), (
        f"{most:,} of {n:,} points are drawn: the {ends:,} that the teacher is least confident of, the {ends:,} that "
        f"it is most confident of{of_masks}, the others at random, so that both ends look denser than they are. The "
        "numbers on this page are those of all points.")


def _drawing(deviation):
    """What the script needs of one student, in plain lists."""
    keep, thinned = chosen(deviation)
    x, y, *_ = deviation.view("confidence")
    lines = [line for side, which in (("low", "least"), ("high", "most"))
             if (line := _line(deviation, side, which, x, y)) is not None]
    quarter = np.argsort(x, kind="stable")[:max(1, round(FRACTION * x.size))]
    views = {}
    for name in VIEWS:
        across, up, across_label, up_label = deviation.view(name)
        views[name] = {"x": _short(across[keep]), "y": _short(up[keep]), "xlabel": escape(across_label),
                       "ylabel": escape(up_label), "diagonal": not name.endswith("-kl"),
                       "hidden": int((~np.isfinite(across) | ~np.isfinite(up)).sum()),
                       "corner": [_short(_ends(a[quarter])) for a in (across, up)]}
    return {
        "views": views, "lines": lines, "thinned": thinned, "index": deviation.rows[keep].tolist(),
        "teacher_class": to_numpy(deviation.teacher_class)[keep].tolist(),
        "student_class": to_numpy(deviation.student_class)[keep].tolist(),
        "labels": None if deviation.labels is None else deviation.labels[keep].tolist(),
        "masks": [{"name": escape(name), "at": np.flatnonzero(mask[keep]).tolist(), "points": int(mask.sum())}
                  for name, mask in deviation.masks.items()],
    }


def _ends(values):
    """The least and the largest finite value, (-1, 1) for none."""
    finite = values[np.isfinite(values)]
    return (finite.min(), finite.max()) if finite.size else (-1, 1)


def _line(deviation, side, which, x, y):
    """The fitted line over one side, None where there is no slope."""
    slope = deviation.slope(side, FRACTION)
    if not isfinite(slope.value):
        return None
    ends, heights = fitted(x, y, slope, side)
    return {"name": f"{which} confident {FRACTION:.0%}: slope {slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}]",
            "side": side, "x": _short(ends), "y": _short(heights)}


def _short(values):
    """Plain numbers of six digits, None for NaN and infinities."""
    return [float(f"{value:.6g}") if isfinite(value) else None for value in np.asarray(values, dtype=float).tolist()]


def _json(data):
    """JSON for a script element: no string in it can end the script."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _facts(students, names):
    first = students[0]
    left_out = f" ({len(first.left_out):,} of them masked)" if first.left_out else ""
    who = ", ".join(escape(str(name)) for name in names[1:])
    return (f"<dt>Teacher</dt><dd>{escape(str(names[0]))}</dd><dt>Student{'s' * (len(students) > 1)}</dt><dd>{who}</dd>"
            f"<dt>Measured on</dt><dd>{first.points:,} points, {first.classes:,} classes{left_out}, "
            f"{escape(first.inputs)}; confidence is that on the "
            f"{'label' if first.reference == 'label' else 'class that the teacher predicts'}</dd>")


def _verdict(verdict):
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in verdict.notes)
    return (f'<p class="sentence">{escape(verdict.sentence)}</p><ul><li>{escape(verdict.low.sentence)}</li>'
            f"<li>{escape(verdict.high.sentence)}</li></ul>{notes}")


def _options(names):
    options = "".join(f'<option value="{k}">{escape(str(name))}</option>' for k, name in enumerate(names))
    return f'<label>Student <select id="student">{options}</select></label>'


def _classes(students):
    """The tables of classes, the most underfit first, numbers averaged over students."""
    found = defaultdict(list)
    for student in students:
        for row in student.per_class:
            found[row["class"]].append(row)
    rows = [{name: mean(row[name] for row in same) for name in same[0]} for same in found.values()]
    rows.sort(key=lambda row: (-row["underfit"], -row["points"], row["class"]))
    names = students[0].class_names
    content = _class_table(rows[:WORST], names)
    if rest := rows[WORST:]:
        content += (f"<details><summary>The other {len(rest):,} class{'es' * (len(rest) > 1)}</summary>"
                    f"{_class_table(rest, names)}</details>")
    of = " Means over the students." if len(students) > 1 else ""
    return f"<p>By the {students[0].reference}'s class, the most underfit first.{of}</p>{content}"


def _class_table(rows, class_names):
    names = [name for name in CLASS_COLUMNS if name in rows[0]]
    head = "".join(f'<th scope="col">{escape(CLASS_COLUMNS[name])}</th>' for name in names)
    body = "".join("<tr>" + "".join(f"<td>{_class_cell(name, row[name], class_names)}</td>" for name in names)
                   + "</tr>\n" for row in rows)
    return f'<div class="wide"><table class="classes"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _class_cell(column, value, class_names):
    if column == "class":
        return escape(class_names[int(value)]) if class_names else f"{value:.0f}"
    return f"{value:,.0f}" if column == "points" else number(value)


def _plotly():
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ImportError("page: expected plotly, which is missing; pip install 'eigenkd[report]'") from error
    return get_plotlyjs()


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data: blob:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<section class="verdict" aria-label="Verdict">{verdict}</section>
<dl>{facts}</dl>
<section aria-label="Scatter">
<div class="controls">
<label>Axes <select id="view">{views}</select></label>
{students}
<button id="zoom" type="button">Zoom into the low corner</button>
</div>
<div id="plot" role="img" aria-label="Scatter of the points; the verdict and the table say what it shows"></div>
<p id="thinned" class="note"></p>
<p class="note">Point at a mark for its index and classes, drag to zoom, double-click to see all, click a name in the
legend to hide or show it. On the dashed line the student is as confident as its teacher; below it, less.</p>
<noscript><p>The scatter needs JavaScript; the numbers below do not.</p></noscript>
</section>
<h2>Numbers</h2>
<div class="wide numbers">{numbers}</div>
<h2>Classes</h2>
{classes}
<footer>Confidence is the log-odds log p/(1 − p) of one class, in nats; underfit: the share of points on which the
student is less confident than its teacher. Made with eigenkd.</footer>
</main>
<script>{plotly}</script>
<script>const students = {data};</script>
<script>
{script}
</script>
</body>
</html>
"""
