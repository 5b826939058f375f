"""When distillation helps: the gain by label noise and by the teacher's fit, measured and in closed form. Sec. 5.2."""

from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from eigenkd._intervals import in_words, t_interval
from eigenkd.deviation.clusters import share_interval
from eigenkd.table import Cells
from paper_figures.captions import drawn, titled
from paper_figures.style import WIDTH
from validation.closed_form.matching import diagram_of, gain_at
from validation.closed_form.setting import CLOSED_FORM
from validation.studies.quantities import accuracy, gain

COLORS, MOST = "RdBu", 3.0  # points of accuracy at which the colour ends
MARKERS = {1.0: "o", 0.5: "s"}  # by the teacher's share of the examples
BANDS = {1.0: (0.08, 0.28), 0.5: (-0.34, 0.1)}  # of a share of flipped labels: the middle, half of the height
MEASURED = (accuracy("teacher", "train"), accuracy("distilled", "train"), gain())


@dataclass(frozen=True)
class Cell:
    """A variant of the study with the runs that there are: per run the fit of teacher and student and the gain, and
    the closed form's gain, of equally long training and of the student's own fit; NaN without one of that seed."""

    rate: float
    fraction: float
    teacher: str
    runs: tuple
    measured: np.ndarray
    predicted: np.ndarray


def cells(found):
    """Every `Cell` of the runs of the study teacher_fit, and the closed form's result of each seed."""
    closed, measured_cells = {run.seed: run.result for run in found.of(CLOSED_FORM.name)}, []
    for variant, mine in found.runs:
        rate, fraction = (mine[0].value(f"data.{name}") for name in ("label_noise", "teacher_fraction"))
        measured = np.array([[quantity.of(run.result) for quantity in MEASURED] for run in mine])
        predicted = np.array([_predicted(closed.get(run.seed), rate, fraction, *fits / 100)
                              for run, fits in zip(mine, measured[:, :2])])
        measured_cells.append(Cell(rate, fraction, variant.labels[-1], tuple(mine), measured, predicted))
    return measured_cells, closed


def _predicted(result, rate, fraction, teacher_fit, student_fit):
    if result is None or diagram_of(result, rate, fraction) is None:
        return np.nan, np.nan
    return gain_at(result, rate, fraction, teacher_fit), gain_at(result, rate, fraction, teacher_fit, student_fit)


def agreement(found, which):
    """(runs whose gain has the closed form's sign, runs that have a sign in both, the share in words with its
    interval); which: 0 of equally long training, 1 of the student's own fit. Runs of one seed share images and labels,
    so seeds are the clusters of the interval."""
    pairs, seeds = _pairs(found, which)
    signed = (pairs != 0).all(axis=1)
    agree = np.sign(pairs[signed, 0]) == np.sign(pairs[signed, 1])
    if not agree.size:
        return 0, 0, "no run to compare"
    low, high = share_interval(agree, np.unique(seeds[signed], return_inverse=True)[1])
    return int(agree.sum()), agree.size, f"{100 * agree.mean():.0f}\u00a0% [{100 * low:.0f}, {100 * high:.0f}]"


def _pairs(found, which):
    """(runs, 2) measured and predicted gains of the runs that have both, and their seeds (runs,)."""
    pairs = np.concatenate([np.stack([cell.measured[:, 2], cell.predicted[:, which]], axis=1) for cell in found])
    both = np.isfinite(pairs).all(axis=1)
    return pairs[both], np.array([run.seed for cell in found for run in cell.runs])[both]


