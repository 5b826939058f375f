"""Figs. 4b and 24: students whose loss is switched, over time; and by when it is switched, next to the closed form."""

import re

import numpy as np
from matplotlib.figure import Figure

from eigenkd import plot
from eigenkd._intervals import PERCENT, in_words, t_interval
from eigenkd.table import NONE, Cells
from paper_figures.captions import balanced, drawn, legend_of, seeds_in_words, titled
from paper_figures.style import WIDTH
from validation.closed_form.matching import gain_at, switched_gain
from validation.closed_form.setting import CLOSED_FORM
from validation.record import LOG, Folder
from validation.studies.loss_switching import TEACHERS, WAYS
from validation.studies.quantities import accuracy, gain

FILE = LOG
COLORS = {"distilled": plot.STUDENT["color"], "one_hot": plot.TEACHER["color"], WAYS[0]: "#009E73",
          WAYS[1]: "#CC79A7"}
WITHOUT = ("distilled", "one_hot")  # a switch


def over_time(found):
    """A panel a teacher: test accuracy over the student's training, of one seed. The curve of a switched student begins
    at its switch; where some are switched little by little, those are drawn in place of the sudden ones."""
    by_teacher = teachers(found)
    figure, axes = _panels(by_teacher)
    ends = []
    for ax, (teacher, losses) in zip(axes, by_teacher.items()):
        for loss in gradual(losses):
            run = losses[loss][0]
            if not (run.folder / FILE).exists():
                continue
            way, share = split(loss)
            lines = [line for line in Folder.at(run.folder).read_log() if line["role"] == "student"]
            ends.append(100 * lines[-1]["test_accuracy"])
            lines = since(loss, lines)
            ax.plot([line["epoch"] for line in lines], [100 * line["test_accuracy"] for line in lines],
                    color=COLORS[way], linewidth=1.3 if share else 2.2, marker="o" if share else None, markersize=3.5,
                    markevery=[0], label=_words(way, share is not None))
        run = next(iter(losses.values()))[0]
        ends.append(accuracy("teacher").of_run(run))
        ax.axhline(ends[-1], color="black", linewidth=1, linestyle="--", label="the teacher")
        ax.set(xlabel="epoch of the student")
        ax.set_title(_titled(teacher, run, len(by_teacher)))
    axes[0].set_ylim(min(ends) - 2, max(ends) + 1)
    axes[0].set_ylabel("test accuracy (%)")
    seed = seeds_in_words({losses[loss][0].seed for losses in by_teacher.values() for loss in losses})
    return titled(figure, finding(by_teacher), f"A dot: the switch. Curves: {seed}; title: means over seeds. "
                  f"{drawn(_runs(by_teacher))}", legend_of(*axes))


def by_share(found):
    """A panel a teacher: the gain by when the loss is switched, over seeds, and the closed form's."""
    by_teacher = teachers(found)
    closed = {run.seed: run.result for run in found.of(CLOSED_FORM.name)}
    figure, axes = _panels(by_teacher, sharex=True)
    for ax, (teacher, losses) in zip(axes, by_teacher.items()):
        _gains(ax, teacher, losses, closed)
        ax.axhline(0, color="black", linewidth=0.8, linestyle="--", label="the teacher")
        ax.set(xlabel="switched after (% of the training)", xlim=(18, 106))
        ax.set_title(_titled(teacher, next(iter(losses.values()))[0], len(by_teacher)))
    axes[0].set_ylabel("student less teacher (points)")
    if closed:
        axes[0].plot([], [], "x", color="black", markersize=7, label="closed form, nothing fitted")
    return titled(figure, finding(by_teacher), "Last epoch, means over seeds with 95 % intervals; the closed form at "
                  f"the teacher's fit. {drawn(_runs(by_teacher))}", legend_of(*axes))


def _panels(by_teacher, sharex=False):
    figure = Figure(figsize=(min(WIDTH, 2.5 + 4 * len(by_teacher)), 4.4), layout="constrained")
    return figure, figure.subplots(1, len(by_teacher), sharex=sharex, sharey=True, squeeze=False)[0]


