"""A page about the tokens of one deviation for a browser: one file without scripts, small for any number of tokens."""

import io
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from eigenkd._arrays import to_numpy
from eigenkd.deviation import parts, token_table
from eigenkd.deviation.table import cells
from eigenkd.deviation.verdict import FRACTION
from eigenkd.deviation.vocabulary import Vocabulary
from eigenkd.table import html_table

if TYPE_CHECKING:
    from eigenkd.deviation.measured import Deviation

BINS = 120
WORST = 50
BEFORE = 24
MARKED = 20
TEXTS = ("context", "text says", "teacher says", "student says")  # columns of tokens
INK = "#1a1a1a"
STUDENT = "#D55E00"
GROUP = "#E69F00"


def page(deviation: 'Deviation', title: str = "Student and teacher", names: Sequence[str] = ("teacher", "student"),
         vocabulary: Vocabulary | None = None) -> str:
    """The HTML of a page: the verdict, the density of the confidences, curves over position and over the teacher's
    confidence, direction against volume, the worst tokens with their contexts, and all tables.

    deviation: a `Deviation` of tokens. names: of teacher and student. vocabulary: a `Vocabulary` for texts, or None.
    Pictures are densities of all tokens, so that the page stays below 1 MB. Raises ImportError without Matplotlib.
    """
    tables = token_table.token_tables(deviation, vocabulary)[:-1]  # the worst tokens get more rows
    worst = token_table.worst(deviation, vocabulary, WORST, BEFORE)
    verdict = deviation.verdict
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in verdict.notes)
    groups = "" if deviation.clusters is None else f" in {np.unique(deviation.clusters).size:,} groups"
    pictures = "".join(f'<figure aria-label="{escape(alt)}">{_svg(draw, deviation, name)}<figcaption>{escape(caption)}'
                       "</figcaption></figure>" for name, draw, alt, caption in _pictures(deviation))
    return _PAGE.format(
        title=escape(str(title)), style=files("eigenkd.deviation").joinpath("page.css").read_text(encoding="utf-8"),
        sentence=escape(verdict.sentence), low=escape(verdict.low.sentence), high=escape(verdict.high.sentence),
        notes=notes, teacher=escape(str(names[0])), student=escape(str(names[1])), pictures=pictures,
        measured=f"{deviation.points:,} tokens{groups}, a vocabulary of {deviation.classes:,}, "
                 f"{escape(deviation.inputs)}; confidence is that on the token that the teacher predicts",
        worst=_worst_table(worst), tables="".join(f'<div class="wide numbers">{html_table(found)}</div>'
                                                  for found in tables),
        numbers=html_table(cells(deviation)))


def _pictures(deviation):
    """(name, function of a figure and a deviation, what it is, caption) of each picture."""
    found = [("confidence", _confidence, "Density of the student's confidence against its teacher's",
              "Every token: the student's confidence on the teacher's token against the teacher's. Below the dashed "
              "line the student is less sure. Black: the slopes of the teacher's least and most confident "
              f"{FRACTION:.0%}. Circles: the {MARKED} tokens with the largest KL."),
             ("direction", _direction, "Density of the change of confidence against KL",
              "Direction against volume: how far the student moved (KL) and whether it became surer (above the line) "
              "or less sure (below). Orange: the mean of each text.")]
    if deviation.tokens is not None:
        found.append(("position", _position, "KL and change of confidence by position",
                      "By the position of the predicted token in its sequence, with 95% intervals over texts."))
    found.append(("sureness", _sureness, "KL and other top tokens by the teacher's confidence",
                  "By the teacher's confidence (ten equal parts of the tokens): KL, and how often the student's top "
                  "token is another one, with 95% intervals over texts."))
    return found


