"""Figs. 1a, 2, 5 to 15 and 18: student against teacher confidence, a panel a setting and split."""

import textwrap
from math import isfinite

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eigenkd import deviation, plot
from paper_figures.captions import drawn, legend_of, titled
from paper_figures.style import WIDTH
from validation.settings import SETTINGS
from validation.settings.images import SETTINGS as IMAGES

DATASETS = tuple(dict.fromkeys(setting.data.set.name for setting in IMAGES))
RASTERISED = 2000  # number of points above which a vector format stores them as an image
COLUMNS = 4
LINE = "student = teacher"
FITS = {"low": "fit, least confident quarter", "high": "fit, most confident quarter"}
EXAMPLE = "example"
KIND = {"teacher": "Confidence: log-odds of the class that the teacher predicts.",
        "label": "Confidence: log-odds of the class that the label names."}


def draw(found, splits=("train", "test"), reference="teacher", sides=("low",), marks=None, name=None, says=None):
    """A column a setting and a row a split; of one or two settings, all panels in one row.

    reference: the class that confidence is about, as in `deviation.compare`; sides: where to fit a line; marks: a
    function of (run, split, Deviation) that returns the points to set apart, name -> mask; name: a function of
    (variant, run) that returns what a column is called; says: a function of the Deviations that returns the title.
    """
    runs, name = found.first, name or called
    grid = arranged(runs, splits)
    rows, columns = grid.shape[:2]
    side = min(3.9, WIDTH / columns - 0.35)
    above = 1.3 if len(sides) == 1 else 2.0  # of two sides, the finding takes more lines
    figure = Figure(figsize=(max((side + 0.35) * columns + 0.25, 5.5), (side + 0.5) * rows + above),
                    layout="compressed")
    axes, compared, of = figure.subplots(rows, columns, squeeze=False), [], {}
    for ax, one in zip(axes.ravel(), grid.reshape(-1, 3)):
        if one[0] is None:
            ax.remove()
            continue
        variant, run, split = one
        compared.append(compare(run, split, reference))
        panel(ax, compared[-1], marks(run, split, compared[-1]) if marks else None, sides)
        of.setdefault(run.folder, []).append(ax)
        if split == splits[0] or rows == 1:
            ax.set_title("\n".join(textwrap.wrap(name(variant, run), round(14 * side))))
        if len(splits) > 1:
            ax.text(0.03, 0.97, split, transform=ax.transAxes, va="top", fontweight="bold")
    for mine in of.values():
        square(*mine)
    labels(axes)
    said = says(compared) if says else finding(compared, sides)
    return titled(figure, said, f"{drawn(found.all)} {KIND[reference]}", legend_of(*figure.axes))


def arranged(runs, splits):
    """(rows, columns, 3): the (variant, run, split) of each panel, or Nones; a column a setting and a row a split, or
    all panels of one or two settings in a row."""
    if len(runs) <= 2:
        return np.array([[(*one, split) for one in runs for split in splits]], dtype=object)
    columns = min(COLUMNS, len(runs))
    padded = [*runs, *[(None, None)] * (-len(runs) % columns)]
    return np.array([[(*one, split if one[1] else None) for one in padded[first:first + columns]]
                     for first in range(0, len(runs), columns) for split in splits], dtype=object)


def compare(run, split, reference="teacher"):
    """The `Deviation` of a run's student from its teacher on a split."""
    teacher, student, right = run.arrays("outputs.npz", f"teacher_{split}", f"student_{split}", f"{split}_labels")
    return deviation.compare(teacher, student, right, reference=reference, inputs="logits", masked="keep")


def panel(ax, compared, marks=None, sides=("low",)):
    """The scatter with its line and fits; slopes and the share that is underfit stand in the corner."""
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
    ax.text(0.97, 0.03, "\n".join(numbers(compared, sides)), transform=ax.transAxes, ha="right", va="bottom",
            fontsize=8)


def numbers(compared, sides=("low",)):
    """What stands in the corner of a panel."""
    told = []
    for side in sides:
        slope = compared.slope(side)
        told.append(f"slope {slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}]" if isfinite(slope.value)
                    else "no slope")
        told.append(f"{compared.underfit():.0%} underfit" if side == "low" else f"{compared.overfit():.0%} overfit")
    return told


def square(*axes):
    """The same limits for x and y of all these axes."""
    ends = [limit for ax in axes for limits in (ax.get_xlim(), ax.get_ylim()) for limit in limits]
    for ax in axes:
        ax.set(xlim=(min(ends), max(ends)), ylim=(min(ends), max(ends)), aspect="equal")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def labels(axes):
    """Labels of x under the lowest panel of each column, of y beside the first of each row. axes: (rows, columns)."""
    for row, next_row in zip(axes, (*axes[1:], None)):
        for k, ax in enumerate(row):
            below = next_row is not None and next_row[k].figure
            ax.set_xlabel("" if below else "teacher's confidence (nats)")
            ax.set_ylabel("" if k else "student's confidence (nats)")


def finding(compared, sides=("low",)):
    """What the panels show, in a sentence."""
    told = []
    for side in sides:
        slopes = [value for one in compared if isfinite(value := one.slope(side).value)]
        low = side == "low"
        shares = [100 * (one.underfit() if low else one.overfit()) for one in compared]
        told.append(f"{'less' if low else 'more'} confident on {spread(shares, '.0f')} % of the teacher's "
                    f"{'least' if low else 'most'} confident quarter"
                    + (f" (slope {spread(slopes, '.2f')})" if slopes else ""))
    on_label = compared[0].reference == "label"
    return f"{'On the class of the label, the' if on_label else 'The'} student is {', and '.join(told)}"


def who_is_wrong(compared):
    """On how many of the underfit points teacher or student is wrong, in a sentence."""
    shares = [share for one in compared if isfinite(share := 100 * (1 - one.groups.both.of_underfit))]
    if not shares:
        return "The student underfits no point"
    return f"Teacher or student is wrong on {spread(shares, '.0f')} % of the points that the student underfits"


def spread(values, form):
    """The least and the largest value in words."""
    ends = dict.fromkeys(f"{end:{form}}" for end in (min(values), max(values)))
    return " to ".join(ends)


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
