"""Models made of Chebyshev vectors: `KrylovFit`."""

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import array_namespace

from eigenkd._arrays import caller_level, real_array
from eigenkd.filters.algebra import Filter
from eigenkd.krylov.basis import norms
from eigenkd.krylov.expansion import amplification
from eigenkd.krylov.operators import is_operator, placed
from eigenkd.typing import Array, MatrixLike

if TYPE_CHECKING:
    from eigenkd.krylov.flow import KrylovFlow

ROUNDING = 8  # times eps ||v||: a vector's rounding, from products that are right to 2 eps L ||v||.  Eq. (60)


class KrylovFit:
    """One trained model, or an array of them: `...` below is the broadcast shape of the filter's parameters.

    Results are computed on first use. The error bounds are absolute, in the Euclidean norm, one for each parameter and
    target. A fit gives a RuntimeWarning where they exceed tolerance * max(g) * ||y|| for the fitted values, or
    tolerance * max(g/sqrt(lam)) * ||y|| for the weights: tolerance is relative to the largest norm that these can have
    for a y of that norm.
    """

    flow: "KrylovFlow"
    filter: Filter

    def __init__(self, flow: 'KrylovFlow', filter: Filter) -> None:
        self.flow, self.filter = flow, filter
        self._settled: Any = None

    def __repr__(self) -> str:
        return f"KrylovFit({self.filter!r} of {self.flow!r})"

    @cached_property
    def weights(self) -> Array:
        """(..., p) or (..., p, m): the weights b. Raises TypeError for a kernel, whose feature space has no finite
        dimension."""
        return self._result(*self.flow.operator.weights)

    @cached_property
    def fitted(self) -> Array:
        """(..., n) or (..., n, m): predictions on the training inputs."""
        return self._result(*self.flow.operator.fitted)

    @cached_property
    def coefficients(self) -> Array:
        """(..., n) or (..., n, m): h(K) y, which kernels between new and training inputs are multiplied with.

        Raises TypeError where X has fewer features than samples: only weights are computed then.
        """
        return self._result(*self.flow.operator.coefficients)

    def predict(self, new: MatrixLike) -> Array:
        """(..., n_new) or (..., n_new, m): from X_new (n_new, p), or from K_new (n_new, n) for a kernel.

        new: an array, a sparse matrix or a LinearOperator. The error is at most weights_error * ||x|| for features x,
        weights_error * sqrt(k(x, x)) for a kernel. Raises ValueError for the wrong number of columns.
        """
        operator = self.flow.operator
        columns = getattr(self, operator.multiplied)
        columns = columns[..., None] if self.flow.y.ndim == 1 else columns
        matrix: Any = new
        if not is_operator(matrix):
            matrix = real_array(operator.kind.new, matrix, like=columns, ndim=(2,))
        length = columns.shape[-2]
        operator.kind.check_columns(matrix, length)
        rows = array_namespace(columns).matrix_transpose(columns).reshape((-1, columns.shape[-1], length))
        return self._shaped(_applied(lambda R: (matrix @ R.T).T, rows))

    @property
    def error(self) -> Array:
        """(...) or (..., m): an upper bound on ||fitted - exact fitted||_2.  Eqs. (57)-(60)"""
        return self._bound(0)

    @property
    def weights_error(self) -> Array:
        """(...) or (..., m): an upper bound on ||weights - exact weights||_2, for a kernel in its feature space."""
        return self._bound(1)

    @property
    def products(self) -> int:
        """The products with K (or X^T X) that the polynomial takes: its degree, one for all parameters and targets."""
        return self._state[1].degree

    @property
    def _state(self) -> Any:
        """(basis, expansion) of the first pass over the vectors, which is made now if it has not been."""
        if self._settled is None:
            self._combined(None)
        return self._settled

    @cached_property
    def _solution(self) -> Array:
        """(P, m, r): h(M) times the start."""
        return self._combined("quotient")

    def _result(self, polynomial, product):
        """(..., q) or (..., q, m): a product of the rows that this polynomial gives."""
        stack = self._solution if polynomial == "quotient" else self._combined(polynomial)
        return self._shaped(_applied(product, stack))

    def _combined(self, which: Any) -> Any:
        """(P, m, r): the vectors combined with the coefficients named `which`; None for the bounds alone."""
        if self._settled is not None:
            basis, expansion = self._settled
            return basis.combine(getattr(expansion, which))
        basis, expansion, combination = self.flow.settled(self.filter, which)
        self._settled = basis, expansion
        self._warn()
        return combination

    def _warn(self):
        flow, expansion = self.flow, self._settled[1]
        size, worst = norms(flow.rows), (1.0, "")
        for name, bound, top in zip(("fitted values", "weights"), self._bounds,
                                    (expansion.largest_gain, expansion.largest_root)):
            allowed = flow.tolerance * np.outer(top, size)
            excess = float(np.max(np.where(bound > allowed, bound / np.where(allowed > 0, allowed, 1.0), 0.0)))
            worst = max(worst, (excess, name))
        if not worst[1]:
            return
        if expansion.degree >= flow.max_products:
            reason = "raise max_products"
        elif np.any(expansion.gain > 1e-3 * expansion.largest_gain):
            reason = "as many as that do not follow a filter that rises so close to eigenvalue 0: raise max_products"
        else:
            reason = "rounding is what is left: raise tolerance"
        warnings.warn(f"tolerance: expected {flow.tolerance:.2g}, got a certified error of the {worst[1]} of "
                      f"{worst[0] * flow.tolerance:.2g} after {expansion.degree} products (max_products "
                      f"{flow.max_products}); {reason}, stop at earlier times, or factorise with eigenkd.linear_flow "
                      f"or kernel_flow", RuntimeWarning, stacklevel=caller_level())

    @cached_property
    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Upper bounds (P, m) on the errors of the fitted values and of the weights, as NumPy's.  Eqs. (57)-(60)"""
        basis, e = self._state
        y, v, last = (n[None, :] for n in (norms(self.flow.rows), basis.norms, basis.last_norms[e.degree]))
        rounding = ROUNDING * float(array_namespace(basis.start).finfo(basis.start.dtype).eps)

        def amplified(coefficients, power):
            return [a[:, None] for a in amplification(coefficients, e.largest, power)]

        return self.flow.operator.bounds(e, y, v, e.outside[:, None] * last, rounding, amplified)

    def _bound(self, index):
        """A bound in the shape that it is documented with, of y's library."""
        self._state  # noqa: B018  the pass that the bounds are made of
        bound = self._bounds[index].reshape((*self._settled[1].shape, -1))
        return placed(bound[..., 0] if self.flow.y.ndim == 1 else bound, self.flow.y)

    def _shaped(self, stack):
        """(P, m, r) as (..., r) or (..., r, m)."""
        stack = array_namespace(stack).matrix_transpose(stack)
        stack = stack[..., 0] if self.flow.y.ndim == 1 else stack
        return stack.reshape((*self._state[1].shape, *stack.shape[1:]))


def _applied(product, stack):
    """A product of rows (q, r) -> (q, length), for a stack (P, m, r)."""
    rows = product(stack.reshape((-1, stack.shape[-1])))
    return rows.reshape((*stack.shape[:2], rows.shape[-1]))
