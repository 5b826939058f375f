"""SIGTERM and Ctrl-C: during training a run saves a checkpoint before it exits; otherwise it exits immediately."""

import signal
import threading
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A signal asked the run to stop. `code` is the shell's exit code for it: 130 for Ctrl-C, 143 for SIGTERM."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number

    def __reduce__(self):  # from the process of a run to that of its study
        return Stopped, (self.code - 128,)


class Interrupts:
    """The handler of signals. `received` is the number of the received signal, or None."""

    def __init__(self):
        self.received, self._deferring = None, False

    @contextmanager
    def deferred(self):
        """Within the block a signal takes effect at `check`; a second Ctrl-C takes effect immediately."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        self.check()

    def check(self):
        """Raises Stopped if a signal was received."""
        if self.received is not None:
            raise Stopped(self.received)

    def __call__(self, number, frame):
        again, self.received = self.received is not None, number
        if not self._deferring or (again and number == signal.SIGINT):
            raise Stopped(number)


@contextmanager
def listening():
    """Yields `Interrupts`, and restores the previous handlers afterwards. Outside the main thread no handler is set."""
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = {number: signal.signal(number, interrupts) for number in SIGNALS}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
