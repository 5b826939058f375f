"""Progress of a run on standard error: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from contextlib import contextmanager

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Progress on `stream`; silent: no output, for all but the first process of a group."""

    def __init__(self, stream=None, silent=False):
        self.stream, self.silent = stream or sys.stderr, silent
        self.terminal = self.stream.isatty() and not silent

    def note(self, text):
        """Prints one line."""
        if self.silent:
            return
        tqdm.write(text, file=self.stream)

    @contextmanager
    def training(self, role, epochs, done=0):
        """Yields a function to call with each entry of metrics.jsonl; the last one is printed.

        done: number of epochs that are already finished.
        """
        said, entry = time.monotonic(), None
        with tqdm(total=epochs, initial=done, desc=role, unit="epoch", file=self.stream, leave=False,
                  disable=not self.terminal) as bar:

            def after_evaluation(latest):
                nonlocal said, entry
                entry = latest
                bar.update(entry["epoch"] - bar.n)
                bar.set_postfix(loss=f"{entry['loss']:.3g}", test=f"{entry['test_accuracy']:.3f}", refresh=False)
                if not self.terminal and time.monotonic() - said > SECONDS_BETWEEN_LINES and entry["epoch"] < epochs:
                    said = time.monotonic()
                    self.note(_line(entry, epochs))

            yield after_evaluation
        if entry:
            self.note(_line(entry, epochs))


def _line(entry, epochs):
    return (f"  {entry['role']}: epoch {entry['epoch']} of {epochs}, loss {entry['loss']:.4g}, "
            f"accuracy {entry['train_accuracy']:.3f} train, {entry['test_accuracy']:.3f} test")
