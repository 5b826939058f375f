import json

import pytest

from validation.address import address
from validation.compact import main
from validation.record import SCHEMA
from validation.runs import as_it_stands
from validation.settings import find

FILES = ("config.json", "metrics.jsonl", "outputs.npz", "trajectory.npz", "weights.safetensors", "result.json")


def write(runs, seed, **changes):
    registered = as_it_stands(find("mlp_mnist"))
    folder = runs / address("mlp_mnist", registered | changes, registered, seed)
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(f"{name} of {seed}")
    (folder / "config.json").write_text(json.dumps(registered | changes | {"seed": seed}))
    (folder / "result.json").write_text(json.dumps({"schema": SCHEMA, "seed": seed}))
    (folder / "checkpoints").mkdir()
    return folder


@pytest.fixture
def runs(tmp_path):
    """Three finished runs, one unfinished, two changed ones, a smoke run, and a record of before."""
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
    assert main(["mlp_mnist", "--no-arrays", "--runs", str(runs), "--out", str(tmp_path / "records")]) == 0
    assert kept(tmp_path / "records/mlp_mnist")["seed0"] == ["config.json", "metrics.jsonl", "result.json"]


def test_a_pattern_takes_changed_runs_and_no_smoke_runs(runs, tmp_path, capsys):
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
    ("mlp", "setting: expected a name"),
])
def test_runs_that_are_not_there_are_named(runs, tmp_path, capsys, name, message):
    assert main([name, "--runs", str(runs), "--out", str(tmp_path / "records")]) == 2
    assert message in capsys.readouterr().err
    assert (tmp_path / "records/mlp_mnist/seed7").is_dir()