def _titled(teacher, run, panels):
    """A teacher as the title of one of several panels, with the share of the labels that it fits."""
    fit = accuracy("teacher", "train").of_run(run)
    return balanced(f"teacher: {teacher} (fits {fit:.0f}\u00a0% of the labels)", 120 // panels)


def table(found):
    """Each student's test accuracy, and by how much it is better than its teacher and than students without a switch,
    paired by seed."""
    closed = {run.seed: run.result for run in found.of(CLOSED_FORM.name)}
    rows, by_teacher, tested_of = [], teachers(found), accuracy("distilled").of_run
    for teacher, losses in by_teacher.items():
        tested = {loss: {run.seed: tested_of(run) for run in mine} for loss, mine in losses.items()}
        for loss, mine in losses.items():
            over = [NONE if loss == other else in_words([
                tested[loss][seed] - tested[other][seed]
                for seed in sorted(tested[loss].keys() & tested.get(other, {}).keys())]) for other in WITHOUT]
            said = _predictions(closed, mine, teacher, loss)
            rows.append((teacher, loss, in_words(list(tested[loss].values()), within=PERCENT),
                         in_words([gain().of_run(run) for run in mine]), *over, in_words(said), str(len(mine))))
    header = ("teacher", "student's loss", "test accuracy (%)", "over the teacher (points)", "over distilled",
              "over one-hot", "closed form, over the teacher", "seeds")
    note = ("Last epoch, mean and Student's 95 % interval over seeds, of accuracies cut at 100 %; differences are "
            "paired by seed.")
    return Cells(header, tuple(rows), (note, drawn(_runs(by_teacher))), align="ll")


def teachers(found):
    """teacher -> loss -> runs, of the variants, and of those drawn beside that have their setting and teacher."""
    wanted = {variant.labels[-3:-1] for variant, _ in found.runs}
    by_teacher = {}
    for variant, mine in (*found.beside, *found.runs):
        if variant.labels[-3:-1] in wanted:
            by_teacher.setdefault(variant.labels[-2], {})[variant.labels[-1]] = mine
    return by_teacher


def _runs(by_teacher):
    return [run for losses in by_teacher.values() for mine in losses.values() for run in mine]


def finding(by_teacher):
    """What the switch to one-hot labels closest to half of the training changes under the first three teachers, in a
    sentence: means over seeds."""
    told = []
    for teacher, losses in by_teacher.items():
        switched = [loss for loss in gradual(losses) if split(loss)[0] == WAYS[0] and split(loss)[1] is not None]
        if "distilled" not in losses or not switched:
            continue
        nearest = min(switched, key=lambda loss: abs(split(loss)[1] - 50))
        before, after = ({run.seed: gain().of_run(run) for run in losses[loss]} for loss in ("distilled", nearest))
        if changes := [after[seed] - before[seed] for seed in sorted(before.keys() & after.keys())]:
            sign = "+" if np.mean(changes) > 0 else ""
            told.append(f"{sign}{in_words(changes)} points ({teacher}, at {nearest.partition(' at ')[2]})")
    return (f"A switch to one-hot labels changes the student by {', '.join(told[:3])}" if told else
            "Students whose loss is switched")


def gradual(losses):
    """The losses to draw over time: without sudden switches where there are gradual ones."""
    some = any(" over " in loss for loss in losses)
    return [loss for loss in losses if not some or " over " in loss or " at " not in loss]


def since(loss, lines):
    """The lines of a log from the last one before the loss begins to change."""
    number = re.search(r" at (epoch |step )?(\d+)", loss)
    if number is None:
        return lines
    at, counted = float(number[2]), (number[1] or "epoch").strip()
    if number[1] is None:
        at *= lines[-1]["epoch"] / 100
    before = [k for k, line in enumerate(lines) if line.get(counted, 0) <= at]
    return lines[before[-1] if before else 0:]


def split(loss):
    """(way, share of the training in per cent) of a loss such as "distilled to one_hot at 75%"; without a switch the
    share is None, and at a step or an epoch it is 100."""
    way, at, when = loss.partition(" at ")
    if not at:
        return way, None
    share = re.match(r"(\d+)%", when)
    return way, int(share[1]) if share else 100


def _gains(ax, teacher, losses, closed):
    for loss, mine in losses.items():
        way, share = split(loss)
        values = [gain().of_run(run) for run in mine]
        mean, low, high = t_interval(values) if len(values) > 1 else (values[0],) * 3
        at = 102 if share is None else share + (-1.2 if way == WAYS[0] else 1.2)
        if share is None:
            ax.axhline(mean, color=COLORS[way], linewidth=1.5, label=_words(way, False))
            ax.axhspan(low, high, color=COLORS[way], alpha=0.12, linewidth=0)
        else:
            ax.errorbar(at, mean, [[mean - low], [high - mean]], fmt="o", color=COLORS[way], capsize=3,
                        label=_words(way, True))
        if said := _predictions(closed, mine, teacher, loss):
            ax.plot(at, np.mean(said), "x", color=COLORS[way], markersize=7)


def _words(way, switched):
    return way.replace("one_hot", "one-hot") + ("" if switched else " throughout")


def _predictions(closed, mine, teacher, loss):
    """The closed form's gains of these students, of the seeds that have one; none of students that are trained longer.
    """
    if loss == "one_hot" or teacher not in TEACHERS:
        return []
    found = []
    for run in (one for one in mine if one.seed in closed):
        where = (closed[run.seed], run.value("data.label_noise"), run.value("data.teacher_fraction"))
        fit = accuracy("teacher", "train").of_run(run) / 100
        found.append(gain_at(*where, fit) if loss == "distilled" else switched_gain(*where, loss, fit))
    return [value for value in found if value is not None]
