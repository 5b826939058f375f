"""Rows of which only the most probable tokens are known: `TopK`. What two such rows say is in `bounds`."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from eigenkd._arrays import to_numpy
from eigenkd.deviation.tokens import Tokens
from eigenkd.typing import Shape

TOP_K = "top-k log-probabilities"  # what such inputs are called
NONE = -1  # in place of an id where a row knows fewer tokens than others
ROUNDING = 2.0**-19  # nats by which a log-probability may be wrong: single precision of logits up to 32
SLACK = 1e-3  # by which the known probabilities may sum to more than 1


@dataclass(frozen=True, eq=False)
class TopK:
    """Known log-probabilities of some tokens of each row, normalised over the whole vocabulary, natural logarithms.

    ids: (n, m) whole numbers, -1 for none; log_probs: (n, m). vocabulary: how many tokens there are. top: (n, m) bool,
    which of them are the row's most probable ones, so that no other token is more probable than the least of those; the
    others are single tokens that were asked for, such as the text's own or another model's. Default: all. floor:
    log-probabilities below which no token lies, if that is known: without it the KL to such a row has no upper bound.
    rounding: by how many nats a stored number may be wrong. labels, tokens: of the rows, if the file has them (see
    `Tokens`).

    Raises ValueError for other shapes, repeated or unknown ids, NaN, and probabilities that sum to more than 1.
    """

    ids: np.ndarray
    log_probs: np.ndarray
    vocabulary: int
    top: np.ndarray | Any = None
    floor: float = -np.inf
    rounding: float = ROUNDING
    labels: np.ndarray | None = None
    tokens: Tokens | None = None
    path: str = "TopK"

    dtype: ClassVar[np.dtype] = np.dtype(float)
    ndim: ClassVar[int] = 2

    def __post_init__(self) -> None:
        ids, log = to_numpy(self.ids), to_numpy(self.log_probs).astype(float)
        if ids.ndim != 2 or ids.shape != log.shape or 0 in ids.shape:
            raise ValueError(f"{self.path}: expected ids and log_probs of one shape (n, k), got {ids.shape} and "
                             f"{log.shape}; fill short rows with the id -1")
        if not np.issubdtype(ids.dtype, np.integer):
            raise ValueError(f"{self.path}: expected ids that are whole numbers, got dtype {ids.dtype}")
        top = np.ones(ids.shape, bool) if self.top is None else to_numpy(self.top).astype(bool)
        ids = ids.astype(np.int64)
        self._refuse(ids, (ids < NONE) | (ids >= self.vocabulary), f"ids from 0 to {self.vocabulary - 1}",
                     "name the size of the vocabulary (--vocabulary)")
        used = ids != NONE
        log = np.where(used, log, -np.inf)
        self._refuse(log, np.isnan(log) | (log > SLACK), "log-probabilities, at most 0",
                     "pass natural logarithms of probabilities over the whole vocabulary, not logits")
        self._refuse(ids, ~used.any(axis=1, keepdims=True) & np.ones_like(used), "a known token in every row",
                     "leave the row out of both models")
        ordered = np.sort(np.where(used, ids, -1 - np.arange(ids.shape[1])), axis=1)
        self._refuse(ordered, np.pad(np.diff(ordered, axis=1) == 0, ((0, 0), (1, 0))), "different ids in a row",
                     "drop the repeated ones")
        total = log_sum(log)
        self._refuse(np.exp(total)[:, None], total[:, None] > SLACK, "probabilities that sum to at most 1",
                     "pass natural logarithms of probabilities over the whole vocabulary, not renormalised ones")
        for name, value in (("ids", ids), ("log_probs", np.minimum(log, 0.0)), ("top", top & used)):
            object.__setattr__(self, name, value)

    @property
    def doubts(self) -> tuple[str, ...]:
        """A sentence where the known probabilities of every row sum to 1 although tokens are unknown: no model's do."""
        some = (self.ids != NONE).sum(axis=1) < self.vocabulary
        if len(self.ids) < 2 or not some.all() or (np.abs(log_sum(self.log_probs)) > self.rounding).any():
            return ()
        return (f"The known probabilities of {self.path} sum to 1 in every row although tokens are missing. They seem "
                "to be renormalised over the top k: then no bound here is certain, and confidences are wrong.",)

    @property
    def shape(self) -> Shape:
        """(n, vocabulary)."""
        return len(self.ids), self.vocabulary

    def __getitem__(self, rows: Any) -> "TopK":
        return self.take_rows(np.arange(len(self.ids))[rows])

    def take_rows(self, numbers: np.ndarray) -> "TopK":
        """The rows of those numbers."""
        return replace(self, ids=self.ids[numbers], log_probs=self.log_probs[numbers], top=self.top[numbers],
                       labels=None, tokens=None)

    def expect_same_text(self, other: Any) -> None:
        """Raises ValueError where another file is not of the same text."""
        if self.tokens is None or other.tokens is None:
            return
        mine, theirs = self.tokens, other.tokens
        for k in sorted(set(mine.texts) | set(theirs.texts)):
            a, b = mine.texts.get(k), theirs.texts.get(k)
            if (a is None or b is None) and k in mine.sequences and k in theirs.sequences:
                without = self if a is None else other
                raise ValueError(f"{without.path}: expected the ids of sequence {k} (prompt_token_ids, input_ids), "
                                 "which the other file has, got none; write it again with them")
            if a is None or b is None:
                longer, shorter = (self, other) if b is None else (other, self)
                raise ValueError(f"{other.path}: expected the sequences of {self.path}, got none of number {k}, which "
                                 f"{longer.path} has and {shorter.path} has not; score the same texts with both models")
            shared = min(len(a), len(b))
            if len(a) != len(b) and (a[:shared] == b[:shared]).all():
                raise ValueError(f"{other.path}: expected the {len(a)} tokens of sequence {k} of {self.path}, got "
                                 f"{len(b)}, the same as far as both go; score whole texts with both models")
            if len(a) != len(b) or (a != b).any():
                at = int(np.flatnonzero(a[:shared] != b[:shared])[0])
                raise ValueError(f"{other.path}: expected the tokens of {self.path}, got others from token {at} of "
                                 f"sequence {k} on; score the same texts with both models and one tokenizer")
        if not (np.array_equal(mine.sequences, theirs.sequences) and np.array_equal(mine.positions, theirs.positions)):
            one, two = (set(zip(of.sequences.tolist(), of.positions.tolist())) for of in (mine, theirs))
            of, at = min(one ^ two, default=(0, 0))
            having = self if (of, at) in one else other
            raise ValueError(f"{other.path}: expected rows for the tokens of {self.path}, got rows for others: only "
                             f"{having.path} has one for token {at} of sequence {of}; write both with the same start")

    def _refuse(self, values, wrong, expected, fix):
        if wrong.any():
            row, column = (int(x) for x in np.argwhere(wrong)[0])
            where = f"row {row}"
            if self.tokens is not None:
                where = (f"sequence {self.tokens.sequences[row]}, token {self.tokens.positions[row]} (row {row})")
            raise ValueError(f"{self.path}: expected {expected}, got {values[row, column]:.6g} in {where}; {fix}")


def log_sum(log: np.ndarray) -> np.ndarray:
    """log sum exp of each row (n, m); -inf for a row of -inf."""
    top = np.max(log, axis=1)
    top = np.where(top > -np.inf, top, 0.0)
    with np.errstate(divide="ignore"):
        return top + np.log(np.exp(log - top[:, None]).sum(axis=1))
