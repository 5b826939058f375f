"""The base files of llama.cpp: `llama-perplexity --kl-divergence-base FILE`, one from each model on the same text.

    8 bytes "_logits_", int32 C (context), int32 V (vocabulary), int32 N (chunks), int32 x N C (tokens), and then for
    each chunk R = C - 1 - floor(C / 2) rows of two float32 (scale, least) and V codes of uint16, padded to an even
    number

A row's log-probability of token t is scale * code[t] + least. The code 65535 is the top token's; 0 means "at most this"
in a row whose logits reach further down than the writer keeps (16 nats below the top, 24 in the fork ik_llama.cpp).
"""

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from eigenkd.deviation.rows import Rows
from eigenkd.deviation.tokens import Tokens
from eigenkd.deviation.workspace import Workspace
from eigenkd.typing import Shape

MAGIC = b"_logits_"
TOP = 65535  # the code of a row's most probable token
CAPS = (16.0, 24.0)  # nats below the top at which the known writers stop
SLACK = 2e-3  # by which a row's probabilities may miss 1: half a step a token, and what lies below the cap
FLOOR = -16.0  # log-probabilities at or below it do not count in llama-perplexity's KL
REWRITE = "write it again with llama-perplexity --kl-divergence-base"


def is_base(path: str | Path) -> bool:
    """Whether a path is that of a base file: by its first bytes, or by the ending .kld."""
    path = Path(path)
    if path.suffix.lower() == ".kld":
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8) == MAGIC


