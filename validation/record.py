"""Run folders: what a run leaves behind, how a finished one is told, and how it is kept from harm."""

import json
import os
import platform
import subprocess
from importlib.metadata import version
from itertools import chain, count
from pathlib import Path

import numpy as np

from validation.errors import UsageError

CODE = (":/eigenkd", ":/validation", ":/pyproject.toml")  # what a result depends on, from the top of the checkout
PARTS = ("result.json", "config.json", "metrics.jsonl", "outputs.npz", "trajectory.npz")


class RunFolder:
    """`<out>/<setting>/seed<k>/`. `result.json` is written last: a run is finished where it is there."""

    def __init__(self, out, setting, seed):
        self.path = Path(out) / setting / f"seed{seed}"

    def finished(self):
        """The result of a finished run, or None. Raises UsageError for a result that cannot be read."""
        return self._read("result.json")

    def is_finished(self):
        return (self.path / "result.json").exists()

    def configuration(self):
        """The configuration of the run that is there, or None."""
        return self._read("config.json")

    def begin(self, configuration):
        """Makes the folder, clears what an unfinished run left, and writes the configuration."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name in PARTS:
                (self.path / name).unlink(missing_ok=True)
            self._write("config.json", configuration)
        except OSError as error:
            raise UsageError(f"--out: expected a folder to write to, got {self.path} ({error.strerror}); "
                             "name another with --out") from error

    def set_aside(self):
        """Renames the folder to previous-seed<k>, previous-seed<k>-2, ..., the first that is free, and returns it.

        Not to a name that begins with seed, lest who reads seed* counts a run twice.
        """
        names = (f"previous-{self.path.name}{ending}" for ending in chain([""], (f"-{i}" for i in count(2))))
        return self.path.rename(next(path for path in map(self.path.with_name, names) if not path.exists()))

    def log(self, entry):
        """Appends one line to metrics.jsonl."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(entry, allow_nan=False) + "\n")

    def save(self, name, **arrays):
        """Writes arrays to <name>.npz."""
        np.savez_compressed(self.path / f"{name}.npz", **arrays)

    def finish(self, result):
        """Writes result.json: under another name first, flushed to the disk, then renamed."""
        self._write("result.json", result)

    def _read(self, name):
        try:
            return json.loads((self.path / name).read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise UsageError(f"--out: expected a readable {name}, {self.path / name} is not ({error}); delete that "
                             "folder, or keep it aside with --no-resume") from error

    def _write(self, name, value):
        temporary = self.path / f".{name}.partial"
        with temporary.open("w") as file:
            file.write(json.dumps(value, indent=1, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path / name)


def differences(old, new, prefix=""):
    """One line for each value that differs between two configurations, by its dotted name."""
    lines = []
    for key in sorted(old.keys() | new.keys()):
        before, after, name = old.get(key), new.get(key), f"{prefix}{key}"
        if isinstance(before, dict) and isinstance(after, dict):
            lines += differences(before, after, f"{name}.")
        elif before != after:
            lines.append(f"{name}: {json.dumps(before)} there, {json.dumps(after)} now")
    return lines


def provenance(device, threads, source=Path(__file__).parent):
    """What a result was made with: the commit of `source` (None outside a checkout), versions, device, CPU threads."""
    commit = _git(source, "rev-parse", "--verify", "--quiet", "HEAD")
    return {
        "commit": commit,
        "dirty": None if commit is None else bool(_git(source, "status", "--porcelain", "--", *CODE)),
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("eigenkd", "torch", "numpy", "scipy")},
        "device": device,
        "threads": threads,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
    }


def _git(folder, *arguments):
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
