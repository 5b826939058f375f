"""Fig. 4a on real images: mislabelled points in the scatter of confidences, and whether the student gains."""

import numpy as np
from matplotlib.figure import Figure

from eigenkd import deviation, plot
from eigenkd._intervals import t_interval
from paper_figures.captions import caption, drawn
from validation.runs import Unusable
from validation.studies import STUDIES
from validation.studies.quantities import accuracy, gain

POINTS = "#444444"


def draw(choice):
    """A scatter of the training points for each share of flipped labels, and the gain by that share."""
    found = {}
    for variant in STUDIES["noisy_labels"].variants():
        if mine := choice.find(variant.setting, variant.values):
            found[variant.values["data.label_noise"]] = mine
    shown = {rate: mine[0] for rate, mine in found.items() if rate}
    if not shown:
        raise Unusable("no run of the study noisy_labels; make them with: python -m validation.study noisy_labels")
    rows = (len(shown) + 2) // 2
    figure = Figure(figsize=(11, 4.6 * rows + 0.8), layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False).ravel()
    panels, last = axes[:len(shown)], axes[len(shown)]
    for ax in axes[len(shown) + 1:]:
        ax.remove()
    for ax, (rate, run) in zip(panels, shown.items()):
        _scatter(ax, rate, run)
    _gains(last, found)
    caption(figure, f"{drawn(*(run for mine in found.values() for run in mine))} Scatters: training points of seed "
                    f"{next(iter(shown.values())).seed}; below the dashed line the student is less sure than its "
                    "teacher. Last panel: a point a seed, the mean, and Student's 95 % interval; last epoch.")
    return figure


def _scatter(ax, rate, run):
    teacher, student, labels, wrong = run.arrays("outputs.npz", "teacher_train", "student_train", "train_labels",
                                                 "mislabelled")
    fitted = teacher.argmax(axis=1) == labels
    compared = deviation.compare(teacher, student, inputs="logits", masked="keep")
    plot.confidence(compared, ax=ax, label="correctly labelled", highlight={
        "mislabelled, the teacher predicts this label": wrong & fitted,
        "mislabelled, it predicts another class": wrong & ~fitted})
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set_fontsize(9)
    apart = run.field("mislabelled_points")
    shares = [f"{apart[kind]['underfit_fitted']:.0%} of {kind}" for kind in ("mislabelled", "clean")
              if apart[kind]["underfit_fitted"] is not None]
    ax.set_title(f"{rate:.0%} of the labels flipped\nlow quarter, label predicted by the teacher:\n"
                 f"{', '.join(shares)} underfit", fontsize=10)


def _gains(ax, found):
    for i, mine in enumerate(found.values()):
        values = [gain().of(run.result) for run in mine]
        ax.plot([i] * len(values), values, "o", color=POINTS, alpha=0.5, markersize=4)
        if len(values) > 1:
            mean, low, high = t_interval(values)
            ax.errorbar(i + 0.15, mean, [[mean - low], [high - mean]], fmt="s", capsize=4, **plot.STUDENT)
    ax.axhline(0, color=plot.GUIDE, linewidth=1)
    ax.set_xticks(range(len(found)), [f"{rate:.0%}\n{np.mean([_of(run) for run in mine]):.1f}"
                                      for rate, mine in found.items()])
    ax.set_xlabel("labels flipped, and the teacher's test accuracy (%)", fontsize=9)
    ax.set_ylabel("student less teacher, test accuracy (points)", fontsize=9)
    ax.margins(x=0.15)
    ax.set_title("Does the student beat its teacher?", fontsize=10)


def _of(run):
    return accuracy("teacher").of(run.result)
