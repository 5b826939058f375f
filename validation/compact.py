"""python -m validation.compact NAME ... [--no-arrays] [--runs runs] [--out records]: copies the small files of finished
runs that figures and tables need, so that a checkout can draw them without running anything.

NAME: a folder of --runs that contains seeds, such as rf_noisy_mnist or rf_noisy_mnist@data.label_noise=0.1, or a
pattern, such as 'function_space*'. For the lowest seed of each folder the log is kept too, and the arrays unless
--no-arrays is given; for the others only results and configurations. Smoke runs are skipped.
"""

import argparse
import re
import shutil
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from eigenkd import _atomic as atomic
from validation.errors import UsageError
from validation.record import COMMITTED, Folder
from validation.runs import ANY, find, telling

NOT_KEPT = ("weights.safetensors",)
ARRAYS = ("outputs.npz", "trajectory.npz")
KEPT_OF_ALL = ("config.json", "result.json", "mislabelled.npz")  # needed for every seed


def keep(run, record, whole=True, arrays=True):
    """Copies the files that figures and tables need, the result last; whole: include the log and, if `arrays`, the
    arrays."""
    record.mkdir(parents=True, exist_ok=True)
    names = sorted((path.name for path in run.iterdir() if path.is_file()), key=lambda name: name == "result.json")
    for name in names:
        if name not in NOT_KEPT + (() if arrays else ARRAYS) and (whole or name in KEPT_OF_ALL):
            atomic.write(record / name, (run / name).read_bytes())


def compact(name, runs, out, arrays=True):
    """Replaces the records of the runs `name` in `out`, folder by folder. Returns folder -> number of seeds."""
    setting = re.split(r"[@*?[]", name)[0]
    found = [run for run in find(setting, where=ANY, out=runs, committed=runs) if fnmatchcase(run.name, name)]
    if not found:
        raise UsageError(f"NAME: expected a folder of finished runs in {runs}, got {name!r}, which has none; run some "
                         "first, or pass another --runs")
    for run in found:
        Folder.at(run.folder).verify()  # before anything is replaced
    kept = {}
    for run in found:
        if run.name not in kept:
            shutil.rmtree(out / run.name, ignore_errors=True)
        keep(run.folder, out / run.name / run.folder.name, whole=run.name not in kept, arrays=arrays)
        kept[run.name] = kept.get(run.name, 0) + 1
    return kept


def main(arguments=None):
    """Returns the exit code: 0, or 2 for what the user can fix."""
    parser = argparse.ArgumentParser(prog="python -m validation.compact", description="Save what figures need of runs.")
    parser.add_argument("names", nargs="+", metavar="NAME", help="which runs, such as rf_noisy_mnist")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the folder of the runs (default: runs)")
    parser.add_argument("--out", type=Path, default=COMMITTED, help="where the records are saved (default: records)")
    parser.add_argument("--no-arrays", dest="arrays", action="store_false", help="save no outputs and no trajectories")
    options = parser.parse_args(arguments)
    try:
        with telling(lambda text: print(text, file=sys.stderr)):
            for name in options.names:
                for folder, seeds in compact(name, options.runs, options.out, options.arrays).items():
                    print(f"{folder}: {seeds} seeds")
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
