"""Divided differences of a filter's gain: the entries of derivatives of functions of a matrix, for any filter.

The derivative of f(K), K = U diag(lam) U^T, in a direction E is U (f[lam_i, lam_j] * U^T E U) U^T with

    f[a, b] = (f(a) - f(b))/(a - b),    f[a, a] = f'(a)                                                       Eq. (48)

(Daleckii and Krein), whether or not eigenvalues repeat. Subtraction loses the digits that two gains have in common.
f[a, b] is therefore also computed as the mean of f' over [b, a], by a quadrature that is exact to rounding where f
changes little. The quadrature is used where it agrees with the subtraction to within the rounding of the subtraction.
There it is the more accurate one, whatever the filter.
"""

import sys
from math import prod

import numpy as np
from array_api_compat import array_namespace

from eigenkd import _pytrees
from eigenkd._arrays import library

NODES = (0.5 - 0.15**0.5, 0.5, 0.5 + 0.15**0.5)  # Gauss-Legendre on [0, 1]
WEIGHTS = (5 / 18, 8 / 18, 5 / 18)
ULPS = 64  # the error of gains and residuals of any filter; exp(-x) has more where x is larger, and is 1e-28 there
CLOSE = 1e-6  # the relative gap of eigenvalues below which the quadrature is always used
LIMIT = 2**18  # numbers in the matrices of divided differences that are held at a time, for a family of filters


def derivative(function, x):
    """f'(x), for a function that acts on each element of x and may put axes in front, by forward-mode differentiation.

    x: an array of JAX or PyTorch.
    """
    transforms = sys.modules["jax"] if library(x) == "JAX" else sys.modules["torch"].func
    return transforms.jvp(function, (x,), (array_namespace(x).ones_like(x),))[1]


def slope(filter, lam):
    """g'(lam), from the residual: the libraries' derivative of expm1 has no digits left where a gain is 1."""
    return -derivative(filter.residual, lam)


def shares(filter, lam):
    """(gain, residual) (..., k) of a filter: 0 and 1 in null directions, also for filters that are not 0 there."""
    xp = array_namespace(lam)
    return xp.where(lam > 0, filter.gain(lam), 0.0), xp.where(lam > 0, filter.residual(lam), 1.0)


def dual(filter, lam):
    """h(lam) = g(lam)/lam (..., k), and g'(0) in null directions."""
    xp = array_namespace(lam)
    return xp.where(lam > 0, filter.gain(lam) / xp.where(lam > 0, lam, 1.0), slope(filter, lam))


def gain_differences(filter, lam):
    """g[lam_i, lam_j] (..., k, k) for eigenvalues lam (k,) >= 0 in any order.  Eqs. (48), (49)"""
    xp = array_namespace(lam)
    (ga, gb), (ra, rb) = ((v[..., :, None], v[..., None, :]) for v in shares(filter, lam))
    a, b = lam[:, None], lam[None, :]
    step = a - b
    gains, residuals = xp.maximum(xp.abs(ga), xp.abs(gb)), xp.maximum(xp.abs(ra), xp.abs(rb))
    change = xp.where(gains < residuals, ga - gb, rb - ra)  # the same number, from the pair that has more digits
    rounding = ULPS * xp.finfo(lam.dtype).eps * xp.minimum(gains, residuals)
    mean = sum(weight * slope(filter, b + node * step) for node, weight in zip(NODES, WEIGHTS))
    smooth = (xp.abs(step) <= CLOSE * xp.maximum(a, b)) | (xp.abs(mean * step - change) <= rounding)
    return xp.where(smooth, mean, change / xp.where(step == 0, 1.0, step))


def dual_differences(filter, lam, differences, refined):
    """h[lam_i, lam_j] (..., k, k) of h(lam) = g(lam)/lam, from g[lam_i, lam_j].  Eq. (50)

    h[a, b] = (g[a, b] - h(b))/a with b <= a has an absolute error of a few eps h(b)/a. That is negligible next to h(b)
    where it is multiplied by sqrt(a b), as for features. refined: h[a, b] = g[a, b, 0] is also half of g'' in the
    middle of 0, a and b to second order. This value is used where subtraction is less accurate, by the same test as
    above.
    """
    xp, h = array_namespace(lam), dual(filter, lam)
    a, b = lam[:, None], lam[None, :]
    larger = xp.maximum(a, b)
    of_smaller = xp.where(a < b, h[..., :, None], h[..., None, :])
    rest = differences - of_smaller
    quotient = rest / xp.where(larger == 0, 1.0, larger)
    if not refined:
        return quotient
    rounding = ULPS * xp.finfo(lam.dtype).eps * xp.maximum(xp.abs(differences), xp.abs(of_smaller))
    bend = derivative(lambda x: slope(filter, x), (a + b) / 3) / 2
    return xp.where((larger == 0) | (xp.abs(bend * larger - rest) <= rounding), bend, quotient)


