"""Run folders as they are written: what a run leaves behind, and how it is kept from harm. `validation.runs` reads."""

import io
import json
from itertools import chain, count
from pathlib import Path

import numpy as np

from eigenkd import _atomic as atomic
from validation.errors import UsageError
from validation.lock import lock

PARTS = ("result.json", "config.json", "metrics.jsonl", "outputs.npz", "trajectory.npz", "mislabelled.npz",
         "gains.npz", "weights.safetensors")
CHECKPOINTS = "checkpoints"
SCHEMA = 2  # of result.json and the arrays next to it: counted up where a field changes its name or its meaning
DEFINITIONS = ("weights", "displacement")  # of a layer's components: the rows of its paths in trajectory.npz
COMMITTED = Path(__file__).resolve().parent.parent / "records"  # compact run folders that come with a checkout


class Folder:
    """A folder <out>/<name> with what one run leaves, finished where `result.json` is: that one is written last.

    Every file but metrics.jsonl is whole or not there; where a run is resumed, that one is written from a checkpoint.
    """

    def __init__(self, out, name):
        self.out, self.name = Path(out), str(name)
        self.path = self.out / self.name

    def finished(self):
        """The result of a finished run, or None. Raises UsageError for a result that cannot be read."""
        return self._read("result.json")

    def is_finished(self):
        return (self.path / "result.json").exists()

    def has(self, name):
        """Whether the file is there."""
        return (self.path / name).exists()

    def configuration(self):
        """The configuration of the run that is there, or None."""
        return self._read("config.json")

    def has_checkpoints(self):
        """Whether there is something to go on from."""
        folder = self.path / CHECKPOINTS
        return folder.is_dir() and any(path.name.isdigit() for path in folder.iterdir())

    def checkpoints(self, note):
        """Its `Checkpoints`."""
        from validation.checkpoint import Checkpoints  # PyTorch comes with it

        return Checkpoints(self.path / CHECKPOINTS, note)

    def lock(self, note=print, *, wait=False):
        """A block within which no other process works here; see `validation.lock.lock`."""
        return lock(self.out, self.name, wait=wait, note=note)

    def begin(self, configuration):
        """Makes the folder hold an unfinished run of this configuration: the one that is there, else a new one.

        What another unfinished run left is cleared. Raises UsageError where the folder cannot be written to.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not self.is_finished() and self.configuration() == configuration:
                return
            for name in PARTS:
                (self.path / name).unlink(missing_ok=True)
            self.checkpoints(print).clear()
            self._write("config.json", configuration)
        except OSError as error:
            raise UsageError(f"--out: expected a folder to write to, got {self.path} ({error.strerror}); "
                             "name another with --out") from error

    def set_aside(self):
        """Renames the folder to previous-<its name>, previous-<its name>-2, ..., the first that is free; returns it.

        The name does not begin with seed, so that no reader of seed* counts a run twice.
        """
        names = (f"previous-{self.path.name}{ending}" for ending in chain([""], (f"-{i}" for i in count(2))))
        return self.path.rename(next(path for path in map(self.path.with_name, names) if not path.exists()))

    def log(self, entry):
        """Appends one line to metrics.jsonl."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(_line(entry))

    def write_log(self, entries):
        """Makes metrics.jsonl hold these lines."""
        atomic.write(self.path / "metrics.jsonl", "".join(map(_line, entries)).encode())

    def read_log(self):
        """The lines of metrics.jsonl."""
        return [json.loads(line) for line in (self.path / "metrics.jsonl").read_text().splitlines()]

    def save(self, name, **arrays):
        """Writes arrays to <name>.npz."""
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        atomic.write(self.path / f"{name}.npz", content.getbuffer())

    def arrays(self, name):
        """The arrays of <name>.npz."""
        with np.load(self.path / f"{name}.npz", allow_pickle=False) as stored:
            return dict(stored)

    def save_weights(self, network):
        """Writes the network's parameters and buffers to weights.safetensors."""
        import safetensors.torch

        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        atomic.write(self.path / "weights.safetensors", safetensors.torch.save(tensors))

    def load_weights(self, network):
        """Puts what `save_weights` wrote into the network."""
        import safetensors.torch

        network.load_state_dict(safetensors.torch.load((self.path / "weights.safetensors").read_bytes()))

    def digests(self):
        """The SHA-256 of each file that a finished run is read from, by its name."""
        names = [name for name in PARTS if name != "result.json" and (self.path / name).exists()]
        return {name: atomic.sha256((self.path / name).read_bytes()) for name in names}

    def finish(self, result):
        """Writes result.json with its schema number, whole or not at all, and returns it. Clears the checkpoints."""
        result = {"schema": SCHEMA, **result}
        self._write("result.json", result)
        self.checkpoints(print).clear()
        return result

    def _read(self, name):
        try:
            return json.loads((self.path / name).read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise UsageError(f"--out: expected a readable {name}, {self.path / name} is not ({error}); delete that "
                             "folder, or keep it aside with --no-resume") from error

    def _write(self, name, value):
        atomic.write(self.path / name, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def _line(entry):
    return json.dumps(entry, allow_nan=False) + "\n"
