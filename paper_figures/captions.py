"""Captions of figures, wrapped to their width, and sentences that say what was drawn."""

import textwrap

from validation.report import at_chance

MARK = "†"  # marks a number that depends on a network at chance
PER_INCH = 13  # characters of a caption per inch


def caption(figure, text):
    """Writes the text under the figure."""
    figure.supxlabel(wrapped(figure, text), fontsize=9)


def wrapped(figure, text, per_inch=PER_INCH):
    """The text, wrapped to the width of the figure."""
    return "\n".join(textwrap.wrap(text, int(per_inch * figure.get_figwidth())))


def drawn(*runs):
    """A sentence that says what was drawn: settings, their changes, seeds, and the data actually used."""
    seeds = {}
    for run in runs:
        source, note = run.field("data", "source"), run.field("data").get("note")
        named = seeds.setdefault(f"{source} ({note})" if note else source, {})
        named.setdefault(run.name, []).append(run.seed)
    told = {source: "; ".join(f"{setting}, {seeds_in_words(found)}" for setting, found in named.items())
            for source, named in seeds.items()}
    return " ".join(f"{named}. Data: {source}." for source, named in told.items())


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
