"""Factorisation of features X or a kernel K into a `Spectrum`, with the resolution that rounding leaves.

"Rank", docs/theory.md.
"""

from typing import TypeVar

import numpy as np
from array_api_compat import array_namespace

from eigenkd._arrays import constant, is_concrete, to_numpy
from eigenkd._svd import blocks, descending_eigh, graded_svd, thin_svd
from eigenkd.kernel_spectrum import KernelSpectrum
from eigenkd.spectrum import GramSpectrum, Spectrum
from eigenkd.typing import Array

A = TypeVar("A", bound=Array)

GRAM_CONDITION = 1e3  # up to this cond(K) the Gram matrix is right to 1e-11, with a decade to spare: 2e-15 cond(K)
DOUBLE = float(np.finfo(np.float64).eps)


def from_features(X: Array, method: str = "auto", rank_tolerance: float | None = None,
                  single: bool = False) -> Spectrum:
    """Spectrum of K = X X^T from features X (n, p), already checked.

    method: "gram" takes the eigenbasis of the smaller of X X^T and X^T X, with errors of eps cond(K). "svd" repeats
    this below the top of its spectrum (`_svd.graded_svd`); its weights are right to 1e-11 for condition numbers of K up
    to 1e12 and more, at up to five times the cost. "auto" uses the Gram matrix's eigenvalues where they give cond(K) <=
    1e3, and "svd" elsewhere. It also uses "svd" in single precision, where a Gram matrix has too few digits, and under
    JAX and functorch transformations, where values are not known. Under a transformation, or where PyTorch records
    derivatives, "svd" is LAPACK's SVD. rank_tolerance: see `eigenkd.linear_flow`. single: whether X is in double
    precision now, but was given in single.
    """
    if method not in ("auto", "svd", "gram"):
        raise ValueError(f"method: expected 'auto', 'svd' or 'gram', got {method!r}; leave it out to have the "
                         f"condition number decide")
    xp, concrete = array_namespace(X), is_concrete(X)
    precision = xp.finfo(xp.float32 if single else X.dtype)
    if concrete:
        _check_scale(X, precision)
    tolerance = rank_tolerance
    if tolerance is None:
        tolerance = resolved_ratio(X.shape, float(precision.eps), float(xp.finfo(X.dtype).eps))
    looks = method == "auto" and concrete and X.dtype == xp.float64
    if method != "gram" and not looks:
        return _from_svd(X, tolerance, rank_tolerance is not None)
    gram = descending_eigh(X @ X.T if X.shape[0] <= X.shape[1] else X.T @ X)
    lam = gram[0]
    if method == "gram" or (bool(lam[0] > 0) and bool(lam[-1] * GRAM_CONDITION >= lam[0])):
        return _from_gram(X, *gram, tolerance, rank_tolerance is not None)
    return _from_svd(X, tolerance, rank_tolerance is not None, gram)


def resolved_ratio(shape, known, arithmetic):
    """The share of the largest value up to which values of a matrix of this shape may be rounding.  Eq. (74)

    known: the relative precision of its entries, whose rounding makes values of about eps of the largest, whatever the
    shape. arithmetic: the precision of the factorisation, whose error grows as the square root of the size (Press et
    al. 1992, 2.6).
    """
    return 8 * known + 0.5 * sum(shape) ** 0.5 * arithmetic


def _check_scale(X, limits):
    """Raises ValueError where squares of X leave the range of its precision: eigenvalues would be 0 or infinite."""
    xp = array_namespace(X)
    largest = max(float(to_numpy(xp.max(X))), -float(to_numpy(xp.min(X))))
    least = float(limits.smallest_normal) ** 0.5 / float(limits.eps)
    most = (float(limits.max) / max(X.shape)) ** 0.5 / 4
    if largest and not least < largest < most:
        raise ValueError(f"X: expected a largest entry between {least:.1g} and {most:.1g}, so that eigenvalues can be "
                         f"represented, got {largest:.3g}; divide X by it, and multiply times by its square")


def _from_svd(X, tolerance, given, gram=None):
    # The refinement has shapes that depend on the data, and no derivatives.
    if not is_concrete(X) or getattr(X, "requires_grad", False):
        null = resolved_ratio(X.shape, DOUBLE, DOUBLE)
        U, s, V = thin_svd(X)
    else:
        eps = float(array_namespace(X).finfo(X.dtype).eps)
        null = resolved_ratio(X.shape, eps, eps)
        U, s, V = graded_svd(X, null, gram)
    return Spectrum(_null_to_zero(s, null), U, V, "svd", _scalar(tolerance * s[0]), given)


def _from_gram(X, lam, basis, tolerance, given):
    xp = array_namespace(lam)
    resolution = tolerance * xp.sqrt(_largest(lam))
    if not given:
        resolution = xp.maximum(resolution, xp.sqrt(_kernel_resolution(lam, X.shape, X.dtype)))
    s = xp.sqrt(_null_to_zero(lam, resolved_ratio(X.shape, DOUBLE, DOUBLE)))
    return GramSpectrum(s, basis, X, _scalar(resolution), given)


