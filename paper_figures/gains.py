"""Predicted against measured gains of networks: the closed form on the tangent kernel compared with training, by width,
over time, and outside the theorem's assumptions."""

import textwrap
from dataclasses import asdict, replace

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from eigenkd.plot import GUIDE, STUDENT, TEACHER
from eigenkd.table import NONE, Cells
from paper_figures.captions import drawn, legend_of, titled
from paper_figures.sources import Wanted, study
from paper_figures.style import WIDTH
from validation.function_space.setting import AWAY, FUNCTION_SPACE, ROLES
from validation.studies.study import Variant

SHARE = 1e-4  # the least share of the squared targets that a direction must carry to be drawn
STYLES = {"teacher": (TEACHER, "o"), "student": (STUDENT, "^")}
OPTIMISERS = {"sgd": "gradient descent", "momentum": "momentum 0.9", "adam": "Adam"}
LOSSES = {"squared": "squared loss", "cross_entropy": "cross-entropy"}
DRIFT = ("Drift of teacher and student: root mean square of measured minus predicted gain, weighted by the labels' "
         "share.")
_AWAY = f"{FUNCTION_SPACE.command} --away"
WIDTHS = study("function_space", lambda loss, width: loss == "squared")
OUTSIDE = tuple(Wanted(Variant(one.name, {name: value for name, value in asdict(one).items()
                                          if value != getattr(FUNCTION_SPACE, name)}, ()), _AWAY) for one in AWAY)
OTHERS = OUTSIDE[1:] + study("function_space", lambda loss, width: (
    loss != "squared" and width != str(FUNCTION_SPACE.width)))
FOLLOWED = 6  # number of directions whose gains are drawn over time


def draw(found):
    """One panel per width, with one point per direction of the lowest or the chosen seed, and drift against width."""
    by_width = _by_width(found)
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    axes = figure.subplots(1, len(by_width) + 1)
    for ax, (width, some) in zip(axes, by_width.items()):
        _panel(ax, some, f"width {width}", "predicted")
        ax.tick_params(labelleft=ax is axes[0])
    axes[0].set_ylabel("measured gain")
    _against_width(axes[-1], by_width)
    first, last = (np.mean([run.field("drift", "student") for run in by_width[width]])
                   for width in (min(by_width), max(by_width)))
    return titled(figure, "The wider the network, the nearer its gains to the closed form: drift "
                  f"{first:.3f} at width {min(by_width)}, {last:.3f} at {max(by_width)}",
                  f"A point is a direction, its area the labels' share. {DRIFT} {drawn(found.all)}",
                  legend_of(axes[0]) | {"width^(-1/2)": axes[-1].get_lines()[-1]})


def over_time(found):
    """Gains of a few directions during training, for the widest network, and drift during training, for every width."""
    by_width = _by_width(found)
    width, widest = next(reversed(by_width.items()))
    figure = Figure(figsize=(WIDTH, 4.3), layout="constrained")
    axes = figure.subplots(1, 3, sharex=True)
    steps = np.array(widest[0].field("steps_seen"))
    for ax, role in zip(axes, ROLES):
        style, marker = STYLES[role]
        curves = widest[0].arrays("gains.npz", f"measured_{role}_over_time", f"predicted_{role}_over_time")
        followed = np.unique(np.linspace(0, curves[0].shape[1] - 1, FOLLOWED).round().astype(int))
        for k, shade in zip(followed, np.linspace(1, 0.35, len(followed))):
            ax.plot(steps, curves[1][:, k], color=style["color"], alpha=shade)
            ax.plot(steps, curves[0][:, k], marker, color=style["color"], alpha=shade, markersize=4, linewidth=0)
        ax.set_title(f"{role}, width {width}, directions {followed[0]} to {followed[-1]}")
        ax.set(xlabel="steps", ylim=(-0.1, 1.1), xscale="log")
    axes[0].set_ylabel("gain (lines: closed form, markers: measured)")
    for shade, (width, some) in zip(np.linspace(0.35, 1, len(by_width)), by_width.items()):
        for role, (style, marker) in STYLES.items():
            drifts = np.mean([run.field("drift_over_time", role) for run in some], axis=0)
            [line] = axes[2].plot(steps, drifts, alpha=shade, marker=marker, markersize=3, **style)
            if shade == 1:
                line.set_label(role)
        axes[2].annotate(f"width {width}", (steps[-1], drifts[-1]), (0, 5), textcoords="offset points", fontsize=7.5,
                         ha="right")
    axes[2].set(xlabel="steps", ylabel="drift", yscale="log")
    axes[2].set_title("drift, mean of all seeds")
    final = np.mean([run.field("drift", "student") for run in widest])
    return titled(figure, f"During training too, gains stay with the closed form: final drift {final:.3f} at width "
                  f"{width}", f"{DRIFT} {drawn(found.all)}", legend_of(axes[2]))


