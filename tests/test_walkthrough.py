"""The first notebook runs as a script from start to end, and prints what its text says."""

import os
import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "docs" / "walkthrough.py"


def test_the_walkthrough_runs_and_prints_its_results(tmp_path):
    done = subprocess.run([sys.executable, str(SCRIPT)], cwd=tmp_path, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(SCRIPT.parent.parent), "MPLBACKEND": "agg"})
    assert done.returncode == 0, done.stderr
    said = done.stdout
    directions = int(re.search(r"(\d+) eigendirections", said)[1])
    assert f"hold in {directions - 1} of {directions - 1} directions other than the pivot" in said
    assert f"three generations: the order holds in {directions} of {directions}" in said
    assert re.search(r"1 times as long .* holds in \d+, fails in 0\n", said)
    assert int(re.search(r"0.2 times as long .* fails in (\d+)\n", said)[1]) > directions / 2
    found = re.findall(r"(\w+) +test accuracy .* labels ([\d.]+)", said)
    accuracies = {family: float(value) for family, value in found}
    assert set(accuracies) == {"teacher", "student", "mixture", "ridge"}
    assert min(accuracies.values()) > 0.8
