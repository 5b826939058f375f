"""Signals stop immediately outside training and at the next safe point within it; a real run stops and resumes."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from validation import run
from validation.interrupts import Stopped, listening

from .running import QUICK, SIGNALLED, finish, same_files, start


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_raises_immediately_outside_and_at_the_check_inside_the_block(number, code):
    with listening(), pytest.raises(Stopped) as raised:
        send(number)
    assert raised.value.code == code
    with listening() as interrupts:
        went_on = False
        with pytest.raises(Stopped) as raised, interrupts.deferred():
            send(number)
            went_on = True
            interrupts.check()
        assert went_on and raised.value.code == code


def test_an_unchecked_signal_raises_at_the_end_of_the_block():
    with listening() as interrupts, pytest.raises(Stopped), interrupts.deferred():
        send(signal.SIGTERM)


def test_a_second_ctrl_c_raises_immediately_and_a_second_sigterm_does_not():
    with listening() as interrupts, pytest.raises(Stopped), interrupts.deferred():
        send(signal.SIGINT)
        send(signal.SIGINT)
        pytest.fail("the second one waited")
    with listening() as interrupts:
        reached = False
        with pytest.raises(Stopped), interrupts.deferred():
            send(signal.SIGTERM)
            send(signal.SIGTERM)
            reached = True
        assert reached


def test_the_previous_handlers_are_restored():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with listening():
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] != before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_outside_the_main_thread_no_handler_is_set():
    before, inside = signal.getsignal(signal.SIGTERM), []

    def work():
        with listening() as interrupts:
            inside.append((signal.getsignal(signal.SIGTERM), interrupts.received))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [(before, None)]


RUN = (*QUICK, "--teacher.epochs", "4", "--student.epochs", "2", "--data.train-examples", "400")  # 3 steps per epoch


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The run folders of an uninterrupted `RUN`."""
    out = tmp_path_factory.mktemp("undisturbed")
    assert run.main([*RUN, "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_stopped_run_has_a_checkpoint_and_its_resumed_run_is_bit_identical(tmp_path, undisturbed, capsys, name, code):
    ended, err = finish(start(tmp_path, *RUN, before=(sys.executable, *SIGNALLED, name, "7")))
    assert ended == code and "Traceback" not in err
    assert err.splitlines()[-1] == ("interrupted: what was trained so far is kept; the same command resumes from there")
    (metrics,) = tmp_path.glob("teachers/*/metrics.jsonl")
    (state,) = [json.loads(path.read_text()) for path in metrics.parent.glob("checkpoints/*/*/state.json")]
    assert state["counters"]["step"] == 7 and len(state["log"]) == len(metrics.read_text().splitlines()) == 2
    assert run.main([*RUN, "--out", str(tmp_path)]) == 0
    assert "resumes after step 7 " in capsys.readouterr().err
    assert same_files(tmp_path, undisturbed) == []


@pytest.mark.skipif(not os.path.exists("/proc"), reason="lists a process's children in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_runs_of_a_study_stop_with_it(tmp_path, number):
    study = start(tmp_path / "runs", "optimisers", "--seeds", "1001", "1002", "--at-once", "2", "--data-dir", tmp_path,
                  before=(sys.executable, "-m", "validation.study"))
    wait_for(lambda: len(list(tmp_path.glob("runs/teachers/*/metrics.jsonl"))) >= 2, study)
    workers = [Path("/proc") / worker for worker in
               Path(f"/proc/{study.pid}/task/{study.pid}/children").read_text().split()]
    study.send_signal(number)
    code, err = finish(study)
    if number == signal.SIGTERM:
        assert code == 143 and "\ninterrupted: finished runs are kept" in err, err
    assert len(workers) >= 2
    wait_for(lambda: not any(map(is_running, workers)))


def is_running(process):
    """Whether a process, named by its folder in /proc, runs: one that nobody has waited for may stay as a zombie."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(holds, process=None, seconds=120):
    """Returns once holds() is true; fails where the process ends, or the time is over, before."""
    end = time.monotonic() + seconds
    while not holds():
        assert (process is None or process.poll() is None) and time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)
