"""python -m eigenkd.risk on small files: what it prints, in which format, and its mistakes."""

import csv
import io
import json

import numpy as np
import pytest

from eigenkd import filters, linear_flow, risk
from eigenkd.risk.__main__ import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    X = rng.normal(size=(80, 120)) / np.arange(1, 121) ** 0.5
    y = X[:, 0] + rng.normal(size=80)
    np.save(path / "X.npy", X)
    np.save(path / "y.npy", y)
    np.save(path / "K.npy", X @ X.T)
    np.save(path / "classes.npy", (y > 0) + 2 * (X[:, 1] > 0.3))
    np.save(path / "names.npy", np.where(y > 0, "cat", "dog"))
    np.save(path / "each.npy", np.arange(80))
    np.savetxt(path / "X.csv", X, delimiter=",", header=",".join(f"f{i}" for i in range(120)), comments="")
    return path


def printed(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 0
    return capsys.readouterr()


def test_the_table_is_that_of_the_estimates(folder, capsys):
    X, y = np.load(folder / "X.npy"), np.load(folder / "y.npy")
    flow = linear_flow(X, y)
    for inputs, tuned in (("new", risk.tune(flow, "teacher", "loo")),
                          ("training", risk.tune(flow, "teacher", "sure", noise=1.0))):
        out = printed(capsys, folder / "X.npy", folder / "y.npy", "--inputs", inputs, "--noise", 1, "--format", "csv")
        rows = list(csv.reader(io.StringIO(out.out)))
        assert f"Stop at {tuned.parameters['time']:.4g}: squared error on {inputs} inputs {tuned.value:.4g}" in out.err
        assert "noise of the labels 1 (given)" in out.err and len(rows) == 8 and len(set(rows[0])) == len(rows[0])
        for factor, row in zip((0.25, 0.5, 1, 2, 4, 16, 64), rows[1:]):
            f = filters.flow(factor * tuned.parameters["time"])
            change = risk.estimated_change(flow, f, f, 1.0, inputs)
            assert [float(v) for v in row[2:4]] == pytest.approx([float(change.value), float(change.standard_error)])
            assert row[5] == risk.advise(flow, student_time=f.arguments[0], teacher_time=f.arguments[0], noise=1.0,
                                         inputs=inputs).verdict


def test_a_change_of_less_than_a_millionth_is_no_number(folder, capsys):
    out = printed(capsys, folder / "X.npy", folder / "y.npy", "--student-time", "inf", "--format", "csv").out
    rows = list(csv.reader(io.StringIO(out)))[1:]
    assert len(rows) == 7 and all(row[2:5] == [""] * 3 and row[5:7] == ["can't tell", ""] for row in rows)


def test_an_estimate_below_zero_is_explained_and_constant_labels_are_no_classes(tmp_path, capsys):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "exact.npy", X @ [1.0, 2.0, 3.0])
    np.save(tmp_path / "ones.npy", np.ones(60))
    unbiased = printed(capsys, tmp_path / "X.npy", tmp_path / "exact.npy", "--inputs", "training", "--noise", 0.5).out
    assert "squared error on training inputs -" in unbiased
    assert "An unbiased estimate of an error close to 0 may be negative." in unbiased
    ones = printed(capsys, tmp_path / "X.npy", tmp_path / "ones.npy").out
    assert "whole numbers" not in ones and "negative" not in ones


def test_labels_that_are_not_centred_and_kernels_that_are_not_named_are_noticed(folder, tmp_path, capsys):
    np.save(tmp_path / "far.npy", np.load(folder / "y.npy") + 30)
    far = printed(capsys, folder / "X.npy", tmp_path / "far.npy").out
    assert "the labels are not centred. Add --intercept." in far
    spread = np.var(np.load(folder / "y.npy")) * (80 / 79) ** 2
    assert f"Predicting the mean of the labels alone has {spread:.4g}:" in far
    for right in ((folder / "X.npy", folder / "y.npy"), (folder / "X.npy", tmp_path / "far.npy", "--intercept")):
        assert "not centred" not in printed(capsys, *right).out
    of_kernel = printed(capsys, folder / "K.npy", tmp_path / "far.npy", "--kernel").out
    assert "Centre the kernel and the labels." in of_kernel
    assert "X is a symmetric matrix; add --kernel" in printed(capsys, folder / "K.npy", folder / "y.npy").out


def test_files_kernels_classes_and_formats(folder, capsys):
    plain = printed(capsys, folder / "X.npy", folder / "y.npy").out
    assert "80 samples, 1 output(s), rank 80; noise of the labels" in plain and "(estimated)" in plain
    assert printed(capsys, folder / "X.csv", folder / "y.npy").out.splitlines()[1] == plain.splitlines()[1]
    without = printed(capsys, folder / "X.csv", folder / "y.npy", "--drop", "f3", "f7").out
    assert "rank 80" in without and without.splitlines()[1] != plain.splitlines()[1]
    assert "whole numbers" not in plain
    assert "The labels are 4 different whole numbers; add --classes if they are classes." in printed(
        capsys, folder / "X.npy", folder / "classes.npy").out
    kernel = printed(capsys, folder / "K.npy", folder / "y.npy", "--kernel").out
    assert kernel.splitlines()[1] == plain.splitlines()[1]
    classes = printed(capsys, folder / "X.npy", folder / "classes.npy", "--classes", "--flipped", 0.1, "--intercept",
                      "--inputs", "training", "--format", "json")
    assert f"4 output(s), rank 79; noise of the labels {risk.flip_noise(0.1, 4):.4g} (given)" in classes.err
    rows = json.loads(classes.out)["rows"]
    assert len(rows) == 7 and all(isinstance(v, float | None) for row in rows for v in (*row[:5], *row[6:]))
    judged = printed(capsys, folder / "X.npy", folder / "y.npy", "--teacher-time", 1, "--student-time", 2).out
    flow = linear_flow(np.load(folder / "X.npy"), np.load(folder / "y.npy"))
    advice = risk.advise(flow, student_time=2.0, teacher_time=1.0, noise=float(risk.noise_variance(flow)))
    assert str(advice) in judged and "student trained for 2;" in judged


