"""Fig. 4a: mislabelled points in the scatter of confidences, and whether the student gains, by the share flipped."""

import numpy as np
from matplotlib.figure import Figure

from eigenkd import plot
from eigenkd._intervals import t_interval
from paper_figures import scatter
from paper_figures.captions import between, drawn, legend_of, one_drawn, titled
from paper_figures.style import WIDTH
from validation.studies.quantities import accuracy, gain, points

POINTS = "#444444"


def draw(found):
    """A scatter of the training points for each share of flipped labels, and the gain by that share."""
    by_rate = {mine[0].value("data.label_noise"): mine for _, mine in (*found.beside, *found.runs)}
    columns = len(found.runs) + 1
    figure = Figure(figsize=(WIDTH, WIDTH / columns + 1.7), layout="constrained")
    *axes, last = figure.subplots(1, columns)
    for ax, (_, mine) in zip(axes, found.runs):
        run = mine[0]
        compared = scatter.compare(run, "train")
        scatter.panel(ax, compared, two_kinds(run), told=scatter.stated(mine, "train", compared))
        ax.set_title(f"{run.value('data.label_noise'):.0%} of the labels flipped")
        ax.set(xlabel="teacher's confidence (nats)", ylabel="")
    scatter.square(*axes)
    axes[0].set_ylabel("student's confidence (nats)")
    _gains(last, by_rate)
    fitted = points("mislabelled", "underfit_fitted", "")
    shares = between([(fitted, mine) for _, mine in found.runs])
    return titled(
        figure, f"The student underfits {shares} of the mislabelled points that its unsure teacher has fitted",
        f"Training points. Right: seeds, their mean and 95 % interval. {one_drawn(found)} {drawn(found.all)}",
        legend_of(*axes))


def two_kinds(run):
    """Mislabelled points by whether the teacher predicts the wrong label, as marks."""
    teacher, labels, wrong = run.arrays("outputs.npz", "teacher_train", "train_labels", "mislabelled")
    fitted = teacher.argmax(axis=1) == labels
    return {"mislabelled, the teacher predicts this label": wrong & fitted,
            "mislabelled, it predicts another class": wrong & ~fitted}


def _gains(ax, by_rate):
    by_rate = dict(sorted(by_rate.items()))
    for i, mine in enumerate(by_rate.values()):
        values = [gain().of(run.result) for run in mine]
        ax.plot([i] * len(values), values, "o", color=POINTS, alpha=0.5, markersize=4)
        if len(values) > 1:
            mean, low, high = t_interval(values)
            ax.errorbar(i + 0.15, mean, [[mean - low], [high - mean]], fmt="s", capsize=4, **plot.STUDENT)
    ax.axhline(0, color=plot.GUIDE, linewidth=1)
    means = [np.mean([accuracy("teacher").of(run.result) for run in mine]) for mine in by_rate.values()]
    ax.set_xticks(range(len(by_rate)), [f"{rate:.0%}\n{mean:.1f}" for rate, mean in zip(by_rate, means)])
    ax.set_xlabel("labels flipped; teacher (%)")
    ax.set_ylabel("student less teacher (points)")
    ax.margins(x=0.15)
    ax.set_title("gain in test accuracy")
