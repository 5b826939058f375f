"""Fig. 17: which eigendirections fit mislabelled examples, and which fit clean ones."""

import numpy as np
from matplotlib.figure import Figure

from eigenkd.plot import GUIDE, STUDENT, TEACHER
from paper_figures.captions import drawn, legend_of, titled
from paper_figures.style import WIDTH

STYLES = {"clean": "#009E73", "mislabelled": "#CC79A7"}


def draw(found):
    """One panel per role: the share of the fit carried by the first k directions, for each seed and on average."""
    figure, halves = Figure(figsize=(WIDTH, 4.4), layout="constrained"), {}
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    for ax, (role, style) in zip(axes, (("teacher", TEACHER), ("student", STUDENT))):
        for group, color in STYLES.items():
            curves = np.array([np.cumsum(run.arrays("mislabelled.npz", f"{role}_{group}")[0]) for run in found.all])
            k = np.arange(1, curves.shape[1] + 1)
            ax.plot(k, curves.T, color=color, alpha=0.3, linewidth=0.8)
            half = float(np.mean([np.searchsorted(curve, 0.5) + 1 for curve in np.maximum.accumulate(curves, axis=1)]))
            halves[role, group] = half
            ax.plot(k, curves.mean(axis=0), color=color, linewidth=2.4, label=group)
            ax.plot([half], [0.5], "o", color=color, markeredgecolor="black", markersize=6)
        ax.plot(k, k / k[-1], color=GUIDE, linestyle=":", label="all directions equal")
        ax.axhline(0.5, color=GUIDE, linewidth=0.6)
        ax.set_title(role, color=style["color"], fontweight="bold")
        ax.set_xscale("log")
        ax.set_xticks(ticks := [1, 2, 5, 10, 20, 50, 100], [str(tick) for tick in ticks])
        ax.set_xlabel("eigendirections of the features, from the top")
        ax.set_ylim(-0.05, 1.05)
    axes[0].set_ylabel("share of the fit carried by the first directions")
    return titled(
        figure, "Mislabelled examples are fitted by lower directions: half of the student's fit by the first "
        f"{halves['student', 'mislabelled']:.0f}, of clean ones by the first {halves['student', 'clean']:.0f}",
        "Fit: how much the logit of an example's training label grew over the mean of the others. Thin: seeds; thick: "
        f"their mean. {drawn(found.all)}", legend_of(*axes))
