"""Where the points of a text stand: the sequence that a token belongs to, and its place in it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eigenkd._arrays import to_numpy
from eigenkd.deviation.inputs import NO_LABEL, kept
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

    def of(self, labels: np.ndarray | None) -> "Tokens":
        """These with the texts that the labels (n,) of the points make up, which may be None."""
        if labels is None:
            return self
        texts, order = {}, np.argsort(self.sequences, kind="stable")
        ends = np.flatnonzero(np.diff(self.sequences[order])) + 1
        for rows in np.split(order, ends):
            text = np.full(int(self.positions[rows].max()) + 1, NO_LABEL)
            text[self.positions[rows]] = labels[rows]
            texts[int(self.sequences[rows[0]])] = text
        return replace(self, texts=texts)

    def expect_once(self) -> None:
        """Raises ValueError where two points are the same token of a sequence."""
        order = np.lexsort((self.positions, self.sequences))
        twice = np.flatnonzero((np.diff(self.sequences[order]) == 0) & (np.diff(self.positions[order]) == 0))
        if twice.size:
            at = order[twice[0]]
            raise ValueError(f"sequences, positions: expected each token once, got token {self.positions[at]} of "
                             f"sequence {self.sequences[at]} twice; leave out what blocks have in common with keep=")

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
    a token; masks: name -> (sequences, tokens); keep: (sequences, tokens) or None. One of the two may be rows with
    `.tokens` of their own, such as `TopK` of a file: of the other's logits those are taken that predict these tokens,
    the logits at place p - 1 for token p. Logits of two dimensions are given back with None for the `Tokens`. Raises
    ValueError for labels, groups or masks of other shapes.
    """
    threes = [rows for rows in (teacher, student) if _dimensions(rows) == 3]
    some = next((rows for rows in (teacher, student) if getattr(rows, "tokens", None) is not None), None)
    if not threes and some is not None:
        groups, keep = _of_rows(groups, some.tokens, True), _of_rows(keep, some.tokens)
        return (teacher, student, _of_rows(labels, some.tokens), groups,
                {name: _of_rows(mask, some.tokens) for name, mask in masks.items()}, keep, None)
    if not threes or (len(threes) == 1 and threes[0] is student and some is None):
        return teacher, student, labels, groups, masks, keep, None
    shape = tuple(threes[0].shape)
    if some is None and (len(threes) < 2 or tuple(student.shape) != shape):
        raise ValueError(f"student_logits: expected shape {shape} like teacher_logits, got "
                         f"{tuple(np.shape(student))}; pass the logits of the same sequences, tokens and vocabulary")
    count, length = shape[:2]
    tokens = Tokens(np.repeat(np.arange(count), length), np.tile(np.arange(length), count), {})
    if labels is not None:
        labels = _of(labels, "labels", count, length)
        tokens = replace(tokens, texts={k: np.asarray(row) for k, row in enumerate(labels.reshape(count, length))})
    if groups is not None:
        groups = np.asarray(groups)
        groups = np.repeat(groups, length) if groups.shape == (count,) else _of(groups, "groups", count, length)
    masks = {name: _of(mask, f"masks[{name!r}]", count, length) for name, mask in masks.items()}
    keep = None if keep is None else _of(keep, "keep", count, length)
    teacher, student = (_rows(rows) if _dimensions(rows) == 3 else rows for rows in (teacher, student))
    if some is None:
        return teacher, student, labels, groups, masks, keep, tokens
    places = _places(some, count, length, labels)
    teacher, student = (rows if rows is some else kept(rows, places) for rows in (teacher, student))
    labels, groups, keep = (None if values is None else values[places] for values in (labels, groups, keep))
    return (teacher, student, labels, groups, {name: mask[places] for name, mask in masks.items()}, keep, some.tokens)


def expect_same_text(first: Any, second: Any) -> None:
    """Raises ValueError where two files' rows are not about the same tokens. Files of one kind say more exactly where;
    of two kinds the rows are compared by the tokens that they predict."""
    if type(first) is type(second):
        first.expect_same_text(second)
        return
    mine, theirs = first.tokens, second.tokens
    if mine is None or theirs is None:
        return
    if not (np.array_equal(mine.sequences, theirs.sequences) and np.array_equal(mine.positions, theirs.positions)):
        raise ValueError(f"{second.path}: expected rows for the {mine.positions.size:,} tokens of {first.path}, by "
                         f"sequence and place, got rows for {theirs.positions.size:,} others; score the same "
                         "texts, cut alike, with both models")
    expect_labels(first, second.labels, f"{second.path}")


def labels_of_file(file: Any, labels: Any) -> np.ndarray | None:
    """The labels of a file's rows: its own, or those given, if they are the same. None where neither has any."""
    if labels is None:
        return file.labels
    expect_labels(file, np.asarray(labels), "labels")
    return labels


