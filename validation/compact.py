"""python -m validation.compact NAME ... [--runs runs] [--out records]: the small part of finished runs that figures and
tables are drawn from, so that a checkout draws them without having run anything.

NAME: a folder of runs with seeds in it, such as rf_noisy_mnist. Of its lowest seed arrays are kept too, of the others
their results and configurations.
"""

import argparse
import shutil
import sys
from pathlib import Path

from validation.errors import UsageError
from validation.record import COMMITTED

NOT_KEPT = ("weights.safetensors",)
KEPT_OF_ALL = ("config.json", "result.json", "mislabelled.npz")  # what is looked at seed by seed


def keep(run, record, whole=True):
    """Copies what figures and tables are drawn from, its result last; whole: its arrays and its log too."""
    record.mkdir(parents=True, exist_ok=True)
    names = sorted((path.name for path in run.iterdir() if path.is_file()), key=lambda name: name == "result.json")
    for name in names:
        if name not in NOT_KEPT and (whole or name in KEPT_OF_ALL):
            shutil.copyfile(run / name, record / name)


def compact(name, runs, out):
    """Replaces out/name by the compact records of runs/name, seed by seed, and returns how many there are."""
    finished = sorted((result.parent for result in (runs / name).glob("seed*/result.json")),
                      key=lambda folder: (len(folder.name), folder.name))
    if not finished:
        raise UsageError(f"NAME: expected a folder of finished runs in {runs}, got {name!r}, which has none; make some "
                         "first, or name another --runs")
    shutil.rmtree(out / name, ignore_errors=True)
    for folder in finished:
        keep(folder, out / name / folder.name, whole=folder == finished[0])
    return len(finished)


def main(arguments=None):
    """Returns the exit code: 0, or 2 for what the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m validation.compact", description="Keep what figures need of runs.")
    parser.add_argument("names", nargs="+", metavar="NAME", help="which runs, such as rf_noisy_mnist")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where they are (default: runs)")
    parser.add_argument("--out", type=Path, default=COMMITTED, help="where their records go (default: records)")
    options = parser.parse_args(arguments)
    try:
        for name in options.names:
            print(f"{name}: {compact(name, options.runs, options.out)} seeds")
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