def draw(runs):
    """Left, a marker a variant, its mean over seeds; right, the closed form's gain at every fit of the teacher."""
    found, closed = cells(runs)
    rates = sorted({cell.rate for cell in found})
    norm = Normalize(-MOST, MOST)
    figure = Figure(figsize=(WIDTH, 1.9 + 1.1 * len(rates)), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    for i, rate in enumerate(rates):
        mine = sorted((cell for cell in found if cell.rate == rate), key=lambda cell: cell.measured[:, 0].mean())
        for k, cell in enumerate(mine):
            _marker(left, cell, i, norm, above=cell.fraction < 1 or k % 2 == 0)
        if closed:
            for fraction in MARKERS:
                _strip(right, closed.values(), rate, fraction, i, norm)
            for cell in found:
                if cell.rate == rate:
                    right.plot(cell.measured[:, 0].mean(), i + BANDS[cell.fraction][0], MARKERS[cell.fraction],
                               color="black", markersize=4, fillstyle="none")
    left.set_yticks(range(len(rates)), [f"{rate:.0%}" for rate in rates])
    left.set(ylabel="labels flipped", xlim=(40, 102), ylim=(-0.6, len(rates) - 0.4))
    left.set_title("measured: CNN, student less teacher")
    right.set_title("closed form on the CNN's tangent kernel")
    for ax in (left, right):
        ax.set_xlabel("training labels that the teacher gets right (%)")
    bar = figure.colorbar(right.scatter([], [], c=[], cmap=COLORS, norm=norm), ax=[left, right], extend="both")
    bar.set_label("gain on the test set (points)")
    shapes = {name: left.plot([], [], MARKERS[share], color="white", markeredgecolor="black", markersize=9)[0]
              for name, share in (("teacher of all the data", 1.0), ("teacher of half the data", 0.5))}
    thick = left.plot([], [], "o", color="white", markeredgecolor="black", markersize=9, markeredgewidth=1.8)[0]
    shapes["95 % interval without 0"] = thick
    if closed:
        shapes |= {"band: closed form at every fit": Patch(facecolor=colormaps[COLORS](0.7)),
                   "where it turns positive": right.plot([], [], "|", color="black", markersize=11)[0]}
    return titled(figure, finding(found, closed), "Means over seeds. Right: gradient flow, teacher and student trained "
                  f"equally long, nothing fitted. {drawn(runs.all)}", shapes)


def _marker(ax, cell, i, norm, above):
    fit, _, gained = cell.measured.mean(axis=0)
    _, low, high = t_interval(cell.measured[:, 2]) if len(cell.runs) > 1 else (gained, -np.inf, np.inf)
    place = fit, i + BANDS[cell.fraction][0]
    ax.scatter(*place, c=[gained], cmap=COLORS, norm=norm, s=150, marker=MARKERS[cell.fraction], edgecolors="black",
               linewidths=1.8 if low * high > 0 else 0.5, zorder=3)
    ax.annotate(f"{gained:+.1f}", place, (0, 9 if above else -17), textcoords="offset points",
                ha="center", fontsize=8)


def _strip(ax, results, rate, fraction, i, norm):
    """A band whose colour is the closed form's gain, the mean of all seeds, teacher and student trained as long; a line
    where it turns positive."""
    diagrams = [one for one in (diagram_of(result, rate, fraction) for result in results) if one]
    if not diagrams:
        return
    low = max(min(one["teacher"]["train"]) for one in diagrams)
    high = min(max(one["teacher"]["train"]) for one in diagrams)
    fits = np.linspace(low, high, 200)
    mean = np.mean([[gain_at(result, rate, fraction, fit) for fit in fits] for result in results], axis=0)
    middle, half = BANDS[fraction]
    ends = (i + middle - half, i + middle + half)
    ax.imshow(mean[None], cmap=COLORS, norm=norm, aspect="auto", extent=(100 * low, 100 * high, *ends))
    negative = np.flatnonzero(mean <= 0)
    if negative.size and negative[-1] < len(fits) - 1:
        ax.plot([100 * fits[negative[-1]]] * 2, ends, color="black", linewidth=1)


def finding(found, closed):
    """How often measured gains have the closed form's sign, in a sentence."""
    if closed:
        right, runs, share = agreement(found, 0)
        return f"The closed form has the sign of {right} of {runs} measured gains ({share})"
    gains = [cell.measured[:, 2].mean() for cell in found]
    return f"The student gains {min(gains):+.1f} to {max(gains):+.1f} points, by label noise and the teacher's fit"


def table(runs):
    """The measured gain of each variant next to the closed form's."""
    found, _ = cells(runs)
    rows = [(f"{cell.rate:g}", cell.teacher, *(quantity.in_words(cell.runs) for quantity in MEASURED),
             *(_mean(cell.predicted[:, k]) for k in (0, 1)), str(len(cell.runs))) for cell in found]
    header = ("labels flipped", "teacher", "teacher's train accuracy (%)", "student's (%)", "gain (points)",
              "closed form, equally long", "closed form, student's own fit", "seeds")
    notes = ["Mean and Student's 95 % interval over seeds, of accuracies cut at 100 %. Gains: student less "
             "teacher, test accuracy, last epoch."]
    for which, name in enumerate(("equally long", "student's own fit")):
        right, runs, share = agreement(found, which)
        pairs, _ = _pairs(found, which)
        differ = (f"; seeds are the clusters of the interval; gains differ by "
                  f"{np.abs(pairs[:, 0] - pairs[:, 1]).mean():.2f} points on average" if runs else "")
        notes.append(f"Signs that agree with the closed form, {name}: {right} of {runs} runs, {share}{differ}.")
    return Cells(header, tuple(rows), tuple(notes), align="ll")


def _mean(values):
    return in_words(values[np.isfinite(values)].tolist())
