"""Two processes train the same network as one up to the order of summation; a killed process only costs time."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from validation.distributed import SINGLE, Group

from .running import QUICK, ROOT, SIGNALLED, address, finish, same_files, start

RUN = (*QUICK, "--data.train-examples", "160", "--teacher.batch-size", "8", "--student.batch-size", "32",
       "--teacher.epochs", "1", "--student.epochs", "1", "--teacher.learning-rate", "0.01",
       "--student.learning-rate", "0.01", "--checkpoint-every", "10")
FP64 = address(*RUN, "--precision", "fp64")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "1",
            "--standalone")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(largest differences of a small network, the folder of the runs), see tests.validation.two_processes."""
    folder = tmp_path_factory.mktemp("trained")
    done = subprocess.run([sys.executable, "-m", "tests.validation.two_processes", str(folder), *RUN], cwd=ROOT,
                          timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout), folder


def test_two_processes_train_the_same_network_as_one(trained):
    differences, _ = trained
    assert differences.keys() >= {"0.weight", "1.running_mean", "1.running_var", "4.running_var", "losses", "logits"}
    assert max(differences.values()) < 1e-12


def test_two_processes_train_the_same_resnet_as_one(trained):
    """In double precision: in single precision the order of summation can move an activation across the kink of a ReLU,
    and small differences grow."""
    _, folder = trained
    one, two = (dict(np.load(folder / name / FP64 / "outputs.npz")) for name in ("one", "fp64"))
    assert one.keys() == two.keys()
    for name in ("train_labels", "test_labels"):
        np.testing.assert_array_equal(one[name], two[name])
    for name in ("teacher_train", "teacher_test", "student_train", "student_test"):
        assert one[name].dtype == np.float64
        assert np.abs(one[name] - two[name]).max() < 1e-9 * np.abs(one[name]).max(), name
    for name in ("one", "fp64"):
        lines = (folder / name / FP64 / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == [20, 5]


def test_a_single_process_does_all_the_work():
    indices = torch.arange(5)
    assert SINGLE.mine(indices) is indices and SINGLE.scale(5, 5) == 1 and SINGLE.on_first(lambda: 3) == 3
    assert SINGLE.agree(True, 1) and not SINGLE.agree(False, 10)


@pytest.mark.parametrize(("values", "first", "second"), [([3, 5], 3, 5), ([3, 5, 7], 15, 0), ([3], 3, 0)])
def test_each_process_resumes_with_its_own_sum_of_losses(values, first, second):
    """The sum of all would round differently from an uninterrupted run."""
    for rank, expected in enumerate((first, second)):
        group = Group.__new__(Group)
        group.rank, group.size, group.first = rank, 2, rank == 0
        assert float(group.own(torch.tensor(values, dtype=torch.float32))) == expected
    assert float(SINGLE.own(torch.tensor([3.0, 5.0]))) == 8


def test_a_run_with_a_killed_process_resumes_after_torchrun_restarts(trained, tmp_path):
    _, folder = trained
    process = start(tmp_path, *RUN, "--precision", "fp32", before=(*TORCHRUN, *SIGNALLED, "SIGKILL", "15"))
    code, err = finish(process)
    assert code == 0, err
    assert "teacher: resumes after step 10 " in err
    assert same_files(tmp_path, folder / "fp32") == []