def turned(filter, lam, first, second, c, refined):
    """(g[a, b] * first + h[a, b] * second) @ c, (..., k, m), for matrices (k, k) of which one may be None.

    c: (..., k, m); ... of the result is the common shape of the filter's parameters and of c. refined: as in
    `dual_differences`.
    """
    def act(filter, c):
        G = gain_differences(filter, lam)
        matrices = 0.0 if first is None else G * first
        return (matrices if second is None else matrices + dual_differences(filter, lam, G, refined) * second) @ c

    shape, size = _family(filter, c)
    if size >= prod(shape):
        return act(filter, c)
    if library(c) != "JAX":
        parts = [act(part, columns) for part, columns in _parts(filter, c)]
        return array_namespace(c).concat(parts).reshape((*shape, *parts[0].shape[1:]))
    jax = sys.modules["jax"]  # the reverse pass computes the differences again instead of storing them
    arrays, rebuild = _pytrees.flatten(_broadcast(filter, shape))
    flat = jax.lax.map(jax.checkpoint(lambda item: act(rebuild(item[0]), item[1])), (arrays, _flat(c, shape, 2)),
                       batch_size=size)
    return flat.reshape((*shape, *flat.shape[1:]))


def turned_back(filter, lam, w, c, first, second, refined):
    """The transpose of `turned` for w (..., k, m): cotangents of the two matrices, None for those not wanted."""
    totals = [None, None]
    for part, left, right in _parts(filter, w, c):
        G = gain_differences(part, lam)
        differences = G if first else None, dual_differences(part, lam, G, refined) if second else None
        for i, D in enumerate(differences):
            if D is not None:
                total = D * outer(left, right) if D.ndim == 2 else _summed(D * (left @ right.mT))
                totals[i] = total if totals[i] is None else totals[i] + total
    return totals


def outer(a, b):
    """Sum of a @ b^T over leading axes, (q, k), for a (..., q, m) and b (..., k, m)."""
    xp = array_namespace(a)
    shape = np.broadcast_shapes(tuple(a.shape[:-2]), tuple(b.shape[:-2]))
    a, b = (xp.permute_dims(_flat(v, shape, 2), (1, 0, 2)) for v in (a, b))
    return a.reshape((a.shape[0], -1)) @ b.reshape((b.shape[0], -1)).T


def _summed(matrices):
    return array_namespace(matrices).sum(matrices.reshape((-1, *matrices.shape[-2:])), axis=0)


def _family(filter, *columns):
    """(shape, size): the axes of a family of filters and columns (..., k, m), and how many to take at a time."""
    own = np.broadcast_shapes(*(tuple(p.shape) for p in filter.parameters))
    shape = np.broadcast_shapes(own, *(tuple(c.shape[:-2]) for c in columns))
    return shape, prod(shape) if own == () else max(1, LIMIT // columns[0].shape[-2] ** 2)


def _parts(filter, *columns):
    """Yields the family in parts with one leading axis, or as it is where it is small enough."""
    shape, size = _family(filter, *columns)
    if size >= prod(shape):
        yield filter, *columns
        return
    arrays, rebuild = _pytrees.flatten(_broadcast(filter, shape))
    columns = [_flat(c, shape, 2) for c in columns]
    for i in range(0, prod(shape), size):
        yield rebuild([a[i:i + size] for a in arrays]), *(c[i:i + size] for c in columns)


def _broadcast(filter, shape):
    """The filter with every parameter along one axis, of all the members of the family."""
    return _pytrees.mapped(filter, lambda a, owner: _flat(a, shape, getattr(owner, "own_axes", 0)))


def _flat(a, shape, own):
    """a (..., *own axes) broadcast to shape in front of its own axes, with that as one axis."""
    tail = tuple(a.shape[a.ndim - own:])
    return array_namespace(a).broadcast_to(a, (*shape, *tail)).reshape((-1, *tail))
