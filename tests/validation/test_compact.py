import json
import shutil

import numpy as np
import pytest

from validation.address import address
from validation.compact import main
from validation.record import Folder
from validation.runs import as_it_stands
from validation.settings import find

from .running import contents


def write(runs, seed, **changes):
    registered = as_it_stands(find("mlp_mnist"))
    folder = Folder(runs, address("mlp_mnist", registered | changes, registered, seed))
    folder.begin(registered | changes | {"seed": seed})
    for name in ("metrics.jsonl", "outputs.npz", "trajectory.npz", "weights.safetensors"):
        (folder.path / name).write_text(f"{name} of {seed}")
    folder.finish({"seed": seed})
    (folder.path / "checkpoints").mkdir()
    return folder.path


@pytest.fixture
def runs(tmp_path):
    """Three finished runs, one unfinished, two changed ones, a smoke run, and an old record."""
    for seed in (0, 10, 2, 3):
        folder = write(tmp_path / "runs", seed)
    (folder / "result.json").unlink()
    write(tmp_path / "runs", 4, precision="fp32")
    write(tmp_path / "runs", 5, precision="bf16")
    write(tmp_path / "runs", 6, smoke=True)
    (tmp_path / "records/mlp_mnist/seed7").mkdir(parents=True)
    return tmp_path / "runs"


def kept(folder):
    return {path.name: sorted(file.name for file in path.iterdir()) for path in folder.iterdir()}


def test_arrays_of_the_lowest_seed_and_results_of_all_are_kept(runs, tmp_path, capsys):
    assert main(["mlp_mnist", "--runs", str(runs), "--out", str(tmp_path / "records")]) == 0
    assert kept(tmp_path / "records/mlp_mnist") == {
        "seed0": ["config.json", "metrics.jsonl", "outputs.npz", "result.json", "trajectory.npz"],
        "seed2": ["config.json", "result.json"], "seed10": ["config.json", "result.json"]}
    assert json.loads((tmp_path / "records/mlp_mnist/seed10/result.json").read_text())["seed"] == 10
    assert capsys.readouterr().out == "mlp_mnist: 3 seeds\n"
    assert [path.name for path in (tmp_path / "records").iterdir()] == ["mlp_mnist"]


def test_arrays_are_left_out_where_they_are_not_wanted(runs, tmp_path):
    for wanted in ([], ["outputs.npz"]):
        assert main(["mlp_mnist", "--runs", str(runs), "--out", str(tmp_path / "records"), "--arrays", *wanted]) == 0
        assert kept(tmp_path / "records/mlp_mnist")["seed0"] == ["config.json", "metrics.jsonl", *wanted, "result.json"]


def test_seeds_that_are_in_the_records_alone_stay(runs, tmp_path):
    command = ["mlp_mnist", "--runs", str(runs), "--out", str(tmp_path / "records")]
    assert main(command) == 0
    before = contents(tmp_path / "records/mlp_mnist")
    for seed in (0, 2):
        shutil.rmtree(runs / f"mlp_mnist/seed{seed}")
    write(runs, 11)
    assert main(command) == 0
    after = contents(tmp_path / "records/mlp_mnist")
    assert before.items() <= after.items() and kept(tmp_path / "records/mlp_mnist")["seed11"] == [
        "config.json", "result.json"]
    assert "outputs.npz" in kept(tmp_path / "records/mlp_mnist")["seed0"]


def test_a_pattern_matches_changed_runs_but_no_smoke_runs(runs, tmp_path, capsys):
    broken = write(runs, 9, precision="bf16")
    (broken / "result.json").write_text("{")
    assert main(["mlp_mnist@*", "--runs", str(runs), "--out", str(tmp_path / "records")]) == 0
    printed = capsys.readouterr()
    assert printed.out == "mlp_mnist@precision=bf16: 1 seeds\nmlp_mnist@precision=fp32: 1 seeds\n"
    assert printed.err.startswith(f"{broken} is left out: its result.json cannot be read")
    assert "outputs.npz" in kept(tmp_path / "records/mlp_mnist@precision=bf16")["seed5"]
    assert (tmp_path / "records/mlp_mnist/seed7").is_dir()


@pytest.mark.parametrize(("name", "message"), [
    ("mlp_mnist_sgd", "NAME: expected a folder of finished runs in"),
    ("mlp_mnist@precision=fp16", "NAME: expected a folder of finished runs in"),
    ("mlp", "NAME: expected a name"),
])
def test_missing_runs_raise(runs, tmp_path, capsys, name, message):
    assert main([name, "--runs", str(runs), "--out", str(tmp_path / "records")]) == 2
    assert message in capsys.readouterr().err
    assert (tmp_path / "records/mlp_mnist/seed7").is_dir()


def test_a_damaged_run_is_named_and_left_out(runs, tmp_path, capsys):
    (runs / "mlp_mnist/seed2/outputs.npz").write_text("something else")
    assert main(["mlp_mnist", "--runs", str(runs), "--out", str(tmp_path / "records")]) == 0
    assert "seed2 is left out: its outputs.npz changed since it was written" in capsys.readouterr().err
    assert sorted(kept(tmp_path / "records/mlp_mnist")) == ["seed0", "seed10"]


def test_a_record_names_its_own_files_alone(runs, tmp_path):
    assert main(["mlp_mnist", "--runs", str(runs), "--out", str(tmp_path / "records")]) == 0
    for seed, names in (("seed0", {"config.json", "metrics.jsonl", "outputs.npz", "trajectory.npz"}),
                        ("seed2", {"config.json"})):
        folder = Folder.at(tmp_path / "records/mlp_mnist" / seed)
        folder.verify()
        assert folder.finished()["files"].keys() == names


def test_runs_are_never_replaced_by_their_own_records(runs, capsys):
    assert main(["mlp_mnist", "--runs", str(runs), "--out", str(runs)]) == 2
    assert capsys.readouterr().err.startswith("error: --out: expected another folder than --runs")
    assert (runs / "mlp_mnist/seed0/weights.safetensors").exists()


def test_a_full_disk_leaves_the_old_records(runs, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eigenkd._atomic.put", full)
    assert main(["mlp_mnist", "--runs", str(runs), "--out", str(tmp_path / "records")]) == 2
    assert capsys.readouterr().err == "error: [Errno 28] No space left on device\n"
    assert list(kept(tmp_path / "records/mlp_mnist")) == ["seed7"]
    assert [path.name for path in (tmp_path / "records").iterdir()] == ["mlp_mnist"]


def test_outputs_of_one_split_are_kept_as_they_were(tmp_path):
    arrays = {f"{role}_{split}": np.arange(6.0).reshape(2, 3) + len(role + split) for role in ("teacher", "student")
              for split in ("train", "test")} | {"train_true_labels": np.arange(2), "mislabelled": np.zeros(2, bool)}
    registered = as_it_stands(find("mlp_mnist"))
    folder = Folder(tmp_path / "runs", address("mlp_mnist", registered, registered, 0))
    folder.begin(registered | {"seed": 0})
    folder.save("outputs", **arrays)
    folder.finish({"seed": 0})
    assert main(["mlp_mnist", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "records"),
                 "--splits", "train"]) == 0
    record = Folder(tmp_path / "records", folder.name)
    record.verify()
    found = record.arrays("outputs")
    assert set(found) == {"teacher_train", "student_train", "train_true_labels", "mislabelled"}
    for name, values in found.items():
        np.testing.assert_array_equal(values, arrays[name])
