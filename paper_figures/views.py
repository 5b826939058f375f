"""Fig. 16: confidence, probability and entropy of student and teacher, and the divergence over the teacher's."""

import re

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from eigenkd import plot
from eigenkd.deviation import VIEWS
from paper_figures import scatter
from paper_figures.captions import drawn, legend_of, titled
from paper_figures.style import WIDTH


def draw(found):
    """Six panels of the training points of one run; the lower three have the KL divergence on the axis y."""
    [(variant, run)] = found.first
    compared = scatter.compare(run, "train")
    figure = Figure(figsize=(WIDTH, 7.0), layout="constrained")
    axes = figure.subplots(2, 3)
    for ax, name in zip(axes.ravel(), VIEWS):
        plot.view(compared, name, ax=ax, label=scatter.EXAMPLE).get_legend().remove()
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_label_text(re.sub(r" o[nf] the teacher's class( \(log-odds, nats\))?", "", axis.get_label_text()))
        for points in ax.collections:
            points.set_rasterized(compared.points > scatter.RASTERISED)
    x, y, *_ = compared.view("confidence-kl")
    shown = np.isfinite(x) & np.isfinite(y)
    rank = spearmanr(x[shown], y[shown]).statistic
    return titled(figure, "The student diverges more where its teacher is less confident (rank correlation "
                  f"{rank:.2f} in seed {run.seed})", f"{scatter.called(variant, run)}, training points. "
                  f"{drawn([run])}",
                  legend_of(*axes.ravel()))
