"""Tables 2, 3 and 4 of the image settings: accuracies next to the paper's, and slopes of the confidence scatter."""

from math import isnan
from statistics import mean

from eigenkd._intervals import t_interval
from eigenkd.table import NONE, Cells
from paper_figures.captions import marked, notes_at_chance
from validation.report import says_nothing
from validation.runs import Unusable
from validation.settings.images import SETTINGS

ROLES = ("teacher", "one_hot", "distilled")
FRACTIONS = ("0.1", "0.25", "0.5")


def accuracies(choice):
    """Table 2: top-1 accuracy in per cent of teacher, one-hot student and distilled student, the paper's and ours."""
    rows, notes = [], []
    for setting, mine in _measured(choice, SETTINGS, notes):
        for split in ("train", "test"):
            paper = (NONE,) * 3 if setting.published is None else tuple(
                f"{value:.2f}" for value in getattr(setting.published, split))
            shares = [[100 * run.field("accuracy", split, role) for run in mine] for role in ROLES]
            gain = [student - alone for alone, student in zip(*shares[1:])]
            rows.append((f"{_title(setting, mine)}, {split}", *paper, *(
                marked(_mean(values), mine, split, role) for role, values in zip(ROLES, shares)),
                         _mean(gain, signed=True), str(len(mine) or NONE)))
    header = ("Top-1 accuracy, %", "paper: teacher", "one-hot student", "distilled", "ours: teacher", "one-hot student",
              "distilled", "distilled - one-hot", "seeds")
    means = ("Ours: mean over seeds ± half of Student's 95% interval, at the last epoch. The difference is computed "
             "per seed. Training accuracy is against the training labels.")
    return Cells(header, tuple(rows), (means, *notes))


def slopes(self_distillation, choice):
    """Table 3 (self-distillation) or 4 (across architectures): slopes over the teacher's least confident points."""
    rows, notes = [], []
    wanted = [setting for setting in SETTINGS if setting.is_self_distillation == self_distillation]
    for setting, mine in _measured(choice, wanted, notes):
        if not mine:
            continue
        for split in ("train", "test"):
            found = [run.field("deviation", split) for run in mine if not says_nothing(run.result, split)]
            cells = (*(_slope([one["slope_low"][share] for one in found]) for share in FRACTIONS),
                     f"{mean(one['underfit'] for one in found):.2f}" if found else NONE, str(len(found)))
            rows.append((f"{_title(setting, mine)}, {split}", *(
                marked(cell, mine, split, "teacher", "distilled") for cell in cells)))
    if not rows:
        raise Unusable(notes[-1])
    header = ("Slope, least confident", *(f"{float(share):.0%}" for share in FRACTIONS), "underfit (25%)", "seeds")
    fits = ("Least-squares slope of the student's confidence on the teacher's, in the class that the teacher predicts. "
            "Runs whose teacher or student is at chance on the split are excluded. Intervals are 95%: Student's over "
            "seeds or, for a single seed, a bootstrap over examples. The paper's own numbers are not available.")
    return Cells(header, tuple(rows), (fits, *notes))


def _title(setting, mine):
    """The setting's title, with its changed values."""
    changes = mine[0].name.partition("@")[2] if mine else ""
    return f"{setting.title} ({changes})" if changes else setting.title


def _measured(choice, settings, notes):
    """(setting, its runs) of every row of the paper and every other setting with a run. Appends to `notes`."""
    found, missing = [], []
    for setting in settings:
        mine = choice.find(setting)
        if mine or setting.published is not None:
            found.append((setting, mine))
        if not mine:
            missing.append(setting.name)
    notes.extend(dict.fromkeys(f"{setting.name}: {run.field('data', 'source')} ({run.field('data', 'note')})."
                               for setting, mine in found for run in mine))
    notes.extend(note for _, mine in found for note in notes_at_chance(mine))
    if missing:
        notes.append(f"No run: {', '.join(missing)}. Make one with: python -m validation.run NAME --seeds 0 1 2")
    return found


def _mean(values, signed=False):
    """The mean, with half of its 95% interval if there are at least two values."""
    if not values:
        return NONE
    form = "{:+.2f}" if signed else "{:.2f}"
    if len(values) == 1:
        return form.format(values[0])
    middle, low, _ = t_interval(values)
    return f"{form.format(middle)} ± {middle - low:.2f}"


def _slope(found):
    """The mean slope over seeds, or the slope of a single seed, with its interval."""
    if not found or any(one["value"] is None or isnan(one["value"]) for one in found):
        return NONE
    value, low, high = (t_interval([one["value"] for one in found]) if len(found) > 1
                        else (found[0][end] for end in ("value", "low", "high")))
    return f"{value:.2f}" if low is None else f"{value:.2f} [{low:.2f}, {high:.2f}]"
