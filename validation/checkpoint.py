"""Checkpoints: what a training needs to resume, whole or absent, and checked before it is used.

A folder of checkpoints holds

    000012/tensors.safetensors    named tensors: weights, the optimiser's state, random states, recorded rows
    000012/state.json             counters and the lines of metrics.jsonl so far
    000012/manifest.json          the size and SHA-256 of the other two

A checkpoint is written under the name .partial, flushed to the disk, and renamed: one that has a number is whole unless
the disk damaged it later, which the manifest shows. Neither format can hold code.
"""

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError

from eigenkd import _atomic as atomic
from validation.errors import UsageError

KEPT = 2
TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"


class Checkpoints:
    """The checkpoints in `folder`, of which the last two are kept; note(text) tells a person what happens to them.

    writing: makes the block in which files are written. The folder's own parent has to be in an existing folder.
    """

    def __init__(self, folder, note=print, writing=nullcontext):
        self.folder, self.note, self.writing = Path(folder), note, writing

    def numbers(self):
        """The numbers of all checkpoints, ascending; not checked yet."""
        if not self.folder.is_dir():
            return []
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdigit())

    def save(self, tensors, state):
        """Keeps named tensors and a JSON-able state as the newest checkpoint, and drops those before the last two.

        At whatever moment the process dies, or the disk is full (OSError), the last good checkpoint is still there.
        """
        contents = {TENSORS: safetensors.torch.save({name: _plain(tensor) for name, tensor in tensors.items()}),
                    STATE: json.dumps(state, allow_nan=False).encode()}
        manifest = {name: {"bytes": len(content), "sha256": atomic.sha256(content)}
                    for name, content in contents.items()}
        with self.writing():
            self._save(contents, manifest)

    def _save(self, contents, manifest):
        for folder in (self.folder.parent, self.folder):
            folder.mkdir(exist_ok=True)
        partial = self._emptied(".partial")
        try:
            partial.mkdir()
            for name, content in contents.items():
                atomic.put(partial / name, content)
            atomic.put(partial / MANIFEST, json.dumps(manifest).encode())
            atomic.flush(partial)
            number = max(self.numbers(), default=0) + 1
            partial.rename(self._path(number))
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)  # a full disk: give back what was taken of it
            raise
        atomic.flush(self.folder)
        for old in self.numbers()[:-KEPT]:
            self._path(old).rename(self._emptied(".discarded"))
        self._emptied(".discarded")

    def newest(self):
        """The number of the newest checkpoint that is whole, or None; a broken one is moved aside with a warning."""
        numbers = self.numbers()
        for number in reversed(numbers):
            try:
                self.read(number)
            except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
                aside = self._path(number).rename(self._emptied(f"broken-{number:06d}"))
                self.note(f"WARNING: the checkpoint {self._path(number)} is broken ({error}): it is now {aside.name}, "
                          "and the one before it is used")
            else:
                return number
        if numbers:
            self.note(f"WARNING: no checkpoint in {self.folder} is whole: the training begins again")
        return None

    def read(self, number):
        """(tensors, state) as they were saved; one of many exceptions where they are not whole."""
        path = self._path(number)
        manifest = json.loads((path / MANIFEST).read_bytes())
        contents = {}
        for name in (TENSORS, STATE):
            contents[name] = content = (path / name).read_bytes()
            if len(content) != manifest[name]["bytes"]:
                raise ValueError(f"{name} has {len(content):,} bytes, not {manifest[name]['bytes']:,}")
            if atomic.sha256(content) != manifest[name]["sha256"]:
                raise ValueError(f"{name} does not have the SHA-256 of its manifest")
        return safetensors.torch.load(contents[TENSORS]), json.loads(contents[STATE])

    def _path(self, number):
        return self.folder / f"{number:06d}"

    def _emptied(self, name):
        """The path of that name, with nothing there."""
        path = self.folder / name
        if path.exists():
            shutil.rmtree(path)
        return path


class Interval:
    """How often a checkpoint is written: "500" is every 500 steps, "30s", "10m" or "1h" that much time after the last.

    Raises UsageError for another text.
    """

    UNITS = {"s": 1, "m": 60, "h": 3600}  # noqa: RUF012 (a constant)

    def __init__(self, text):
        number, unit = (text[:-1], text[-1]) if text[-1:] in self.UNITS else (text, None)
        if not number.replace(".", "", 1).isdigit() or float(number) <= 0 or (unit is None and "." in number):
            raise UsageError(f"--checkpoint-every: expected a number of steps or a time, got {text!r}; pass for "
                             "example 500, 30s, 10m or 1h")
        self.steps = None if unit else int(number)
        self.seconds = float(number) * self.UNITS[unit] if unit else None

    def is_over(self, steps, seconds):
        """Whether it is time again, so many steps and seconds after the last checkpoint."""
        return steps >= self.steps if self.seconds is None else seconds >= self.seconds


def _plain(tensor):
    """On the CPU, in one piece, in the order of its indices."""
    return tensor.detach().cpu().contiguous()
