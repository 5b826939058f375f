"""Figs. 4b and 24: students whose loss is switched, over time and by when it is switched, next to the closed form."""

from matplotlib.figure import Figure

from eigenkd import plot
from eigenkd._intervals import t_interval
from paper_figures.captions import caption, drawn
from validation.closed_form.matching import gain_at, switched_gain
from validation.closed_form.setting import CLOSED_FORM
from validation.record import Folder
from validation.registered import again
from validation.runs import Unusable
from validation.studies import STUDIES
from validation.studies.loss_switching import SHARES, WAYS
from validation.studies.quantities import accuracy, gain

COLORS = {"distilled": plot.STUDENT["color"], "one_hot": plot.TEACHER["color"], WAYS[0]: "#009E73",
          WAYS[1]: "#CC79A7"}
SHADES = dict(zip(SHARES, (0.35, 0.55, 0.75, 1.0)))


def draw(choice):
    """A row a teacher: test accuracy over the student's training, and the gain by when the loss is switched."""
    found = {}
    for variant in STUDIES["loss_switching"].variants():
        if mine := choice.find(variant.setting, variant.values):
            _, teacher, loss = variant.labels
            found.setdefault(teacher, {})[loss] = mine
    found = {teacher: losses for teacher, losses in found.items() if any(" at " in loss for loss in losses)}
    if not found:
        raise Unusable("no run of the study loss_switching; make them with: python -m validation.study loss_switching")
    closed = {run.seed: run.result for run in choice.find(CLOSED_FORM.name)}
    figure = Figure(figsize=(11.5, 3.6 * len(found) + 1.2), layout="constrained")
    for axes, (teacher, losses) in zip(figure.subplots(len(found), 2, squeeze=False), found.items()):
        _over_time(axes[0], teacher, losses)
        _by_share(axes[1], losses, closed)
    every = [run for losses in found.values() for mine in losses.values() for run in mine]
    data = drawn(*every).rpartition("Data: ")[2]
    caption(figure, "CNN on 2,500 Fashion-MNIST images, loss switched at once. Left: the lowest seed; the darker, the "
                    "later the switch. Right: last epoch, mean over seeds with Student's 95 % interval; crosses: the "
                    "closed form at the teacher's fit, teacher and student trained equally long, nothing fitted. "
                    f"Data: {data}")
    return figure


def _over_time(ax, teacher, losses):
    for loss, mine in losses.items():
        way, share = _split(loss)
        lines = _log(mine[0])
        ax.plot([entry["epoch"] for entry in lines], [100 * entry["test_accuracy"] for entry in lines],
                color=COLORS[way], alpha=SHADES.get(share, 1.0), linewidth=1.2 if share else 1.8)
        if share:
            ax.axvline(lines[-1]["epoch"] * share / 100, color=plot.GUIDE, linewidth=0.5, linestyle=":")
    first = next(iter(losses.values()))[0]
    ax.axhline(accuracy("teacher").of(first.result), color="black", linewidth=1, linestyle="--")
    last = 100 * _log(first)[-1]["test_accuracy"]
    ax.set_ylim(last - 6, last + 4)
    ax.set(xlabel="epoch of the student", ylabel="test accuracy (%)")
    ax.set_title(f"Teacher: {teacher} (dashed)", fontsize=10)


def _by_share(ax, losses, closed):
    for loss, mine in losses.items():
        way, share = _split(loss)
        values = [gain().of(run.result) for run in mine]
        mean, low, high = t_interval(values) if len(values) > 1 else (values[0],) * 3
        name = way.replace("_", "-")
        if share:
            at = share + (-1.2 if way == WAYS[0] else 1.2)
            ax.errorbar(at, mean, [[mean - low], [high - mean]], fmt="o", color=COLORS[way], capsize=3,
                        label=name if name not in ax.get_legend_handles_labels()[1] else None)
        else:
            ax.axhline(mean, color=COLORS[way], linewidth=1.5, label=f"{name} throughout")
            ax.axhspan(low, high, color=COLORS[way], alpha=0.12, linewidth=0)
        said = [_predicted(closed.get(run.seed), run, loss) for run in mine]
        said = [value for value in said if value is not None]
        if said:
            ax.plot(at if share else 102, sum(said) / len(said), "x", color=COLORS[way], markersize=7)
    ax.axhline(0, color="black", linewidth=0.8, linestyle="--")
    ax.set(xlabel="switched after (% of the training)", ylabel="student less teacher (points)", xlim=(18, 105))
    ax.legend(fontsize=8, loc="best")


def _predicted(result, run, loss):
    """The closed form's gain of this student, None where it has none."""
    if result is None or loss == "one_hot":
        return None
    where = (result, run.value("data.label_noise"), run.value("data.teacher_fraction"))
    fit = accuracy("teacher", "train").of(run.result) / 100
    return gain_at(*where, fit) if loss == "distilled" else switched_gain(*where, loss, fit)


def _log(run):
    """The epochs of the student. Raises Unusable where the run has none."""
    try:
        return [entry for entry in Folder(run.folder.parent, run.folder.name).read_log() if entry["role"] == "student"]
    except FileNotFoundError:
        raise Unusable(f"{run.folder} has no metrics.jsonl: of records, the lowest seed alone has one; "
                       f"run it again with: {again(run.configuration)}") from None


def _split(loss):
    """(way, share or None) of a label of the study."""
    way, at, share = loss.partition(" at ")
    return way, int(share.rstrip("%")) if at else None
