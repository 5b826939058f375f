"""Whether a student exaggerates its teacher's path through the eigenbasis. Eq. (63), docs/theory.md."""

import numpy as np

from eigenkd._arrays import real_array, to_numpy
from eigenkd.typing import ArrayLike


def exaggeration(teacher_path: ArrayLike, student_path: ArrayLike, pairs: ArrayLike) -> np.ndarray:
    """Per pair, the share of the path on which the student's bottom component lies below the teacher's.

    teacher_path, student_path: (records, k), components over training from a shared start, as many records as each
    has; piecewise linear between them. pairs: (m, 2), rows (top, bottom) of indices into k. Returns (m,), NumPy.

    The teacher's larger excursion of the top component from its start is the direction of progress (if equal, up).
    A level is *read at first passage*: where the path reaches it for the first time; what a path does while it falls
    back behind its own furthest point is not seen, and its bottom component may jump where it passes that point
    again. Over the levels that both paths reach (from the further one of the starts, if they differ) the share is

        measure{level: student's bottom < teacher's bottom at that level} / measure of all levels,

    exact for such paths: no grid is laid. Ties (equal up to rounding, over a stretch of levels) count as not below.
    NaN where there is no common range: a top component that never moves, or a student that moves the other way.

    Raises TypeError or ValueError for paths of different k and for pairs outside of it. Sec. 4.1, App. D.3.
    """
    teacher, student = _path("teacher_path", teacher_path), _path("student_path", student_path)
    k = teacher.shape[1]
    if student.shape[1] != k:
        raise ValueError(f"student_path: expected {k} components like teacher_path, got shape {student.shape}; "
                         "project both on the same basis")
    pairs = np.asarray(pairs)
    if not pairs.size:
        raise ValueError("pairs: expected one row (top, bottom) or more, got none; for one pair pass [(top, bottom)]")
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise ValueError(f"pairs: expected whole numbers of shape (m, 2), rows (top, bottom), got shape {pairs.shape} "
                         f"with dtype {pairs.dtype}; for one pair pass [(top, bottom)]")
    if pairs.size and not (pairs.min() >= 0 and pairs.max() < k):
        raise ValueError(f"pairs: expected indices from 0 to {k - 1}, got {pairs.min()} to {pairs.max()}; "
                         f"the paths have {k} components")
    return np.array([_share_below(teacher[:, pair], student[:, pair]) for pair in pairs], dtype=float)


def is_exaggerated(share: ArrayLike) -> np.ndarray:
    """Whether a pair counts as exaggerated: the student lies below on more than half of the path; not where NaN."""
    return np.asarray(share) > 0.5


def _path(name, value):
    path = real_array(name, value, ndim=(2,))
    return to_numpy(path).astype(float)


def _share_below(teacher, student):
    rise = teacher[:, 0] - teacher[0, 0]
    forward = np.array([1.0 if rise.max() >= -rise.min() else -1.0, 1.0])
    teacher, student = teacher * forward, student * forward
    start = max(teacher[0, 0], student[0, 0])
    stop = min(teacher[:, 0].max(), student[:, 0].max())
    if not start < stop:
        return np.nan
    curves = _first_passage(teacher), _first_passage(student)
    levels = np.unique(np.concatenate([curve[:, 0] for curve in curves] + [[start, stop]]))
    levels = levels[(levels >= start) & (levels <= stop)]
    (t0, t1), (s0, s1) = (_bottom_at(curve, levels[:-1], levels[1:]) for curve in curves)
    # Interpolation alone must not tell apart paths on the same line; a steep one magnifies the rounding of its level.
    width = np.diff(levels)
    furthest, highest = np.maximum(np.abs(teacher).max(axis=0), np.abs(student).max(axis=0))
    rounding = 16 * np.finfo(float).eps * (highest + furthest * (np.abs(t1 - t0) + np.abs(s1 - s0)) / width)
    left, right = (np.where(np.abs(d) <= rounding, 0.0, d) for d in (t0 - s0, t1 - s1))
    # Between neighbouring levels the lead is linear: it is positive on this part of the way from `left` to `right`.
    total = np.abs(left) + np.abs(right)
    part = (np.maximum(left, 0) + np.maximum(right, 0)) / np.where(total > 0, total, 1)
    return min(1.0, float(np.sum(part * width) / (stop - start)))  # rounding may bring it above


def _first_passage(path):
    """Rows (level, its end, bottom component there, and at its end) that tile the levels in order of first passage."""
    x, y = path.T
    reached = np.maximum.accumulate(x)[:-1]  # the furthest level before each step
    new = x[1:] > reached
    x0, x1, y0, y1, level = x[:-1][new], x[1:][new], y[:-1][new], y[1:][new], reached[new]
    passed = (level - x0) / (x1 - x0)  # 0 unless the path comes from behind its furthest level
    return np.stack([level, x1, (1 - passed) * y0 + passed * y1, y1], axis=1)


def _bottom_at(curve, left, right):
    """The bottom component just after `left` and just before `right`, neighbours that no end of a row separates."""
    level, end, bottom, bottom_end = curve[np.searchsorted(curve[:, 0], left, side="right") - 1].T
    weights = [(at - level) / (end - level) for at in (left, right)]
    return [(1 - w) * bottom + w * bottom_end for w in weights]
