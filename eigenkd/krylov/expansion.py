"""Chebyshev expansions of filters, and bounds on their errors.

On [0, L], with x = 2 lam/L - 1, a filter's gain is g = sum_k c_k T_k(x), cut off after the degree N and shifted so that
null directions keep gain 0. Divided by lam it is the polynomial of the weights. Eqs. (55)-(60), docs/theory.md.
"""

from dataclasses import dataclass

import numpy as np

from eigenkd._arrays import to_numpy
from eigenkd.filters.algebra import Filter
from eigenkd.typing import Shape

SCALES = 10.0 ** -np.linspace(0, 32, 257)  # a grid to find what the nodes may miss next to lam = 0
RESERVE = 4  # the truncation alone aims at this fraction of the tolerance


@dataclass(frozen=True, eq=False)
class Expansion:
    """The polynomials p (of the gain) and q = p/lam for P parameters of a filter, and sup-norm bounds on their errors.

    shape: of the filter's parameters, with P entries. largest: L. polynomial, quotient (P, N + 1): Chebyshev
    coefficients. Bounds (P,) for 0 <= lam <= L: gain |g - p|, root |g - p|/sqrt(lam), slope |g - p|/lam. outside (P,):
    |g - p|/T_N beyond L. largest_gain, largest_root (P,): suprema of |g| and of |g|/sqrt(lam).
    """

    shape: Shape
    largest: float
    polynomial: np.ndarray
    quotient: np.ndarray
    gain: np.ndarray
    root: np.ndarray
    slope: np.ndarray
    outside: np.ndarray
    largest_gain: np.ndarray
    largest_root: np.ndarray

    @property
    def degree(self) -> int:
        return self.polynomial.shape[1] - 1


def expand(filter: Filter, largest: float, tolerance: float, max_degree: int) -> Expansion:
    """`Expansion` of the filter on [0, largest] within tolerance/4 of its largest gain, or of degree max_degree.

    The number of nodes doubles until the coefficients have decayed by half of it and the polynomial agrees with the
    filter on a grid that reaches down to 1e-32 of the interval. Raises ValueError for a filter that doesn't fall to 0
    at lam = 0.
    """
    shape = np.broadcast_shapes(*(tuple(p.shape) for p in filter.parameters))
    check_null(filter, largest * SCALES, tolerance)
    near = largest * SCALES, _sample(filter, largest * SCALES)
    nodes = 32
    while True:
        coefficients, top = _coefficients(filter, largest, nodes, near)
        result, resolved = _truncated(coefficients, top, largest, tolerance / RESERVE, max_degree, near)
        if resolved or nodes >= 4 * max_degree:
            break
        nodes *= 2
    outside = _outside(filter, largest, result["polynomial"], result["largest_gain"])
    return Expansion(shape, largest, outside=outside, **result)


def _sample(filter, lam):
    """Gains (P, len(lam)) as NumPy's, double precision."""
    return np.asarray(to_numpy(filter.gain(lam)), dtype=float).reshape(-1, lam.shape[0])


def check_null(filter: Filter, lam: np.ndarray, tolerance: float) -> None:
    """ValueError for a filter whose gain is not small at the last of the eigenvalues lam, next to its largest there."""
    gain = np.abs(_sample(filter, lam))
    last = gain[:, -1]
    if np.any(last > tolerance * (gain.max(axis=1) if lam.shape[0] > 1 else 1)):
        raise ValueError(f"filter: expected a gain that falls to 0 with the eigenvalue, got up to {last.max():.3g} "
                         f"next to eigenvalue 0; an infinite time (or identity) is a projection, and no polynomial in "
                         f"K is one: stop at a finite time, or factorise with eigenkd.linear_flow or kernel_flow")


