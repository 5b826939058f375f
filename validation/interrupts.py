"""SIGTERM and Ctrl-C: a run writes a checkpoint, then ends; outside a training it ends at once."""

import signal
import threading
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A signal asked the run to end. `code` is the shell's exit code for it: 130 for Ctrl-C, 143 for SIGTERM."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


class Interrupts:
    """What has come in. `received` is the signal's number, or None."""

    def __init__(self):
        self.received, self._deferring = None, False

    @contextmanager
    def deferred(self):
        """Within the block a signal waits for `check`; only a second Ctrl-C, of a person in a hurry, does not."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        self.check()

    def check(self):
        """Raises Stopped where a signal has come in."""
        if self.received is not None:
            raise Stopped(self.received)

    def __call__(self, number, frame):
        again, self.received = self.received is not None, number
        if not self._deferring or (again and number == signal.SIGINT):
            raise Stopped(number)


@contextmanager
def listening():
    """Yields `Interrupts`; the handlers that were there before come back. Outside the main thread none can be set."""
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
