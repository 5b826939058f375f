"""Singular value decomposition with small relative errors in small singular triplets too, by matrix products.

The eigenbasis of the Gram matrix X X^T costs a fraction of an SVD of X, but it is that of a matrix within eps ||X||^2
of it: the triplet of lambda_i has an error of eps lambda_1/lambda_i. (LAPACK's SVD: eps sigma_1/sigma_i, still 1e-10
where X X^T has condition number 1e12.) The method therefore keeps only the top of its spectrum. The part of X in the
complement of that top has a Gram matrix of its own. The method keeps the top of that one, and so on down. Every few
levels the part in the complement is too small for plain products. It is then computed with some ten digits more than
double precision: each factor is split into a head of few bits, whose products add up without rounding, and a small tail
(Ozaki et al. 2012).
"Numerics", docs/theory.md.
"""

from math import ceil, log2

import numpy as np
from array_api_compat import array_namespace

from eigenkd._arrays import moved, to_numpy

# Ratios as powers of eps, so that single precision has its own: in double precision eps**0.19 is 1.06e-3.
CUT = 0.19  # of eigenvalues: a Gram matrix is right down to this fraction of its largest
FLOOR = 0.19  # of singular values: plain products with X are right down to this fraction of its largest
SHARE = 0.1  # of singular values: U^T y / sigma is right down to this fraction of those that y was made with
BLOCK = 2**20  # numbers split at a time: their parts stay in the processor's cache


def thin_svd(X):
    """(U, s, V) with X = U diag(s) V^T, U (n, k), s (k,) descending, V (p, k), k = min(n, p), as LAPACK gives it."""
    U, s, Vt = array_namespace(X).linalg.svd(X, full_matrices=False)
    return U, s, Vt.T


def descending_eigh(K):
    """Eigenvalues, descending, and eigenvectors; NumPy, PyTorch and JAX all call LAPACK's evd driver here."""
    lam, U = array_namespace(K).linalg.eigh(-K)
    return -lam, U


def graded_svd(X, null_ratio, gram=None):
    """`thin_svd` with a small relative error in every singular value above null_ratio * s[0] and in its vectors; the
    others are 0. gram: `descending_eigh` of the smaller of X X^T and X^T X, if it is known already."""
    if X.shape[0] > X.shape[1]:
        V, s, U = graded_svd(X.T, null_ratio, gram)
        return U, s, V
    xp = array_namespace(X)
    lam, P = gram or descending_eigh(X @ X.T)
    levels = _levels(X, lam, P, null_ratio * max(float(lam[0]), 0.0) ** 0.5)
    U, s, V = (_joined(parts, axis) for parts, axis in zip(zip(*levels), (1, 0, 0)))
    V = _completed(V, s.shape[0] - V.shape[0]).T
    if bool(xp.any(s[1:] > s[:-1])):  # neighbours on the two sides of a cut may be out of order
        order = xp.argsort(s, descending=True)
        U, s, V = xp.take(U, order, axis=1), xp.take(s, order), xp.take(V, order, axis=1)
    return U, s, V


def _levels(X, lam, P, null):
    """[(U, s, V^T)] of X (k, p) from the top down, V^T empty where s is null; lam, P: eigenbasis of X X^T."""
    xp, eps = array_namespace(X), array_namespace(X).finfo(X.dtype).eps
    levels, rest, W, least = [], X, None, eps ** (2 * FLOOR) * lam[0]
    while bool(lam[0] > null**2):  # rest = W^T X
        j = max(1, int(xp.sum(xp.astype((lam >= eps**CUT * lam[0]) & (lam >= least), xp.int32))))
        rows = _without(P[:, :j].T @ rest, levels)
        s = xp.linalg.vector_norm(rows, axis=1)
        levels.append((_times(W, P[:, :j]), s, rows / s[:, None]))
        if j == rest.shape[0]:
            return levels
        W = _times(W, P[:, j:])
        if bool(lam[j] < least):
            rest = _without(accurate_matmul(W.T, X), levels)
            below = _levels(rest, *descending_eigh(rest @ rest.T), null)
            return levels + [(W @ U, s, rows) for U, s, rows in below]
        rest = P[:, j:].T @ rest
        lam, P = descending_eigh(rest @ rest.T)
    return [*levels, (P if W is None else W, xp.zeros_like(lam), rest[:0, :])]


