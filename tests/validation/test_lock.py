"""One process a folder: a living holder is named, a dead one is in no one's way."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from validation.errors import UsageError
from validation.lock import lock

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from validation.lock import lock
with lock(sys.argv[1], "mlp_mnist/seed0"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def holder(tmp_path):
    """holder(seconds) -> another process that holds the run's lock."""
    started = []

    def start(seconds):
        started.append(subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), str(seconds)], cwd=ROOT,
                                        stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout.readline() == "held\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_second_says_who_holds_it(tmp_path, holder):
    process = holder(600)
    with pytest.raises(UsageError, match="--out: expected a run that no other process uses") as raised, \
            lock(tmp_path, "mlp_mnist/seed0"):
        pass
    for part in (str(tmp_path / "mlp_mnist/seed0"), f"process {process.pid} on {socket.gethostname()} since 20"):
        assert part in str(raised.value)
    with lock(tmp_path, "mlp_mnist/seed1"), lock(tmp_path, "rf_noisy_mnist/seed0"):
        pass  # other runs are free


def test_a_dead_holders_lock_is_free_at_once(tmp_path, holder):
    process = holder(600)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with lock(tmp_path, "mlp_mnist/seed0"):
        pass


def test_one_who_waits_gets_it_when_it_is_free_and_says_for_whom(tmp_path, holder):
    process, notes = holder(600), []
    threading.Timer(1.0, process.kill).start()
    started = time.monotonic()
    with lock(tmp_path, "mlp_mnist/seed0", wait=True, note=notes.append):
        assert process.wait() == -signal.SIGKILL and time.monotonic() - started >= 0.9
    assert len(notes) == 1 and f"held by process {process.pid}" in notes[0]


def test_it_is_free_again_after_the_block_and_after_an_error_in_it(tmp_path):
    with pytest.raises(RuntimeError), lock(tmp_path, "a"):
        raise RuntimeError
    mine = f"held by process {os.getpid()} on"
    with lock(tmp_path, "a"), pytest.raises(UsageError, match=mine), lock(tmp_path, "a"):
        pass
    with lock(tmp_path, "a"):
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--out: expected a folder to write to"), lock(tmp_path / "file", "a"):
        pass
