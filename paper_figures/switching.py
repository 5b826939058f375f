"""Figs. 4b and 24: students whose loss is switched, over time; and by when it is switched, next to the closed form."""

import re

import numpy as np
from matplotlib.figure import Figure

from eigenkd import plot
from eigenkd._intervals import PERCENT, in_words, t_interval
from eigenkd.table import NONE, Cells
from paper_figures.captions import drawn, legend_of, titled
from paper_figures.style import WIDTH
from validation.closed_form.matching import gain_at, switched_gain
from validation.closed_form.setting import CLOSED_FORM
from validation.record import LOG, Folder
from validation.studies.loss_switching import SHARES, WAYS
from validation.studies.quantities import accuracy, gain

FILE = LOG
COLORS = {"distilled": plot.STUDENT["color"], "one_hot": plot.TEACHER["color"], WAYS[0]: "#009E73",
          WAYS[1]: "#CC79A7"}
WITHOUT = ("distilled", "one_hot")  # a switch
SHADES = dict(zip(SHARES, (0.35, 0.55, 0.75, 1.0)))


def over_time(found):
    """A panel a teacher: test accuracy over the student's training, of the lowest seed."""
    by_teacher = teachers(found)
    figure = Figure(figsize=(min(WIDTH, 2.5 + 4 * len(by_teacher)), 4.4), layout="constrained")
    axes = figure.subplots(1, len(by_teacher), sharex=True, sharey=True, squeeze=False)[0]
    ends = []
    for ax, (teacher, losses) in zip(axes, by_teacher.items()):
        for loss, mine in losses.items():
            if not (mine[0].folder / FILE).exists():
                continue
            way, share = split(loss)
            lines = [line for line in Folder.at(mine[0].folder).read_log() if line["role"] == "student"]
            ends.append(100 * lines[-1]["test_accuracy"])
            ax.plot([line["epoch"] for line in lines], [100 * line["test_accuracy"] for line in lines],
                    color=COLORS[way], alpha=SHADES.get(share, 1.0), linewidth=1.3 if share else 2.0,
                    label=_words(way, share is not None))
        ends.append(accuracy("teacher").of(mine[0].result))
        ax.axhline(ends[-1], color="black", linewidth=1, linestyle="--", label="the teacher")
        ax.set(xlabel="epoch of the student")
        ax.set_title(f"teacher: {teacher}")
    axes[0].set_ylim(min(ends) - 4, max(ends) + 2)
    axes[0].set_ylabel("test accuracy (%)")
    return titled(figure, finding(by_teacher), "The darker, the later the switch; curves of the lowest seed. "
                  f"{drawn(_runs(by_teacher))}", legend_of(*axes))


def by_share(found):
    """A panel a teacher: the gain by when the loss is switched, over seeds, and the closed form's."""
    by_teacher = teachers(found)
    closed = {run.seed: run.result for run in found.of(CLOSED_FORM.name)}
    figure = Figure(figsize=(min(WIDTH, 2.5 + 4 * len(by_teacher)), 4.4), layout="constrained")
    axes = figure.subplots(1, len(by_teacher), sharex=True, sharey=True, squeeze=False)[0]
    for ax, (teacher, losses) in zip(axes, by_teacher.items()):
        _gains(ax, losses, closed)
        ax.axhline(0, color="black", linewidth=0.8, linestyle="--", label="the teacher")
        ax.set(xlabel="switched after (% of the training)", xlim=(18, 106))
        ax.set_title(f"teacher: {teacher}")
    axes[0].set_ylabel("student less teacher (points)")
    return titled(figure, finding(by_teacher), "Last epoch, means over seeds with 95 % intervals. Crosses: the closed "
                  f"form at the teacher's fit, nothing fitted. {drawn(_runs(by_teacher))}", legend_of(*axes))


