"""`linear_flow` and `kernel_flow`: checks of the data, factorisation, and the `LinearFlow` that results.

Loss (1/2)||X b - y||^2, start b = 0 unless given. Eqs. (1)-(8), (73)-(76), docs/theory.md.
"""

from dataclasses import replace
from functools import partial
from numbers import Real

from array_api_compat import array_namespace

from eigenkd._arrays import cast_like, in_double, is_concrete, real_array, runs_in_double
from eigenkd._factorisation import flat_kernel, from_features, from_kernel
from eigenkd._pytrees import mapped
from eigenkd._weighting import Weighting
from eigenkd.flow import LinearFlow, checked_targets
from eigenkd.typing import ArrayLike


def linear_flow(X: ArrayLike, y: ArrayLike, method: str = "auto", start: ArrayLike | None = None, *,
                sample_weight: ArrayLike | None = None, intercept: bool = False,
                rank_tolerance: float | None = None) -> LinearFlow:
    """Factorise linear regression of y on X once, for all times, students and filters.

    X: (n, p) features, one row per sample. y: (n,) or (n, m) targets. Both are real arrays of NumPy, JAX or PyTorch;
    results have X's library, precision and device. method: "gram", the eigenbasis of the smaller of X X^T and X^T X,
    with errors of eps cond(X X^T); "svd", right for small eigenvalues too, at up to five times the cost; or "auto",
    "gram" where cond(X X^T) is at most 1e3 and "svd" elsewhere. In double precision the relative error of the weights
    is below 1e-11 for condition numbers of X X^T up to 1e12 ("auto", "svd"; for y with a component of its own along the
    directions that dominate the weights). Single precision on the CPU is factorised in double, outside of
    transformations and up to 2^28 numbers, and the results are rounded.

    start: weights (p,) or (p, m) that every generation starts from, zero if left out; filters then act on the
    displacement from it.  Eq. (7)

    sample_weight: (n,), > 0: the loss is (1/2) sum_i w_i (x_i . b - y_i)^2, that of rows scaled by sqrt(w_i).  Eq. (75)
    intercept: whether predictions are a + x . b with an intercept a that no filter acts on: at every time it is the
    best one for b, (weighted) mean of y - mean of x . b. That is the flow of centred X and y. A bias that is trained
    like a weight is another model: append a column of ones to X.  Eq. (76)

    rank_tolerance: directions with singular values of at most this share of the largest are not resolved. They are
    learned at finite times, but not at t = inf and for vanishing ridges. The default is the size of rounding, 8 eps of
    X and a little more for large X: `Spectrum`, "Rank" in docs/theory.md. A fit for which that default leaves out a
    visible part of y gives a RuntimeWarning.

    Under JAX and PyTorch `weights`, `fitted` and `predict` of fits are differentiable in X, y, start, times and new
    inputs, also where eigenvalues repeat, nearly repeat or are 0: Eqs. (48)-(54). At t = inf and for vanishing ridges,
    where X is not of full rank, there is no derivative; the result is the derivative along changes of X that keep its
    rank. Second derivatives lose digits as eigenvalues meet, eps lambda/gap of them, and are NaN or infinite where they
    do. `components` and the bases of the spectrum, which jump where eigenvalues cross, have the derivatives of the
    library's decomposition: NaN or infinite where eigenvalues repeat.

    Raises TypeError or ValueError for what is not real, finite, of matching shape or in range. Returns a `LinearFlow`.
    Eqs. (1)-(6), docs/theory.md.
    """
    X = real_array("X", X, ndim=(2,))
    y = checked_targets(y, X)
    start = _start(start, X.shape[1], y)
    factorise = partial(from_features, method=method, rank_tolerance=checked_tolerance(rank_tolerance))
    return _flow(factorise, X, y, start, sample_weight=_weights(sample_weight, y), intercept=intercept)


