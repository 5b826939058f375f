"""The quantities of each point, from one pass over two arrays of logits in blocks of rows.

Inputs are anything with a shape, a dtype and rows that can be sliced: arrays of any library, memory-mapped files. Only
blocks are in memory, small enough for the processor's cache, and NumPy's blocks are shared among threads.
"""

import mmap
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj, is_numpy_array

from eigenkd._arrays import leading, moved, real_array, to_numpy
from eigenkd.deviation.softmax import ZERO, Softmax
from eigenkd.typing import Progress

BLOCK = 2**17  # entries of a block of NumPy rows: 1 MB in double precision
FEWEST = 2  # rows of a block, however long they are: calls of NumPy cost a tenth of the time for one row
RELEASE = 256  # blocks after which pages of a memory-mapped file are given back
LARGE_BLOCK = 2**23  # entries of a block of other libraries, whose calls cost more
TOLERANCE = 1e-3  # by which a row of probabilities may miss the sum 1
BFLOAT16 = 2**-7  # the same for bfloat16 numbers: their relative spacing
CLIP = 1e-12  # probabilities below it are raised to it: a probability that was rounded to 0 has no log-odds


def rows_at_once(*arrays: Any) -> int:
    """How many rows make a block of all these arrays."""
    return min(max(FEWEST, (BLOCK if _is_numpy(rows) else LARGE_BLOCK) // rows.shape[1]) for rows in arrays)


def points(teacher: Any, student: Any, labels: Any, reference: str, kinds: Sequence[str], masked: np.ndarray | None,
           numbers: Any, progress: Progress | None = None,
           extra: Callable[..., dict[str, Any]] | None = None) -> dict[str, Any]:
    """The quantities of `block_points` over all rows, name -> (n,), in the library of the inputs (NumPy for files).

    teacher, student: (n, classes), sliceable; labels: (n,) NumPy or None; kinds: of teacher and student; masked:
    (classes,) NumPy bool, classes of probability zero; numbers: (n,) NumPy, those of the rows in the user's arrays.
    progress(done, n) is called after each block. extra(t, s, chosen): gives more quantities of a block from the
    `Softmax` of its rows, name -> (rows,).
    """
    n, size = teacher.shape[0], rows_at_once(teacher, student)
    starts = range(0, n, size)

    def work(start):
        chosen = slice(start, min(n, start + size))
        return block_points(teacher[chosen], student[chosen], None if labels is None else labels[chosen], reference,
                            kinds, masked, numbers[chosen],
                            None if extra is None else lambda t, s: extra(t, s, chosen))

    results = []
    threads = min(len(starts), os.cpu_count() or 1) if _is_numpy(teacher) and _is_numpy(student) else 1
    with ThreadPoolExecutor(threads) as pool:
        for result in pool.map(work, starts) if threads > 1 else map(work, starts):
            results.append(result)
            if len(results) % RELEASE == 0:
                _release(teacher, student)
            if progress is not None:
                progress(min(n, len(results) * size), n)
    xp = array_namespace(results[0]["teacher_confidence"])
    return {name: xp.concat([result[name] for result in results]) for name in results[0]}


@np.errstate(all="ignore")  # infinities are either allowed or refused with a message
def block_points(teacher: Any, student: Any, labels: Any, reference: str, kinds: Sequence[str],
                 masked: np.ndarray | None, numbers: Any,
                 extra: Callable[..., dict[str, Any]] | None = None) -> dict[str, Any]:
    """Confidences, classes, divergence, entropies and the terms of the calibration of one block of rows; and what
    extra(t, s) gives of their `Softmax`.

    clipped: whether a probability of the point was raised to `CLIP`. far: whether a quantity of the point depends on a
    finite logit so far below its row's largest that its probability rounds to zero in every precision. flat: whether
    all logits of a model are equal.
    """
    like = leading(*(part for part in (teacher, student) if hasattr(part, "shape")))
    teacher, clipped_t = _logits("teacher_logits", teacher, kinds[0], like, numbers)
    student, clipped_s = _logits("student_logits", student, kinds[1], like, numbers)
    xp = array_namespace(teacher)
    if teacher.dtype != student.dtype:
        wider = xp.result_type(teacher, student)
        teacher, student = xp.astype(teacher, wider), xp.astype(student, wider)
    place = device(teacher)
    if masked.any():
        without = xp.asarray(masked, device=place)
        teacher, student = (xp.where(without, -xp.inf, rows) for rows in (teacher, student))
    t, s = Softmax("teacher_logits", teacher, xp, numbers), Softmax("student_logits", student, xp, numbers)
    label = None if labels is None else xp.asarray(labels, device=place)
    y: Any = t.top if reference == "teacher" else label
    forward, reverse, shannon = t.divergences(s)
    result = {
        "teacher_confidence": t.log_odds(y), "student_confidence": s.log_odds(y),
        "teacher_class": t.top, "student_class": s.top,
        "divergence": forward, "reverse": reverse, "jensen_shannon": shannon,
        "teacher_entropy": t.entropy, "student_entropy": s.entropy,
        "clipped": clipped_t | clipped_s,
    }
    result["far"] = xp.zeros_like(result["clipped"]) if s.far is None else xp.any(s.far & (t.log > -ZERO), axis=1)
    result["flat"] = (t.sum == teacher.shape[1]) | (s.sum == teacher.shape[1])
    if label is not None:
        for role, model in (("teacher", t), ("student", s)):
            result |= {f"{role}_top": 1 / model.sum, f"{role}_nll": model.nll(label),
                       f"{role}_brier": model.brier(label)}
    return result if extra is None else result | extra(t, s)


def _logits(name, rows, kind, like, numbers):
    """A block as logits, and where it was clipped, (rows,)."""
    rows = moved(real_array(name, rows, values=kind != "logits"), like, name)
    xp = array_namespace(rows)
    if kind == "logits":
        return rows, xp.zeros(rows.shape[0], dtype=xp.bool, device=device(rows))
    sums = xp.sum(rows, axis=1)
    wrong = to_numpy((xp.abs(sums - 1) > TOLERANCE) | xp.any(rows < -TOLERANCE, axis=1))
    for row in np.flatnonzero(wrong):
        if not _is_rounded_share(to_numpy(rows[int(row), :])):
            raise ValueError(f"{name}: expected probabilities, rows >= 0 that sum to 1, got a sum of "
                             f"{float(sums[int(row)]):.6g} (least entry {float(xp.min(rows[int(row), :])):.3g}) in row "
                             f"{numbers[row]}; normalise them, or pass inputs='logits' if they are logits")
    return xp.log(xp.where(rows > CLIP, rows, CLIP)), xp.any(rows < CLIP, axis=1)


def _is_rounded_share(row):
    """Whether the numbers of a row are bfloat16's, not negative, with a sum that such rounding explains."""
    single = np.ascontiguousarray(row, dtype=np.float32)
    exact = (single == row).all() and not (single.view(np.uint32) & 0xFFFF).any()
    return bool(exact and row.min() >= 0 and abs(row.astype(float).sum() - 1) <= BFLOAT16)


def _release(*files):
    """Release the pages of read-only memory-mapped files, which would otherwise count as this process's memory."""
    for rows in files:
        if isinstance(rows, np.memmap) and rows.mode == "r" and hasattr(mmap, "MADV_DONTNEED"):
            rows._mmap.madvise(mmap.MADV_DONTNEED)


def _is_numpy(rows):
    """Whether blocks of rows are NumPy arrays: the rows are those of a NumPy array or of a file."""
    return is_numpy_array(rows) or not is_array_api_obj(rows)
