"""Figs. 19 and 20: fifteen random two-dimensional slices of the path of the first layer's weights."""

import textwrap

from matplotlib.figure import Figure

from eigenkd import plot
from paper_figures import records

ROWS, COLUMNS = 3, 5


def draw(setting, runs, seed=None):
    """The grid of a setting's fifteen pairs, each with the share of the path on which the student lies below."""
    run = records.find(runs, setting, seed)
    teacher, student, pairs = run.arrays("trajectory.npz", "teacher", "student", "pairs")
    found = {(pair["top"], pair["bottom"]): pair for pair in run.field("eigenspace", "per_pair")}
    figure = Figure(figsize=(13, 8.6), layout="constrained")
    axes = list(figure.subplots(ROWS, COLUMNS).flat)
    for ax, pair in zip(axes, pairs):
        plot.trajectories(teacher, student, pair, ax=ax, legend=False)
        ax.set_title(_verdict(found[tuple(int(index) for index in pair)]), fontsize=9)
        ax.tick_params(labelsize=7)
        ax.locator_params(nbins=4)
        ax.margins(0.08)
    for ax in axes[len(pairs):]:
        ax.set_axis_off()
    count = sum(bool(pair["exaggerated"]) for pair in found.values())
    figure.suptitle(f"{count} of {len(found)} pairs exaggerated: the student below its teacher on most of the way",
                    fontsize=14, fontweight="bold")
    teacher, teacher_end, start, student, student_end, _ = axes[0].get_lines()
    figure.legend([teacher, student, start, teacher_end, student_end],
                  ["teacher", "student", "shared start", "teacher's end", "student's end"],
                  title="\n".join(textwrap.wrap(_caption(run), 170)), title_fontsize=9,
                  loc="outside lower center", ncols=5, frameon=False)
    return figure


def _verdict(pair):
    share = pair["share"]
    if share is None or share != share:
        return "no common range"
    return f"{share:.0%} below" + ("" if pair["exaggerated"] else ", not exaggerated")


def _caption(run):
    return (f"{records.drawn(run)} Each panel: ‖W\u00a0v‖ of the first layer along a top (x) and a bottom (y) "
            "eigendirection of the training data, counted from 0, dimensionless; percentages: the share of the path on "
            "which the student lies below the teacher.")
