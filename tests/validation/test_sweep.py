"""Sweeps: one job per run, finished runs are skipped, mistakes are found before anything is submitted."""

import json

import pytest

from validation import sweep

from .running import contents

SMOKE = ("--smoke", "--data.train-examples", "48", "--teacher.batch-size", "16", "--student.batch-size", "16",
         "--analysis.layers")
CHANGES = "analysis.layers=none,data.train_examples=48,smoke=true,student.batch_size=12,teacher.batch_size=12"
MLP, RESNET = f"mlp_mnist@{CHANGES}", f"resnet8_digits@{CHANGES}"


@pytest.fixture
def swept(tmp_path, capsys):
    """swept(*arguments) -> (exit code, standard error), run folders in tmp_path/runs."""

    def call(*arguments):
        code = sweep.main([*map(str, arguments), "--out", str(tmp_path / "runs")])
        return code, capsys.readouterr().err

    return call


def finished(tmp_path):
    runs = tmp_path / "runs"
    return sorted(str(path.parent.relative_to(runs)) for path in runs.glob("*_*/seed*/result.json"))


def test_each_setting_and_seed_runs_in_its_own_process(swept, tmp_path):
    code, err = swept("mlp_mnist", "resnet8_digits", "--at-once", 2, *SMOKE)
    assert code == 0, err
    assert finished(tmp_path) == [f"{MLP}/seed0", f"{RESNET}/seed0"]
    assert "2 of 2 jobs finished" in err
    before = contents(tmp_path / "runs")
    code, err = swept("mlp_mnist", "resnet8_digits", *SMOKE)
    assert code == 0 and err.count("already finished") == 2 and "0 of 0 jobs" in err
    assert contents(tmp_path / "runs") == before


def test_only_unfinished_runs_are_submitted_and_flags_are_forwarded(swept, tmp_path):
    swept("resnet8_digits", "--cluster", "debug", *SMOKE)
    code, err = swept("resnet8_digits", "--cluster", "debug", "--seeds", 0, 1, *SMOKE)
    assert code == 0 and "seed 0: already finished" in err and "1 of 1 jobs finished" in err
    assert finished(tmp_path) == [f"{RESNET}/seed0", f"{RESNET}/seed1"]
    configuration = json.loads((tmp_path / f"runs/{RESNET}/seed1/config.json").read_text())
    assert configuration["data"]["train_examples"] == 48 and configuration["smoke"] is True


def test_a_failed_run_is_named(swept, tmp_path):
    code, err = swept("resnet8_digits", "--cluster", "debug", *SMOKE, "--device", "abacus")
    assert code == 1 and "resnet8_digits seed 0: NOT FINISHED" in err and "0 of 1 jobs finished" in err


@pytest.mark.parametrize(("arguments", "message"), [
    (["resnet8_digit"], "did you mean resnet8_digits, "),
    ([], "NAME: expected one or more settings, got none"),
    (["resnet8_digits", "--dry-run"], "--dry-run: expected with python -m validation.run"),
    (["resnet_cifar100", "--no-download"], "--no-download: expected CIFAR-100 in"),
    (["resnet8_digits", "--teacher.epochs", "0"], "--teacher.epochs: expected at least 1"),
    (["resnet8_digits", "--at-once", "0"], "--at-once: expected at least 1"),
    (["resnet8_digits", "--cluster", "slurm"], "--cluster: expected Slurm's commands on this machine"),
])
def test_a_mistake_is_found_before_a_job_is_submitted(swept, tmp_path, monkeypatch, arguments, message):
    monkeypatch.setenv("PATH", "")
    code, err = swept(*arguments)
    assert code == 2 and err.startswith("error: ") and message in err and not (tmp_path / "runs").exists()


def test_slurm_gets_one_array_of_independent_jobs(tmp_path, monkeypatch, capsys):
    """With a replacement for sbatch that saves its script."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in (("sbatch", f'cp "$1" {tmp_path}/script; echo Submitted batch job 7'), ("srun", "true")):
        (commands / name).write_text(f"#!/bin/sh\n{text}\n")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")
    code = sweep.main(["resnet8_digits", "mlp_mnist", "--seeds", "0", "1", "--cluster", "slurm", "--gpus", "1",
                       "--partition", "fast", "--minutes", "90", "--at-once", "3", "--out", str(tmp_path / "runs"),
                       *SMOKE])
    assert code == 0 and "4 jobs submitted" in capsys.readouterr().err
    script = (tmp_path / "script").read_text()
    for line in ("--array=0-3%3", "--gpus-per-node=1", "--partition=fast", "--time=90"):
        assert f"#SBATCH {line}\n" in script
