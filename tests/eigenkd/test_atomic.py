"""Files that are whole or absent, also where several processes write the same one."""

import os
import subprocess
import sys

import pytest

from eigenkd import _atomic as atomic

WRITER = """
import sys
from pathlib import Path
from eigenkd import _atomic as atomic
for _ in range(100):
    atomic.write("shared", sys.argv[1].encode() * 50_000)
    content = Path("shared").read_bytes()
    assert len(content) == 50_000 and len(set(content)) == 1, "a part of a file"
"""


def test_two_processes_write_one_path_at_once(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, letter], cwd=tmp_path, env=environment,
                                stderr=subprocess.PIPE, text=True) for letter in "ab"]
    assert [writer.communicate()[1] for writer in writers] == ["", ""]
    assert [path.name for path in tmp_path.iterdir()] == ["shared"]


def test_a_write_that_fails_or_is_interrupted_leaves_the_old_file(tmp_path, monkeypatch):
    atomic.write(tmp_path / "file", b"old")
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):
        monkeypatch.setattr(os, "fsync", lambda _, error=error: (_ for _ in ()).throw(error))
        with pytest.raises(type(error)):
            atomic.write(tmp_path / "file", b"new")
        assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_bytes() == b"old"


def test_what_a_killed_writer_left_is_discarded(tmp_path):
    killed = ("import os, sys\nfrom eigenkd import _atomic as atomic\natomic.put = lambda path, content: "
              "(path.write_bytes(content), os._exit(9))\natomic.write('file', b'new')")
    subprocess.run([sys.executable, "-c", killed], cwd=tmp_path, check=False,
                   env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    for name in ("file", ".partial", ".images.npy.partial"):
        (tmp_path / name).write_bytes(b"kept")
    assert len(list(tmp_path.iterdir())) == 4
    atomic.discard_partial(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".images.npy.partial", ".partial", "file"]


def test_a_name_of_the_greatest_length_can_be_written(tmp_path):
    atomic.write(tmp_path / ("n" * 255), b"content")
    assert (tmp_path / ("n" * 255)).read_bytes() == b"content"
