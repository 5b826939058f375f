"""The share that predictions have learned along the eigenvectors of a kernel. Eqs. (64) and (65), docs/theory.md."""

import numpy as np
from array_api_compat import array_namespace

from eigenkd._arrays import leading, moved, real_array, to_numpy
from eigenkd.typing import Array, ArrayLike


def gains(outputs: ArrayLike, targets: ArrayLike, basis: ArrayLike,
          start: ArrayLike | None = None) -> tuple[Array, Array]:
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


def contributions(outputs: ArrayLike, labels: ArrayLike, basis: ArrayLike, start: ArrayLike | None = None) -> Array:
    """The part of each training example's fit that each eigendirection of a kernel contributes.  Eq. (65)

        m_ik = U_ik (a_k,y_i - mean of the other a_k,c),    a_k = u_k^T (f - f0)

    outputs: f (n, m), logits of the n training inputs, m >= 2 classes. labels: (n,), whole numbers: the class of each
    example whose fit it is, such as the one trained on. basis: U (n, k), orthonormal columns, as
    `flow.spectrum.sample_basis`. start: f0, like outputs; zero if left out. Returns (n, k): over a whole basis (of all
    n directions) its sum is the example's margin, the logit of its label less the mean of the others, gained since the
    start. Of a linear model m_ik is what its weights along the k-th eigendirection of the features give.

    Raises TypeError or ValueError for shapes that do not fit and labels that are no classes. App. D.2, Fig. 17.
    """
    outputs, basis = (real_array(name, value, ndim=(2,)) for name, value in (("outputs", outputs), ("basis", basis)))
    like = leading(outputs, basis)
    outputs, basis = moved(outputs, like, "outputs"), moved(basis, like, "basis")
    xp = array_namespace(outputs)
    start = xp.zeros_like(outputs) if start is None else real_array("start", start, like=outputs)
    (n, m), labels = outputs.shape, to_numpy(labels)
    if m < 2 or tuple(start.shape) != (n, m):
        raise ValueError(f"outputs: expected shape (n, m), m >= 2 classes, and a start like it, got {(n, m)} and "
                         f"{tuple(start.shape)}; pass logits")
    if basis.shape[0] != n:
        raise ValueError(f"basis: expected {n} rows, one a training input, got shape {tuple(basis.shape)}; pass "
                         "eigenvectors in columns, as flow.spectrum.sample_basis")
    if labels.shape != (n,) or labels.dtype.kind not in "iu" or not 0 <= labels.min() <= labels.max() < m:
        found = f", {labels.min()} to {labels.max()}" if labels.size else ""
        raise ValueError(f"labels: expected {n} whole numbers from 0 to {m - 1}, got shape {labels.shape} of "
                         f"{labels.dtype}{found}; pass one class an example")
    own = np.full((n, m), -1 / (m - 1))
    own[np.arange(n), labels] = 1.0
    return basis * (moved(own, like, "labels") @ (basis.T @ (outputs - start)).T)
