"""Where the points of a text stand: the sequence that a token belongs to, and its place in it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eigenkd._arrays import to_numpy
from eigenkd.deviation.inputs import NO_LABEL
from eigenkd.deviation.verdict import FEWEST


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens that the points predict.

    sequences: (n,) NumPy, numbers of the texts or chunks; positions: (n,) NumPy, the place of the predicted token in
    its sequence, from 0. texts: number -> (length,) NumPy ids of all tokens of that sequence, -100 for unknown ones;
    empty where the tokens are not known.
    """

    sequences: np.ndarray
    positions: np.ndarray
    texts: dict[int, np.ndarray]

    def take(self, keep: np.ndarray) -> "Tokens":
        """Those of the points `keep`, indices or bool."""
        return replace(self, sequences=self.sequences[keep], positions=self.positions[keep])

    def context(self, point: int, before: int = 24) -> tuple[int, ...]:
        """The ids of up to `before` tokens in front of the one that a point predicts; () where they are not known."""
        text, at = self.texts.get(int(self.sequences[point]), ()), int(self.positions[point])
        return tuple(int(token) for token in text[max(0, at - before):at])


@dataclass(frozen=True, eq=False)
class Places:
    """Of rows: what a message calls them, their number in the user's array and the token that they are about."""

    numbers: Any
    tokens: Tokens

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, slice):
            return replace(self, numbers=self.numbers[rows])
        row = self.numbers[rows]
        return f"{row} (sequence {self.tokens.sequences[row]}, token {self.tokens.positions[row]})"

    def __len__(self) -> int:
        return len(self.numbers)


def flat(teacher: Any, student: Any, labels: Any, groups: Any, masks: Any,
         keep: Any = None) -> tuple[Any, Any, Any, Any, Any, Any, Tokens | None]:
    """Logits of shape (sequences, tokens, vocabulary) as rows of points, and the `Tokens` of them.

    labels: (sequences, tokens) or None, the token that the logits at that place predict; groups: one a sequence or one
    a token; masks: name -> (sequences, tokens); keep: (sequences, tokens) or None. Logits of two dimensions are given
    back with None for the `Tokens`. Raises ValueError for labels, groups or masks of other shapes.
    """
    if len(getattr(teacher, "shape", ())) != 3:
        return teacher, student, labels, groups, masks, keep, None
    shape = tuple(teacher.shape)
    if tuple(getattr(student, "shape", ())) != shape:
        raise ValueError(f"student_logits: expected shape {shape} like teacher_logits, got "
                         f"{tuple(np.shape(student))}; pass the logits of the same sequences, tokens and vocabulary")
    count, length = shape[:2]
    sequences = np.repeat(np.arange(count), length)
    positions = np.tile(np.arange(length), count)
    texts = {}
    if labels is not None:
        labels = _of(labels, "labels", count, length)
        texts = {k: np.asarray(row) for k, row in enumerate(labels.reshape(count, length))}
    if groups is not None:
        groups = np.asarray(groups)
        groups = np.repeat(groups, length) if groups.shape == (count,) else _of(groups, "groups", count, length)
    masks = {name: _of(mask, f"masks[{name!r}]", count, length) for name, mask in masks.items()}
    keep = None if keep is None else _of(keep, "keep", count, length)
    return _rows(teacher), _rows(student), labels, groups, masks, keep, Tokens(sequences, positions, texts)


def shifted(labels: np.ndarray) -> np.ndarray:
    """Labels (sequences, tokens) that are the input's own tokens, as the token that each place predicts: the next one,
    -100 for the last. Raises ValueError for another number of dimensions."""
    labels = np.asarray(labels)
    if labels.ndim != 2:
        raise ValueError(f"--shift: expected labels of shape (sequences, tokens), got {labels.shape}; labels of a "
                         "line of points have no next token")
    return np.concatenate([labels[:, 1:], np.full((len(labels), 1), NO_LABEL)], axis=1)


def lag(predicted: np.ndarray, labels: np.ndarray | None, tokens: Tokens | None) -> str:
    """A sentence that says that labels are one place late, "" where there is no sign of it.

    predicted, labels: (n,) the teacher's tokens and the labels. The sign: the teacher predicts the label of the next
    place far more often than that of its own.
    """
    order = np.lexsort((tokens.positions, tokens.sequences))
    predicted, labels, at, of = (x[order] for x in (predicted, labels, tokens.positions, tokens.sequences))
    following = (np.diff(at) == 1) & (np.diff(of) == 0)
    if following.sum() < FEWEST:
        return ""
    own, following = float(np.mean(predicted == labels)), float(np.mean((predicted[:-1] == labels[1:])[following]))
    if following < 2 * own + 0.1:
        return ""
    return (f"The labels may be one place late: the teacher predicts the next place's label on {following:.0%} of the "
            f"tokens and its own place's on {own:.0%}; pass labels[:, 1:] with logits[:, :-1] (--shift).")


def _of(values, name, count, length):
    values = np.asarray(to_numpy(values)) if hasattr(values, "shape") else np.asarray(values)
    if values.shape != (count, length):
        raise ValueError(f"{name}: expected shape {(count, length)}, one a token, like the logits without their last "
                         f"dimension, got {values.shape}; the label of a place is the token that its logits predict")
    return values.reshape(-1)


def _rows(logits):
    shape = (int(logits.shape[0]) * int(logits.shape[1]), int(logits.shape[2]))
    return logits.reshape(shape)
