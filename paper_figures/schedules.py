"""Schedules of distillation in closed form: the gain of each as a function of the eigenvalue."""

import numpy as np
from matplotlib.figure import Figure

from eigenkd import filters, plot
from paper_figures.captions import titled
from paper_figures.style import WIDTH

LAM = 10.0 ** np.linspace(-2, 1.5, 400)  # in units of 1 / (training time)
ONE_HOT, ANY = filters.identity, filters.flow(1.0)
CYCLE = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))


def panels():
    """title -> name -> filter; the teacher of time 1 is in every panel."""
    student = ANY @ ANY
    return {
        "generations": {
            "student": student, "third generation": ANY @ student, "sixth": filters.generations(ANY, 6),
            "limit, 30 % labels": filters.generations(ANY, np.inf, 0.3)},
        "loss switches": {
            "distilled for 1": student,
            "distilled for ½, labels for ½": filters.switch(ANY, ONE_HOT, 0.5, 0.5),
            "the same over a window of 1": filters.switch(ANY, ONE_HOT, 0.0, 0.0, window=1.0),
            "labels for ½, distilled for ½": filters.switch(ONE_HOT, ANY, 0.5, 0.5)},
        "teachers still learning, decay, momentum": {
            "student of a teacher still learning": filters.online(1.0),
            "fourth of a chain of learners": filters.online_chain(1.0, 4),
            "teacher with weight decay 1": filters.flow(1.0, weight_decay=1.0),
            "heavy ball, damping 1, time 2": filters.heavy_flow(2.0, 1.0)},
    }


def draw(found=None):
    """Gains of every schedule, compared with the one-hot teacher. Needs no run."""
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    for ax, (title, schedules) in zip(figure.subplots(1, 3, sharex=True, sharey=True), panels().items()):
        ax.plot(LAM, ANY.gain(LAM), linewidth=2.2, label="one-hot teacher, time 1", **plot.TEACHER)
        for (name, filter), color, dashes in zip(schedules.items(), CYCLE, DASHES):
            ax.plot(LAM, filter.gain(LAM), linewidth=1.8, color=color, linestyle=dashes, label=name)
        ax.set_xscale("log")
        ax.set_xlabel("eigenvalue λ · training time")
        ax.set_title(title)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=7.5)
        ax.set_ylim(-0.05, 1.45)
    figure.axes[0].set_ylabel("gain (share of the target learned)")
    return titled(figure, "Each generation strengthens the bias to the top directions; after a switch the second loss "
                  "dominates", "Gradient flow on the squared loss, in closed form. The teacher is the one-hot teacher "
                  "at time 1 unless another is named.")
