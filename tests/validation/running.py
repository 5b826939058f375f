"""Runs in separate processes, as a user starts them."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from validation import run
from validation.plans import make_plans
from validation.sealed import SEAL

ROOT = Path(__file__).parents[2]
SIGNALLED = ("-m", "tests.validation.signalled")
# Batch normalisation, augmentation, Nesterov momentum; a layer with fixed inputs and a deeper one.
QUICK = ("resnet8_digits", "--analysis.layers", "stem", "classifier.linear",
         *(f"--{role}.{value}" for role in ("teacher", "student")
           for value in ("schedule=constant", "warmup-epochs=0", "decay-epochs")))


def address(*arguments):
    """The address of the single run that these arguments of validation.run describe."""
    (plan,) = make_plans(*run.parse([*map(str, arguments)]))
    return plan.folder.name


def start(out, *arguments, before=(sys.executable, "-m", "validation.run")):
    """Starts a command with run folders in `out` and returns its process."""
    return subprocess.Popen([*before, *map(str, arguments), "--out", str(out)], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})


def finish(process, seconds=240):
    """Waits for a process and returns its exit code and standard error."""
    _, err = process.communicate(timeout=seconds)
    return process.returncode, err


def contents(out):
    """Path -> digest for each file of finished runs, without their seconds and their commit, which may differ."""
    found = {}
    for path in sorted(Path(out).rglob("*")):
        if path.is_dir() or ".locks" in path.parts:
            continue
        content = path.read_bytes()
        if path.name == "result.json":
            content = json.dumps(json.loads(content) | dict.fromkeys(("seconds", "commit", "dirty", SEAL))).encode()
        found[str(path.relative_to(out))] = hashlib.sha256(content).hexdigest()
    assert found, f"nothing to compare in {out}"
    return found


def same_files(one, other):
    """The paths of the files that differ, or exist in only one of the two."""
    one, other = contents(one), contents(other)
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
