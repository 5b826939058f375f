"""python -m tests.validation.two_killed FOLDER STEP ARGUMENT...: two processes, one of which is killed.

FOLDER/whole has the run folders of `validation.run ARGUMENT...`. FOLDER/killed has those of the same command when the
second process kills itself after that step of the teacher, and, begun again, after that step of the student.
"""

import os
import signal
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import torch

from validation import experiment  # noqa: F401 (loaded once, before the forks)
from validation.trainer import Trainer

from .two_processes import run_of_two


def killed(role, step, rank):
    """Kills this process after that step of that role if it is the second."""
    after_step = Trainer._after_step

    def fatal(self, at):
        after_step(self, at)
        if (rank, self.role.name, at) == (1, role, step):
            os.kill(os.getpid(), signal.SIGKILL)

    Trainer._after_step = fatal


def main(folder, step, *arguments):
    torch.set_num_threads(1)
    folder, step = Path(folder), int(step)
    with redirect_stdout(sys.stderr):
        for role in ("teacher", "student"):
            first, second = run_of_two(*arguments, "--out", str(folder / "killed"), before=partial(killed, role, step))
            assert first and second == signal.SIGKILL, f"the first process ended with {first}, the second with {second}"
        for name in ("killed", "whole"):
            assert run_of_two(*arguments, "--out", str(folder / name)) == [0, 0]


if __name__ == "__main__":
    main(*sys.argv[1:])
