"""Finished runs, as figures and tables read them: result.json and the arrays beside it.

What is not among one's own runs is looked for in `COMMITTED`, the compact records that come with a checkout.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from validation.record import COMMITTED, differences
from validation.report import at_chance

MARK = "†"  # at what was measured of a training that ended at chance


class Unusable(Exception):
    """A run that a figure needs is missing, unfinished, a smoke run or incomplete; the message says what mends it."""


@dataclass(frozen=True)
class Run:
    """A finished run: its folder and its result.json."""

    folder: Path
    result: dict

    def arrays(self, name, *keys):
        """The arrays `keys` of the file `name`; raises Unusable where one is missing."""
        try:
            with np.load(self.folder / name, allow_pickle=False) as stored:
                return [stored[key] for key in keys]
        except (OSError, KeyError, ValueError) as error:
            if isinstance(error, FileNotFoundError) and COMMITTED in self.folder.parents:
                error = "the records that come with a checkout have the arrays of their lowest seed alone"
            remake = _remake(self.folder.parent.name, f" --seeds {self.folder.name.removeprefix('seed')}")
            raise Unusable(f"{self.folder.parent.name}/{self.folder.name}/{name} cannot be read ({error}); {remake}"
                           ) from None

    def field(self, *path):
        """The value in result.json under the keys of `path`; raises Unusable where it is missing."""
        value = self.result
        for key in path:
            if not isinstance(value, dict) or key not in value:
                raise Unusable(f"{self.folder / 'result.json'} has no field {'.'.join(path)}; "
                               f"{_remake(self.folder.parent.name)}")
            value = value[key]
        return value


def find(runs, setting, seed=None):
    """The finished run of a setting, of its lowest seed or of the given one; smoke runs are refused.

    Raises Unusable with the command that makes the run.
    """
    flag = "" if seed is None else f" --seeds {seed}"
    pattern = "seed*" if seed is None else f"seed{seed}"
    finished = [*_finished(runs, setting, pattern), *_finished(COMMITTED, setting, pattern)]
    for run in finished:
        if not run.field("smoke"):
            return run
    if finished:
        raise Unusable(f"{finished[0].folder} is a smoke run, too short to show anything; {_remake(setting, flag)}")
    unfinished = " (an unfinished one is there)" if _folders(runs, setting, pattern) else ""
    raise Unusable(f"no finished run in {Path(runs) / setting / pattern}{unfinished}; {_remake(setting, flag)}")


def every(runs, setting):
    """The finished runs of a setting, one a seed, smoke runs left out: one's own, or else the committed ones."""
    for where in (runs, COMMITTED):
        if found := [run for run in _finished(where, setting, "seed*") if not run.field("smoke")]:
            return found
    return []


def changed(run, setting):
    """What a run was trained with other than the `Setting` as it is now, a line a value; empty where it is that."""
    try:
        there = json.loads((run.folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unusable(f"{run.folder / 'config.json'} cannot be read ({error}); {_remake(setting.name)}") from error
    now = setting.configuration()
    return differences({key: there.get(key) for key in now}, now)


def marked(text, found, split, *roles):
    """The text of a cell, with `MARK` where one of the runs has one of the roles at chance on that split."""
    guessing = any(role in run.result.get("at_chance", {}).get(split, ()) for run in found for role in roles)
    return f"{text}{MARK}" if guessing else text


def notes_at_chance(found):
    """What explains `MARK`: a sentence for each of the runs of which a training ended at chance."""
    return [f"{MARK} At chance, right no more often than guesses are: {run.field('setting')} seed {run.field('seed')}, "
            f"{', '.join(named)}." for run in found if (named := at_chance(run.result))]


def drawn(*runs):
    """A sentence for captions that says what was drawn: settings, seeds and the data set that was really used."""
    seeds = {}
    for run in runs:
        source, note = run.field("data", "source"), run.field("data").get("note")
        named = seeds.setdefault(f"{source} ({note})" if note else source, {})
        named.setdefault(run.field("setting"), []).append(run.field("seed"))
    return " ".join(f"{'; '.join(f'{setting}, {_seeds(found)}' for setting, found in named.items())}. Data: {source}."
                    for source, named in seeds.items())


def _seeds(found):
    """Seeds in words: seed 3; seeds 0 to 4; seeds 1, 5, 6."""
    found = sorted(found)
    if len(found) == 1:
        return f"seed {found[0]}"
    run = len(found) > 2 and found == list(range(found[0], found[-1] + 1))
    return f"seeds {found[0]} to {found[-1]}" if run else f"seeds {', '.join(map(str, found))}"


def _folders(runs, setting, pattern):
    return sorted((Path(runs) / setting).glob(pattern), key=lambda folder: (len(folder.name), folder.name))


def _finished(runs, setting, pattern):
    return [Run(folder, _result(folder, setting)) for folder in _folders(runs, setting, pattern)
            if (folder / "result.json").is_file()]


def _result(folder, setting):
    try:
        return json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise Unusable(f"{folder / 'result.json'} is not JSON ({error}); {_remake(setting)}") from error


def _remake(setting, flag=""):
    return f"make it with: python -m validation.run {setting}{flag}"
