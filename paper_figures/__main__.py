"""python -m paper_figures [NAME ...] [--list] [--runs runs] [--out figures] [--seed K]

Figures are written as PNG and PDF, tables as Markdown and LaTeX; of those, what has been run is printed. Without names
everything is drawn that there are runs for, and what is missing is listed with its command.
"""

import argparse
import os
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

from eigenkd.table import NONE, Cells, written
from paper_figures import FIGURES, TABLES
from paper_figures.records import Unusable

WIDTH = 140  # of the notes under a printed table


def main(arguments=None):
    """Draw what is named, or all that can be; 1 where something that was named, or all of it, could not be, else 0."""
    parser = argparse.ArgumentParser(prog="python -m paper_figures", description="Draw figures from run folders.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which figures and tables (default: all)")
    parser.add_argument("--list", action="store_true", help="name the figures and tables and stop")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the run folders are (default: runs)")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="where the pictures go (default: figures)")
    parser.add_argument("--seed", type=int, help="the seed whose run is drawn (default: the lowest that is there)")
    options = parser.parse_args(arguments)
    known = FIGURES | TABLES
    if options.list:
        width = max(map(len, known))
        for name, entry in known.items():
            print(f"{name:<{width}}  {entry.shows}")
        return 0
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no figure is called {', '.join(unknown)}; there are: {', '.join(known)}")
    drawn, missing = 0, []
    for name in dict.fromkeys(options.names or known):
        try:
            made = known[name].draw(options.runs) if name in TABLES else known[name].draw(options.runs, options.seed)
        except Unusable as problem:
            missing.append(f"{name}: not drawn: {problem}")
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
    print(*missing, sep="\n", end="\n" if missing else "", file=sys.stderr)
    return 1 if missing and (options.names or not drawn) else 0


def save(made, name, out):
    """Write a figure to out/name.png, 200 dots per inch, and out/name.pdf, or a table to out/name.md and out/name.tex,
    and print the paths, and the table."""
    out.mkdir(parents=True, exist_ok=True)
    if isinstance(made, Cells):
        measured = tuple(row for row in made.rows if row[-1] != NONE)
        lines = written(replace(made, rows=measured or made.rows)).split("\n")
        print("\n".join(textwrap.fill(line, WIDTH) if line in made.notes else line for line in lines))
        for ending, format in (("md", "markdown"), ("tex", "latex")):
            (out / f"{name}.{ending}").write_text(written(made, format) + "\n", encoding="utf-8")
            print(out / f"{name}.{ending}")
        return
    for path, how in ((out / f"{name}.png", {"dpi": 200}), (out / f"{name}.pdf", {"metadata": {"CreationDate": None}})):
        made.savefig(path, **how)
        made.set_layout_engine("none")  # what the first picture laid out serves the second
        print(path)


if __name__ == "__main__":
    sys.exit(main())
