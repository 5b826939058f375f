"""Fig. 17: which eigendirections fit mislabelled examples, and which fit clean ones."""

import numpy as np
from matplotlib.figure import Figure

from eigenkd.plot import GUIDE, STUDENT, TEACHER
from paper_figures.captions import caption, drawn

STYLES = {"clean": "#009E73", "mislabelled": "#CC79A7"}


def draw(setting, choice):
    """One panel per role: the share of the fit carried by the first k directions, for each seed and on average."""
    found = choice.require(setting)
    figure = Figure(figsize=(9.5, 4.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (role, style) in zip(axes, (("teacher", TEACHER), ("student", STUDENT))):
        for group, color in STYLES.items():
            curves = np.array([np.cumsum(run.arrays("mislabelled.npz", f"{role}_{group}")[0]) for run in found])
            k = np.arange(1, curves.shape[1] + 1)
            ax.plot(k, curves.T, color=color, alpha=0.3, linewidth=0.8)
            half = float(np.mean([np.searchsorted(curve, 0.5) + 1 for curve in np.maximum.accumulate(curves, axis=1)]))
            ax.plot(k, curves.mean(axis=0), color=color, linewidth=2.4,
                    label=f"{group}: half by the first {half:.0f} directions")
        ax.plot(k, k / k[-1], color=GUIDE, linestyle=":", label="all directions equal")
        ax.axhline(0.5, color=GUIDE, linewidth=0.6)
        ax.set_title(role, color=style["color"], fontweight="bold")
        ax.set_xscale("log")
        ax.set_xticks(ticks := [1, 2, 5, 10, 20, 50, 100], [str(tick) for tick in ticks])
        ax.set_xlabel("eigendirections of the features, from the top")
        ax.legend(fontsize="small", loc="upper left")
        ax.set_ylim(-0.05, 1.4)
        ax.set_yticks(np.linspace(0, 1, 6))
    axes[0].set_ylabel("share of the fit carried by the first directions")
    caption(figure, f"{drawn(*found)} The fit of an example is how much the logit of its training label increased "
                    "relative to the mean of the others. Shares are those of the sum over a group. Thin: single "
                    "seeds; thick: their mean.")
    return figure
