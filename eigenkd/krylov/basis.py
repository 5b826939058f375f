"""Chebyshev vectors z_k = T_k(2 M/L - 1) v of a Gram matrix M, and the interval [0, L] that they need.

L comes from a few Lanczos steps and need not be a bound: along eigenvectors beyond L the vectors grow, so that their
norms measure the part of v there. If that part matters, the recurrence ends with `Growth` and a larger L; else it
enters the error bound. Eq. (59), docs/theory.md.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_numpy_array

from eigenkd._arrays import to_numpy
from eigenkd.krylov.operators import Operator, placed
from eigenkd.typing import Array

BLOCK = 2**28  # bytes of vectors that are combined at a time
STORED = 2**30  # bytes of vectors that are kept for the next filter
GROWTH = 2.0  # norms beyond this multiple of the first one mean that L is too small
NOT_FINITE = ("{}: expected finite numbers, got NaN or infinite values in a product with it; replace or remove them, "
              "or scale it down")


class Growth(Exception):
    """L is too small; `largest` is a sufficient one, by the vectors that grew."""

    def __init__(self, largest: float) -> None:
        super().__init__(largest)
        self.largest = largest


class Basis:
    """The vectors z_k of rows v (m, r), computed on demand and kept while they fit in memory."""

    def __init__(self, operator: Operator, start: Array, largest: float) -> None:
        self.operator, self.start, self.largest = operator, start, largest
        self.products = 0
        self.norms = norms(start)  # (m,) of v
        self.last_norms = {}  # degree -> (m,) of z_degree
        self._kept, self._count, self._state = [], 0, (None, None)

    def combine(self, coefficients: np.ndarray) -> Array:
        """sum_k c_k z_k for coefficients (P, N + 1): (P, m, r), in one pass."""
        total: Any = None
        done = 0
        for block in self.blocks(coefficients.shape[1] - 1):
            part = placed(coefficients[:, done: done + block.shape[0]], block)
            part = array_namespace(block).tensordot(part, block, axes=1)
            total, done = part if total is None else _added(total, part), done + block.shape[0]
        return total

    def make(self, degree: int) -> None:
        """Compute the vectors up to z_degree, for their norms and for later combinations."""
        for _ in self.blocks(degree):
            pass

    def blocks(self, degree: int) -> Iterator[Array]:
        """z_0, ..., z_degree in stacks (length, m, r). Raises `Growth` where L turns out too small."""
        done = 0
        for block in self._kept:
            if done <= degree:
                block = block[: degree + 1 - done]
                done += block.shape[0]
                yield block
        state = self._state
        if done <= degree:
            done = self._count
        vector_bytes = self.start.dtype.itemsize * self.start.shape[0] * self.start.shape[1]
        length = max(4, min(64, BLOCK // vector_bytes))
        while done <= degree:
            with np.errstate(over="ignore", invalid="ignore"):
                block, state = self._advance(state, min(length, degree + 1 - done))
            lengths = self._checked(block)
            done += block.shape[0]
            if self._count + block.shape[0] == done <= STORED // vector_bytes:
                self._kept.append(block)
                self._count, self._state = done, state
            yield block
            self.last_norms[done - 1] = lengths[-1]
        if degree not in self.last_norms:
            self.last_norms[degree] = norms(block[-1, ...])

    def _advance(self, state, count):
        """The next `count` vectors: z_0 = v, z_1 = x v, z_{k+1} = 2 x z_k - z_{k-1} with x = 2 M/L - 1."""
        before, now = state
        vectors = []
        for _ in range(count):
            if now is None:
                now = self.start
            else:
                scaled = (2 / self.largest) * self.product(now) - now
                before, now = now, scaled if before is None else 2 * scaled - before
            vectors.append(now)
        return array_namespace(now).stack(vectors), (before, now)

    def product(self, vectors: Array) -> Array:
        self.products += 1
        return self.operator.product(vectors)

    def _checked(self, block):
        """Norms (length, m) of a block. Raises `Growth` where they grow, ValueError where they are not finite."""
        lengths = norms(block)
        grown = ~(lengths <= GROWTH * self.norms)
        if not grown.any():
            return lengths
        first = int(np.argmax(grown.any(axis=1)))
        if not np.isfinite(lengths[first]).all():
            raise ValueError(NOT_FINITE.format(self.operator.kind.inputs))
        theta, rest = largest_eigenvalue(self, mixed(block[first, ...], np.where(grown[first], lengths[first], 0.0)))
        raise Growth(max(theta + rest, 1.05 * self.largest))


def first_basis(operator: Operator, start: Array) -> Basis:
    """`Basis` with L from Lanczos steps that begin with a random combination of the rows of start (m, r)."""
    basis = Basis(operator, start, 1.0)
    if basis.norms.any():
        theta, rest = largest_eigenvalue(basis, mixed(start, basis.norms))
        basis.largest = theta + rest or 1.0  # any number will do where y lies in the null space
    return basis


def largest_eigenvalue(basis: Basis, start: Array, accuracy: float = 0.05, steps: int = 60) -> tuple[float, float]:
    """(Ritz value, its residual) by Lanczos steps from start (1, r), until the residual is `accuracy` of the value.

    The Ritz value is at most the largest eigenvalue. Raises ValueError where the steps show that the matrix is not
    symmetric or has a negative eigenvalue.
    """
    xp, size = array_namespace(start), basis.start.shape[1]
    now, before, beta = start / xp.linalg.vector_norm(start), xp.zeros_like(start), 0.0
    alphas, betas = [], []
    while True:
        with np.errstate(over="ignore", invalid="ignore"):
            product = basis.product(now)
            back, alpha = float(xp.sum(product * before)), float(xp.sum(product * now))
            product = product - alpha * now - beta * before
        if not np.isfinite(alpha):
            raise ValueError(NOT_FINITE.format(basis.operator.kind.inputs))
        alphas.append(alpha)
        values, vectors = np.linalg.eigh(np.diag(alphas) + np.diag(betas, 1) + np.diag(betas, -1))
        theta = max(float(values[-1]), 0.0)
        _check_kernel(basis.operator.kind.inputs, back, beta, values, float(xp.finfo(start.dtype).eps), size)
        beta = float(xp.linalg.vector_norm(product))
        rest = beta * abs(float(vectors[-1, -1]))
        if rest <= accuracy * theta or len(alphas) == steps:
            return theta, rest
        betas.append(beta)
        now, before = product / beta, now


def _check_kernel(name, back, beta, values, eps, size):
    scale = float(np.abs(values).max())
    if abs(back - beta) > eps**0.5 * scale:
        fix = "give the function that multiplies by the transpose of what the first multiplies by" if name == "X" \
            else "pass (K + K.T)/2 if that is rounding, else check how K was made"
        raise ValueError(f"{name}: expected a symmetric Gram matrix, got two products that differ by "
                         f"{abs(back - beta):.3g} next to {scale:.3g}; {fix}")
    if values[0] < -10 * size * eps * scale:
        raise ValueError(f"{name}: expected a positive semi-definite matrix, got an eigenvalue of at most "
                         f"{values[0]:.3g} next to a largest of {values[-1]:.3g}; "
                         "if that is rounding, factorise with eigenkd.kernel_flow(K, y, rank_tolerance=...), else "
                         "this is not a kernel: check its sign, and how it was made")


def mixed(rows: Array, lengths: np.ndarray) -> Array:
    """A random combination (1, r) of rows (m, r), each divided by its length; those of length 0 are left out."""
    weights = np.random.default_rng(0).normal(size=lengths.shape)
    weights = np.where(lengths > 0, weights / np.where(lengths > 0, lengths, 1.0), 0.0)
    return placed(weights[None, :], rows) @ rows


def norms(rows: Array) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return to_numpy(array_namespace(rows).linalg.vector_norm(rows, axis=-1)).astype(float)


def _added(total, part):
    if is_numpy_array(total):
        total += part  # in place: these are the largest arrays
        return total
    return total + part
