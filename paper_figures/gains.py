"""Predicted against measured gains of networks: the closed form on the tangent kernel compared with training, by width,
over time, and outside the theorem's assumptions."""

import textwrap

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from eigenkd.plot import GUIDE, STUDENT, TEACHER
from eigenkd.table import NONE, Cells
from paper_figures.captions import caption
from validation.function_space.setting import AWAY, FUNCTION_SPACE, ROLES, FunctionSpace
from validation.runs import ANY, Unusable

SHARE = 1e-4  # the least share of the squared targets that a direction must carry to be drawn
STYLES = {"teacher": (TEACHER, "o"), "student": (STUDENT, "^")}
OPTIMISERS = {"sgd": "gradient descent", "momentum": "momentum 0.9", "adam": "Adam"}
LOSSES = {"squared": "squared loss", "cross_entropy": "cross-entropy"}
_WEIGHTED = ("Drift: root mean square of measured minus predicted gain, weighted by the share of the labels along each "
             "direction; mean over seeds.")
_POINTS = (f"Each point is a direction that carries at least {SHARE:.2%} of the labels; its area shows the share. "
           f"Points outside the axes are not shown. {_WEIGHTED}")
FOLLOWED = 6  # number of directions whose gains are drawn over time


def draw(choice):
    """One panel per width, with one point per direction of the lowest or the chosen seed, and drift against width."""
    found = _by_width(choice.require(FUNCTION_SPACE, {"width": ANY}))
    figure = Figure(figsize=(3.4 * (len(found) + 1), 4.7), layout="constrained")
    axes = figure.subplots(1, len(found) + 1)
    for ax, (width, some) in zip(axes, found.items()):
        _panel(ax, some, f"width {width}", "predicted")
    axes[0].set_ylabel("measured gain")
    axes[0].legend(fontsize="small", loc="upper left")
    _against_width(axes[-1], found)
    caption(figure, f"{_made(next(iter(found.values()))[0])} {_POINTS} Right: all seeds and their mean.")
    return figure


def over_time(choice):
    """Gains of a few directions during training, for the widest network, and drift during training, for every width."""
    found = _by_width(choice.require(FUNCTION_SPACE, {"width": ANY}))
    width, widest = next(reversed(found.items()))
    figure = Figure(figsize=(13, 4.7), layout="constrained")
    axes = figure.subplots(1, 3)
    steps = np.array(widest[0].field("steps_seen"))
    for ax, role in zip(axes, ROLES):
        style, marker = STYLES[role]
        curves = widest[0].arrays("gains.npz", f"measured_{role}_over_time", f"predicted_{role}_over_time")
        followed = np.unique(np.linspace(0, curves[0].shape[1] - 1, FOLLOWED).round().astype(int))
        for k, shade in zip(followed, np.linspace(1, 0.35, len(followed))):
            ax.plot(steps, curves[1][:, k], color=style["color"], alpha=shade)
            ax.plot(steps, curves[0][:, k], marker, color=style["color"], alpha=shade, markersize=4, linewidth=0,
                    label=f"direction {k}")
        ax.legend(fontsize=7, loc="lower left", bbox_to_anchor=(0.0, 0.17))
        ax.set_title(f"{role}, width {width}", fontsize=10)
        ax.set_xlabel("steps")
        ax.set_ylabel("gain")
        ax.set_ylim(-0.1, 1.1)
    for shade, (width, some) in zip(np.linspace(0.35, 1, len(found)), found.items()):
        for role, (style, marker) in STYLES.items():
            drifts = np.mean([run.field("drift_over_time", role) for run in some], axis=0)
            axes[2].plot(steps, drifts, alpha=shade, marker=marker, markersize=3, **style,
                         label=f"{role}, width {width}")
    axes[2].set(xlabel="steps", ylabel="drift", yscale="log", title="drift, mean of all seeds")
    axes[2].title.set_fontsize(10)
    axes[2].legend(fontsize=7, ncols=2)
    for ax in axes:
        ax.set_xscale("log")
    caption(figure, f"{_made(widest[0])} Lines: predicted gains; markers: measured gains. Directions are numbered by "
                    f"eigenvalue, among those that carry at least a thousandth of the labels. {_WEIGHTED}")
    return figure


def away(choice):
    """One panel for each change of learning rate, optimiser or loss that violates the theorem's assumptions.

    The cross-entropy has a second panel, compared with the flow of the same linear model under that loss."""
    found = {study: mine for study in AWAY if (mine := choice.find(study))}
    if not found:
        raise Unusable("no function-space run outside the theorem's assumptions; make some with: "
                       f"{FUNCTION_SPACE.command} --away")
    panels = [(some, _changed(study), "predicted") for study, some in found.items()]
    panels += [(some, f"{_changed(study)}, linear model of that loss", "linear") for study, some in found.items()
               if "drift_linear" in some[0].result]
    columns = min(5, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.1 * columns, 3.5 * rows + 1), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (some, title, kind) in zip(axes, panels):
        _panel(ax, some, "\n".join(textwrap.wrap(title, 34)), kind)
    for ax in axes[len(panels):]:
        ax.remove()
    for ax in axes[::columns]:
        ax.set_ylabel("measured gain")
    axes[0].legend(fontsize="small", loc="upper left")
    caption(figure, f"{_made(panels[0][0][0])} Width {panels[0][0][0].value('width')}. Predictions are the closed form "
                    "of the same steps on the squared loss. Adam and the cross-entropy have no closed form: their "
                    "predictions are gradient flow with one fitted time per curve. The last panel shows gradient flow "
                    "of the linear model on the cross-entropy, with nothing fitted. Gains under the cross-entropy are "
                    f"gains of probabilities. {_POINTS}")
    return figure