def table(found):
    """Each student's test accuracy, and by how much it is better than its teacher and than students without a switch,
    paired by seed."""
    closed = {run.seed: run.result for run in found.of(CLOSED_FORM.name)}
    rows, by_teacher, tested_of = [], teachers(found), accuracy("distilled").of
    for teacher, losses in by_teacher.items():
        tested = {loss: {run.seed: tested_of(run.result) for run in mine} for loss, mine in losses.items()}
        for loss, mine in losses.items():
            over = [in_words([tested[loss][seed] - tested[other][seed]
                           for seed in tested[loss].keys() & tested.get(other, {}).keys()]) if loss != other else NONE
                    for other in WITHOUT]
            said = [value for run in mine if (value := _predicted(closed.get(run.seed), run, loss)) is not None]
            rows.append((teacher, loss, in_words(list(tested[loss].values()), within=PERCENT),
                         in_words([gain().of(run.result) for run in mine]), *over, in_words(said), str(len(mine))))
    header = ("teacher", "student's loss", "test accuracy (%)", "over the teacher (points)", "over distilled",
              "over one-hot", "closed form, over the teacher", "seeds")
    note = "Last epoch, mean and Student's 95 % interval over seeds, of accuracies cut at 100 %; differences are paired by seed."
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
    """What the switch to one-hot labels closest to half of the training changes, in a sentence."""
    told = []
    for teacher, losses in by_teacher.items():
        switched = [loss for loss in losses if split(loss)[0] == WAYS[0] and split(loss)[1] is not None]
        if "distilled" not in losses or not switched:
            continue
        nearest = min(switched, key=lambda loss: abs(split(loss)[1] - 50))
        before, after = ({run.seed: gain().of(run.result) for run in losses[loss]} for loss in ("distilled", nearest))
        if changes := [after[seed] - before[seed] for seed in sorted(before.keys() & after.keys())]:
            sure = " [{1:.2f}, {2:.2f}]".format(*t_interval(changes)) if len(changes) > 1 else ""
            told.append(f"{np.mean(changes):+.2f}{sure} points ({teacher}, at {nearest.partition(' at ')[2]})")
    return (f"A switch from the teacher to one-hot labels changes the student by {', '.join(told)}" if told else
            "Students whose loss is switched")


def split(loss):
    """(way, share of the training in per cent) of a loss such as "distilled to one_hot at 75%"; without a switch the
    share is None, and at a step or an epoch it is 100."""
    way, at, when = loss.partition(" at ")
    if not at:
        return way, None
    share = re.match(r"(\d+)%", when)
    return way, int(share[1]) if share else 100


def _gains(ax, losses, closed):
    for loss, mine in losses.items():
        way, share = split(loss)
        values = [gain().of(run.result) for run in mine]
        mean, low, high = t_interval(values) if len(values) > 1 else (values[0],) * 3
        at = 102 if share is None else share + (-1.2 if way == WAYS[0] else 1.2)
        if share is None:
            ax.axhline(mean, color=COLORS[way], linewidth=1.5, label=_words(way, False))
            ax.axhspan(low, high, color=COLORS[way], alpha=0.12, linewidth=0)
        else:
            ax.errorbar(at, mean, [[mean - low], [high - mean]], fmt="o", color=COLORS[way], capsize=3,
                        label=_words(way, True))
        said = [value for run in mine if (value := _predicted(closed.get(run.seed), run, loss)) is not None]
        if said:
            ax.plot(at, np.mean(said), "x", color=COLORS[way], markersize=7)


def _words(way, switched):
    return way.replace("one_hot", "one-hot") + ("" if switched else " throughout")


def _predicted(result, run, loss):
    """The closed form's gain of this student, None where it has none."""
    if result is None or loss == "one_hot":
        return None
    where = (result, run.value("data.label_noise"), run.value("data.teacher_fraction"))
    fit = accuracy("teacher", "train").of(run.result) / 100
    return gain_at(*where, fit) if loss == "distilled" else switched_gain(*where, loss, fit)
