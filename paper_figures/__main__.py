"""python -m paper_figures [NAME ...] [--list] [--runs runs] [--out figures] [--seed K] [--where NAME=VALUE ...]

Figures are written as PNG and PDF, tables as Markdown and LaTeX; of those, what has been run is printed. Without names
everything is drawn that there are runs for, and what is missing is listed with its command. --where draws changed runs:
--where data.label_noise=0.1.
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

WIDTH = 140  # of the notes under a printed table
PICTURES = {"png": {"dpi": 200}, "pdf": {"metadata": {"CreationDate": None}}}


def main(arguments=None):
    """Draw what is named, or all that can be; 1 where something that was named, or all of it, could not be, else 0."""
    parser = argparse.ArgumentParser(prog="python -m paper_figures", description="Draw figures from run folders.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which figures and tables (default: all)")
    parser.add_argument("--list", action="store_true", help="name the figures and tables and stop")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the run folders are (default: runs)")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="where the pictures go (default: figures)")
    parser.add_argument("--seed", type=int, help="the seed whose run figures show (default: the lowest that is there)")
    parser.add_argument("--where", nargs="+", default=[], metavar="NAME=VALUE", type=_value,
                        help="runs with these values, such as data.label_noise=0.1 (default: settings as they stand)")
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
        except BrokenPipeError:  # who reads what is printed has gone: that says nothing of --out
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
    """Write a figure to out/name.png, 200 dots per inch, and out/name.pdf, or a table to out/name.md and out/name.tex,
    and print the paths, and the table."""
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
    figure.set_layout_engine("none")  # what the first picture laid out serves the second
    return content.getvalue()


def _value(text):
    """(name, value) of NAME=VALUE; a value that is no JSON is a word."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}; pass for example data.label_noise=0.1")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, None if value == "none" else value


if __name__ == "__main__":
    sys.exit(main())