def kernel_flow(K: ArrayLike, y: ArrayLike, start: ArrayLike | None = None, *,
                rank_tolerance: float | None = None) -> LinearFlow:
    """Factorise kernel regression of y with the kernel matrix K once, for all times, students and filters.

    K: (n, n) symmetric positive semi-definite, between the training inputs. y: (n,) or (n, m). Or K (n, n, k, k),
    between the k outputs of each sample, as a network's tangent kernel is, with y (n, k): components then are
    (..., n k), of the flattened kernel with outputs next to their sample, fitted values (..., n, k), and `predict`
    takes K_new (n_new, n, k, k). start: predictions on the training inputs, like y, of the function that every
    generation starts from, zero if left out. Otherwise as `linear_flow`; the weights live in the kernel's feature
    space, so use `components`, `fitted` and `predict`. Derivatives in K are those along (K + K^T)/2.

    rank_tolerance: as in `linear_flow`, for eigenvalues; eigenvalues from -rank_tolerance to 0 times the largest
    are taken for 0 too. A kernel computed in single precision and converted to double has such: 1e-6 or so is right
    for it, and changes nothing else at finite times. Negative eigenvalues of the order of rounding are always taken
    for 0.

    Raises ValueError also for a K that is not square, not symmetric or indefinite. Returns a `LinearFlow`.
    """
    K = real_array("K", K, ndim=(2, 4))
    coupled = K.shape[-1] if K.ndim == 4 else 0
    K = flat_kernel("K", K, square=True)
    y = checked_targets(y, K, coupled)
    factorise = partial(from_kernel, rank_tolerance=checked_tolerance(rank_tolerance))
    return _flow(factorise, K, y, _start(start, y.shape[0], y), coupled=coupled)


def _start(start, length, y):
    if start is None:
        return None
    start = real_array("start", start, like=y)
    expected = (length, *y.shape[1:])
    if tuple(start.shape) != expected:
        raise ValueError(f"start: expected shape {expected}, got {tuple(start.shape)}; pass the weights that training "
                         f"starts from (for a kernel its predictions on the training inputs), with columns like y")
    return start.reshape((length, -1))


def _weights(sample_weight, y):
    if sample_weight is None:
        return None
    weights = real_array("sample_weight", sample_weight, like=y)
    if tuple(weights.shape) != (y.shape[0],):
        raise ValueError(f"sample_weight: expected shape {(y.shape[0],)}, got {tuple(weights.shape)}; pass one number "
                         f"a sample")
    if is_concrete(weights) and not bool(array_namespace(weights).all(weights > 0)):
        least = float(array_namespace(weights).min(weights))
        raise ValueError(f"sample_weight: expected numbers > 0, got {least:g}; leave these samples out of X and y, "
                         "and see what is predicted on them by fit.predict")
    return weights


def checked_tolerance(value: float | None) -> float | None:
    """A rank_tolerance as a number from 0 up to 1, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value < 1:
        raise ValueError(f"rank_tolerance: expected a number from 0 up to 1, got {value!r}; pass the share of the "
                         f"largest singular value (of a kernel: eigenvalue) up to which directions are rounding")
    return float(value)


def _flow(factorise, inputs, y, start, sample_weight=None, intercept=False, coupled=0):
    targets = y.reshape((-1, 1)) if coupled or y.ndim == 1 else y
    start = start.reshape((-1, 1)) if coupled and start is not None else start
    given = inputs, targets, start, sample_weight
    wide = runs_in_double(*given)
    X, targets, start, sample_weight = map(in_double, given) if wide else given
    weighting = None
    if sample_weight is not None or intercept:
        weighting = Weighting.of(X, sample_weight, intercept)
        X = weighting.inputs(X)
    if not wide and runs_in_double(X):  # for targets that are traced
        spectrum = _rounded(factorise(in_double(X), single=True).formed(), X)
    else:
        spectrum = factorise(X, single=wide)
    flow = LinearFlow.of(spectrum, X, targets, start, coupled > 0 or y.ndim == 1, weighting, coupled)
    if not wide:
        return flow
    flow = replace(flow, spectrum=spectrum.formed(), inputs=X[:0, :])  # inputs are not copied
    return replace(_rounded(flow, inputs), inputs=_rounded(X, inputs) if weighting else inputs)


def _rounded(tree, like):
    """A tree of arrays in double precision, in that of `like` and of its library."""
    return mapped(tree, lambda array, _: cast_like(array, like))