class BaseFile:
    """The rows of a base file as an array (tokens, vocabulary) of log-probabilities, read as they are sliced.

    path: the file. chunks: how many chunks of it to use, from the first; default all. labels: (n,) NumPy, the token
    that follows; tokens: where it stands. Only the second half of each chunk is in the file.

    Raises ValueError for what is no such file, is cut off, or is damaged, with the file, the chunk and the fix.
    """

    path: Path
    context: int
    vocabulary: int
    scored: int
    chunks: int
    shape: Shape
    ids: np.ndarray
    labels: np.ndarray
    tokens: Tokens | Any

    dtype: np.dtype = np.dtype(np.float32)
    ndim: int = 2

    def __init__(self, path: str | Path, chunks: int | None = None) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"{path}: expected a base file of llama-perplexity, found no file; check the path")
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            self.context, self.vocabulary, announced = _header(self.path, file.read(20), size)
            self.scored = self.context - 1 - self.context // 2
            self.chunks = announced if chunks is None else chunks
            ids = np.fromfile(file, "<i4", announced * self.context)
        begin, width = 20 + 4 * announced * self.context, 4 + self.vocabulary + self.vocabulary % 2
        self._expect_whole(size - begin, 2 * width * self.scored, announced)
        ids = ids.reshape(announced, self.context)[: self.chunks]
        if (wrong := np.flatnonzero(((ids < 0) | (ids >= self.vocabulary)).any(axis=1))).size:
            raise ValueError(f"{self.path}: expected tokens from 0 to {self.vocabulary - 1}, got "
                             f"{ids[wrong[0]].min()} to {ids[wrong[0]].max()} in chunk {wrong[0]}; the file is "
                             f"damaged: {REWRITE}")
        first = self.context - self.scored
        self._rows = Rows(self.path, (self.chunks * self.scored, width), np.dtype("<u2"), begin)
        self.shape = (self.chunks * self.scored, self.vocabulary)
        self.ids, self.labels = ids, ids[:, first:].reshape(-1).astype(int)
        self.tokens = Tokens(np.repeat(np.arange(self.chunks), self.scored),
                             np.tile(np.arange(first, self.context), self.chunks), dict(enumerate(ids)))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """The log-probabilities of a slice of rows, (rows, vocabulary), single precision."""
        first, _, _ = rows.indices(self.shape[0])
        scale, least, codes = self.stored(rows)
        self._expect_rows(first, scale, least, codes)
        found = codes.astype(np.float32)  # before the product: NumPy casts within it ten times as slowly
        found *= scale[:, None]
        found += least[:, None]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def stored(self, rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(scale (rows,), least (rows,), codes (rows, vocabulary)) of a slice of rows."""
        found = self._rows[rows]
        numbers = np.ascontiguousarray(found[:, :4]).view("<f4")
        return numbers[:, 0], numbers[:, 1], found[:, 4 : 4 + self.vocabulary]

    def targets(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(log-probability, half a step, whether it is only a floor) of each row's target, (n,) each.

        A floor: the code is 0 in a row whose logits reached below the writer's cap, so that the true value is lower.
        """
        content = np.memmap(self.path, "<u2", "r", self._rows.offset, self._rows.shape)
        numbers = np.ascontiguousarray(content[:, :4]).view("<f4")
        codes = content[np.arange(self.shape[0]), 4 + self.labels]
        if hasattr(mmap, "MADV_DONTNEED"):
            content._mmap.madvise(mmap.MADV_DONTNEED)
        scale, least = numbers[:, 0], numbers[:, 1]
        reach = TOP * scale.astype(float)
        capped = np.any([np.abs(reach - cap) < 1e-3 for cap in CAPS], axis=0)
        return scale * codes.astype(np.float32) + least, scale / 2, (codes == 0) & capped

    def expect_same_text(self, other: Any) -> None:
        """Raises ValueError where another base file is not of the same text, context and vocabulary."""
        for what, flag in (("vocabulary", "the models have different vocabularies, and cannot be compared token by "
                                          "token"),
                           ("context", "run both with the same -c")):
            if (mine := getattr(self, what)) != (theirs := getattr(other, what)):
                raise ValueError(f"{other.path}: expected a {what} of {mine} tokens like {self.path}, got {theirs}; "
                                 f"{flag}")
        shared = min(self.chunks, other.chunks)
        differ = np.flatnonzero((self.ids[:shared] != other.ids[:shared]).any(axis=1))
        if differ.size:
            chunk = int(differ[0])
            at = int(np.flatnonzero(self.ids[chunk] != other.ids[chunk])[0])
            raise ValueError(f"{other.path}: expected the tokens of {self.path}, got {other.ids[chunk, at]} in place "
                             f"of {self.ids[chunk, at]} at token {at} of chunk {chunk} ({differ.size} of {shared} "
                             "chunks differ); run both models on the same text with the same tokenizer")
        if self.chunks != other.chunks:
            raise ValueError(f"{other.path}: expected {self.chunks} chunks like {self.path}, got {other.chunks}; run "
                             f"both on the whole text, or compare the first {shared} with --chunks {shared}")

    def extra(self, student: Any, numbers: np.ndarray) -> Callable[..., dict[str, np.ndarray]]:
        """A function that gives what llama-perplexity takes from blocks of this file's and the student's rows.

        numbers: of the rows, (n,). function(p, q, chosen): `Softmax` of the rows numbers[chosen]; it returns name ->
        (rows,): "stored_teacher_nll", "stored_student_nll", "floored_teacher", "floored_student", "stored_kl" (over
        tokens above -16, not normalised) and "stored_same". It raises ValueError for rows whose probabilities do not
        sum to 1.
        """
        (a, _, floored_a), (b, _, floored_b) = self.targets(), student.targets()

        def block(p, q, chosen):
            rows, into, share = numbers[chosen], Workspace("stored", p.logits), p.exp
            largest = {}
            for file, model in ((student, q), (self, p)):  # exp of a row is its softmax times that of its largest
                largest[file] = np.exp(model.largest)
                file.expect_sums(rows, model.sum * largest[file])
            other = into("other", np.subtract, p.logits, q.logits)
            if p.logits.min() <= FLOOR:
                share = into("share", np.multiply, share, p.logits > FLOOR)  # an assignment to a mask takes longer
            return {"stored_teacher_nll": -a[rows], "stored_student_nll": -b[rows],
                    "stored_kl": np.vecdot(share, other) * largest[self], "stored_same": p.top == q.top,
                    "floored_teacher": floored_a[rows], "floored_student": floored_b[rows]}

        return block

    def expect_sums(self, rows: Any, sums: np.ndarray) -> None:
        """Raises ValueError for rows of this file whose probabilities do not sum to 1."""
        if (wrong := np.flatnonzero(~(np.abs(sums - 1) <= SLACK + 2e-7 * self.vocabulary))).size:
            self.refuse(int(rows[wrong[0]]), f"a sum of {sums[wrong[0]]:.6g}")

    def _expect_whole(self, size, chunk, announced):
        whole, rest = divmod(size, chunk)
        if not 1 <= self.chunks <= announced:
            raise ValueError(f"--chunks {self.chunks}: expected 1 to {announced}, the chunks of {self.path}")
        if size > announced * chunk:
            raise ValueError(f"{self.path}: expected {announced} chunks of {chunk:,} bytes, got "
                             f"{size - announced * chunk:,} bytes more; the file is damaged: {REWRITE}")
        if whole < self.chunks:
            raise ValueError(f"{self.path}: expected {announced} chunks as its header says, got {whole} whole ones"
                             f"{' and a part of chunk ' + str(whole) if rest else ''}: it was cut off; {REWRITE}"
                             f"{f', or use what is there with --chunks {whole}' if whole else ''}")

    def _expect_rows(self, first, scale, least, codes):
        """Raises ValueError for rows that no writer leaves. (Those whose sum is not 1 are found by `extra`.)"""
        top = codes.max(axis=1)
        flat = scale == 0  # all tokens equally probable: the codes are 0 and the floor is -log V
        good = np.isfinite(scale) & np.isfinite(least) & (scale >= 0) & (scale <= 1)
        good &= np.where(flat, (top == 0) & (np.abs(least + np.log(self.vocabulary)) < SLACK), top == TOP)
        if not good.all():
            row = int(np.flatnonzero(~good)[0])
            self.refuse(first + row, f"a scale of {scale[row]:.6g}, a floor of {least[row]:.6g} and a largest code of "
                                     f"{top[row]}")

    def refuse(self, row: int, came: str) -> NoReturn:
        """Raises ValueError for a row that is damaged."""
        chunk, k = divmod(row, self.scored)
        raise ValueError(f"{self.path}: expected log-probabilities, the top one of code {TOP}, whose probabilities "
                         f"sum to 1, got {came} in row {k} of chunk {chunk} (row {row} of the file); it is damaged: "
                         f"{REWRITE}")


def _header(path, header, size):
    """(context, vocabulary, chunks) of the first 20 bytes of a file of that size."""
    if header[:8] != MAGIC:
        raise ValueError(f"{path}: expected a base file of llama-perplexity, which begins with {MAGIC.decode()}, got "
                         f"{bytes(header[:8])!r}{' (an empty file)' if not size else ''}; {REWRITE}")
    if len(header) < 20:
        context = int.from_bytes(header[8:12], "little")
        raise ValueError(f"{path}: expected a header of 20 bytes, got {size}: llama-perplexity leaves this where the "
                         f"text has fewer than 2 x {context} tokens (2 x -c); give it a longer text or a smaller -c")
    context, vocabulary, chunks = (int(value) for value in np.frombuffer(header, "<i4", 3, 8))
    if not (3 <= context <= 2**26 and 2 <= vocabulary <= 2**26 and 1 <= chunks <= 2**26):
        raise ValueError(f"{path}: expected a context, a vocabulary and a number of chunks, got {context}, "
                         f"{vocabulary} and {chunks}; the file is damaged, or of a machine of the other byte order: "
                         f"{REWRITE}")
    if size < 20 + 4 * chunks * context:
        raise ValueError(f"{path}: expected the tokens of {chunks} chunks, got {size - 20:,} of "
                         f"{4 * chunks * context:,} bytes: it was cut off; {REWRITE}")
    return context, vocabulary, chunks
