"""Two processes train what one trains, up to the order of sums; one that is killed costs nothing but time."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from validation import run
from validation.distributed import SINGLE

from .running import ROOT, finish, start, wait_for


def test_two_processes_train_what_one_trains(tmp_path):
    done = subprocess.run([sys.executable, "-m", "tests.validation.two_processes", str(tmp_path)], cwd=ROOT,
                          timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    differences = json.loads(done.stdout)
    assert differences.keys() >= {"0.weight", "1.running_mean", "1.running_var", "4.running_var", "losses", "logits"}
    assert differences.pop("losses") < 1e-6  # summed up in single precision
    assert max(differences.values()) < 1e-12


def test_one_process_has_all_the_work():
    indices = torch.arange(5)
    assert SINGLE.mine(indices) is indices and SINGLE.scale(5, 5) == 1 and SINGLE.on_first(lambda: 3) == 3
    assert SINGLE.agree(True, 1) and not SINGLE.agree(False, 10)


RUN = ("resnet8_digits", "--data.train-examples", "320", "--teacher.batch-size", "8", "--student.batch-size", "32",
       "--teacher.epochs", "1", "--student.epochs", "1", "--teacher.learning-rate", "0.01",
       "--student.learning-rate", "0.01", "--checkpoint-every", "10")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "1",
            "--standalone", "-m", "validation.run")


def second_worker(torchrun):
    """The process number of rank 1 among torchrun's children."""
    children = Path(f"/proc/{torchrun}/task/{torchrun}/children").read_text().split()
    (found,) = [child for child in children if b"RANK=1\0" in Path(f"/proc/{child}/environ").read_bytes().replace(
        b"LOCAL_RANK=1\0", b"").replace(b"GROUP_RANK=1\0", b"")]
    return int(found)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to tell the workers apart")
def test_a_killed_process_costs_nothing_once_torchrun_starts_again(tmp_path, capsys):
    process = start(tmp_path / "two", *RUN, before=TORCHRUN)
    wait_for(lambda: list(tmp_path.glob("two/teachers/*/checkpoints/0*")))
    os.kill(second_worker(process.pid), signal.SIGKILL)
    code, err = finish(process)
    assert code == 0, err
    assert "teacher: goes on after step " in err
    assert run.main([*RUN, "--out", str(tmp_path / "one")]) == 0
    folders = [next((tmp_path / name).glob("resnet8_digits@*/seed0")) for name in ("one", "two")]
    one, two = (dict(np.load(folder / "outputs.npz")) for folder in folders)
    capsys.readouterr()
    assert one.keys() == two.keys()
    for name in ("train_labels", "test_labels"):
        np.testing.assert_array_equal(one[name], two[name])
    for name in ("teacher_train", "teacher_test", "student_train", "student_test"):
        scale = np.abs(one[name]).max()
        assert np.abs(one[name] - two[name]).max() < 1e-3 * scale, name  # float32, 50 steps
    for folder in folders:
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == [40, 10]
