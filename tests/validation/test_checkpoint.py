"""Checkpoints: the same bits come back, broken ones are found out, a full disk harms none."""

import json
import os
import resource

import pytest
import torch

from eigenkd import _atomic as atomic
from validation.checkpoint import MANIFEST, STATE, TENSORS, Checkpoints, Interval
from validation.errors import UsageError


@pytest.fixture
def notes():
    return []


@pytest.fixture
def checkpoints(tmp_path, notes):
    """With checkpoints 1 to 3 saved, of which the last two are kept."""
    made = Checkpoints(tmp_path / "checkpoints/of it", notes.append)
    for step in (1, 2, 3):
        made.save(tensors(step), {"step": step})
    return made


def tensors(step):
    generator = torch.Generator().manual_seed(step)
    return {"network/weight": torch.randn(40, 30, generator=generator), "counter": torch.tensor(step),
            "bytes": torch.arange(5, dtype=torch.uint8), "strided": torch.randn(4, 6, generator=generator).T}


def assert_is(checkpoints, step):
    found, state = checkpoints.read(checkpoints.newest())
    assert state == {"step": step} and found.keys() == tensors(step).keys()
    for name, tensor in tensors(step).items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)


def test_the_last_two_are_kept_and_the_newest_comes_back_bit_for_bit(checkpoints, notes):
    assert checkpoints.numbers() == [2, 3]
    assert_is(checkpoints, 3)
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["000002", "000003"] and notes == []


def test_nothing_is_there_before_the_first(tmp_path):
    assert Checkpoints(tmp_path / "none/of it").newest() is None


@pytest.mark.parametrize("name", [TENSORS, STATE, MANIFEST])
@pytest.mark.parametrize("harm", ["flipped", "truncated", "empty", "longer", "gone"])
def test_a_harmed_file_is_found_out_and_the_checkpoint_before_it_used_aloud(checkpoints, notes, name, harm):
    path = checkpoints.folder / "000003" / name
    content = bytearray(path.read_bytes())
    if harm == "flipped":
        content[len(content) // 2] ^= 4
    path.write_bytes({"flipped": content, "truncated": content[:-3], "empty": b"", "longer": content + b"x",
                      "gone": b""}[harm])
    if harm == "gone":
        path.unlink()
    assert_is(checkpoints, 2)
    assert len(notes) == 1 and notes[0].startswith("WARNING: the checkpoint") and "broken-000003" in notes[0]
    checkpoints.save(tensors(4), {"step": 4})
    checkpoints.save(tensors(5), {"step": 5})
    assert_is(checkpoints, 5)
    assert len(checkpoints.numbers()) == 2 and len(notes) == 1


def test_every_flipped_bit_of_the_state_is_found_out(checkpoints, notes):
    path = checkpoints.folder / "000003" / STATE
    content = path.read_bytes()
    for position in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match="SHA-256"):
            checkpoints.read(3)


def test_where_none_is_whole_it_is_said_and_the_training_begins_again(checkpoints, notes):
    for number in (2, 3):
        (checkpoints.folder / f"{number:06d}" / TENSORS).write_bytes(b"")
    assert checkpoints.newest() is None
    assert len(notes) == 3 and "begins again" in notes[2]


def test_a_name_without_its_checkpoint_is_never_taken_for_one(checkpoints):
    (checkpoints.folder / ".partial").mkdir()
    (checkpoints.folder / ".partial" / TENSORS).write_bytes(b"half of it")
    assert_is(checkpoints, 3)
    checkpoints.save(tensors(4), {"step": 4})
    assert_is(checkpoints, 4)


def test_a_pickle_is_not_opened(checkpoints, notes, tmp_path):
    """A file that torch.load would execute, under a manifest that fits it, is refused by the format alone."""
    import pickle

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    content = pickle.dumps(Trap())
    (checkpoints.folder / "000003" / TENSORS).write_bytes(content)
    manifest = json.loads((checkpoints.folder / "000003" / MANIFEST).read_text())
    manifest[TENSORS] = {"bytes": len(content), "sha256": atomic.sha256(content)}
    (checkpoints.folder / "000003" / MANIFEST).write_text(json.dumps(manifest))
    assert_is(checkpoints, 2)
    assert len(notes) == 1 and not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("file", [0, 1, 2], ids=[TENSORS, STATE, MANIFEST])
def test_a_full_disk_leaves_the_last_good_checkpoint(checkpoints, monkeypatch, file):
    put, calls = atomic.put, []

    def full(path, content):
        calls.append(path)
        if len(calls) == file + 1:
            put(path, bytes(content)[:10])
            raise OSError(28, "No space left on device")
        put(path, content)

    monkeypatch.setattr(atomic, "put", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save(tensors(4), {"step": 4})
    monkeypatch.undo()
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["000002", "000003"]
    assert_is(checkpoints, 3)
    checkpoints.save(tensors(5), {"step": 5})
    assert_is(checkpoints, 5)


def test_a_limit_that_the_system_sets_leaves_the_last_good_checkpoint(checkpoints):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))  # Python ignores SIGXFSZ: the write fails instead
    try:
        with pytest.raises(OSError, match="File too large"):
            checkpoints.save(tensors(4), {"step": 4})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["000002", "000003"]
    assert_is(checkpoints, 3)


def test_a_state_without_a_number_for_json_leaves_the_last_good_checkpoint(checkpoints):
    with pytest.raises(ValueError, match="not JSON compliant"):
        checkpoints.save(tensors(4), {"loss": float("nan")})
    assert_is(checkpoints, 3)


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    atomic.write(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        atomic.write(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize(("text", "steps", "seconds", "over"), [
    ("500", 499, 1e9, False), ("500", 500, 0, True), ("30s", 10**9, 29.9, False), ("30s", 0, 30, True),
    ("1.5m", 0, 89, False), ("1.5m", 0, 90, True), ("1h", 0, 3600, True),
])
def test_an_interval_is_of_steps_or_of_time(text, steps, seconds, over):
    assert Interval(text).is_over(steps, seconds) == over


@pytest.mark.parametrize("text", ["", "0", "0s", "-5", "1.5", "s", "10d", "ten", "1.2.3s"])
def test_another_interval_is_refused(text):
    with pytest.raises(UsageError, match=r"--checkpoint-every: expected a number of steps or a time, got"):
        Interval(text)
