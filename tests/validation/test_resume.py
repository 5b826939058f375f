"""Runs that were stopped, met a full disk, or share a folder: what is kept, what raises, and which messages."""

import json
import signal

import pytest

from eigenkd import _atomic as atomic
from validation import run
from validation.checkpoint import Checkpoints
from validation.lock import lock
from validation.trainer import Trainer

from .running import QUICK, address, contents

SMALL = (*QUICK, "--smoke", "--data.train-examples", 48, "--teacher.batch-size", 12,
         "--student.batch-size", 8)
ADDRESS = address(*SMALL)


@pytest.fixture
def runs(tmp_path, capsys):
    """runs(name, *arguments) -> (exit code, standard error) of SMALL with run folders in tmp_path/name."""

    def call(name, *arguments):
        code = run.main([*map(str, (*SMALL, *arguments)), "--out", str(tmp_path / name)])
        return code, capsys.readouterr().err

    return call


@pytest.fixture
def stop_at(monkeypatch):
    """stop_at(role, step): sends SIGTERM after that step of that role's training, or never."""
    after_step, when = Trainer._after_step, {}

    def patched(self, step):
        if (self.role.name, step) == when.get("at"):
            self.engine.interrupts.received = signal.SIGTERM
        after_step(self, step)

    monkeypatch.setattr(Trainer, "_after_step", patched)
    return lambda role=None, step=None: when.update(at=(role, step))


def log(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("role", "step"), [("teacher", 1), ("teacher", 4), ("student", 2), ("student", 6)])
def test_a_resumed_run_is_bit_identical(runs, stop_at, tmp_path, role, step):
    assert runs("whole", "--checkpoint-every", 1)[0] == 0
    stop_at(role, step)
    code, err = runs("stopped")
    assert code == 143 and err.splitlines()[-1].startswith("interrupted: what was trained so far is kept")
    folder = next((tmp_path / "stopped").glob("teachers/*" if role == "teacher" else ADDRESS))
    (state,) = [json.loads(path.read_text()) for path in folder.glob("checkpoints/*/*/state.json")]
    assert state["counters"]["step"] == step and state["role"] == role
    stop_at()
    code, err = runs("stopped")
    assert code == 0 and f"{role}: resumes after step {step} " in err
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_incomplete_and_extra_lines_of_the_log_are_removed_when_resuming(runs, stop_at, tmp_path):
    stop_at("student", 4)
    runs("runs")
    folder = tmp_path / "runs" / ADDRESS
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"role": "student", "epoch": 1, "loss": 7}) + '\n{"role": "stu')
    stop_at()
    assert runs("runs")[0] == 0
    steps = [(line["role"], line["epoch"], line["step"]) for line in log(folder)]
    assert steps == [("teacher", 1, 4), ("student", 1, 6)]


@pytest.mark.parametrize("harm", ["flipped", "truncated"])
def test_a_corrupt_checkpoint_is_reported_and_the_previous_one_is_used(runs, stop_at, tmp_path, harm):
    runs("whole")
    stop_at("student", 4)
    runs("harmed", "--checkpoint-every", 1)
    (newest,) = (tmp_path / "harmed" / ADDRESS).glob("checkpoints/*/000004/tensors.safetensors")
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 16
    newest.write_bytes(content if harm == "flipped" else content[:5000])
    stop_at()
    code, err = runs("harmed")
    assert code == 0 and f"WARNING: the checkpoint {newest.parent} is broken" in err and "resumes after step 3" in err
    assert contents(tmp_path / "harmed") == contents(tmp_path / "whole")


def test_a_full_disk_is_a_one_line_error_and_keeps_the_checkpoints(runs, monkeypatch, tmp_path):
    runs("whole")
    put, save, saves = atomic.put, Checkpoints.save, []

    def full(path, content):
        if len(saves) == 7 and path.name == "state.json":
            put(path, content[:9])
            raise OSError(28, "No space left on device")
        put(path, content)

    monkeypatch.setattr(atomic, "put", full)
    monkeypatch.setattr(Checkpoints, "save", lambda *arguments: (saves.append(1), save(*arguments))[1])
    code, err = runs("full", "--checkpoint-every", 1)
    assert code == 2 and "No space left on device; what was trained up to the last checkpoint is kept" in err
    kept = sorted(path.name for path in (tmp_path / "full" / ADDRESS).glob("checkpoints/*/*"))
    assert kept == ["000001", "000002"]  # the student's third checkpoint, after the teacher's four, failed
    monkeypatch.undo()
    code, err = runs("full")
    assert code == 0 and "student: resumes after step 2 " in err
    assert contents(tmp_path / "full") == contents(tmp_path / "whole")


