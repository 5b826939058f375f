"""One process at a time in a folder. The operating system holds the lock, so that a dead holder's is free at once."""

import json
import os
import socket
import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from validation.errors import UsageError

SECONDS_BETWEEN_LOOKS = 0.5


@contextmanager
def lock(out, name, *, wait=False, note=print):
    """Within the block no other process works on <out>/<name>; the lock is a file in <out>/.locks.

    wait: whether to wait for another holder, telling by note(text) who it is.

    Raises UsageError that says who holds it where it is not to be waited for, or where `out` cannot be written to.
    """
    path = Path(out) / ".locks" / f"{name.replace('/', '-')}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = FileLock(path)
        told = False
        while not _taken(file):
            if not wait:
                raise UsageError(f"--out: expected a run that no other process uses, got {Path(out) / name}, held by "
                                 f"{_holder(path)}; wait for it, or name another --out")
            if not told:
                note(f"waiting for {Path(out) / name}, held by {_holder(path)}")
                told = True
            time.sleep(SECONDS_BETWEEN_LOOKS)
    except OSError as error:
        raise UsageError(f"--out: expected a folder to write to, got {out} ({error.strerror}); name another with "
                         "--out") from error
    try:
        path.with_suffix(".holder").write_text(json.dumps({
            "process": os.getpid(), "host": socket.gethostname(), "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}"}))
        yield
    finally:
        file.release()


def _taken(file):
    try:
        file.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _holder(path):
    try:
        holder = json.loads(path.with_suffix(".holder").read_text())
        return f"process {holder['process']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"
