"""python -m paper_figures [NAME ...] [--list] [--runs runs] [--out figures] [--seed K]"""

import argparse
import sys
from pathlib import Path

from paper_figures import FIGURES
from paper_figures.records import Unusable


def main(arguments=None):
    """Draw the named figures, all without names, as PNG and PDF; 1 where one could not be drawn, else 0."""
    parser = argparse.ArgumentParser(prog="python -m paper_figures", description="Draw figures from run folders.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which figures (default: all)")
    parser.add_argument("--list", action="store_true", help="name the figures and stop")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the run folders are (default: runs)")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="where the pictures go (default: figures)")
    parser.add_argument("--seed", type=int, help="the seed whose run is drawn (default: the lowest that is there)")
    options = parser.parse_args(arguments)
    if options.list:
        for name, entry in FIGURES.items():
            print(f"{name:<16} {entry.shows}")
        return 0
    if unknown := [name for name in options.names if name not in FIGURES]:
        parser.error(f"no figure is called {', '.join(unknown)}; there are: {', '.join(FIGURES)}")
    complete = True
    for name in dict.fromkeys(options.names or FIGURES):
        try:
            figure = FIGURES[name].draw(options.runs, options.seed)
        except Unusable as problem:
            print(f"{name}: not drawn: {problem}", file=sys.stderr)
            complete = False
            continue
        try:
            save(figure, name, options.out)
        except OSError as error:
            print(f"error: --out: expected a folder to write to, got {options.out} ({error.strerror}); name another",
                  file=sys.stderr)
            return 2
    return 0 if complete else 1


def save(figure, name, out):
    """Write a figure to out/name.png, 200 dots per inch, and out/name.pdf, and print both paths."""
    out.mkdir(parents=True, exist_ok=True)
    for path, how in ((out / f"{name}.png", {"dpi": 200}), (out / f"{name}.pdf", {"metadata": {"CreationDate": None}})):
        figure.savefig(path, **how)
        figure.set_layout_engine("none")  # what the first picture laid out serves the second
        print(path)


if __name__ == "__main__":
    sys.exit(main())