def test_a_second_run_in_the_same_folder_names_the_process_that_locks_it(runs, tmp_path):
    with lock(tmp_path / "runs", ADDRESS):
        code, err = runs("runs")
    assert code == 2 and err.splitlines()[-1].startswith("error: --out: expected a run that no other process uses")
    assert "held by process" in err and not (tmp_path / "runs" / ADDRESS).exists()
    assert runs("runs")[0] == 0


def test_an_unfinished_run_with_other_values_does_not_conflict(runs, stop_at, tmp_path):
    """It is kept, can be resumed, and its teacher is reused."""
    runs("whole")
    stop_at("student", 2)
    runs("runs")
    stop_at()
    code, err = runs("runs", "--student.loss.temperature", 2)
    assert code == 0 and "resumes" not in err and "moves to" not in err and "teacher: found trained in" in err
    code, err = runs("runs")
    assert code == 0 and "student: resumes after step 2 " in err
    assert contents(tmp_path / "runs" / ADDRESS) == contents(tmp_path / "whole" / ADDRESS)


def test_an_unfinished_run_of_another_version_is_moved_aside_with_a_message(runs, stop_at, tmp_path):
    """Its checkpoints are those of another configuration."""
    stop_at("student", 2)
    runs("runs")
    folder = tmp_path / "runs" / ADDRESS
    (checkpoints,) = (folder / "checkpoints").iterdir()
    checkpoints.rename(checkpoints.with_name("0123456789abcdef"))
    stop_at()
    code, err = runs("runs")
    assert code == 0 and f"{folder} moves to {folder.with_name('previous-seed0')}: another configuration made it" in err
    assert folder.with_name("previous-seed0").exists() and len(log(folder)) == 2


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_first_checkpoint_that_a_kill_left_half_saved_is_none(runs, stop_at, tmp_path, role):
    """All of it is written, but it is not renamed yet: the run begins again, and no folder is moved aside."""
    assert runs("whole")[0] == 0
    stop_at(role, 2)
    runs("killed")
    (saved,) = (tmp_path / "killed").glob("**/000001")
    saved.rename(saved.with_name(".partial"))
    stop_at()
    code, err = runs("killed")
    assert code == 0 and "moves to" not in err and f"{role}: resumes" not in err
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.parametrize("role", ["teacher", "student"])
@pytest.mark.parametrize("harm", ["flipped", "gone"])
def test_a_damaged_configuration_costs_no_checkpoint(runs, stop_at, tmp_path, role, harm):
    """Checkpoints are found by the configuration that is asked for."""
    runs("whole")
    stop_at(role, 3)
    runs("runs")
    (path,) = (tmp_path / "runs").glob(f"{ADDRESS if role == 'student' else 'teachers/*'}/config.json")
    if harm == "gone":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[content.index(b'"seed": 0') + 8] ^= 1
        path.write_bytes(content)
    stop_at()
    code, err = runs("runs")
    assert code == 0 and f"{role}: resumes after step 3 " in err
    assert contents(tmp_path / "runs") == contents(tmp_path / "whole")


def test_no_resume_moves_an_unfinished_run_aside(runs, stop_at, tmp_path):
    stop_at("student", 2)
    runs("runs")
    stop_at()
    code, err = runs("runs", "--no-resume")
    folder = tmp_path / "runs" / ADDRESS
    assert code == 0 and "moves to" in err and "another version" not in err
    assert list(folder.with_name("previous-seed0").glob("checkpoints/*/000001/state.json"))


def test_a_run_without_a_checkpoint_does_not_conflict(runs, tmp_path):
    folder = tmp_path / "runs" / ADDRESS
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"smoke": false, "seed": 0}')
    (folder / "metrics.jsonl").write_text("{}\n")
    assert runs("runs")[0] == 0 and len(log(folder)) == 2
