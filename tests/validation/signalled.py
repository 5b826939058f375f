"""python -m tests.validation.signalled SIGNAL STEP ARGUMENT...: runs validation.run and sends itself a signal once.

The signal comes after that step of the teacher's training. Under torchrun, only the second process sends it, and only
before the first restart.
"""

import os
import signal
import sys

from validation import run
from validation.trainer import Trainer


def main(name, step, *arguments):
    after_step = Trainer._after_step

    def signalled(self, at):
        if (self.role.name, at) == ("teacher", int(step)):
            os.kill(os.getpid(), signal.Signals[name])
        after_step(self, at)

    if os.environ.get("RANK", "1") == "1" and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
        Trainer._after_step = signalled
    return run.main(arguments)


if __name__ == "__main__":
    run.leave(main(*sys.argv[1:]))
