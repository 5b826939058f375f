"""What one pass over two arrays of logits finds, point by point, block of rows by block of rows.

Inputs are anything with a shape, a dtype and rows that can be sliced: arrays of any library, memory-mapped files. Only
blocks are in memory, small enough for the processor's cache, and NumPy's blocks are shared among threads.
"""

import mmap
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj, is_numpy_array

from eigenkd.arrays import leading, moved, real_array, to_numpy

BLOCK = 2**17  # entries of a block of NumPy rows: 1 MB in double precision
RELEASE = 256  # blocks after which pages of a memory-mapped file are given back
LARGE_BLOCK = 2**23  # elsewhere, where a call costs more and caches are not the processor's
TOLERANCE = 1e-3  # by which a row of probabilities may miss the sum 1
CLIP = 1e-12  # probabilities below it are raised to it: a probability that was rounded to 0 has no log-odds


def rows_at_once(rows):
    """How many rows make a block."""
    return max(1, (BLOCK if _is_numpy(rows) else LARGE_BLOCK) // rows.shape[1])


def points(teacher, student, labels, reference, kinds, progress=None):
    """The quantities of `block_points` over all rows, name -> (n,), in the library of the inputs (NumPy for files).

    teacher, student: (n, classes), sliceable; labels: (n,) NumPy or None; kinds: of teacher and student.
    progress(done, n) is called after each block.
    """
    n, size = teacher.shape[0], min(rows_at_once(teacher), rows_at_once(student))
    starts = range(0, n, size)

    def work(start):
        chosen = slice(start, min(n, start + size))
        return block_points(teacher[chosen], student[chosen], None if labels is None else labels[chosen], reference,
                            kinds, start)

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


@np.errstate(invalid="ignore")  # infinities are refused in words
def block_points(teacher, student, labels, reference, kinds, start=0):
    """Confidences, classes, divergence, entropies and the terms of the calibration of one block of rows."""
    like = leading(*(part for part in (teacher, student) if hasattr(part, "shape")))
    teacher, clipped_t = _logits("teacher_logits", teacher, kinds[0], like, start)
    student, clipped_s = _logits("student_logits", student, kinds[1], like, start)
    xp = array_namespace(teacher)
    if teacher.dtype != student.dtype:
        wider = xp.result_type(teacher, student)
        teacher, student = xp.astype(teacher, wider), xp.astype(student, wider)
    place = device(teacher)
    t, s = _Softmax("teacher_logits", teacher, xp, start), _Softmax("student_logits", student, xp, start)
    label = None if labels is None else xp.asarray(labels, device=place)
    y = t.top if reference == "teacher" else label
    own = xp.arange(teacher.shape[1], device=place) == y[:, None]
    divergence = xp.vecdot(t.exp, t.shifted - s.shifted) / t.sum - t.log_sum + s.log_sum
    result = {
        "teacher_confidence": t.log_odds(y, own), "student_confidence": s.log_odds(y, own),
        "teacher_class": t.top, "student_class": s.top,
        "divergence": xp.where(divergence > 0, divergence, 0.0),  # negative by rounding alone
        "teacher_entropy": t.entropy, "student_entropy": s.entropy,
        "clipped": clipped_t | clipped_s,
    }
    if label is not None:
        for role, model in (("teacher", t), ("student", s)):
            result |= {f"{role}_top": 1 / model.sum, f"{role}_nll": model.nll(label),
                       f"{role}_brier": model.brier(label)}
    return result


class _Softmax:
    """exp(f - max f) of a block of logits, and its sums; its largest is 1. Raises ValueError for NaN or infinity."""

    def __init__(self, name, logits, xp, start):
        self.xp, self.top = xp, xp.argmax(logits, axis=1)
        self.shifted = logits - xp.take_along_axis(logits, self.top[:, None], axis=1)
        self.exp = xp.exp(self.shifted)
        self.sum = xp.sum(self.exp, axis=1)
        self.log_sum = xp.log(self.sum)
        self.entropy = self.log_sum - xp.vecdot(self.exp, self.shifted) / self.sum
        if not bool(xp.all(xp.isfinite(self.entropy))):  # whatever is not finite has come through to here
            bad = to_numpy(~xp.isfinite(logits))
            if bad.any():
                raise ValueError(f"{name}: expected finite numbers, got {bad.sum()} NaN or infinite value(s) from row "
                                 f"{start + bad.any(axis=1).argmax()} on; replace or remove them")

    def log_odds(self, y, own):
        """phi = f_y - log sum_{c != y} exp f_c of the classes y, where `own` (rows, classes) is true.  Eq. (61)"""
        xp, zero = self.xp, self.xp.zeros((), dtype=self.exp.dtype, device=device(self.exp))
        chosen = self._at(self.shifted, y)
        others = xp.sum(xp.where(own, zero, self.exp), axis=1)
        # Where the others all but vanish beside the largest, they are taken again relative to their own largest.
        least = xp.finfo(self.exp.dtype).smallest_normal ** 0.5
        result = chosen - xp.log(xp.where(others > least, others, 1.0))
        vanishing = others <= least
        if bool(xp.any(vanishing)):
            rest = xp.where(own, -xp.inf, self.shifted)
            largest = xp.max(rest, axis=1)
            apart = (chosen - largest) - xp.log(xp.sum(xp.exp(rest - largest[:, None]), axis=1))
            result = xp.where(vanishing, apart, result)
        return result

    def nll(self, label):
        """-log of the probability of the label."""
        return self.log_sum - self._at(self.shifted, label)

    def brier(self, label):
        """sum_c (p_c - 1[c = label])^2, from 0 where p is the label's indicator."""
        p = self._at(self.exp, label) / self.sum
        squares = self.xp.vecdot(self.exp, self.exp) / self.sum**2
        return self.xp.maximum((1 - p) ** 2 + (squares - p * p), (1 - p) ** 2)

    def _at(self, values, y):
        return self.xp.take_along_axis(values, y[:, None], axis=1)[:, 0]


def _logits(name, rows, kind, like, start):
    """A block as logits, and where it was clipped, (rows,)."""
    rows = moved(real_array(name, rows, values=kind != "logits"), like, name)
    xp = array_namespace(rows)
    if kind == "logits":
        return rows, xp.zeros(rows.shape[0], dtype=xp.bool, device=device(rows))
    sums = xp.sum(rows, axis=1)
    wrong = (xp.abs(sums - 1) > TOLERANCE) | xp.any(rows < -TOLERANCE, axis=1)
    if bool(xp.any(wrong)):
        row = int(xp.argmax(xp.astype(wrong, xp.int32)))
        least = float(xp.min(rows[row, :]))
        raise ValueError(f"{name}: expected probabilities, rows >= 0 that sum to 1, got a sum of "
                         f"{float(sums[row]):.6g} (least entry {least:.3g}) in row {start + row}; normalise them, or "
                         "pass inputs='logits' if they are logits")
    return xp.log(xp.where(rows > CLIP, rows, CLIP)), xp.any(rows < CLIP, axis=1)


def _release(*files):
    """Gives back the pages of read-only memory-mapped files, which would else count as this process's memory."""
    for rows in files:
        if isinstance(rows, np.memmap) and rows.mode == "r" and hasattr(mmap, "MADV_DONTNEED"):
            rows._mmap.madvise(mmap.MADV_DONTNEED)


def _is_numpy(rows):
    """Whether blocks of rows are NumPy's: an array of NumPy's, or a file that gives them out."""
    return is_numpy_array(rows) or not is_array_api_obj(rows)