def _times(W, P):
    return P if W is None else W @ P


def _without(rows, levels):
    """rows (m, p), projected onto the complement of the right singular vectors of these levels."""
    for _, _, found in levels:
        rows = rows - (rows @ found.T) @ found
    return rows


def _joined(parts, axis):
    return parts[0] if len(parts) == 1 else array_namespace(parts[0]).concat(parts, axis=axis)


def _completed(rows, count):
    """Orthonormal rows (m, p) with `count` more orthonormal rows, as right singular vectors of null directions."""
    if count == 0:
        return rows
    xp = array_namespace(rows)
    more = xp.astype(moved(np.random.default_rng(0).normal(size=(count, rows.shape[1])), rows), rows.dtype)
    for _ in range(2):
        more = xp.linalg.qr((more - (more @ rows.T) @ rows).T).Q.T
    return xp.concat((rows, more))


def interpolant_components(X, y, U, s, V, rank):
    """Components v_k^T X^+ y, (k, m), of the minimum-norm interpolant of y (n, m) on the feature basis; null: 0.

    U^T y / s, by one correction a level: v_k^T X^+ y = v_k^T b + u_k^T (y - X b)/sigma_k for any b in the row space of
    X. Here b is the part of the solution along the large singular values. The remainder y - X b, computed accurately,
    then does not hide the small ones, even for a y that is nearly in the span of the large ones. Only the small ones
    are replaced: the error of the identity in floating point, u_k^T X - sigma_k v_k^T, is small enough for those alone.
    """
    xp = array_namespace(X)
    inverse = _inverse(s, rank)[:, None]
    z = (U.T @ y) * inverse
    eps = xp.finfo(s.dtype).eps
    level, least = to_numpy(s)[[0, rank - 1]].tolist()
    while least < level * eps**SHARE:
        level *= eps**SHARE
        large = s[:, None] >= level
        b = V @ xp.where(large, z, 0.0)
        z = xp.where(large, z, V.T @ b + (U.T @ accurate_remainder(y, X, b)) * inverse)
    return z * xp.astype(inverse > 0, z.dtype)


def _inverse(s, rank):
    xp = array_namespace(s)
    kept = xp.arange(s.shape[0]) < rank
    return xp.where(kept, 1 / xp.where(kept, s, 1.0), 0.0)


def accurate_matmul(A, B):
    """A @ B for A (n, p), B (p, m), with an error near eps**1.4 |A| |B| instead of eps |A| |B|: three products."""
    A1, A2 = _head_and_tail(A, 1)
    parts = []
    for columns in blocks(B.shape[1], B.shape[0]):
        B1, B2 = _head_and_tail(B[:, columns], 0)
        parts.append(A1 @ B1 + (A1 @ B2 + A2 @ B[:, columns]))
    return array_namespace(A).concat(parts, axis=1)


def accurate_remainder(y, A, B):
    """y - A @ B without the rounding of A @ B, where the two nearly cancel."""
    B1, B2 = _head_and_tail(B, 0)
    parts = []
    for rows in blocks(*A.shape):
        A1, A2 = _head_and_tail(A[rows, :], 1)
        parts.append((y[rows, :] - A1 @ B1) - (A1 @ B2 + A2 @ B))
    return array_namespace(A).concat(parts)


def blocks(count, length):
    """Slices of `count` rows or columns of this length, BLOCK numbers at a time."""
    step = max(BLOCK // length, 1)
    return [slice(begin, begin + step) for begin in range(0, count, step)]


def _head_and_tail(A, axis):
    """A = A1 + A2, A1 with so few bits along `axis` that products of two of them add up exactly over its length."""
    xp = array_namespace(A)
    mantissa = 53 if A.dtype == xp.float64 else 24
    bits = (mantissa - ceil(log2(max(A.shape[axis], 2)))) // 2 - 1
    shift = xp.max(xp.abs(A), axis=axis, keepdims=True) * 2.0 ** (mantissa - bits)
    head = (A + shift) - shift
    return head, A - head
