"""`eigenkd.linear_flow` and `kernel_flow` by products alone, in one pass for a whole grid of times.

The weights X^T h(K) y and the fitted values g(K) y, h = g/lam, of a filter g are combinations of Chebyshev vectors that
depend on the data alone. Another time, filter or generation costs one matrix product with stored vectors. For a start
b0 take the flow of y - X b0 and add b0; a student of a teacher with other features is a flow whose y is teacher.fitted.
Eqs. (55)-(60), docs/theory.md.
"""

from collections.abc import Sequence
from functools import cached_property
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from eigenkd import filters
from eigenkd._arrays import to_numpy
from eigenkd.filters.algebra import Filter
from eigenkd.flow import LinearFlow
from eigenkd.krylov.basis import Basis, Growth, first_basis
from eigenkd.krylov.expansion import Expansion, check_null, expand
from eigenkd.krylov.fit import KrylovFit
from eigenkd.krylov.operators import Operator, from_features, from_kernel, placed, rows_of, targets
from eigenkd.typing import Array, ArrayLike, MatrixLike

_LINEAR: Any = LinearFlow  # whose generations need `fit` alone


def linear_flow(X: MatrixLike, y: ArrayLike, tolerance: float | None = None, max_products: int = 2000) -> "KrylovFlow":
    """Linear regression of y on X for all times, students and filters, by products with X and its transpose alone.

    X: (n, p) features: a NumPy, JAX or PyTorch array (a JAX array may be sharded over devices, by rows or columns, and
    is never gathered), a SciPy sparse matrix or LinearOperator, anything with a shape, @ and .T, or a pair of functions
    (V -> X @ V, U -> X.T @ U) of columns. y: (n,) or (n, m) targets, whose library and precision the results take if X
    is no array. tolerance: see `KrylovFit`; 1e-10 in double and 1e-3 in single precision where it is None.
    max_products: the highest degree, in products with the smaller of X X^T and X^T X; about
    sqrt(t lam_max log(1/tolerance)) are needed, whatever n and p, for ridge(mu) sqrt(lam_max/mu) log(1/tolerance)/2.
    Not differentiable, and not to be called under jit or vmap. Where min(n, p) is a few thousand and X dense,
    eigenkd.linear_flow(X, y, method="gram") is as fast for short times, and faster for others.

    Raises TypeError or ValueError for what is not real, finite, of matching shape. Returns a `KrylovFlow`.
    """
    operator, y = from_features(X, y)
    return KrylovFlow(operator, y, tolerance, max_products)


def kernel_flow(K: MatrixLike, y: ArrayLike, tolerance: float | None = None, max_products: int = 2000) -> "KrylovFlow":
    """Kernel regression of y with the kernel matrix K (n, n), symmetric positive semi-definite, by products alone.

    K: as X in `linear_flow`, or one function V -> K @ V of columns. Raises ValueError also where the products show that
    K is not symmetric or has a negative eigenvalue. Otherwise as `linear_flow`.
    """
    operator, y = from_kernel(K, y)
    return KrylovFlow(operator, y, tolerance, max_products)


class TopEigenpairs(NamedTuple):
    """The largest eigenvalues of K, without the rest: `theorem.check(pairs.eigenvalues, ...)` takes them."""

    eigenvalues: Array  # (count,), descending
    sample_basis: Array  # (n, count): eigenvectors of K, of X X^T
    feature_basis: Array | None  # (p, count): eigenvectors of X^T X; None for a kernel. 0 in the larger for null ones
    error: Array  # (count,): ||M v - lambda v||; an eigenvalue of K lies within this distance


