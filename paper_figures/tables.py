"""Tables 2 to 6: accuracies next to the paper's, and slopes of the confidence scatter."""

from dataclasses import dataclass
from math import isnan
from statistics import mean

from eigenkd._intervals import ANYWHERE, PERCENT, in_words, t_interval
from eigenkd.table import NONE, Cells
from paper_figures.captions import data_of, drawn, marked, notes_at_chance
from validation.models import MobileNetV2
from validation.report import says_nothing
from validation.settings import SETTINGS
from validation.settings.images import SETTINGS as IMAGES

ROLES = {"teacher": "teacher", "one_hot": "one-hot student", "distilled": "distilled"}
FRACTIONS = ("0.1", "0.25", "0.5")
LANGUAGE = ("roberta", "wordnet")  # how the names of settings of language models begin


@dataclass(frozen=True)
class Table(Cells):
    """`Cells` with the numbers behind them: mappings of setting, split, quantity, the paper's number and ours, its
    interval, seeds and data."""

    data: tuple = ()


def of_text(name):
    """Whether it is the name of a setting of a language model."""
    return name.startswith(LANGUAGE)


def is_papers(name):
    """Whether the paper has this setting, on this data: the others stand in for it."""
    return SETTINGS[name].data.set.name in {one.data.set.name for one in SETTINGS.values() if one.published}


def compared():
    """The names of all settings that Table 2 has a row for, if there are runs."""
    images = {setting.name for setting in IMAGES}
    return [name for name, setting in SETTINGS.items() if name in images or setting.published or of_text(name)]


def accuracies(found):
    """Table 2: top-1 accuracy in per cent of teacher, one-hot student and distilled student, the paper's and ours."""
    rows, data, by_setting = [], [], {variant.setting: mine for variant, mine in found.runs}
    for name in compared():
        setting, mine = SETTINGS[name], by_setting.get(name, [])
        for split in ("train", "test") if mine or setting.published else ():
            papers = dict(zip(ROLES, getattr(setting.published, split))) if setting.published else {}
            ours = {role: [100 * run.field("accuracy", split, role) for run in mine] for role in ROLES}
            if papers:
                papers["gain"] = papers["distilled"] - papers["one_hot"]
            ours["gain"] = [student - alone for alone, student in zip(ours["one_hot"], ours["distilled"])]
            cells = []
            for what, values in ours.items():
                gain = what == "gain"
                within, sign = (ANYWHERE, "+") if gain else (PERCENT, "")
                mean_of = in_words(values, within=within)
                cells += [f"{papers[what]:{sign}.2f}" if papers else NONE, marked(
                    sign + mean_of if values and mean_of[0] != "-" else mean_of, mine, split, *({what} & set(ROLES)))]
                data.append(_number(setting, mine, split, "gain, points" if gain else f"{what} accuracy, %",
                                    papers.get(what), values, within=within))
            rows.append((_title(setting, mine), split, *cells, str(len(mine) or NONE)))
    header = ("top-1 accuracy, %", "", *(text for what in (*ROLES.values(), "distilled - one-hot")
                                         for text in (f"{what}: paper", "ours")), "seeds")
    means = ("Ours: mean over seeds with Student's 95% interval, of accuracies cut at 100%, at the last epoch. The "
             "difference is computed per seed. Training accuracy is against the training labels.")
    return Table(header, tuple(rows), (means, drawn(found.all), *notes_at_chance(found.all)), "ll", tuple(data))


def slopes(found, side="low"):
    """Tables 3 to 6: slopes over the teacher's least ("low") or most ("high") confident points."""
    rows, data = [], []
    beyond = "underfit" if side == "low" else "overfit"
    for variant, mine in found.runs:
        setting = SETTINGS[variant.setting]
        for split in ("train", "test"):
            telling = [run for run in mine if not says_nothing(run.result, split)]
            measured = [run.field("deviation", split) for run in telling]
            by_share = {share: [one[f"slope_{side}"][share] for one in measured] for share in FRACTIONS}
            shares = [one[beyond] for one in measured]
            cells = (*(_slope(values) for values in by_share.values()),
                     f"{mean(shares):.2f}" if shares else NONE, str(len(measured)))
            rows.append((_title(setting, mine), split, papers_slope(setting, split), *(
                marked(cell, mine, split, "teacher", "distilled") for cell in cells)))
            data += [_number(setting, telling, split, f"slope, {'least' if side == 'low' else 'most'} confident "
                             f"{float(share):.0%}", papers_slope(setting, split).replace(NONE, "") or None,
                             [one["value"] for one in values], values) for share, values in by_share.items()]
    header = (f"slope, {'least' if side == 'low' else 'most'} confident", "", "paper",
              *(f"ours: {float(share):.0%}" for share in FRACTIONS), f"{beyond} (25%)", "seeds")
    fits = ("Least-squares slope of the student's confidence on the teacher's, in the class that the teacher predicts. "
            "Runs whose teacher or student is at chance on the split are excluded. Intervals are 95%: Student's over "
            "seeds or, for a single seed, a bootstrap over examples. The paper's values are lost; its text says where "
            "they exceed 1.")
    return Table(header, tuple(rows), (fits, drawn(found.all), *notes_at_chance(found.all)), "lll", tuple(data))


def papers_slope(setting, split):
    """What App. C.4 says of the slope of an image setting: above 1 on test data; on training data too, but for CIFAR-10
    and MobileNet students on CIFAR-100."""
    if setting.published is None or of_text(setting.name):
        return NONE
    excepted = setting.data.set.name == "cifar10" or (
        setting.data.set.name == "cifar100" and isinstance(setting.student_model or setting.model, MobileNetV2))
    return "not > 1" if split == "train" and excepted else "> 1"


def _number(setting, mine, split, quantity, papers, values, intervals=(), within=ANYWHERE):
    """One mapping of `Table.data`."""
    found = {"setting": mine[0].name if mine else setting.name, "split": split, "quantity": quantity, "paper": papers,
             "ours": None, "low": None, "high": None, "seeds": [run.seed for run in mine],
             "data": data_of(mine[0]) if mine else None}
    if any(value is None or isnan(value) for value in values) or not values:
        return found
    if len(values) > 1:
        return found | dict(zip(("ours", "low", "high"), map(float, t_interval(values, within))))
    ends = {end: intervals[0][end] for end in ("low", "high")} if intervals else {}
    return found | {"ours": values[0]} | ends


def _title(setting, mine):
    """The setting's title, with its changed values."""
    changes = mine[0].name.partition("@")[2] if mine else ""
    return f"{setting.title} ({changes})" if changes else setting.title


def _slope(found):
    """The mean slope over seeds, or the slope of a single seed, with its interval."""
    if not found or any(one["value"] is None or isnan(one["value"]) for one in found):
        return NONE
    value, low, high = (t_interval([one["value"] for one in found]) if len(found) > 1
                        else (found[0][end] for end in ("value", "low", "high")))
    return f"{value:.2f}" if low is None else f"{value:.2f} [{low:.2f}, {high:.2f}]"
