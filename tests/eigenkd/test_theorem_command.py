"""eigenkd theorem and the command of the package: what they print, in which format, and their mistakes."""

import csv
import io
import json
import sys

import numpy as np
import pytest

import eigenkd
from eigenkd import __main__ as package
from eigenkd import filters, theorem
from eigenkd.theorem.__main__ import main

LAM = 1 / np.arange(1.0, 31) ** 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path, rng = tmp_path_factory.mktemp("spectra"), np.random.default_rng(0)
    X = rng.normal(size=(9, 5))
    np.save(path / "lam.npy", LAM[::-1])
    np.savetxt(path / "lam.csv", LAM)
    np.save(path / "X.npy", X)
    np.save(path / "K.npy", X @ X.T)
    np.save(path / "cube.npy", np.ones((2, 2, 2)))
    return path


def printed(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 0
    return capsys.readouterr()


TIMES = "--teacher-time", 3.0, "--student-time", 2.0


def test_the_table_is_that_of_the_report(folder, capsys):
    expected = str(theorem.report(LAM, student_time=2.0, teacher_time=3.0, pivot=1))
    for name in ("lam.npy", "lam.csv"):  # in any order
        out = printed(capsys, folder / name, *TIMES, "--pivot", 1).out
        assert out == f"30 eigenvalues, as given.\n\n{expected}\n"


def test_all_directions_are_there_for_another_program(folder, capsys):
    out = printed(capsys, folder / "lam.npy", *TIMES, "--format", "csv")
    rows = list(csv.reader(io.StringIO(out.out)))
    assert len(rows) == 31 and "30 eigenvalues" in out.err
    assert [float(row[2]) for row in rows[1:]] == LAM.tolist() and [row[1] for row in rows[1:3]] == ["True", "False"]
    gaps = [float(row[3]) - float(row[4]) for row in rows[2:]]
    assert np.allclose(np.log(gaps), [float(row[6]) for row in rows[2:]], rtol=1e-6)
    assert len(json.loads(printed(capsys, folder / "lam.npy", *TIMES, "--format", "json", "--rows", 4).out)["rows"]) < 7


def test_features_and_their_kernel_have_the_same_eigenvalues(folder, capsys):
    features = printed(capsys, folder / "X.npy", *TIMES)
    kernel = printed(capsys, folder / "K.npy", "--kernel", *TIMES)
    assert features.out.startswith("5 directions of rank 5: eigenvalues of X X^T, from 9 samples of 5 features.")
    assert kernel.out.startswith("9 directions of rank 5")
    rows = [[row.split() for row in found.out.splitlines()[4:9]] for found in (features, kernel)]
    assert rows[0] == rows[1]


def test_what_rounding_makes_negative_is_zero(tmp_path, capsys):
    X = np.random.default_rng(0).normal(size=(40, 5))
    lam = np.linalg.eigvalsh(X @ X.T)
    assert lam.min() < 0
    np.save(tmp_path / "lam.npy", lam)
    assert "Theorem 4.1 and its pivot form hold in" in printed(capsys, tmp_path / "lam.npy", *TIMES).out
    np.save(tmp_path / "lam.npy", [1.0, -1e-6])
    assert main([str(tmp_path / "lam.npy"), *map(str, TIMES)]) == 2
    assert "expected numbers >= 0, got -1e-06" in capsys.readouterr().err


def test_several_times_are_generations(folder, capsys):
    out = printed(capsys, folder / "lam.npy", "--teacher-time", 3, 4, "--student-time", 2).out
    expected = theorem.report_generations(LAM, [filters.flow(t) for t in (3.0, 4.0, 2.0)])
    assert out.endswith(f"\n\n{expected}\n") and "generation 3 of flow(3), flow(4), flow(2)" in out


@pytest.mark.parametrize("arguments, message", [
    (("lam.npy", "--teacher-time", "-1", "--student-time", "1"), "--teacher-time: expected numbers >= 0, got -1"),
    (("lam.npy", "--teacher-time", "1", "--student-time", "nan"), "--student-time: expected numbers >= 0, got nan"),
    (("lam.npy", *TIMES, "--pivot", "30"), "pivot: expected the index of one of 30 eigenvalues, got 30"),
    (("lam.npy", *TIMES, "--rows", "0"), "--rows: expected a whole number from 1 on, got 0"),
    (("cube.npy", *TIMES), "FILE: expected eigenvalues (k,) or a matrix (n, p), got shape (2, 2, 2)"),
    (("X.npy", "--kernel", *TIMES), "K: expected a square matrix, got shape (9, 5)"),
    (("none.npy", *TIMES), "expected a file, found none; check the path"),
])
def test_a_mistake_is_one_line(folder, capsys, arguments, message):
    assert main([str(folder / arguments[0]), *map(str, arguments[1:])]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_the_package_runs_every_command(folder, capsys):
    assert package.main(["theorem", str(folder / "lam.npy"), *map(str, TIMES)]) == 0
    assert capsys.readouterr().out == printed(capsys, folder / "lam.npy", *TIMES).out
    for name in package.COMMANDS:
        with pytest.raises(SystemExit) as ended:
            package.main([name, "--help"])
        assert ended.value.code == 0 and capsys.readouterr().out.startswith(f"usage: eigenkd {name} ")
        with pytest.raises(SystemExit) as ended:
            package.main([name])
        assert ended.value.code == 2 and f"see eigenkd {name} --help" in capsys.readouterr().err


def test_version_and_an_unknown_command(capsys):
    with pytest.raises(SystemExit) as ended:
        package.main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == f"eigenkd {eigenkd.__version__}\n"
    with pytest.raises(SystemExit) as ended:
        package.main(["theorems"])
    assert ended.value.code == 2 and "'theorems'" in capsys.readouterr().err


@pytest.mark.parametrize("shell", package.SHELLS)
def test_completion_knows_commands_and_options(shell, capsys):
    pytest.importorskip("shtab")
    assert package.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("deviation", "teacher-time", "masked", "flipped"))


def test_without_shtab_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert package.main(["completion", "bash"]) == 2
    assert "pip install 'eigenkd[completion]'" in capsys.readouterr().err
