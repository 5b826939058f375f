"""What is on disk is checked when it is read: flipped bits, folders that vanish, commands that share a teacher."""

import json
import shutil

import pytest

from validation import run, runs, sealed
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
def test_a_damaged_run_is_set_aside_or_refused(call, tmp_path, name):
    call()
    folder = Folder(tmp_path / "runs", ADDRESS)
    folder.verify()
    content = bytearray((folder.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder.path / name).write_bytes(content)
    with pytest.raises(Damaged, match=f"as it was written, but its {name} c"):
        folder.verify()
    code, err = call()
    assert code == 0 and ("moves to" in err) == (name in ("config.json", "result.json"))
    if "moves to" in err:
        assert f": its {name} c" in err
        assert folder.path.with_name("previous-seed0").exists()


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
    assert err.splitlines()[-1].startswith("error: --out: expected ") and " was removed, moved or replaced" in err
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
        with pytest.raises(Vanished, match=r"expected .*seed0 to stay while its run is under way"):
            write()
    assert not folder.path.exists()


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
