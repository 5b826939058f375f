"""python -m tests.validation.killing OUT KILLS ARGUMENT...: kills runs of a setting with SIGKILL and resumes them.

Every second kill happens at a random time. The others happen at a random file operation, alternately inside and outside
a save. Prints a JSON mapping: the number of kills of each kind, and the files that differ between killed and
uninterrupted runs. Forks for each run, so PyTorch is loaded once.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from eigenkd import _atomic as atomic
from validation import plans, run
from validation.checkpoint import Checkpoints

from .running import contents

KINDS = ("timer", "inside a save", "timer", "outside a save")


class Operations:
    """Counts file operations inside and outside a save, and kills the process at `fatal` (inside or outside, number).

    `report` receives the counts at the end or before the kill."""

    def __init__(self, report, fatal):
        self.counts, self.fatal = {"inside a save": 0, "outside a save": 0}, fatal
        self.saving, self.report = False, report
        for owner, names in ((atomic, ["flush"]), (shutil, ["rmtree"]), (Path, ["rename", "replace", "mkdir"])):
            for name in names:
                setattr(owner, name, self.counted(getattr(owner, name)))
        whole, save = atomic.put, Checkpoints.save

        def put(path, content):
            self.pass_by()
            whole(path, bytes(content)[: len(content) // 2])
            self.pass_by()  # half of the file is on disk
            whole(path, content)
            self.pass_by()

        def saving(*arguments):
            self.saving = True
            save(*arguments)
            self.saving = False

        atomic.put, Checkpoints.save = put, saving

    def counted(self, function):
        def wrapped(*arguments, **named):
            self.pass_by()
            result = function(*arguments, **named)
            self.pass_by()
            return result

        return wrapped

    def pass_by(self):
        place = "inside a save" if self.saving else "outside a save"
        self.counts[place] += 1
        if (place, self.counts[place]) == self.fatal:
            self.tell()
            os.kill(os.getpid(), signal.SIGKILL)

    def tell(self):
        os.write(self.report, json.dumps(self.counts).encode())


def leg(arguments, out, *, fatal=None, seconds=None, log="log"):
    """Runs the setting in a child process until it ends or is killed; returns (whether killed, its report)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        descriptor = os.open(out.parent / log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        code = 99
        try:
            operations = Operations(writing, fatal)
            code = run.main([*arguments, "--out", str(out), "--data-dir", str(out / "no data")])
            operations.tell()
        finally:
            os._exit(code)
    os.close(writing)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    told = os.read(reading, 1000)
    os.close(reading)
    killed = os.WIFSIGNALED(status)
    if not killed and os.WEXITSTATUS(status):
        raise SystemExit(f"a run failed: {(out.parent / log).read_text()[-3000:]}")
    return killed, json.loads(told) if told else None


def main(out, kills, *arguments):
    out, kills, chance = Path(out), int(kills), random.Random(0)
    plans.shortened = lambda setting: setting  # smoke runs with synthetic data, but of full length
    out.mkdir(parents=True)
    with (out / "log").open("w") as log, redirect_stdout(log), redirect_stderr(log):
        run.main([*arguments, "--out", str(out / "first")])  # loads and prepares everything once, before the forks
    started = time.monotonic()
    _, operations = leg(arguments, out / "whole")
    whole, seconds = contents(out / "whole"), time.monotonic() - started
    tally, chains, done, differing = dict.fromkeys(KINDS, 0), 0, 0, set()
    while done < kills:
        chains += 1
        place, killed = out / f"chain{chains}", True
        while killed:
            kind = KINDS[done % len(KINDS)] if done < kills else None
            fatal = (kind, chance.randint(1, operations[kind])) if kind in operations else None
            killed, _ = leg(arguments, place, fatal=fatal,
                            seconds=chance.uniform(0, seconds) if kind == "timer" else None)
            if killed:
                tally[kind] += 1
                done += 1
        found = contents(place)
        differing |= {name for name in whole.keys() | found.keys() if whole.get(name) != found.get(name)}
    print(json.dumps({"kills": tally, "chains": chains, "operations": operations, "seconds": round(seconds, 2),
                      "files": sorted(whole), "differing": sorted(differing)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