def away(found):
    """One panel for each change of learning rate, optimiser or loss that violates the theorem's assumptions.

    The cross-entropy has a second panel, compared with the flow of the same linear model under that loss."""
    studied = [(_study(variant), mine) for variant, mine in found.runs]
    panels = [(some, _changed(one), "predicted") for one, some in studied]
    panels += [(some, f"{_changed(one)}, linear model of that loss", "linear") for one, some in studied
               if "drift_linear" in some[0].result]
    columns = min(5, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(WIDTH, 2.75 * rows + 1), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for ax, (some, title, kind) in zip(axes, panels):
        _panel(ax, some, "\n".join(textwrap.wrap(title, 26)), kind)
        ax.label_outer()
    for ax in axes[len(panels):]:
        ax.remove()
    for ax in axes[::columns]:
        ax.set_ylabel("measured gain")
    drifts = {title: np.mean([run.field(_drift_of(kind), "student") for run in some]) for some, title, kind in panels}
    return titled(figure, "Step size and momentum leave the closed form right, Adam and the cross-entropy do not: "
                  f"drift {min(drifts.values()):.3f} to {max(drifts.values()):.3f}",
                  f"Width {panels[0][0][0].value('width')}. For Adam and the cross-entropy the prediction is a flow "
                  f"with one fitted time. {DRIFT} {drawn(found.all)}", legend_of(axes[0]))


def table(found):
    """Final and largest drift of teacher and student, for every study that has runs."""
    rows = []
    for one, width, mine in _studied(found):
        linear = "drift_linear" in mine[0].result
        rows.append((LOSSES[one.loss], OPTIMISERS[one.optimiser], f"{one.learning_rate:g}", str(width),
                     _means(mine, lambda run, role: run.field("drift", role)),
                     _means(mine, lambda run, role: max(run.field("drift_over_time", role))),
                     _means(mine, lambda run, role: run.field("mean_difference", role)),
                     _means(mine, lambda run, role: run.field("drift_linear", role)) if linear else NONE,
                     f"{np.mean([run.field('kernel_change') for run in mine]):.3f}",
                     f"{np.mean([run.field('exaggeration', 'left') for run in mine]):.2g}",
                     *(_pairs(mine, kind) for kind in ("measured", "predicted", "linear")), str(len(mine))))
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


def _studied(found):
    """(study, width, runs) of all studies that have runs; plain gradient descent by width comes first."""
    known = [(replace(_study(variant), width=FUNCTION_SPACE.width), _study(variant).width, mine)
             for variant, mine in found.runs]
    order = list(dict.fromkeys((*AWAY, *(study for study, *_ in known))))
    return sorted(known, key=lambda one: (order.index(one[0]), one[1]))


def _study(variant):
    """The `FunctionSpace` of a variant."""
    return replace(FUNCTION_SPACE, **variant.values)


def _pairs(mine, kind):
    """The number of exaggerated pairs and of all pairs, over all seeds."""
    found = [run.field("exaggeration")[kind] for run in mine if kind in run.field("exaggeration")]
    return " of ".join(str(sum(one[name] for one in found)) for name in ("exaggerated", "pairs")) if found else NONE


def _means(mine, value):
    """Mean over seeds of value(run, role), teacher / student."""
    return " / ".join(f"{np.mean([value(run, role) for run in mine]):.3f}" for role in ROLES)


def _by_width(found):
    """width -> its runs, in increasing order of width and seed."""
    return dict(sorted((mine[0].value("width"), mine) for _, mine in found.runs))


def _panel(ax, some_runs, title, kind):
    """The points of the first run; the title has the mean drift of all runs."""
    run = some_runs[0]
    [size] = run.arrays("gains.npz", "size")
    carried = size**2 / np.sum(size**2)
    some = carried >= SHARE
    for role, (style, marker) in STYLES.items():
        predicted, measured = run.arrays("gains.npz", f"{kind}_{role}", f"measured_{role}")
        ax.scatter(predicted[some], measured[some], s=4 + 600 * carried[some], color=style["color"], marker=marker,
                   alpha=0.5, linewidths=0, label=role, rasterized=True)
    ax.axline((0, 0), slope=1, color=GUIDE, linestyle="--", linewidth=1)
    ax.set_xlim(-0.1, 1.1)
    ax.set_ylim(-0.4, 1.4)
    ax.set_xlabel("predicted gain")
    drifts = [float(np.mean([one.field(_drift_of(kind), role) for one in some_runs])) for role in ROLES]
    ax.set_title(f"{title}\ndrift {drifts[0]:.3f}, {drifts[1]:.3f}")


def _drift_of(kind):
    return "drift" if kind == "predicted" else "drift_linear"


def _changed(study):
    """The values of a study that differ from the theorem's assumptions, as text."""
    words = {"loss": LOSSES[study.loss], "optimiser": OPTIMISERS[study.optimiser],
             "learning_rate": f"steps of {study.learning_rate:g} / λ₁"}
    changed = [words[name] for name in words if getattr(study, name) != getattr(FUNCTION_SPACE, name)]
    return ", ".join(changed or words.values())


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
    low, high = ax.get_ylim()
    ticks = [tick * power for power in (1e-4, 1e-3, 0.01, 0.1, 1) for tick in (1, 2, 5) if low < tick * power < high]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("width")
    ax.set_ylabel("drift")
    seeds = sorted({len(mine) for mine in found.values()})
    ax.set_title(f"seeds ({' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))}), mean\ndrift by width")