def flat_kernel(name: str, K: A, square: bool = False) -> A:
    """A kernel (n, n', k, k) between k outputs of each sample as (n k, n' k), outputs next to their sample.

    A kernel of two dimensions is returned as it is. Raises ValueError for unequal numbers of outputs, and where
    `square` is set for unequal numbers of samples.
    """
    if square and K.shape[0] != K.shape[1]:
        how = (f"transpose it to (n, n, k, k), outputs last: {name}.transpose(0, 2, 1, 3)" if K.ndim == 4 else
               "kernel_flow takes the kernel between the training inputs, linear_flow takes features")
        raise ValueError(f"{name}: expected a square matrix, got shape {tuple(K.shape)}; {how}")
    if K.ndim == 2:
        return K
    rows, columns, k, other = K.shape
    if k != other:
        raise ValueError(f"{name}: expected a kernel of shape (n, n, k, k) between k outputs of each sample, got shape "
                         f"{tuple(K.shape)}; move the axes of the outputs to the end")
    return array_namespace(K).permute_dims(K, (0, 2, 1, 3)).reshape((rows * k, columns * k))


def from_kernel(K: Array, rank_tolerance: float | None = None, single: bool = False) -> KernelSpectrum:
    """Spectrum of a symmetric positive semi-definite kernel matrix K (n, n), by LAPACK's divide-and-conquer (evd).

    rank_tolerance: see `eigenkd.kernel_flow`. single: whether K is in double precision now, but was given in single.
    Negative eigenvalues become 0. Raises ValueError where K is asymmetric beyond rounding (10 n eps of the largest), or
    has an eigenvalue that is more negative than that, and than rank_tolerance times the largest.
    """
    xp = array_namespace(K)
    precision, n = xp.float32 if single else K.dtype, K.shape[0]
    rounding = max(10 * n * float(xp.finfo(precision).eps), rank_tolerance or 0.0)
    asymmetry = _asymmetry(K, rounding) if is_concrete(K) else None
    exact = asymmetry == 0 and not getattr(K, "requires_grad", False)
    lam, U = descending_eigh(K if exact else (K + K.T) / 2)  # the symmetric part has a symmetric derivative
    if is_concrete(K) and bool(lam[-1] < -rounding * xp.max(xp.abs(lam))):
        raise ValueError(f"K: expected a positive semi-definite matrix, got a smallest eigenvalue of "
                         f"{float(lam[-1]):.3g} next to a largest of {float(lam[0]):.3g}; "
                         f"{_not_a_kernel(float(lam[-1]), float(lam[0]))}")
    if rank_tolerance is None:
        resolution = _kernel_resolution(lam, K.shape, precision)
    else:
        resolution = rank_tolerance * _largest(lam)
    s = xp.sqrt(_null_to_zero(lam, resolved_ratio(K.shape, DOUBLE, DOUBLE)))
    return KernelSpectrum(s, U, _scalar(xp.sqrt(resolution)), rank_tolerance is not None)


def _asymmetry(K, rounding):
    """The largest of |K - K^T|. Raises ValueError where it is more than rounding of the largest entry."""
    xp, n = array_namespace(K), K.shape[0]
    size = max(float(to_numpy(xp.max(K))), -float(to_numpy(xp.min(K))))
    asymmetry = max(float(to_numpy(xp.max(xp.abs(K[rows, :] - K[:, rows].T)))) for rows in blocks(n, n))
    if asymmetry > rounding * size:
        raise ValueError(f"K: expected a symmetric matrix, got |K - K^T| up to {asymmetry:.3g} next to entries up "
                         f"to {size:.3g}; if that is rounding pass (K + K.T)/2, else check how K was made")
    return asymmetry


def _kernel_resolution(lam, shape, precision):
    """The eigenvalue up to which eigenvalues may be rounding: Eq. (74), and at least twice the size of a negative
    one."""
    xp = array_namespace(lam)
    eps = float(xp.finfo(precision).eps)
    below = xp.where(lam[-1] < 0, -lam[-1], 0.0)
    return xp.maximum(resolved_ratio(shape, eps, eps) * _largest(lam), 2 * below)


def _largest(lam):
    return array_namespace(lam).where(lam[0] > 0, lam[0], 0.0)


def _scalar(resolution):
    """The resolution as an array (), which derivatives treat as a constant."""
    return constant(array_namespace(resolution).asarray(resolution))


def _not_a_kernel(least, largest):
    """What to do about a negative eigenvalue."""
    if -least > 1e-3 * largest:
        return "this is not a kernel; check its sign, and how it was made"
    return (f"if that is rounding, as of a kernel computed in single precision, pass rank_tolerance="
            f"{-2 * least / largest:.1g}, which takes it for 0; else this is not a kernel")


def _null_to_zero(values, ratio):
    """Values up to `ratio` of the first, and negative ones, become 0."""
    xp = array_namespace(values)
    return xp.where((values > ratio * values[0]) & (values > 0), values, 0.0)
