import json
import re
import subprocess

import numpy as np
import pytest

from validation.errors import UsageError
from validation.provenance import provenance
from validation.record import COMMITTED, SCHEMA, Damaged, Folder


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path, "mlp_mnist/seed3")
    made.begin({"seed": 3})
    return made


def test_a_run_is_finished_once_its_result_is_there(folder, tmp_path):
    assert folder.path == tmp_path / "mlp_mnist" / "seed3"
    assert folder.configuration() == {"seed": 3} and folder.finished() is None and not folder.is_finished()
    result = folder.finish({"smoke": False})
    assert result["schema"] == SCHEMA and result["smoke"] is False and result["files"].keys() == {"config.json"}
    assert folder.finished() == result and folder.is_finished()


def test_a_result_that_cannot_be_written_whole_is_not_there(folder, monkeypatch):
    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        folder.finish({"smoke": False})
    assert folder.finished() is None


def test_a_result_holds_no_nan(folder):
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.finish({"value": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.log({"loss": float("inf")})
    assert folder.finished() is None


def test_beginning_again_clears_what_an_unfinished_run_left(folder):
    folder.log({"epoch": 1})
    folder.log({"epoch": 2})
    folder.save("outputs", x=np.arange(3))
    lines = (folder.path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"epoch": 1}, {"epoch": 2}]
    (folder.path / "notes.txt").write_text("mine")
    folder.begin({"seed": 4})
    assert sorted(path.name for path in folder.path.iterdir()) == ["config.json", "notes.txt"]


def test_setting_aside_never_loses_a_run(folder):
    for number in range(3):
        folder.begin({})
        folder.finish({"number": number})
        folder.set_aside()
    kept = sorted(folder.path.parent.glob("*/result.json"))
    assert [path.parent.name for path in kept] == ["previous-seed3", "previous-seed3-2", "previous-seed3-3"]
    assert [json.loads(path.read_text())["number"] for path in kept] == [0, 1, 2]
    assert not list(folder.path.parent.glob("seed*"))


def test_a_broken_result_is_an_error_and_no_free_folder(folder):
    (folder.path / "result.json").write_text('{"smoke": fal')
    with pytest.raises(UsageError, match=r"seed3 is damaged: its result\.json cannot "):
        folder.finished()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--out: expected a folder to write to, got .*file"):
        Folder(tmp_path / "file", "mlp_mnist/seed0").begin({})


def git(folder, *arguments):
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_provenance_names_the_commit_and_whether_it_is_all_there_is(tmp_path):
    assert (provenance("cpu", 1, tmp_path)["commit"], provenance("cpu", 1, tmp_path)["dirty"]) == (None, None)
    git(tmp_path, "init")
    assert provenance("cpu", 1, tmp_path)["commit"] is None
    (tmp_path / "eigenkd").mkdir()
    (tmp_path / "eigenkd" / "file").write_text("1")
    git(tmp_path, "add", "eigenkd")
    git(tmp_path, "commit", "-m", "one")
    clean = provenance("cpu", 1, tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", clean["commit"]) and clean["dirty"] is False
    (tmp_path / "notes").write_text("a result does not depend on it")
    assert provenance("cpu", 1, tmp_path)["dirty"] is False
    (tmp_path / "eigenkd" / "file").write_text("2")
    assert provenance("cpu", 1, tmp_path)["dirty"] is True
    assert clean["versions"].keys() >= {"python", "torch", "numpy", "eigenkd"}


def test_a_finished_run_that_another_process_moves_away_is_damaged_for_its_reader(folder):
    folder.finish({})
    folder.verify()
    (folder.path / "result.json").unlink()
    with pytest.raises(Damaged, match=r"its result\.json is missing"):
        folder.verify()


def test_every_field_of_a_result_is_documented():
    text = (COMMITTED.parent / "docs" / "runs.md").read_text()
    table = text[text.index("### Fields of `result.json`"):]
    documented = {name for line in table.splitlines() if line.startswith("| `") for name in
                  re.findall(r"`(\w+)`", line.split("|")[1])}
    fields = {name for path in COMMITTED.glob("*/seed*/result.json") for name in json.loads(path.read_text())}
    assert fields == documented
