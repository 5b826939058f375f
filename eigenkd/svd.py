"""Singular value decomposition whose small singular triplets are right relative to themselves.

LAPACK's SVD is backward stable: its singular values and subspaces are those of a matrix within eps ||X|| of X. For a
small singular value sigma_i that is a relative error of eps sigma_1 / sigma_i, which weights that divide by sigma_i
inherit: 1e-10 where K = X X^T has condition number 1e12. Here the small triplets are computed again from the products
X V_2 and X^T U_2, taken with some ten digits more than double precision by splitting each factor into a head of few
bits, whose products add up without rounding, and a small tail (Ozaki et al. 2012). Sec. 7, docs/theory.md.
"""

from math import ceil, log2

from array_api_compat import array_namespace

CUT = 0.1  # eps**CUT = 0.027: the top of a spectrum, down to this ratio, is kept as LAPACK gives it


def thin_svd(X):
    """(U, s, V) with X = U diag(s) V^T, U (n, k), s (k,) descending, V (p, k), k = min(n, p), as LAPACK gives it."""
    U, s, Vt = array_namespace(X).linalg.svd(X, full_matrices=False)
    return U, s, Vt.T


def graded_svd(X, null_ratio):
    """`thin_svd` with every singular value above null_ratio * s[0] accurate relative to itself, and its vectors too.

    The spectrum is cut where it falls below eps**0.1 of its top. What lies above is right already. For what lies below,
    Y = X V_2 and Z = X^T qr(Y) hold the small part of X without the rounding errors of its large part; the SVD of the
    small triangular factor of Z, taken the same way again, replaces it.
    """
    xp = array_namespace(X)
    U, s, V = thin_svd(X)
    eps = xp.finfo(s.dtype).eps
    rank = int(xp.sum(xp.astype(s > null_ratio * s[0], xp.int32)))
    if rank == 0 or s[rank - 1] > eps**CUT * s[0]:
        return U, s, V
    j = int(xp.sum(xp.astype(s > eps**CUT * s[0], xp.int32)))
    U1, V1 = U[:, :j], V[:, :j]
    Y = accurate_matmul(X, V[:, j:rank])
    U2 = xp.linalg.qr(Y - U1 @ (U1.T @ Y)).Q
    Z = accurate_matmul(X.T, U2)
    V2, R = xp.linalg.qr(Z - V1 @ (V1.T @ Z))
    P, small, W = graded_svd(R.T, null_ratio * float(s[0] / s[j]))
    U2, V2 = U2 @ P, V2 @ W
    U0, V0 = U[:, rank:], V[:, rank:]
    U0, V0 = U0 - U2 @ (U2.T @ U0), V0 - V2 @ (V2.T @ V0)
    return xp.concat((U1, U2, U0), axis=1), xp.concat((s[:j], small, s[rank:])), xp.concat((V1, V2, V0), axis=1)


def interpolant_components(X, y, U, s, V, rank):
    """Components v_k^T X^+ y, (k, m), of the minimum-norm interpolant of y (n, m) on the feature basis; null: 0.

    U^T y / s, by one correction a level: v_k^T X^+ y = v_k^T b + u_k^T (y - X b)/sigma_k for any b in the row space of
    X. With b the part of the solution that the large singular values carry, the remainder y - X b (taken accurately)
    no longer drowns the small ones, even for a y that is nearly in the span of the large ones. Only the small ones are
    replaced: what the identity lacks in floating point, u_k^T X - sigma_k v_k^T, is small enough for them alone.
    """
    xp = array_namespace(X)
    inverse = _inverse(s, rank)[:, None]
    z = (U.T @ y) * inverse
    eps = xp.finfo(s.dtype).eps
    level, least = float(s[0]), float(s[rank - 1])
    while least < level * eps**CUT:
        level *= eps**CUT
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
    head, tail = _split_product(A, B)
    return head + tail


def accurate_remainder(y, A, B):
    """y - A @ B without the rounding of A @ B, where the two nearly cancel."""
    head, tail = _split_product(A, B)
    return (y - head) - tail


def _split_product(A, B):
    """A @ B as a head that is exact and a tail: A B = A1 B1 + (A1 B2 + A2 B)."""
    A1, A2 = _head_and_tail(A, 1, A.shape[1])
    B1, B2 = _head_and_tail(B, 0, A.shape[1])
    return A1 @ B1, A1 @ B2 + A2 @ B


def _head_and_tail(A, axis, length):
    """A = A1 + A2, A1 with so few bits along `axis` that `length` products of two of them add up exactly."""
    xp = array_namespace(A)
    mantissa = 53 if A.dtype == xp.float64 else 24
    bits = (mantissa - ceil(log2(max(length, 2)))) // 2 - 1
    shift = xp.max(xp.abs(A), axis=axis, keepdims=True) * 2.0 ** (mantissa - bits)
    head = (A + shift) - shift
    return head, A - head
