"""kill -9 at any moment: the resumed run is bit-identical to an uninterrupted one."""

import json
import subprocess
import sys

import pytest

from .running import QUICK, ROOT

EPOCHS = ("--teacher.epochs", "2", "--student.epochs", "2", "--scale-schedule")
SETTINGS = {
    # Batch normalisation, Nesterov momentum, augmentation and a loss switch; and Adam with recorded paths.
    "resnet8_digits": ("--data.train-examples", "48", "--teacher.batch-size", "8", "--student.batch-size", "8",
                       "--student.loss.terms", "distilled to one_hot at step 4", "--evaluation.every", "2",
                       "--evaluation.snapshots", "1", "2", *QUICK[1:]),
    "mlp_mnist": ("--data.train-examples", "64", "--model.hidden", "20"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_killed_and_resumed_run_is_bit_identical(tmp_path, name):
    """25 kills for each of two settings."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.validation.killing", str(tmp_path / "runs"), "25", name, "--smoke", *EPOCHS,
         *SETTINGS[name], "--checkpoint-every", "2"], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert report["differing"] == []
    assert "--evaluation.snapshots" not in SETTINGS[name] or any("snapshots.npz" in path for path in report["files"])
    assert {path.split("/")[-1] for path in report["files"]} >= {"outputs.npz", "metrics.jsonl", "weights.safetensors"}
    assert report["kills"] == {"timer": 13, "inside a save": 6, "outside a save": 6}