class KrylovFlow:
    """A regression that is never factorised: what `linear_flow` and `kernel_flow` of this module return.

    Vectors computed for one filter are kept for the next (up to 1 GiB), so that only the first pass costs products.
    """

    operator: Operator
    y: Array
    tolerance: float
    max_products: int
    rows: Array

    def __init__(self, operator: Operator, y: Array, tolerance: float | None, max_products: int) -> None:
        eps = float(array_namespace(y).finfo(y.dtype).eps)
        tolerance = (1e-10 if eps < 1e-10 else 1e-3) if tolerance is None else tolerance
        if not isinstance(tolerance, Real) or not 500 * eps <= tolerance < 1:
            raise ValueError(f"tolerance: expected a number from {500 * eps:.2g} (500 eps of {y.dtype}) to 1, got "
                             f"{tolerance!r}; rounding alone is of the order of the former")
        if isinstance(max_products, bool) or not hasattr(max_products, "__index__") or max_products < 1:
            raise ValueError(f"max_products: expected a whole number >= 1, got {max_products!r}; 2000 is a good one")
        self.operator, self.y, self.tolerance, self.max_products = operator, y, float(tolerance), int(max_products)
        self.rows = rows_of(y)
        self._spent = 0

    def __repr__(self) -> str:
        side = f"{self.operator.size} by {self.operator.size}"
        return f"KrylovFlow({self.y.shape[0]} samples, {self.rows.shape[0]} output(s), by products {side})"

    def retarget(self, y: ArrayLike) -> "KrylovFlow":
        """The flow of the same inputs with other targets y (n,) or (n, m). Its vectors are new, as they depend on the
        targets."""
        return KrylovFlow(self.operator, targets(y, self.y, self.y.shape[0]), self.tolerance, self.max_products)

    def teacher(self, time: ArrayLike) -> KrylovFit:
        """As `LinearFlow.teacher`."""
        return _LINEAR.teacher(self, time)

    def student(self, time: ArrayLike, teacher_time: ArrayLike) -> KrylovFit:
        """As `LinearFlow.student`."""
        return _LINEAR.student(self, time, teacher_time)

    def chain(self, times: Sequence[ArrayLike], weights: Sequence[ArrayLike] | None = None) -> KrylovFit:
        """As `LinearFlow.chain`."""
        return _LINEAR.chain(self, times, weights)

    def fit(self, filter: Filter) -> KrylovFit:
        """The model with any filter of `eigenkd.filters` that falls to 0 with the eigenvalue."""
        if not isinstance(filter, filters.Filter):
            raise TypeError(f"filter: expected a filter, got {type(filter).__name__}; make one with "
                            f"filters.flow(time), filters.ridge(strength), student @ teacher ...")
        check_null(filter, np.asarray([1e-300]), self.tolerance)
        return KrylovFit(self, filter)

    @property
    def products(self) -> int:
        """Products with K (or X^T X) so far, including those that estimated the largest eigenvalue."""
        return self._spent + (self._basis.products if "_basis" in self.__dict__ else 0)

    @property
    def largest(self) -> float:
        """L, the end of the interval that filters are expanded on: beyond it y has no component that matters."""
        return self._basis.largest

    @cached_property
    def _basis(self) -> Basis:
        return first_basis(self.operator, self.operator.start(self.rows))

    def _enlarged(self, largest):
        """Replace the basis by one with another L. Earlier fits keep theirs."""
        basis = self._basis
        self._spent += basis.products
        self._basis = Basis(self.operator, basis.start, largest)

    def settled(self, filter: Filter, which: str | None) -> tuple[Basis, Expansion, Array | None]:
        """(basis, expansion, combination) of a filter, computed again with a larger L until the vectors do not grow.

        which: "polynomial" for g(M), "quotient" for h(M), M the smaller Gram matrix; None for the vectors alone.
        """
        for _ in range(20):
            basis = self._basis
            expansion = expand(filter, basis.largest, self.tolerance, self.max_products)
            try:
                return basis, expansion, basis.make(expansion.degree) if which is None else \
                    basis.combine(getattr(expansion, which))
            except Growth as growth:
                self._enlarged(growth.largest)
        raise RuntimeError(f"{self.operator.kind.inputs}: expected one fixed matrix, got products whose largest "
                           f"eigenvalue grows from one pass to the next, now {self._basis.largest:.6g}; check the "
                           f"function")

    def top_eigenpairs(self, count: int) -> TopEigenpairs:
        """The `count` largest eigenvalues of K and their eigenvectors, by SciPy's eigsh (ARPACK): `TopEigenpairs`.

        count: less than min(n, p) (n for a kernel). Products run where X lies; vectors visit the host. Raises
        ValueError for a count out of range.
        """
        from scipy.sparse.linalg import LinearOperator, eigsh

        operator, like = self.operator, self.rows
        if isinstance(count, bool) or not hasattr(count, "__index__") or not 0 < count < operator.size:
            raise ValueError(f"count: expected a whole number from 1 to {operator.size - 1}, got {count!r}; for all "
                             f"eigenvalues use eigenkd.linear_flow or kernel_flow and .spectrum")

        def product(v):
            self._spent += 1
            return to_numpy(operator.product(placed(v.reshape(1, -1), like)))[0].astype(float)

        start = np.random.default_rng(0).normal(size=operator.size)
        tolerance = 0 if like.dtype.itemsize == 8 else 1e-6
        operator_of: Any = LinearOperator  # SciPy has no types
        matrix = operator_of((operator.size, operator.size), matvec=product, dtype=float)
        values, vectors = eigsh(matrix, count, which="LA", v0=start, tol=tolerance)
        values, vectors = np.maximum(values[::-1], 0.0), placed(vectors[:, ::-1].T, like)
        self._spent += 1
        error = to_numpy(operator.product(vectors)) - values[:, None] * to_numpy(vectors)
        inverse = np.where(values > 0, 1 / np.sqrt(np.where(values > 0, values, 1.0)), 0.0)
        sample, feature = operator.bases(vectors, placed(inverse, like)[:, None])
        return TopEigenpairs(placed(values, like), sample.T, None if feature is None else feature.T,
                             placed(np.linalg.norm(error, axis=1), like))