def test_pure_noise_is_stopped_at_once(folder, capsys):
    np.save(folder / "noise.npy", np.random.default_rng(1).normal(size=80))
    out = printed(capsys, folder / "X.npy", folder / "noise.npy", "--inputs", "training", "--noise", 5).out
    assert "Stop at 0 (no training at all: by this estimate these labels are noise to the model):" in out
    assert "verdict" in out


@pytest.mark.parametrize("arguments, words", [
    (("X.npy", "missing.npy"), "missing.npy: expected a file, found none"),
    (("X.npy", "K.npy", "--noise", "-1"), "--noise: expected a number >= 0, got -1"),
    (("X.npy", "y.npy", "--flipped", ".1"), "--flipped: expected classes, got labels that are numbers; add --classes"),
    (("X.npy", "y.npy", "--teacher-time", "-1"), "--teacher-time: expected a number >= 0, got -1"),
    (("X.npy", "names.npy"), "Y: expected numbers, got <U3, as 'cat'; add --classes if these are classes"),
    (("X.npy", "each.npy", "--classes"), "Y: expected classes that several samples share with --classes, got 80 diff"),
    (("X.npy", "y.npy", "--kernel"), "--kernel: expected X to be a square matrix, a row and a column a sample, got sh"),
    (("X.npy", "y.npy", "--drop", "f0"), "--drop: expected X to be a .csv file"),
    (("X.csv", "y.npy", "--drop", "f0", "zz"), "--drop zz: expected a column of "),
    (("none.csv", "y.npy", "--drop", "f0"), "none.csv: expected a file, found none"),
    (("X.npy", "y.npy", "--classes"), "Y: expected one class a sample with --classes, got shape"),
    (("K.npy", "y.npy", "--kernel", "--intercept"), "--intercept: expected features, got --kernel"),
    (("X.npy", "classes.npy", "--classes", "--noise", "1", "--flipped", "0.1"),
     "--flipped: expected one of --noise and --flipped, got both"),
    (("X.npy", "y.npy", "--inputs", "old"), "argument --inputs: invalid choice: 'old'"),
])
def test_mistakes_are_one_line(folder, capsys, arguments, words):
    try:
        code = main([str(folder / a) if a.endswith((".npy", ".csv")) else a for a in arguments])
    except SystemExit as stopped:
        code = stopped.code
    said = capsys.readouterr()
    assert code == 2 and said.out == "" and words in said.err and said.err.count("\n") == 1


def test_rows_are_paired_by_their_names_where_both_files_have_them(tmp_path, capsys):
    rng = np.random.default_rng(0)
    X, y, shuffled = rng.normal(size=(12, 3)).round(3), rng.normal(size=12).round(3), rng.permutation(12)

    def write(name, header, rows):
        (tmp_path / name).write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")

    names = [f"s{i}" for i in range(12)]
    write("X.csv", "id,a,b,c", [(name, *x) for name, x in zip(names, X)])
    write("y.csv", "id,y", zip(names, y))
    write("other.csv", "id,y", [(names[i], y[i]) for i in shuffled])
    write("bare.csv", "y", [(value,) for value in y])
    write("less.csv", "id,y", [(f"t{i}", value) for i, value in enumerate(y)])
    expected = printed(capsys, tmp_path / "X.csv", tmp_path / "y.csv", "--ids", "id").out
    for name in ("y.csv", "other.csv", "bare.csv"):
        assert printed(capsys, tmp_path / "X.csv", tmp_path / name).out == expected
    assert printed(capsys, tmp_path / "X.csv", tmp_path / "other.csv", "--ids", "id").out == expected
    assert main([str(tmp_path / "X.csv"), str(tmp_path / "less.csv")]) == 2
    assert capsys.readouterr().err == ("error: Y: expected the ids of X's rows, got 12 of X's missing, such as 's0'; "
                                       "keep the rows that all files have\n")


def test_too_few_samples_are_one_line(tmp_path, capsys):
    for n in (1, 2):
        np.save(tmp_path / "X.npy", np.eye(3)[:n])
        np.save(tmp_path / "y.npy", np.ones(n))
        assert main([str(tmp_path / "X.npy"), str(tmp_path / "y.npy")]) == 2
        assert capsys.readouterr().err.startswith(f"error: flow: expected at least 3 samples, got {n}")


def test_a_header_above_names_of_classes_is_none(folder, tmp_path, capsys):
    names = np.load(folder / "names.npy")
    (tmp_path / "y.csv").write_text("animal\n" + "\n".join(names) + "\n")
    expected = printed(capsys, folder / "X.npy", folder / "names.npy", "--classes").out
    assert printed(capsys, folder / "X.npy", tmp_path / "y.csv", "--classes").out == expected
