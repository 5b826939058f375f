"""Figs. 1a, 2, 5 to 15 and 18: student against teacher confidence, a panel a setting and split; the points of one seed,
the numbers of all."""

from itertools import chain
from math import isfinite

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eigenkd import deviation, plot
from paper_figures.captions import balanced, between, drawn, legend_of, one_drawn, titled
from paper_figures.style import WIDTH
from validation.report import says_nothing
from validation.settings import SETTINGS
from validation.settings.images import SETTINGS as IMAGES
from validation.studies.quantities import either_wrong, label_class, overfit, slope, underfit

DATASETS = tuple(dict.fromkeys(setting.data.set.name for setting in IMAGES))
RASTERISED = 2000  # number of points above which a vector format stores them as an image
COLUMNS = 4
LINE = "student = teacher"
FITS = {"low": "fit, least confident quarter", "high": "fit, most confident quarter"}
EXAMPLE = "example"
BEYOND = {"low": "underfit", "high": "overfit"}


def draw(found, splits=("train", "test"), reference="teacher", sides=("low",), marks=None, name=None, says=None,
         shared=True):
    """A column a setting and a row a split; of one or two settings, all panels in one row.

    reference: the class that confidence is about, as in `deviation.compare`; sides: where to fit a line; marks: a
    function of (run, split, Deviation) that returns the points to set apart, name -> mask; name: a function of
    (variant, run) that returns what a column is called; says: a function of the runs and the split of each panel that
    returns the title; shared: whether all panels have the same axes.
    """
    runs, name = found.runs, name or called
    grid = arranged(runs, splits)
    rows, columns = len(grid), len(grid[0])
    side = min(3.9, WIDTH / columns - 0.35)
    above = 1.3 if len(sides) == 1 else 2.0  # of two sides, the finding takes more lines
    figure = Figure(figsize=(max((side + 0.35) * columns + 0.25, 5.5), (side + 0.5) * rows + above),
                    layout="compressed")
    axes, panels, of = figure.subplots(rows, columns, squeeze=False), [], {}
    for ax, one in zip(axes.ravel(), chain(*grid)):
        if one[0] is None:
            ax.remove()
            continue
        variant, mine, split = one
        run = mine[0]
        compared = compare(run, split, reference)
        panels.append((telling(mine, split), split))
        panel(ax, compared, marks(run, split, compared) if marks else None, sides,
              stated(*panels[-1], compared, sides))
        of.setdefault("all" if shared else run.folder, []).append(ax)
        if split == splits[0] or rows == 1:
            ax.set_title(balanced(name(variant, run), round(14 * side)))
        if len(splits) > 1:
            ax.text(0.03, 0.97, split, transform=ax.transAxes, va="top", fontweight="bold")
    for mine in of.values():
        square(*mine)
    labels(axes, reference)
    said = says(panels) if says else finding(panels, reference, sides)
    return titled(figure, said, " ".join(filter(None, (one_drawn(found), drawn(found.all)))), legend_of(*figure.axes))


def arranged(runs, splits):
    """Rows of (variant, runs, split), a panel each, or of Nones; a column a setting and a row a split, or all panels of
    one or two settings in a row."""
    if len(runs) <= 2:
        return [[(*one, split) for one in runs for split in splits]]
    columns = min(COLUMNS, len(runs))
    padded = [*runs, *[(None, None)] * (-len(runs) % columns)]
    return [[(*one, split) for one in padded[first:first + columns]] for first in range(0, len(runs), columns)
            for split in splits]


def compare(run, split, reference="teacher"):
    """The `Deviation` of a run's student from its teacher on a split."""
    teacher, student, right = run.arrays("outputs.npz", f"teacher_{split}", f"student_{split}", f"{split}_labels")
    return deviation.compare(teacher, student, right, reference=reference, inputs="logits", masked="keep")


def panel(ax, compared, marks=None, sides=("low",), told=()):
    """The scatter with its line and fits; told: lines for the corner."""
    plot.confidence(compared, ax=ax, label=EXAMPLE, highlight=marks, sides=sides).get_legend().remove()
    many = compared.points > RASTERISED
    for k, points in enumerate(ax.collections):
        points.set_rasterized(many)
        if many and k:
            points.set(alpha=0.6, linewidths=0)
    for line in ax.get_lines():
        which = {"least": "low", "most": "high"}.get(str(line.get_label()).partition("], ")[2].partition(" ")[0])
        if which:
            line.set_label(FITS[which])
    ax.text(0.97, 0.03, "\n".join(told), transform=ax.transAxes, ha="right", va="bottom", fontsize=8,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5})


