"""Predicted against measured gains of networks: the closed form on the tangent kernel beside training, by width."""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from eigenkd.plot import GUIDE, STUDENT, TEACHER
from paper_figures import records

STUDY = "mnist128-sgd-0.5-400"  # of validation.function_space: plain gradient descent, its defaults
COMMAND = "python -m validation.function_space"
SHARE = 1e-4  # of the targets' square that a direction has to carry to be drawn


def draw(runs, seed=None):
    """A panel a width with a point a direction, the least seed's or the one asked for, and drift against width."""
    found = _found(runs)
    widths = sorted(found)
    shown = {width: next((run for run in found[width] if seed in (None, run.field("seed"))), None) for width in widths}
    if not any(shown.values()):
        raise records.Unusable(f"no function-space run{'' if seed is None else f' of seed {seed}'} under "
                               f"{Path(runs) / 'function_space'}; make some with: {COMMAND}")
    widths = [width for width in widths if shown[width]]
    figure = Figure(figsize=(3.5 * (len(widths) + 1), 4.6), layout="constrained")
    axes = figure.subplots(1, len(widths) + 1)
    for ax, width in zip(axes, widths):
        _panel(ax, shown[width], width)
    axes[0].set_ylabel("measured gain")
    axes[0].legend(fontsize="small", loc="upper left")
    _drift(axes[-1], {width: found[width] for width in widths})
    run = shown[widths[0]]
    text = (f"Two-layer ReLU networks in the tangent parametrisation, {run.field('examples')} digits "
            f"({run.field('data_source')}), squared loss, {run.field('steps')} steps of gradient descent of "
            f"{run.field('learning_rate'):g} over the largest eigenvalue for teacher and student; seed "
            f"{run.field('seed')}. A point a direction that carries {SHARE:.2%} of the labels or more, its area by how "
            "much. Drift: root mean square of measured less predicted, weighted by that; right, all seeds.")
    figure.supxlabel("\n".join(textwrap.wrap(text, 50 * (len(widths) + 1))), fontsize=9)
    return figure


def _found(runs):
    """width -> its runs, one's own or else the committed ones."""
    for where in (runs, records.COMMITTED):
        folders = {int(path.name.rpartition("width")[2]): f"function_space/{path.name}"
                   for path in (Path(where) / "function_space").glob(f"{STUDY}-width*")}
        found = {width: mine for width, name in folders.items() if (mine := records.every(where, name))}
        if found:
            return found
    return {}


def _panel(ax, run, width):
    names = [f"{kind}_{role}" for role in ("teacher", "student") for kind in ("predicted", "measured")]
    size, *gains = run.arrays("gains.npz", "size", *names)
    carried = size**2 / np.sum(size**2)
    some = carried >= SHARE
    for role, predicted, measured, style, marker in (("teacher", *gains[:2], TEACHER, "o"),
                                                     ("student", *gains[2:], STUDENT, "^")):
        ax.scatter(predicted[some], measured[some], s=4 + 600 * carried[some], color=style["color"], marker=marker,
                   alpha=0.5, linewidths=0, label=role)
    ax.axline((0, 0), slope=1, color=GUIDE, linestyle="--", linewidth=1)
    ax.set_xlim(-0.05, 1.05)
    ax.set_ylim(-0.25, 1.25)
    ax.set_xlabel("predicted gain")
    drift = run.field("drift")
    ax.set_title(f"width {width}\ndrift {drift['teacher']:.3f} teacher, {drift['student']:.3f} student", fontsize=10)


def _drift(ax, found):
    widths = sorted(found)
    for role, style, marker in (("teacher", TEACHER, "o"), ("student", STUDENT, "^")):
        drifts = [[run.field("drift", role) for run in found[width]] for width in widths]
        for width, mine in zip(widths, drifts):
            ax.plot([width] * len(mine), mine, marker, color=style["color"], alpha=0.4, markersize=4)
        ax.plot(widths, [np.mean(mine) for mine in drifts], label=role, **style)
    first = np.mean([run.field("drift", "student") for run in found[widths[0]]])
    ax.plot(widths, first * (np.array(widths) / widths[0]) ** -0.5, color=GUIDE, linestyle=":", label="width^(-1/2)")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(widths, [str(width) for width in widths])
    ax.yaxis.set_minor_formatter(lambda value, _: f"{value:.2g}")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.2g}")
    ax.tick_params(axis="y", which="minor", labelsize=8)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("width")
    ax.set_ylabel("drift")
    ax.set_title(f"{len(found[widths[0]])} seeds, and their mean", fontsize=10)
    ax.legend(fontsize="small")
