"""python -m validation.compact NAME ... [--arrays [FILE ...]] [--splits train] [--runs runs] [--out records]: copies
the small files of finished runs that figures and tables need, so that a checkout can draw them without any run.

NAME: a folder of --runs that contains seeds, such as rf_noisy_mnist or rf_noisy_mnist@data.label_noise=0.1, or a
pattern, such as 'function_space*'. For the lowest seed of each folder the log and the arrays are kept too, or of the
arrays those that --arrays names, and of outputs.npz the splits that --splits names; for the others only results and
configurations. Seeds that are in the records and not
in --runs stay. Smoke runs are skipped.
"""

import argparse
import re
import shutil
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from eigenkd import _atomic as atomic
from validation.errors import UsageError, exit_code, unknown
from validation.record import COMMITTED, RESULT, Folder
from validation.registered import REGISTERED
from validation.runs import ANY, find, telling

NOT_KEPT = ("weights.safetensors",)
OUTPUTS = "outputs.npz"
ARRAYS = (OUTPUTS, "snapshots.npz", "trajectory.npz")
SPLITS = ("train", "test")  # part of the names of the arrays in outputs.npz
KEPT_OF_ALL = ("config.json", "result.json", "mislabelled.npz")  # needed for every seed


def keep(run, record, whole=True, arrays=ARRAYS, splits=SPLITS):
    """Copies the files that figures and tables need into the new folder `record`, with a result that names these files
    alone, in few bytes; whole: include the log and these `arrays`, of the outputs those of the `splits`."""
    folder = Folder.at(run)
    folder.verify()
    record.mkdir(parents=True, exist_ok=True)
    for name in sorted(folder.finished()["files"]):
        dropped = name in NOT_KEPT or (name in ARRAYS and name not in arrays)
        if not dropped and (whole or name in KEPT_OF_ALL):
            if name == OUTPUTS and not set(SPLITS) <= set(splits):
                left_out = set(SPLITS) - set(splits)
                Folder.at(record).save("outputs", **{array: values for array, values in folder.arrays("outputs").items()
                                                     if not left_out & set(array.split("_"))})
            else:
                atomic.write(record / name, folder.contents(name))
    Folder.at(record).finish(folder.finished(), indent=None)


def compact(name, runs, out, arrays=ARRAYS, splits=SPLITS):
    """Writes the records of the runs `name` to `out`, folder by folder. Returns folder -> number of seeds in `runs`.

    A folder is replaced once its new one is whole. Raises UsageError for a pattern that matches no finished run, and if
    `runs` and `out` are the same folder.
    """
    if Path(runs).resolve() == Path(out).resolve():
        raise UsageError(f"--out: expected another folder than --runs, got {out} for both; name the folder of the "
                         "records")
    setting = re.split(r"[@*?[]", name)[0]
    if setting not in REGISTERED:
        raise unknown("NAME", setting, REGISTERED)
    found = [run for run in find(setting, where=ANY, out=runs, committed=runs) if fnmatchcase(run.name, name)]
    if not found:
        raise UsageError(f"NAME: expected a folder of finished runs in {runs}, got {name!r}, which has none; run some "
                         "first, or pass another --runs")
    seeds = {name: [run for run in found if run.name == name] for name in dict.fromkeys(run.name for run in found)}
    for name, mine in seeds.items():
        new = Path(out) / f".{name}.new"
        shutil.rmtree(new, ignore_errors=True)
        try:
            others = [path.parent for path in (Path(out) / name).glob(f"seed*/{RESULT}")
                      if path.parent.name not in {run.folder.name for run in mine}]
            lowest = min(_seed(folder) for folder in (*others, *(run.folder for run in mine)))
            for run in mine:
                keep(run.folder, new / run.folder.name, whole=run.seed == lowest, arrays=arrays, splits=splits)
            for folder in others:
                shutil.copytree(folder, new / folder.name)
            shutil.rmtree(Path(out) / name, ignore_errors=True)
            new.rename(Path(out) / name)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return {name: len(mine) for name, mine in seeds.items()}


def _seed(folder):
    return int(folder.name.removeprefix("seed"))


def main(arguments=None):
    """Returns the exit code: 0, or 2 for what the user can fix."""
    parser = argparse.ArgumentParser(prog="python -m validation.compact", description="Save what figures need of runs.")
    parser.add_argument("names", nargs="+", metavar="NAME", help="which runs, such as rf_noisy_mnist")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the folder of the runs (default: runs)")
    parser.add_argument("--out", type=Path, default=COMMITTED, help="where the records are saved (default: records)")
    parser.add_argument("--arrays", nargs="*", choices=ARRAYS, default=ARRAYS, metavar="FILE",
                        help=f"which of {', '.join(ARRAYS)} are saved (default: all; without a value none)")
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=SPLITS, metavar="SPLIT",
                        help=f"of which splits the arrays of {OUTPUTS} are saved (default: train test)")
    options = parser.parse_args(arguments)

    def work():
        with telling(lambda text: print(text, file=sys.stderr)):
            for name in options.names:
                for folder, seeds in compact(name, options.runs, options.out, options.arrays,
                                              options.splits).items():
                    print(f"{folder}: {seeds} seeds")

    return exit_code(work, "interrupted: the records are as they were, apart from those that are listed above")


if __name__ == "__main__":
    sys.exit(main())
