"""Where weights stand in the eigenbasis of the data, and whether a student exaggerates its teacher's path there.

Eigenbases of features and of image patches, the components ||W v_k|| of a weight along them, the share of a path on
which the student lags along a bottom direction, and the gains of predictions along the eigenvectors of a kernel.
Sec. 4.1 and App. D.3 of the paper; Eqs. (62)-(64), docs/theory.md.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from eigenkd.arrays import leading, library, moved, real_array, to_numpy


@dataclass(frozen=True, eq=False)
class Eigenbasis:
    """The eigenvalues (k,), descending, and the unit eigenvectors (features, k), in columns, of data^T data."""

    values: Any
    vectors: Any


def eigenbasis(data):
    """The eigendirections of data^T data, uncentred: v_k with data^T data v_k = values_k v_k.

    data: (n, features). Of the result k = min(n, features); values below the rank threshold, singular values of at
    most max(n, features) * eps times the largest, are exactly 0 and their vectors complete an orthonormal set. It
    works by the SVD of data, so that small eigenvalues keep their digits. The library of data comes back.

    Raises TypeError or ValueError for what is not a finite real matrix. App. D.3.
    """
    data = real_array("data", data, ndim=(2,))
    xp = array_namespace(data)
    _, sigma, rows = xp.linalg.svd(data, full_matrices=False)
    threshold = max(data.shape) * xp.finfo(data.dtype).eps * sigma[0]
    values = xp.where(sigma > threshold, sigma**2, xp.zeros_like(sigma))
    return Eigenbasis(values=values, vectors=rows.T)


def patch_eigenbasis(images, kernel_size, patches=10_000, seed=0):
    """The eigenbasis of random image patches that have the shape of a convolution's kernel.

    images: (n, channels, h, w). kernel_size: a number or (height, width). patches: how many are drawn, uniformly over
    images and positions, with replacement, unpadded, by a generator seeded with `seed`. A patch is flattened as
    (channels, height, width), as `components` flattens the convolution's weight (outputs, channels, height, width).

    Raises TypeError or ValueError for images of another shape, a kernel that does not fit, or no patch. App. D.3.
    """
    images = real_array("images", images, ndim=(4,))
    n, channels, h, w = images.shape
    sizes = np.asarray(kernel_size)
    if sizes.shape not in ((), (1,), (2,)) or sizes.dtype.kind not in "iu":
        raise ValueError(f"kernel_size: expected a whole number or (height, width), got {kernel_size!r}; "
                         "pass the convolution's kernel size")
    height, width = (int(size) for size in np.broadcast_to(sizes, 2))
    if not (1 <= height <= h and 1 <= width <= w):
        raise ValueError(f"kernel_size: expected between 1 and the image's size {(h, w)}, got {(height, width)}; "
                         "patches are not padded")
    if patches < 1:
        raise ValueError(f"patches: expected at least 1, got {patches}; 10,000 do for small kernels")
    rng = np.random.default_rng(seed)
    index = rng.integers(n, size=patches)[:, None, None, None]
    row = rng.integers(h - height + 1, size=patches)[:, None, None, None] + np.arange(height)[:, None]
    column = rng.integers(w - width + 1, size=patches)[:, None, None, None] + np.arange(width)
    xp = array_namespace(images)
    drawn = images[tuple(xp.asarray(i) for i in (index, np.arange(channels)[:, None, None], row, column))]
    return eigenbasis(xp.reshape(drawn, (patches, -1)))


def components(weight, basis):
    """How large a weight is along each eigendirection: c_k = ||W v_k||_2.  Eq. (62)

    weight: outputs first, any shape that flattens to W (outputs, features); one dimension is a single output.
    basis: an `Eigenbasis` of `features` features. Returns (k,), in the weight's precision and in its library (where the
    weight is NumPy's, in the basis's); differentiable in the weight.

    Raises TypeError or ValueError for a weight whose fan-in is not the basis's. App. D.3.
    """
    weight = real_array("weight", weight)
    if weight.ndim == 0:
        raise ValueError("weight: expected at least one dimension, got a single number; pass the layer's weight")
    # The basis is not checked again: this runs after every training step.
    like = leading(basis.vectors, weight)
    weight, vectors = (x if library(x) == library(like) else moved(x, like) for x in (weight, basis.vectors))
    xp = array_namespace(weight)
    vectors = xp.astype(vectors, weight.dtype, copy=False)
    W = xp.reshape(weight, (1 if weight.ndim == 1 else weight.shape[0], -1))
    if W.shape[1] != vectors.shape[0]:
        raise ValueError(f"weight: expected a fan-in of {vectors.shape[0]}, the basis's features, got {W.shape[1]} "
                         f"from shape {tuple(weight.shape)}; pass it with the outputs first, and the basis of this "
                         "layer's input")
    return xp.linalg.vector_norm(W @ vectors, axis=0)


def gains(outputs, targets, basis, start=None):
    """The share of its targets that any model has learned along each eigendirection of a kernel.  Eq. (64)

        g_k = <u_k^T (f - f0), u_k^T (y - f0)> / ||u_k^T (y - f0)||^2

    outputs: f (..., n, m), predictions on the n training inputs, with the axes of time, say, in front; (..., n) for
    targets without an axis of columns. targets: y (n, m) or (n,): what a teacher was trained on, also for its student.
    basis: U (n, k), orthonormal columns, as `flow.spectrum.sample_basis`. start: f0, like targets, what the model
    predicted before it was trained; zero if left out. Of a model that follows `linear_flow` on that kernel this is its
    filter's gain(lam_k).

    Raises TypeError or ValueError for shapes that do not fit. Returns (gain (..., k), size (k,)): size is
    ||u_k^T (y - f0)||; where it is 0 there is nothing to learn and the gain NaN, where it is small the gain is noise.
    """
    outputs, targets, basis = (real_array(name, value) for name, value in (
        ("outputs", outputs), ("targets", targets), ("basis", basis)))
    like = leading(outputs, targets, basis)
    outputs, targets, basis = (moved(value, like, name) for name, value in (
        ("outputs", outputs), ("targets", targets), ("basis", basis)))
    xp = array_namespace(outputs)
    start = xp.zeros_like(targets) if start is None else real_array("start", start, like=targets)
    if targets.ndim not in (1, 2) or tuple(start.shape) != tuple(targets.shape):
        raise ValueError(f"targets: expected shape (n,) or (n, m) and a start like it, got {tuple(targets.shape)} and "
                         f"{tuple(start.shape)}; pass what both predict on the same inputs")
    if tuple(outputs.shape[outputs.ndim - targets.ndim:]) != tuple(targets.shape):
        raise ValueError(f"outputs: expected shape (..., {', '.join(map(str, targets.shape))}) like the targets, got "
                         f"{tuple(outputs.shape)}; put time and other axes in front")
    if basis.ndim != 2 or basis.shape[0] != targets.shape[0]:
        raise ValueError(f"basis: expected {targets.shape[0]} rows, one a training input, got shape "
                         f"{tuple(basis.shape)}; pass eigenvectors in columns, as flow.spectrum.sample_basis")
    if targets.ndim == 1:
        outputs, targets, start = outputs[..., None], targets[:, None], start[:, None]
    wanted = basis.T @ (targets - start)
    learned = xp.matmul(basis.T, outputs - start)
    size = xp.sum(wanted**2, axis=-1)
    share = xp.sum(learned * wanted, axis=-1) / xp.where(size > 0, size, 1.0)
    return xp.where(size > 0, share, xp.nan), size**0.5


def exaggeration(teacher_path, student_path, pairs):
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
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise ValueError(f"pairs: expected whole numbers of shape (m, 2), rows (top, bottom), got shape {pairs.shape} "
                         f"with dtype {pairs.dtype}; for one pair pass [(top, bottom)]")
    if pairs.size and not (pairs.min() >= 0 and pairs.max() < k):
        raise ValueError(f"pairs: expected indices from 0 to {k - 1}, got {pairs.min()} to {pairs.max()}; "
                         f"the paths have {k} components")
    return np.array([_share_below(teacher[:, pair], student[:, pair]) for pair in pairs], dtype=float)


def is_exaggerated(share):
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
    return float(np.sum(part * width) / (stop - start))


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
