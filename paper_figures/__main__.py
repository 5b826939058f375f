"""python -m paper_figures [NAME ...] [--list] [--runs runs] [--out figures] [--seed K] [--where NAME=VALUE ...]

Figures are saved as PNG and PDF, tables as Markdown and LaTeX. Table rows that have runs are also printed. Without
names, everything that has runs is drawn, and what is missing is listed with the command that produces it. --where draws
changed runs: --where data.label_noise=0.1.
"""

import argparse
import io
import json
import os
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

from eigenkd import _atomic as atomic
from eigenkd.table import NONE, Cells, written
from paper_figures import FIGURES, TABLES
from paper_figures.choice import Choice
from validation.errors import UsageError
from validation.runs import telling

WIDTH = 140  # characters per line of the notes under a printed table
PICTURES = {"png": {"dpi": 200}, "pdf": {"metadata": {"CreationDate": None}}}


def main(arguments=None):
    """Draws the named figures, or all. Returns 1 if a named one, or every one, cannot be drawn, else 0."""
    parser = argparse.ArgumentParser(prog="python -m paper_figures", description="Draw figures from run folders.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which figures and tables (default: all)")
    parser.add_argument("--list", action="store_true", help="list the figures and tables and exit")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the run folders are (default: runs)")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="where figures are saved (default: figures)")
    parser.add_argument("--seed", type=int, help="the seed of the runs in figures (default: the lowest one found)")
    parser.add_argument("--where", nargs="+", default=[], metavar="NAME=VALUE", type=_value,
                        help="draw runs with these values, such as data.label_noise=0.1 (default: unchanged settings)")
    options = parser.parse_args(arguments)
    known = FIGURES | TABLES
    if options.list:
        print(written(Cells((), tuple((name, entry.shows) for name, entry in known.items()), align="ll")))
        return 0
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no figure is called {', '.join(unknown)}; there are: {', '.join(known)}")
    choice = Choice(options.runs, options.seed, dict(options.where))
    drawn, failed, told = 0, [], []
    for name in dict.fromkeys(options.names or known):
        try:
            with telling(told.append):
                made = known[name].draw(replace(choice, seed=None) if name in TABLES else choice)
        except UsageError as problem:
            failed.append(f"{name}: not drawn: {problem}")
            continue
        try:
            save(made, name, options.out)
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


def save(made, name, out):
    """Saves a figure as out/name.png (200 dots per inch) and out/name.pdf, or a table as out/name.md and out/name.tex.

    Prints the paths, and the table."""
    out.mkdir(parents=True, exist_ok=True)
    if isinstance(made, Cells):
        measured = tuple(row for row in made.rows if row[-1] != NONE)
        lines = written(replace(made, rows=measured or made.rows)).split("\n")
        print("\n".join(textwrap.fill(line, WIDTH) if line in made.notes else line for line in lines))
        contents = {"md": written(made, "markdown"), "tex": written(made, "latex")}
        contents = {ending: f"{text}\n".encode() for ending, text in contents.items()}
    else:
        contents = {ending: _picture(made, ending, how) for ending, how in PICTURES.items()}
    for ending, content in contents.items():
        atomic.write(out / f"{name}.{ending}", content)
        print(out / f"{name}.{ending}")


def _picture(figure, format, how):
    content = io.BytesIO()
    figure.savefig(content, format=format, **how)
    figure.set_layout_engine("none")  # the second format reuses the layout of the first
    return content.getvalue()


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