def telling(mine, split):
    """The runs that say something on a split: those without teacher or student at chance, or all if there is none."""
    return [run for run in mine if not says_nothing(run.result, split)] or mine


def measured(split, side, reference="teacher"):
    """The `Quantity`s of the slope over the teacher's least or most confident quarter, and of the share of it on which
    the student is less, or more, confident still."""
    if reference == "label":
        return label_class(split, "slope"), label_class(split, "underfit")
    return slope(split, side), underfit(split) if side == "low" else overfit(split)


def stated(mine, split, compared, sides=("low",)):
    """The lines for the corner of a panel: means over seeds with their intervals, or the numbers of the one run."""
    told = []
    for side in sides:
        if len(mine) > 1:
            slopes, beyond = measured(split, side, compared.reference)
            told += [f"slope {slopes.in_words(mine)}", f"{between([(beyond, mine)])} {BEYOND[side]}"]
        else:
            told += of_one(compared, side)
    return told


def of_one(compared, side="low"):
    """The lines for the corner of a panel, of one run: the slope with its interval over points."""
    one, share = compared.slope(side), compared.underfit() if side == "low" else compared.overfit()
    return [f"slope {one.value:.2f} [{one.low:.2f}, {one.high:.2f}]" if isfinite(one.value) else "no slope",
            f"{100 * share:.0f}\u00a0% {BEYOND[side]}"]


def square(*axes):
    """The same limits for x and y of all these axes."""
    ends = [limit for ax in axes for limits in (ax.get_xlim(), ax.get_ylim()) for limit in limits]
    for ax in axes:
        ax.set(xlim=(min(ends), max(ends)), ylim=(min(ends), max(ends)), aspect="equal")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def labels(axes, reference="teacher"):
    """Labels of x under the lowest panel of each column, of y beside the first of each row. axes: (rows, columns)."""
    of = "confidence" if reference == "teacher" else "confidence in the label"
    for row, next_row in zip(axes, (*axes[1:], None)):
        for k, ax in enumerate(row):
            below = next_row is not None and next_row[k].figure
            ax.set_xlabel("" if below else f"teacher's {of} (nats)")
            ax.set_ylabel("" if k else f"student's {of} (nats)")


def finding(panels, reference="teacher", sides=("low",)):
    """What the runs of all panels show, in a sentence. panels: (runs, split) of each. Slopes of several panels
    stand, each with its interval, in the panels alone."""
    told = []
    for side in sides:
        slopes, beyond = zip(*(((slope, mine), (share, mine)) for mine, split in panels
                               for slope, share in [measured(split, side, reference)]))
        sloped = f" (slope {between(slopes)})" if len(panels) == 1 and between(slopes) else ""
        whose = "its" if told else "the teacher's"
        more, most = ("less", "least") if side == "low" else ("more", "most")
        told.append(f"{more} confident on {between(beyond)} of {whose} {most} "
                    f"confident quarter{sloped}")
    return f"{'On the class of the label, the' if reference == 'label' else 'The'} student is {', and '.join(told)}"


def who_is_wrong(panels):
    """On how many of the underfit points teacher or student is wrong, in a sentence."""
    shares = between([(either_wrong(split, "of_underfit", ""), mine) for mine, split in panels])
    return (f"Teacher or student is wrong on {shares} of the points of the teacher's least confident quarter that the "
            "student underfits" if shares else "The student underfits no point")


def called(variant, run):
    """What a panel's column is called: data and networks, or the values that a study changed."""
    if variant.values:
        words = [label for label in variant.labels[1:] if not label.replace(".", "").isdigit()]
        return ", ".join(words) or by_noise(variant, run)
    setting = SETTINGS.get(variant.setting)
    if setting is None:
        return variant.setting
    title = setting.title
    return f"{title} to itself" if setting in IMAGES and setting.is_self_distillation else title


def by_noise(variant, run):
    """The share of flipped labels, as the name of a column."""
    return f"{run.value('data.label_noise'):.0%} of the labels flipped"


def mislabelled(run, split, compared):
    """The mislabelled training points, as marks."""
    if split != "train":
        return None
    [wrong] = run.arrays("outputs.npz", "mislabelled")
    return {"mislabelled": wrong} if wrong.any() else None


def four_groups(run, split, compared):
    """Who is right on an example, as marks; both right is what is not marked. App. C.3."""
    teacher, student = (np.asarray(predicted) == compared.labels
                        for predicted in (compared.teacher_class, compared.student_class))
    return {"neither is right": ~teacher & ~student, "only the student is right": ~teacher & student,
            "only the teacher is right": teacher & ~student}


def of_data(dataset):
    """The names of the image settings on a data set."""
    return [setting.name for setting in IMAGES if setting.data.set.name == dataset]
