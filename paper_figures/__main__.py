"""python -m paper_figures [NAME ...] [--list] [--runs runs] [--out figures] [--seed K] [--where NAME=VALUE ...]

Figures are saved as PNG, PDF and SVG, tables as text, Markdown, LaTeX and JSON. Table rows that have runs are also
printed. Without names, everything that has runs is drawn, and what is missing is listed with the command that makes it.
--list says what each figure and table rests on. --where draws changed runs: --where data.label_noise=0.1.
"""

import argparse
import json
import os
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

from eigenkd.table import NONE, Cells, written
from paper_figures import FIGURES, NAMES, TABLES, named
from paper_figures.choice import Choice
from paper_figures.listing import listing
from paper_figures.saving import save
from validation.errors import UsageError, unknown
from validation.runs import telling

WIDTH = 140  # characters per line of the notes under a printed table


def main(arguments=None):
    """Draws the named figures, or all. Returns 1 if a named one, or every one, cannot be drawn, else 0."""
    parser = argparse.ArgumentParser(prog="python -m paper_figures", description="Draw figures from run folders.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which figures and tables (default: all)")
    parser.add_argument("--list", action="store_true", help="say what each figure and table is drawn from, and exit")
    parser.add_argument("--runs", type=Path, help="where the run folders are (default: runs, if it is there)")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="where figures are saved (default: figures)")
    parser.add_argument("--seed", type=int, help="the seed of the runs in figures (default: the lowest one found)")
    parser.add_argument("--where", nargs="+", default=[], metavar="NAME=VALUE", type=_value,
                        help="draw runs with these values, such as data.label_noise=0.1 (default: unchanged settings)")
    options = parser.parse_args(arguments)
    try:
        _check(options)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    entries = list(dict.fromkeys(entry for name in options.names or FIGURES | TABLES for entry in named(name)))
    choice = Choice(options.runs or Path("runs"), options.seed, dict(options.where))
    told = []
    with telling(told.append):
        if options.list:
            print(listing(entries, [_status(entry, choice) for entry in entries], bool(options.names)))
            code = 0
        else:
            code = _draw(entries, choice, options, told)
    return code


def _check(options):
    """Raises UsageError for a name that is none and for a folder that is not there."""
    for name in options.names:
        if not named(name):
            raise unknown("NAME", name.lower(), NAMES)
    if options.runs is not None and not options.runs.is_dir():
        raise UsageError(f"--runs: expected a folder of runs, got {options.runs}, which is "
                         f"{'no folder' if options.runs.exists() else 'not there'}; name one that is, or leave --runs "
                         "out to draw the committed records")
    if options.runs is not None and any(options.runs.iterdir()) and not any(options.runs.glob("*/seed*/result.json")):
        raise UsageError(f"--runs: expected a folder of runs (SETTING/seed0 in it), got {options.runs}, which has "
                         "none; name the folder above the settings, or leave --runs out to draw the committed records")
    if options.out.suffix and not options.out.is_dir():
        raise UsageError(f"--out: expected a folder, got {options.out}; every figure is saved in it as PNG, PDF and "
                         "SVG")


def _draw(entries, choice, options, told):
    drawn, failed = 0, []
    for entry in entries:
        try:
            with telling(told.append):
                found = entry.found(_of(entry, choice))
                made, page = entry.made(found), _page(entry, found)
        except UsageError as problem:
            failed.append(f"{entry.name}: not drawn: {problem}")
            continue
        try:
            if isinstance(made, Cells):
                _print(made)
            print("\n".join(map(str, save(made, entry.name, options.out, page))))
        except BrokenPipeError:  # the reader of stdout is gone; --out is not at fault
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except OSError as error:
            print(f"error: --out: expected a folder to write to, got {options.out} ({error.strerror}); name another",
                  file=sys.stderr)
            return 2
        drawn += 1
    for line in dict.fromkeys([*told, *failed]):
        print(line, file=sys.stderr)
    return 1 if failed and (options.names or not drawn) else 0


def _page(entry, found):
    """The HTML document of an entry that has one, if plotly is installed."""
    if entry.page is None:
        return None
    try:
        return entry.page(found)
    except ImportError as missing:
        print(f"{entry.name}.html: not written: {missing}", file=sys.stderr)
        return None


def _status(entry, choice):
    """The `Status` of an entry, or the sentence that says why it cannot be told."""
    try:
        return entry.status(_of(entry, choice))
    except UsageError as problem:
        return str(problem)


def _of(entry, choice):
    """The choice for an entry: a table is of all seeds."""
    return replace(choice, seed=None) if entry.name in TABLES else choice


def _print(table):
    """Prints the rows of a table that have runs."""
    measured = tuple(row for row in table.rows if row[-1] != NONE)
    lines = written(replace(table, rows=measured or table.rows)).split("\n")
    print("\n".join(textwrap.fill(line, WIDTH) if line in table.notes else line for line in lines))


def _value(text):
    """(name, value) of NAME=VALUE; a value that is not JSON is a string."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}; pass for example data.label_noise=0.1")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, None if value == "none" else value


if __name__ == "__main__":
    sys.exit(main())
