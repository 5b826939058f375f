import pytest

from validation.compact import main


@pytest.fixture
def runs(tmp_path):
    """Two finished runs, one unfinished, and a record of before."""
    for seed in (0, 10, 2, 3):
        folder = tmp_path / "runs/mlp_mnist" / f"seed{seed}"
        folder.mkdir(parents=True)
        for name in ("config.json", "metrics.jsonl", "outputs.npz", "trajectory.npz", "weights.safetensors",
                     *(("result.json",) if seed != 3 else ())):
            (folder / name).write_text(f"{name} of {seed}")
        (folder / "checkpoints").mkdir()
    (tmp_path / "records/mlp_mnist/seed7").mkdir(parents=True)
    return tmp_path / "runs"


def test_arrays_of_the_lowest_seed_and_results_of_all_are_kept(runs, tmp_path, capsys):
    assert main(["mlp_mnist", "--runs", str(runs), "--out", str(tmp_path / "records")]) == 0
    kept = {path.name: sorted(file.name for file in path.iterdir())
            for path in (tmp_path / "records/mlp_mnist").iterdir()}
    assert kept == {"seed0": ["config.json", "metrics.jsonl", "outputs.npz", "result.json", "trajectory.npz"],
                    "seed2": ["config.json", "result.json"], "seed10": ["config.json", "result.json"]}
    assert (tmp_path / "records/mlp_mnist/seed10/result.json").read_text() == "result.json of 10"
    assert capsys.readouterr().out == "mlp_mnist: 3 seeds\n"


def test_runs_that_are_not_there_are_named(runs, tmp_path, capsys):
    assert main(["mlp", "--runs", str(runs), "--out", str(tmp_path / "records")]) == 2
    assert "NAME: expected a folder of finished runs in" in capsys.readouterr().err
    assert (tmp_path / "records/mlp_mnist/seed7").is_dir()
