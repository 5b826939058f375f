"""Run folders: the one writer of what a run leaves, and the check of each file that is read from one.

`config.json` and `result.json` carry their own SHA-256, and `result.json`, which is written last, has that of every
other file. `validation.runs` finds runs.
"""

import io
import json
import shutil
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain, count
from pathlib import Path

import numpy as np

from eigenkd import _atomic as atomic
from validation import sealed
from validation.errors import UsageError
from validation.lock import lock

RESULT, CONFIGURATION, LOG, WEIGHTS = "result.json", "config.json", "metrics.jsonl", "weights.safetensors"
PARTS = (RESULT, CONFIGURATION, LOG, "outputs.npz", "snapshots.npz", "trajectory.npz", "mislabelled.npz", "gains.npz",
         "densities.npz", WEIGHTS)
CHECKPOINTS = "checkpoints"
SCHEMA = 3  # of result.json and the arrays next to it: counted up where a field changes its name or its meaning
OLDER = (1, 2)  # schemas whose JSON files carry no digest
DEFINITIONS = ("weights", "displacement")  # of a layer's components: the rows of its paths in trajectory.npz
COMMITTED = Path(__file__).resolve().parent.parent / "records"  # compact run folders that come with a checkout


class Damaged(UsageError):
    """A file of a run is not what was written. `reason`: a clause on the run, such as "its result.json ..."; `mapping`:
    what a JSON file without a digest holds, else None."""

    def __init__(self, folder, reason, mapping=None):
        super().__init__(f"{folder} is damaged: {reason}; run it again with --no-resume, which keeps this folder")
        self.reason, self.mapping = reason, mapping


class OtherVersion(Damaged):
    """A result has another schema number than this version reads."""

    def __init__(self, folder, schema):
        age = "an older" if isinstance(schema, int) and schema < SCHEMA else "a newer"
        super().__init__(folder, f"it was made by {age} version (schema {schema}, this one reads {SCHEMA})")


class Vanished(UsageError):
    """A run folder was removed, moved or replaced while its run was under way."""


