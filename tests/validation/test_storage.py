"""What is on disk is checked when it is read: flipped bits, folders that vanish, commands that share a teacher."""

import json
import shutil

import numpy as np
import pytest

from validation import findings, run, runs, sealed
from validation.record import Damaged, Folder, Vanished
from validation.trainer import Trainer

from .flipping import campaign
from .running import QUICK, address, contents

SMALL = (*QUICK, "--smoke", "--data.train-examples", 48, "--teacher.batch-size", 12, "--student.batch-size", 8)
ADDRESS = address(*SMALL)


@pytest.fixture
def call(tmp_path, capsys):
    """call(*arguments) -> (exit code, standard error) of SMALL with run folders in tmp_path/runs."""

    def called(*arguments):
        code = run.main([*map(str, (*SMALL, *arguments)), "--out", str(tmp_path / "runs")])
        return code, capsys.readouterr().err

    return called


@pytest.fixture
def at(monkeypatch):
    """at(role, step, what): calls what() once, after that step of that role's training."""
    after_step, when = Trainer._after_step, {}

    def patched(self, step):
        if (self.role.name, step) == when.get("at"):
            when.pop("at")
            when["what"]()
        after_step(self, step)

    monkeypatch.setattr(Trainer, "_after_step", patched)
    return lambda role, step, what: when.update(at=(role, step), what=what)


# --- sealed JSON ---

def test_a_sealed_file_gives_back_the_mapping_and_refuses_every_flipped_bit_that_changes_it():
    mapping = {"a": [1, 2.5, None, True, "é"], "nested": {"b": {}}, "big": 1e300, "small": 5e-324}
    content = sealed.written(mapping)
    assert sealed.read(content) == mapping and json.loads(content)["sha256"] == sealed.digest(mapping)
    for position in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        try:
            assert sealed.read(bytes(flipped)) == mapping  # a space, say
        except sealed.Broken:
            continue


def test_the_digest_is_of_values_not_of_how_they_are_written():
    assert sealed.digest({"a": (1, 2), "b": 1.0}) == sealed.digest({"b": 1.0, "a": [1, 2]})
    assert sealed.digest({"a": 1}) != sealed.digest({"a": 1.0}) != sealed.digest({"a": True})
    spaced = json.dumps(json.loads(sealed.written({"a": 1}))).encode()
    assert sealed.read(spaced) == {"a": 1}


@pytest.mark.parametrize(("content", "message"), [
    (b"", "cannot be read as JSON"), (b"[1]", "is no mapping"), (b'{"a": 1}', "carries no SHA-256"),
    (b"\xff", "cannot be read as JSON"), (b"[" * 100_000, "cannot be read as JSON"),
    (b'{"a": NaN, "sha256": ""}', "cannot be read as JSON"), (b'{"a": 1, "sha256": ""}', "another SHA-256"),
])
def test_anything_else_is_broken(content, message):
    with pytest.raises(sealed.Broken, match=message):
        sealed.read(content)


# --- flipped bits in run folders ---

def test_every_reader_shows_the_right_numbers_or_names_the_damaged_run(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "COMMITTED", tmp_path / "none")
    report = campaign(60, tmp_path / "runs")
    assert report["wrong"] == [] and report["named"] > 40


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "outputs.npz", "trajectory.npz",
                                  "weights.safetensors", "result.json"])