def _coefficients(filter, largest, nodes, near):
    """(c (P, nodes), [largest |g|, largest |g|/sqrt(lam)] (P,) each) from the gain at Chebyshev nodes.  Eq. (55)

    Coefficients after those that have come down to rounding are set to 0.
    """
    from scipy.fft import dct

    lam = largest * np.sin(np.pi * (nodes - np.arange(nodes) - 0.5) / (2 * nodes)) ** 2
    gain = _sample(filter, lam)
    c = dct(gain, type=2, axis=1) / nodes
    c[:, 0] /= 2
    top = [np.maximum(np.max(np.abs(gain) / lam**power, axis=1), np.max(np.abs(near[1]) / near[0] ** power, axis=1))
           for power in (0, 0.5)]
    noise = np.max(np.abs(c[:, 3 * nodes // 4:]), axis=1, keepdims=True)
    noise = np.where(noise <= 4 * np.finfo(float).eps * top[0][:, None], 3 * noise, 0.0)
    kept = np.maximum.accumulate(np.abs(c[:, ::-1]) > noise, axis=1)[:, ::-1]
    return np.where(kept, c, 0.0), top


def _truncated(c, top, largest, target, max_degree, near):
    """The parts of an `Expansion` cut at the least sufficient degree, and whether its nodes resolve the filter."""
    nodes, (gain_top, root_top) = c.shape[1], top
    gain, root, slope = (_tails(c, largest, power) for power in (0, 0.5, 1))  # (P, nodes)
    enough = (gain <= target * gain_top[:, None]) & (root <= target * root_top[:, None])
    cap = min(nodes // 2, max_degree)
    needed = 1 + int(np.sum(~enough, axis=1).max())  # one more than [0, L] needs: beyond L the last term matters
    degree = min(needed, cap)
    polynomial, quotient = _divided(c[:, : degree + 1], largest)
    lam, exact = near
    missed = np.abs(exact - lam * evaluate(quotient, 2 * lam / largest - 1))
    seen = [(missed / lam**power).max(axis=1) for power in (0, 0.5, 1)]
    allowed = target * RESERVE / 2
    resolved = needed <= cap and np.all(seen[0] <= allowed * gain_top) and np.all(seen[1] <= allowed * root_top)
    gain, root, slope = (np.maximum(tail[:, degree], s) for tail, s in zip((gain, root, slope), seen))
    parts = {"polynomial": polynomial, "quotient": quotient, "gain": gain, "root": root, "slope": slope,
             "largest_gain": gain_top, "largest_root": root_top}
    return parts, resolved


def _tails(c, largest, power):
    """Bounds on |g - p|/lam**power for every degree, (P, nodes), aliasing included.  Eqs. (57), (58)

    Coefficients beyond the nodes are assumed to sum to no more than those of the upper half of the nodes. They enter
    twice: they are missing, and aliasing has added them to the others.
    """
    nodes = c.shape[1]
    terms = 2 / largest**power * np.abs(c) * np.arange(nodes) ** (2 * power)
    beyond = terms[:, nodes // 2:].sum(axis=1, keepdims=True)
    return np.cumsum(terms[:, ::-1], axis=1)[:, ::-1] - terms + 2 * beyond


def _divided(c, largest):
    """(p, q) with p = c but for its constant, such that p(0) = 0, and q = p/lam, both of c's length.  Eq. (56)"""
    degree = c.shape[1] - 1
    d = np.zeros((c.shape[0], degree + 3))
    for k in range(degree, 1, -1):
        d[:, k - 1] = 2 * (2 / largest * c[:, k] - d[:, k]) - d[:, k + 1]
    d[:, 0] = 2 / largest * c[:, 1] - d[:, 1] - d[:, 2] / 2
    p = c.copy()
    p[:, 0] = largest / 2 * (d[:, 0] + d[:, 1] / 2)
    return p, d[:, : degree + 1]


def evaluate(c: np.ndarray, x: np.ndarray) -> np.ndarray:
    """sum_k c_k T_k(x) for c (P, N + 1) and x (q,): (P, q)."""
    *_, value = _clenshaw(c, x)
    return value


def _clenshaw(c, x):
    """Yields Clenshaw's b_N, ..., b_1, where b_j is the factor of an error in the j-th vector, and last the sum
    itself.  Eq. (60)"""
    after = now = np.zeros((c.shape[0], x.shape[0]))
    for k in range(c.shape[1] - 1, 0, -1):
        now, after = c[:, k, None] + 2 * x * now - after, now
        yield now
    yield c[:, :1] + x * now - after


def amplification(c: np.ndarray, largest: float, power: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """(first, rest) (P,): how rounding in the start and in the products grows into sum_k c_k T_k, times lam**power.

    Suprema over [0, L]. Errors of different products are added in squares, as independent ones.  Eq. (60)
    """
    x = np.cos(np.linspace(0, np.pi, 65))
    weight = (largest / 2 * (1 + x)) ** power
    first = squares = np.zeros(c.shape[0])
    for factor in _clenshaw(c, x):
        squares = squares + first**2
        first = np.max(weight * np.abs(factor), axis=1)
    return first, np.sqrt(squares)


def _outside(filter, largest, p, top):
    """(P,): the supremum of |g - p|/T_N over eigenvalues beyond L, on a grid of 60.  Eq. (59)

    The grid ends where the gain exceeds twice its largest value, and 2. Beyond, training diverges (too long steps of
    gradient descent), and no eigenvalue is assumed to lie there.
    """
    degree = p.shape[1] - 1
    angle = np.geomspace(1e-3, 40, 60) / degree
    order = np.arange(degree + 1)[:, None]
    ratio = np.exp((order - degree) * angle) * (1 + np.exp(-2 * order * angle)) / (1 + np.exp(-2 * degree * angle))
    gain = _sample(filter, largest * np.cosh(angle / 2) ** 2)
    bounded = np.logical_and.accumulate(np.abs(gain) <= 2 * np.maximum(top, 1)[:, None], axis=1)
    return np.max(np.abs(np.where(bounded, gain / np.cosh(degree * angle) - p @ ratio, 0.0)), axis=1)
