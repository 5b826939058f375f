"""python -m tests.validation.killing OUT KILLS ARGUMENT...: kills runs of a setting with SIGKILL and goes on with them.

Prints a JSON mapping: how many kills fell inside a save and how many elsewhere, and the files in which a run that was
killed differs from one that was not. Forks for each run, so that PyTorch is loaded once.
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

from validation import atomic, experiment, run
from validation.checkpoint import Checkpoints

from .running import contents

KINDS = ("timer", "operation")


class Operations:
    """Counts what is done to files, and dies at number `fatal`; `report` is told then whether inside a save."""

    def __init__(self, report, fatal):
        self.count, self.fatal, self.saving, self.report = 0, fatal, False, report
        for owner, names in ((atomic, ["flush"]), (shutil, ["rmtree"]), (Path, ["rename", "replace", "mkdir"])):
            for name in names:
                setattr(owner, name, self.counted(getattr(owner, name)))
        whole, save = atomic.put, Checkpoints.save

        def put(path, content):
            self.pass_by()
            whole(path, bytes(content)[: len(content) // 2])
            self.pass_by()  # half of it is on the disk
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
        self.count += 1
        if self.count == self.fatal:
            self.tell()
            os.kill(os.getpid(), signal.SIGKILL)

    def tell(self):
        os.write(self.report, json.dumps({"count": self.count, "saving": self.saving}).encode())


def leg(arguments, out, *, fatal=None, seconds=None, log="log"):
    """Runs the setting in its own process until its end, an operation or a time: (whether killed, what it told)."""
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
    experiment.shortened = lambda setting: setting  # smoke runs on generated data, as long as they are told to be
    out.mkdir(parents=True)
    with (out / "log").open("w") as log, redirect_stdout(log), redirect_stderr(log):
        run.main([*arguments, "--out", str(out / "first")])  # loads and prepares what each run would for itself
    started = time.monotonic()
    _, told = leg(arguments, out / "whole")
    whole, seconds = contents(out / "whole"), time.monotonic() - started
    tally = {f"{kind}, {where} a save": 0 for kind in KINDS for where in ("inside", "outside")}
    chains, done, differing = 0, 0, set()
    while done < kills:
        chains += 1
        place, killed = out / f"chain{chains}", True
        while killed:
            kind = KINDS[done % 2] if done < kills else None
            fatal = chance.randint(1, told["count"]) if kind == "operation" else None
            killed, last = leg(arguments, place, fatal=fatal,
                               seconds=chance.uniform(0, seconds) if kind == "timer" else None)
            if killed:
                inside = last["saving"] if last else any(place.rglob("checkpoints/.*"))
                tally[f"{kind}, {'inside' if inside else 'outside'} a save"] += 1
                done += 1
        found = contents(place)
        differing |= {name for name in whole.keys() | found.keys() if whole.get(name) != found.get(name)}
    print(json.dumps({"kills": tally, "chains": chains, "operations": told["count"], "seconds": round(seconds, 2),
                      "files": sorted(whole), "differing": sorted(differing)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
