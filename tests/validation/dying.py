"""torchrun ... -m tests.validation.dying STEP ARGUMENT...: validation.run, whose second process kills itself once.

It does so after that step of the teacher's training, when torchrun has started it for the first time.
"""

import os
import signal
import sys

from validation import run
from validation.fitting import Fit


def main(step, *arguments):
    after_step = Fit._after_step

    def fatal(self, at):
        if (self.role, at) == ("teacher", int(step)):
            os.kill(os.getpid(), signal.SIGKILL)
        after_step(self, at)

    if (os.environ["RANK"], os.environ["TORCHELASTIC_RESTART_COUNT"]) == ("1", "0"):
        Fit._after_step = fatal
    return run.main(arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