class Folder:
    """A folder <out>/<name> with what one run leaves. The run is finished where `result.json` is: it is written last.

    Every file but metrics.jsonl is whole or absent; that one is written again from the checkpoint when a run resumes.
    Methods that read raise `Damaged` for a file that is not what was written. After `begin`, all raise `Vanished` where
    the folder is no longer the one that was begun.
    """

    def __init__(self, out, name):
        self.out, self.name = Path(out), str(name)
        self.path = self.out / self.name
        self._begun = None  # which config.json it was that `begin` found or wrote

    @classmethod
    def at(cls, path):
        """The folder with this path."""
        path = Path(path)
        return cls(path.parent, path.name)

    # What is read

    def is_finished(self):
        return self.has(RESULT)

    def has(self, name):
        """Whether the file is there."""
        return (self.path / name).exists()

    def finished(self):
        """The result of a finished run, or None. Raises `OtherVersion` for one with another schema number."""
        result = self._sealed(RESULT)
        if result is not None and result.get("schema", 1) != SCHEMA:
            raise OtherVersion(self.path, result.get("schema", 1))
        return result

    def configuration(self):
        """The configuration of the run that is there, or None."""
        with self._under_way():
            return self._sealed(CONFIGURATION)

    def contents(self, name):
        """The bytes of a file, those of a finished run checked against its result."""
        with self._under_way():
            content, result = (self.path / name).read_bytes(), self.finished()
        if result is not None:
            self._compare(name, atomic.sha256(content), result)
        return content

    def arrays(self, file, *names):
        """name -> array of <file>.npz: of all, or of these names. Raises KeyError for a name that it does not have."""
        with np.load(io.BytesIO(self.contents(f"{file}.npz")), allow_pickle=False) as stored:
            return {name: stored[name] for name in names or stored.files}

    def read_log(self):
        """The lines of metrics.jsonl."""
        return [json.loads(line) for line in self.contents(LOG).decode().splitlines()]

    def load_weights(self, network):
        """Puts what `save_weights` wrote into the network."""
        import safetensors.torch

        network.load_state_dict(safetensors.torch.load(self.contents(WEIGHTS)))

    def verify(self, complete=True):
        """Raises `Damaged` where a file of a finished run is not what was written.

        complete: whether a file that is absent counts as damaged; compact records leave some out.
        """
        if (result := self.finished()) is None:  # moved away by another process
            raise Damaged(self.path, f"its {RESULT} is missing")
        for name in result["files"]:
            if self.has(name):
                self._compare(name, _digest(self.path / name, _identity(self.path / name)), result)
            elif complete:
                raise Damaged(self.path, f"its {name} is missing")

    # Begun, resumed, moved aside

    def lock(self, note=print, *, wait=False):
        """A block within which no other process works here; see `validation.lock.lock`."""
        return lock(self.out, self.name, wait=wait, note=note)

    def begin(self, configuration):
        """Makes the folder hold an unfinished run of this configuration, resumed where it has checkpoints of it.

        What a run of another configuration left is cleared. Raises UsageError where the folder cannot be written to.
        """
        ours = _short(configuration)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name in PARTS:
                (self.path / name).unlink(missing_ok=True)
            atomic.discard_partial(self.path)
            for other in self._checkpoint_folders():
                if other.name != ours:
                    shutil.rmtree(other)
            atomic.write(self.path / CONFIGURATION, sealed.written(configuration))
            self._begun = _identity(self.path / CONFIGURATION)
        except OSError as error:
            raise UsageError(f"--out: expected a folder to write to, got {self.path} ({error.strerror}); "
                             "name another with --out") from error

    def has_checkpoints(self, configuration=None):
        """Whether a training of this configuration can be resumed here, or of any if it is None."""
        place = CHECKPOINTS if configuration is None else f"{CHECKPOINTS}/{_short(configuration)}"
        return any((self.path / place).glob("**/[0-9]*/manifest.json"))  # not the one that a kill left half saved

    def checkpoints(self, note):
        """The `Checkpoints` of the configuration that was begun."""
        from validation.checkpoint import Checkpoints  # PyTorch comes with it

        return Checkpoints(self.path / CHECKPOINTS / _short(self.configuration()), note, self._under_way)

    def clear_checkpoints(self):
        """Removes all checkpoints, unless another process does: the training is finished."""
        shutil.rmtree(self.path / CHECKPOINTS, ignore_errors=True)

    def set_aside(self):
        """Renames the folder to previous-<its name>, previous-<its name>-2, ..., the first that is free; returns it.

        The name does not begin with seed, so that no reader of seed* counts a run twice.
        """
        names = (f"previous-{self.path.name}{ending}" for ending in chain([""], (f"-{i}" for i in count(2))))
        return self.path.rename(next(path for path in map(self.path.with_name, names) if not path.exists()))

    # What is written

    def log(self, entry):
        """Appends one line to metrics.jsonl."""
        line = _line(entry)
        with self._under_way(), (self.path / LOG).open("a") as file:
            file.write(line)

    def write_log(self, entries):
        """Makes metrics.jsonl hold these lines."""
        self._write(LOG, "".join(map(_line, entries)).encode())

    def save(self, file, **arrays):
        """Writes arrays to <file>.npz."""
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        self._write(f"{file}.npz", content.getbuffer())

    def save_weights(self, network):
        """Writes the network's parameters and buffers to weights.safetensors."""
        import safetensors.torch

        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        self._write(WEIGHTS, safetensors.torch.save(tensors))

    def finish(self, result, indent=1):
        """Writes result.json, with this indent or on one line, with its schema number and the SHA-256 of every other
        file, and returns it. Clears the checkpoints."""
        names = [name for name in PARTS if name != RESULT and self.has(name)]
        digests = {name: atomic.sha256((self.path / name).read_bytes()) for name in names}
        result = {"schema": SCHEMA, **result, "files": digests}
        self._write(RESULT, sealed.written(result, indent))
        self.clear_checkpoints()
        return result

    def _sealed(self, name):
        try:
            content = (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return sealed.read(content)
        except sealed.Unsealed as error:
            if name == RESULT and error.mapping.get("schema", 1) in OLDER:
                raise OtherVersion(self.path, error.mapping.get("schema", 1)) from None
            raise Damaged(self.path, f"its {name} {error}", error.mapping) from None
        except sealed.Broken as error:
            raise Damaged(self.path, f"its {name} {error}") from None

    def _write(self, name, content):
        with self._under_way():
            atomic.write(self.path / name, content)

    @contextmanager
    def _under_way(self):
        """A block that uses the folder. After `begin` it raises `Vanished` where the folder is not the one of then."""
        gone = Vanished(f"--out: {self.path} was removed, moved or replaced during training; nothing more is written "
                        "there: start the same command again")
        if self._begun is not None and _identity(self.path / CONFIGURATION) != self._begun:
            raise gone
        try:
            yield
        except FileNotFoundError as error:
            if self._begun is None:
                raise
            raise gone from error

    def _compare(self, name, digest, result):
        if result["files"].get(name) != digest:
            raise Damaged(self.path, f"its {name} changed since it was written (another SHA-256)")

    def _checkpoint_folders(self):
        folder = self.path / CHECKPOINTS
        return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _identity(path):
    """What tells a file from another one that is at its path later."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=4096)
def _digest(path, _identity):
    """The SHA-256 of a file, computed again when its identity changes."""
    return atomic.sha256(path.read_bytes())


def _short(configuration):
    """The name of the folder of this configuration's checkpoints."""
    return sealed.digest(configuration)[:16]


def _line(entry):
    return json.dumps(entry, allow_nan=False) + "\n"