def expect_labels(file: Any, labels: np.ndarray | None, name: str) -> None:
    """Raises ValueError where labels (n,), called `name`, are not the tokens of a file."""
    if labels is None or file.labels is None or len(labels) != len(file.labels):
        return
    other = np.flatnonzero((labels != file.labels) & (labels != NO_LABEL) & (file.labels != NO_LABEL))
    if other.size:
        k = int(other[0])
        raise ValueError(f"{name}: expected the tokens of {file.path}, got {labels[k]} in place of {file.labels[k]}, "
                         f"token {file.tokens.positions[k]} of sequence {file.tokens.sequences[k]} ({other.size:,} "
                         "differ); score the same texts with both models, and leave labels out that a file has")


def placed(sequences: Any, positions: Any, logits: Any) -> Tokens | None:
    """The `Tokens` of a block of logits by the numbers that `Stream.update` is given; None for none. Raises ValueError
    for one of both alone, other shapes, and what is no whole number from 0."""
    if sequences is None and positions is None:
        return None
    shape = tuple(getattr(logits, "shape", np.shape(logits)))
    if sequences is None or (positions is None and len(shape) == 2):
        raise ValueError("sequences, positions: expected both for rows of logits, got one of them; a token is known by "
                         "its sequence and its place in it")
    found = {}
    for name, values in (("sequences", sequences), ("positions", positions if positions is not None else 0)):
        values = np.asarray(to_numpy(values) if hasattr(values, "shape") else values)
        if name == "positions" and values.ndim == 0:
            values = np.broadcast_to(values, shape[:1])
        if not np.issubdtype(values.dtype, np.integer):
            raise ValueError(f"{name}: expected whole numbers from 0, got {values.dtype}; number the sequences, and "
                             "the tokens of each")
        if values.shape != shape[:1]:
            raise ValueError(f"{name}: expected shape {shape[:1]}, one a {'row' if len(shape) == 2 else 'sequence'}, "
                             f"got {values.shape}")
        if values.min(initial=0) < 0:
            raise ValueError(f"{name}: expected whole numbers from 0, got {values.min()}; number the sequences, and "
                             "the tokens of each")
        found[name] = values.astype(np.int64)
    of, at = found["sequences"], found["positions"]
    if len(shape) == 3:
        of, at = np.repeat(of, shape[1]), (at[:, None] + np.arange(shape[1])).reshape(-1)
    return Tokens(of, at, {})


def join(texts: dict[int, np.ndarray], number: int, text: np.ndarray) -> None:
    """Add what is known of a sequence to texts, number -> ids, in place."""
    before = texts.get(number)
    if before is None or not before.size:
        texts[number] = text
        return
    found = np.full(max(before.size, text.size), NO_LABEL)
    found[: before.size] = before
    known = text != NO_LABEL
    found[: text.size][known] = text[known]
    texts[number] = found


def shifted(labels: Any) -> np.ndarray:
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


def _places(some, count, length, labels):
    """The places in logits (count, length, vocabulary), one after another, that predict the tokens of `some`."""
    of, at = some.tokens.sequences, some.tokens.positions
    if (texts := int(of.max()) + 1) < count:
        raise ValueError(f"logits of {count} sequences: expected those of the {texts} that {some.path} has; pass the "
                         "logits of the same texts, in the same order")
    if (lost := np.flatnonzero((of >= count) | (at > length) | (at < 1))).size:
        raise ValueError(f"logits of {count} sequences of {length} tokens: expected those that predict the tokens of "
                         f"{some.path}, got none for token {at[lost[0]]} of sequence {of[lost[0]]}; pass the logits at "
                         "all places of the same texts, in the same order")
    places = of * length + at - 1
    if (np.diff(places) <= 0).any():
        raise ValueError(f"{some.path}: expected its rows in the order of sequences and tokens, got another; sort them")
    known = () if labels is None or some.labels is None else np.flatnonzero(
        (labels[places] != some.labels) & (labels[places] != NO_LABEL) & (some.labels != NO_LABEL))
    if len(known):
        k = known[0]
        raise ValueError(f"labels: expected the tokens of {some.path}, got {labels[places[k]]} in place of "
                         f"{some.labels[k]}, token {at[k]} of sequence {of[k]}; the label of a place is the next token "
                         "(--shift)")
    return places


def _of_rows(values, tokens, each=False):
    """Values (sequences, rows of each) one after another; with `each` those (sequences,) for the rows of each. Others
    as they are."""
    shape = np.shape(values) if values is not None else ()
    n, count = tokens.positions.size, int(tokens.sequences.max()) + 1
    if len(shape) == 2 and shape[0] == count and shape[0] * shape[1] == n:
        return np.asarray(values).reshape(-1)
    return np.asarray(values)[tokens.sequences] if each and shape == (count,) and count != n else values


def _dimensions(rows):
    return getattr(rows, "ndim", None) or len(getattr(rows, "shape", ()))


def _of(values, name, count, length):
    values = np.asarray(to_numpy(values)) if hasattr(values, "shape") else np.asarray(values)
    if values.shape != (count, length):
        raise ValueError(f"{name}: expected shape {(count, length)}, one a token, like the logits without their last "
                         f"dimension, got {values.shape}; the label of a place is the token that its logits predict")
    return values.reshape(-1)


def _rows(logits):
    shape = (int(logits.shape[0]) * int(logits.shape[1]), int(logits.shape[2]))
    return logits.reshape(shape)
