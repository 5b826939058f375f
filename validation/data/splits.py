"""The arrays of a data set, and where they come from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from validation.errors import UsageError


@dataclass(frozen=True)
class Source:
    """The source of a data set's arrays: a short name that identifies a run, and a note for people."""

    name: str
    note: str
    megabytes: float = 0.0
    """The size of the download that loading needs."""
    examples: int | None = None
    """The number of training examples, if it is known and differs from the data set's `examples`."""
    missing: str = ""
    """Why the data cannot be loaded and what to do, the message of the `UsageError` of `load`; empty if they can."""


@dataclass(frozen=True, eq=False)
class Splits:
    """Inputs (n, ...) and labels (n,) int64 of a training pool and a test set.

    Inputs are uint8 images (n, channels, height, width), rows of numbers, or texts (n, parts). They may be
    memory-mapped; nothing here reads them. digests: array name -> digest of its content, if it is known in advance.
    """

    train_inputs: np.ndarray
    train_labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    classes: int
    source: Source
    digests: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        for split in ("train", "test"):
            inputs, labels = getattr(self, f"{split}_inputs"), getattr(self, f"{split}_labels")
            if inputs.ndim < 2 or labels.shape != inputs.shape[:1]:
                raise UsageError(f"data: expected {split} inputs (n, ...) and n labels, got {inputs.shape} and "
                                 f"{labels.shape}; replace the files")
            if labels.size == 0 or labels.min() < 0 or labels.max() >= self.classes:
                raise UsageError(f"data: expected {split} labels from 0 to {self.classes - 1}, got "
                                 f"{(labels.min(), labels.max()) if labels.size else 'none'}; replace the files")


def own_source(name, digest, note):
    """The `Source` of a user's own data. Its name contains the digest of the content, so that runs on other content
    have another configuration."""
    return Source(f"{name}_{digest[:12]}", note)


def content(array):
    """What a digest of an array is computed from: its bytes, or the text of its strings as JSON."""
    if array.dtype.kind == "T":
        return json.dumps(array.tolist(), ensure_ascii=False).encode()
    return np.ascontiguousarray(array)