def _svg(draw, deviation, name):
    """The SVG element that `draw` makes."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("page: expected matplotlib, which is missing; pip install 'eigenkd[figures]'") from error
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11,
                         "axes.spines.top": False, "axes.spines.right": False}):
        wide = draw in (_position, _sureness)
        figure = Figure(figsize=(10, 3.4) if wide else (6.4, 5.4), layout="constrained")
        draw(figure, deviation)
        file = io.BytesIO()
        figure.savefig(file, format="svg", dpi=110, metadata={"Date": None, "Creator": None})
    text = file.getvalue().decode()
    return text[text.index("<svg"):]


def _both(deviation):
    """Both confidences, and which points have finite ones."""
    x, y = (to_numpy(phi).astype(float) for phi in (deviation.teacher_confidence, deviation.student_confidence))
    return x, y, np.isfinite(x) & np.isfinite(y)


def _nothing(ax, why):
    ax.set_axis_off()
    ax.text(0.5, 0.5, why, ha="center", transform=ax.transAxes)


def _density(figure, ax, x, y):
    from matplotlib.colors import LogNorm

    count, across, up = np.histogram2d(x, y, bins=int(np.clip(np.sqrt(x.size), 30, BINS)))
    most = max(int(count.max()), 2)
    mesh = ax.pcolormesh(across, up, np.where(count > 0, count, np.nan).T, norm=LogNorm(1, most), cmap="viridis_r",
                         rasterized=True)
    bar = figure.colorbar(mesh, ax=ax, label="tokens", shrink=0.7)
    ticks = [tick for k in range(7) for tick in (10**k, 3 * 10**k) if tick <= most]
    bar.set_ticks(ticks, labels=[f"{tick:,}" for tick in ticks])
    bar.minorticks_off()


def _confidence(figure, deviation):
    from eigenkd.plot import fitted

    ax, (x, y, known) = figure.subplots(), _both(deviation)
    if not known.any():
        _nothing(ax, "no token's confidences are both known")
        return
    _density(figure, ax, x[known], y[known])
    ends = [min(x[known].min(), y[known].min()), max(x[known].max(), y[known].max())]
    ax.plot(ends, ends, "--", color="#555555", lw=1.2)
    for side in ("low", "high"):
        slope = deviation.slope(side, FRACTION)
        if isfinite(slope.value):
            ax.plot(*fitted(x, y, slope, side), color=INK, lw=2.2)
    worst = parts.worst(deviation, MARKED)
    worst = worst[known[worst]]
    ax.plot(x[worst], y[worst], "o", mfc="none", mec=STUDENT, ms=7)
    ax.set(xlabel="teacher's confidence (log-odds, nats)", ylabel="student's confidence (log-odds, nats)")


def _direction(figure, deviation):
    ax, (x, y, known) = figure.subplots(), _both(deviation)
    kl = to_numpy(deviation.divergence).astype(float)
    known = known & np.isfinite(kl)
    if not known.any():
        _nothing(ax, "KL is known as an interval only")
        return
    floor = 1e-6  # below it KL is rounding
    change, volume = y[known] - x[known], np.log10(np.maximum(kl[known], floor))
    _density(figure, ax, volume, change)
    if deviation.clusters is not None:
        of = np.unique(deviation.clusters[known], return_inverse=True)[1]
        count = np.bincount(of)
        means = [np.bincount(of, values) / count for values in (kl[known], change)]
        keep = np.random.default_rng(0).permutation(len(count))[:500]
        ax.plot(np.log10(np.maximum(means[0], floor))[keep], means[1][keep], "o", color=GROUP, mec=INK, mew=0.4, ms=4)
    ax.axhline(0, color="#555555", lw=1.2, ls="--")
    ax.xaxis.set_major_formatter(lambda value, _: f"{10 ** value:g}" if value == int(value) else "")
    ax.set(xlabel="KL(teacher ‖ student), nats", ylabel="change of confidence, nats")


def _position(figure, deviation):
    _curves(figure, parts.by_position(deviation), ("kl", "change"), "position in the sequence")


def _sureness(figure, deviation):
    _curves(figure, parts.by_confidence(deviation), ("kl", "flipped"), "teacher's confidence (log-odds, nats)")


def _curves(figure, found, names, label):
    x = np.array([part.middle for part in found])
    labels = {"kl": "KL(teacher ‖ student), nats", "change": "change of confidence, nats",
              "flipped": "share with another top token"}
    for ax, name in zip(figure.subplots(1, 2), names):
        means = [getattr(part, name) for part in found]
        value, low, high = (np.array([getattr(mean, end) for mean in means], dtype=float)
                            for end in ("value", "low", "high"))
        low, high = (np.where(np.isfinite(end), end, np.nan) for end in (low, high))
        if name != "change":  # a share or KL is not below 0, and a share not above 1
            low, high = np.maximum(low, 0), np.minimum(high, 1 if name == "flipped" else np.inf)
        ax.fill_between(x, low, high, color="#0072B2", alpha=0.2, lw=0)
        ax.plot(x, value, "o-", color="#0072B2", ms=4)
        if not np.isfinite(value).any():
            ax.plot(x, low, "--", color="#0072B2", lw=1)
            ax.set_title("certain bounds" if np.isfinite(high).any() else "at least" if np.isfinite(low).any() else
                         "not known", fontsize=10)
        if name == "change":
            ax.axhline(0, color="#555555", lw=1.2, ls="--")
        else:
            ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
        ax.set(xlabel=label, ylabel=labels[name])


def _worst_table(found):
    kinds = [f' class="token{" context" * (name == "context")}"' if name in TEXTS else "" for name in found.header]
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for kind, name in zip(kinds, found.header))
    body = "".join("<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row)) + "</tr>\n"
                   for row in found.rows)
    return f'<div class="wide"><table class="worst"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<section class="verdict" aria-label="Verdict"><p class="sentence">{sentence}</p>
<ul><li>{low}</li><li>{high}</li></ul>{notes}</section>
<dl><dt>Teacher</dt><dd>{teacher}</dd><dt>Student</dt><dd>{student}</dd><dt>Measured on</dt><dd>{measured}</dd></dl>
<section class="pictures" aria-label="Pictures">{pictures}</section>
<h2>Tokens with the largest change</h2>
{worst}
<h2>Numbers</h2>
<div class="wide numbers">{numbers}</div>
{tables}
<footer>Confidence is the log-odds log p/(1 − p) of one token, in nats; KL is KL(teacher ‖ student). Made with
eigenkd.</footer>
</main>
</body>
</html>
"""