def test_a_damaged_run_is_moved_aside_and_run_again(call, tmp_path, name):
    call()
    folder = Folder(tmp_path / "runs", ADDRESS)
    folder.verify()
    content = bytearray((folder.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder.path / name).write_bytes(content)
    with pytest.raises(Damaged, match=f"is damaged: its {name} c"):
        folder.verify()
    code, err = call()
    assert code == 0 and f"{folder.path} moves to {folder.path.with_name('previous-seed0')}: its {name} c" in err
    Folder(tmp_path / "runs", ADDRESS).verify()
    (folder.path / name).unlink()
    code, err = call("--dry-run")
    assert code == 0 and not (folder.path / name).exists()
    code, err = call()
    assert code == 0 and (f"its {name} is missing" in err) == (name != "result.json")
    Folder(tmp_path / "runs", ADDRESS).verify()


# --- folders that vanish ---

@pytest.mark.parametrize("role", ["teacher", "student"])
@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_a_run_whose_folder_vanishes_ends_in_a_line_and_marks_nothing_finished(call, at, tmp_path, role, how):
    out = tmp_path / "runs"

    def vanish():
        if how == "moved":
            out.rename(tmp_path / "elsewhere")
        else:
            shutil.rmtree(out)
        if how == "replaced":  # as by another process with the same command
            for folder in (Folder(out, ADDRESS), Folder(out, teacher)):
                folder.begin({"of": "another process"})

    call()
    (teacher,) = json.loads((out / ADDRESS / "result.json").read_text())["teachers"].values()
    whole = contents(out)
    shutil.rmtree(out)
    at(role, 2, vanish)
    code, err = call("--checkpoint-every", 1)
    assert code == 2 and "Traceback" not in err
    assert err.splitlines()[-1].startswith("error: --out: ") and " was removed, moved or replaced" in err
    assert not list(out.glob("**/result.json")) and not list(out.glob("**/checkpoints/*/0*"))
    shutil.rmtree(out, ignore_errors=True)
    assert call()[0] == 0 and contents(out) == whole


def test_a_folder_that_vanishes_before_its_result_is_not_finished(tmp_path):
    folder = Folder(tmp_path, "mlp_mnist/seed0")
    folder.begin({"seed": 0})
    folder.log({"epoch": 1})
    shutil.rmtree(folder.path)
    for write in (lambda: folder.finish({}), lambda: folder.log({}), lambda: folder.save("outputs"),
                  lambda: folder.write_log([])):
        with pytest.raises(Vanished, match=r"seed0 was removed, moved or replaced during training"):
            write()
    assert not folder.path.exists()


@pytest.mark.parametrize("when", ["before the findings", "within the findings", "after the result", "shown"])
def test_a_folder_that_vanishes_at_the_end_is_a_line(call, tmp_path, monkeypatch, when):
    if when == "shown":
        assert call()[0] == 0
        found = run.make_plans
        monkeypatch.setattr(run, "make_plans", lambda *given: (found(*given), shutil.rmtree(tmp_path / "runs"))[0])
    elif when == "after the result":
        finish = Folder.finish
        monkeypatch.setattr(Folder, "finish", lambda self, result: (
            finish(self, result), self.name == ADDRESS and shutil.rmtree(tmp_path / "runs"))[0])
    else:
        of = findings.of
        monkeypatch.setattr(findings, "of", lambda folder: (shutil.rmtree(tmp_path / "runs"), of(folder))[1])
        if when == "within the findings":
            monkeypatch.setattr(findings, "of", of)
            monkeypatch.setattr(Folder, "read_log", lambda self: (
                shutil.rmtree(self.out), self.contents("outputs.npz")))
    code, err = call()
    assert "Traceback" not in err
    if when in ("shown", "after the result"):
        assert code == 0
    else:
        assert code == 2 and "was removed, moved or replaced during training" in err.splitlines()[-1]


# --- data that changes ---

@pytest.mark.parametrize("kind", ["arrays", "table"])
def test_other_data_in_the_same_file_are_another_configuration(tmp_path, capsys, kind):
    """No teacher, checkpoint or result of other data is used."""
    path = tmp_path / ("a.npz" if kind == "arrays" else "a.csv")

    def made(seed):
        x, y = np.random.default_rng(seed).normal(size=(60, 4)).round(3), np.arange(60) % 3
        if kind == "arrays":
            np.savez(path, x=x, y=y)
        else:
            np.savetxt(path, np.column_stack([x, y]), delimiter=",", header="a,b,c,d,label", comments="",
                       fmt=["%.3f"] * 4 + ["%d"])
        arguments = ("mlp_mnist", "--data.set", kind, "--data.set.path", path, "--data.train-examples", "None",
                     "--teacher.epochs", 2, "--student.epochs", 2, "--analysis.layers", "--scale-schedule", "--json")
        assert run.main([*map(str, arguments), "--out", str(tmp_path / "runs")]) == 0
        printed = capsys.readouterr()
        return json.loads(printed.out)[0], printed.err

    first, _ = made(0)
    again, err = made(0)
    assert again["reused"] and again["accuracy"] == first["accuracy"]
    other, err = made(1)
    assert not other["reused"] and "found trained" not in err and other["folder"] != first["folder"]
    assert other["data"]["sha256"] != first["data"]["sha256"]


# --- commands that share a teacher ---

@pytest.mark.parametrize("other", [("--analysis.layers",), ("--analysis.layers", "stem"), ("--no-resume",),
                                   ("--student.loss.temperature", 2, "--no-resume")])
def test_a_command_that_shares_a_teacher_disturbs_no_other(call, at, tmp_path, other):
    """It is given while the first one trains its student, of another address, with another or a new teacher."""
    changed = other if other != ("--no-resume",) else ("--student.batch-size", 12, "--no-resume")
    codes = []
    at("student", 2, lambda: codes.append(call(*changed)[0]))
    code, err = call()
    assert (code, codes) == (0, [0]), err
    result = Folder(tmp_path / "runs", ADDRESS).finished()
    assert result["taught_on"] == {"teacher": result["device"]}
    shutil.rmtree(tmp_path / "runs")
    assert call()[0] == 0
    alone = Folder(tmp_path / "runs", ADDRESS).finished()
    assert {**alone, "seconds": 0, "files": 0} == {**result, "seconds": 0, "files": 0}


def test_a_run_that_another_process_finished_since_it_was_planned_is_shown(call, tmp_path, monkeypatch):
    plans = run.make_plans

    def planned(*arguments):
        made = plans(*arguments)
        monkeypatch.setattr(run, "make_plans", plans)
        assert call()[0] == 0  # another process, between the plan and its lock
        return made

    monkeypatch.setattr(run, "make_plans", planned)
    assert call()[0] == 0
    assert not list((tmp_path / "runs").glob("**/previous-*"))