def table(choice):
    """Final and largest drift of teacher and student, for every study that has runs."""
    rows = []
    for study, width, mine in _studied(choice):
        linear = "drift_linear" in mine[0].result
        rows.append((LOSSES[study.loss], OPTIMISERS[study.optimiser], f"{study.learning_rate:g}", str(width),
                     _means(mine, lambda run, role: run.field("drift", role)),
                     _means(mine, lambda run, role: max(run.field("drift_over_time", role))),
                     _means(mine, lambda run, role: run.field("mean_difference", role)),
                     _means(mine, lambda run, role: run.field("drift_linear", role)) if linear else NONE,
                     f"{np.mean([run.field('kernel_change') for run in mine]):.3f}",
                     f"{np.mean([run.field('exaggeration', 'left') for run in mine]):.2g}",
                     *(_pairs(mine, kind) for kind in ("measured", "predicted", "linear")), str(len(mine))))
    if not rows:
        raise Unusable(f"no function-space run; make some with: {FUNCTION_SPACE.command}")
    return Cells(
        header=("loss", "optimiser", "step", "width", "drift", "largest drift", "mean |difference|", "linear model",
                "kernel", "left", "exaggerated", "predicted", "linear model", "seeds"),
        rows=tuple(rows), notes=(
            "drift: difference of teacher / student from the closed form on the tangent kernel at the end of training, "
            "and the largest one during training, mean over seeds: root mean square of measured minus predicted gain, "
            "weighted by the squared component of the labels along each direction. mean |difference|: unweighted, over "
            "the directions that carry at least a thousandth of the labels. For gradient descent on the squared loss "
            "nothing is fitted; for Adam and the cross-entropy the closed form is gradient flow at the best-fitting "
            "times. step: the learning rate times the largest eigenvalue; for Adam a thousand times the learning rate.",
            "linear model: drift from the gradient flow of the same linear model on the cross-entropy, nothing fitted. "
            "kernel: relative change of the tangent kernel over the student's training.",
            "exaggerated: pairs of directions, over all seeds, whose student gain along the bottom direction lies "
            "below the teacher's on more than half of the path; predicted by the closed form, and by the linear model "
            "on the cross-entropy. left: share of the bottom directions that the teacher leaves unlearned; the gap of "
            "the theorem is proportional to it. The theorem needs steps below 1."))


def _studied(choice):
    """(study, width, runs) of all studies that have runs; plain gradient descent by width comes first."""
    for study in dict.fromkeys((*AWAY, FunctionSpace(loss="cross_entropy"))):
        for width, mine in _by_width(choice.find(study, {"width": ANY})).items():
            yield study, width, mine


def _pairs(mine, kind):
    """The number of exaggerated pairs and of all pairs, over all seeds."""
    found = [run.field("exaggeration")[kind] for run in mine if kind in run.field("exaggeration")]
    return " of ".join(str(sum(one[name] for one in found)) for name in ("exaggerated", "pairs")) if found else NONE


def _means(mine, value):
    """Mean over seeds of value(run, role), teacher / student."""
    return " / ".join(f"{np.mean([value(run, role) for run in mine]):.3f}" for role in ROLES)


def _by_width(found):
    """width -> its runs, in increasing order of width and seed."""
    return {width: [run for run in found if run.value("width") == width]
            for width in sorted({run.value("width") for run in found})}


def _panel(ax, some_runs, title, kind):
    """The points of the first run; the title has the mean drift of all runs."""
    run = some_runs[0]
    [size] = run.arrays("gains.npz", "size")
    carried = size**2 / np.sum(size**2)
    some = carried >= SHARE
    for role, (style, marker) in STYLES.items():
        predicted, measured = run.arrays("gains.npz", f"{kind}_{role}", f"measured_{role}")
        ax.scatter(predicted[some], measured[some], s=4 + 600 * carried[some], color=style["color"], marker=marker,
                   alpha=0.5, linewidths=0, label=role)
    ax.axline((0, 0), slope=1, color=GUIDE, linestyle="--", linewidth=1)
    ax.set_xlim(-0.1, 1.1)
    ax.set_ylim(-0.4, 1.4)
    ax.set_xlabel("predicted gain")
    drifts = [float(np.mean([one.field(_drift_of(kind), role) for one in some_runs])) for role in ROLES]
    ax.set_title(f"{title}\ndrift {drifts[0]:.3f} teacher, {drifts[1]:.3f} student", fontsize=10)


def _drift_of(kind):
    return "drift" if kind == "predicted" else "drift_linear"


def _changed(study):
    """The values of a study that differ from the theorem's assumptions, as text."""
    words = {"loss": LOSSES[study.loss], "optimiser": OPTIMISERS[study.optimiser],
             "learning_rate": f"steps of {study.learning_rate:g} / λ₁"}
    changed = [words[name] for name in words if getattr(study, name) != getattr(FUNCTION_SPACE, name)]
    return ", ".join(changed or words.values())


def _made(run):
    return (f"Two-layer ReLU networks in the tangent parametrisation, {run.value('examples')} digits "
            f"({run.field('data', 'note')}). Unless stated otherwise, teacher and student are trained on the squared "
            f"loss by {run.value('steps')} steps of gradient descent of {run.value('learning_rate'):g} over the "
            f"largest eigenvalue. Points: seed {run.seed}.")


def _against_width(ax, found):
    widths = list(found)
    for role, (style, marker) in STYLES.items():
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
    seeds = sorted({len(mine) for mine in found.values()})
    ax.set_title(f"seeds ({' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))}) and their mean", fontsize=10)
    ax.legend(fontsize="small")
