"""Products with features X or a kernel K, given as an array, a sparse matrix, an operator or functions.

Blocks of vectors are held as rows, (q, n) or (q, p): a dense product of a few rows takes two thirds of the time that
the same columns take. Every input becomes an `Operator`, which has only products.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj, is_torch_array

from eigenkd._arrays import FEATURES, KERNEL, Kind, is_concrete, moved, real_array
from eigenkd.typing import Array, ArrayLike

if TYPE_CHECKING:
    from eigenkd.krylov.expansion import Expansion

Rows: TypeAlias = Callable[[Array], Array]
Computed: TypeAlias = tuple[str, Rows]  # the polynomial and the map
Amplified: TypeAlias = Callable[[np.ndarray, float], list[np.ndarray]]


def _same(rows: Array) -> Array:
    return rows


@dataclass(frozen=True, eq=False)
class Operator:
    """Products with a kernel K (n, n).

    product: (q, r) -> (q, r), by the Gram matrix M of side r = size that is iterated with.

    weights, fitted, coefficients: how each is computed, as (polynomial, map): the Chebyshev vectors are combined to
    g(M) ("polynomial") or h(M) ("quotient") times the start, and the map takes these rows to the result. Raises
    TypeError for what is not computed. multiplied: which of them new inputs are multiplied with.
    """

    size: int
    product: Rows

    kind: ClassVar[Kind] = KERNEL
    multiplied: ClassVar[str] = "coefficients"

    @property
    def fitted(self) -> Computed:
        return "polynomial", _same

    @property
    def coefficients(self) -> Computed:
        return "quotient", _same

    @property
    def weights(self) -> Computed:
        raise TypeError("weights: a kernel fixes no finite feature space to have weights in; use fit.coefficients, "
                        "fit.fitted or fit.predict(K_new)")

    def start(self, rows: Array) -> Array:
        """The rows (m, r) that M is applied to, for targets (m, n)."""
        return rows

    def bases(self, vectors: Array, inverse: Array) -> tuple[Array, Array | None]:
        """(sample basis, feature basis or None) as rows, from eigenvectors (count, r) of M and 1/sigma (count, 1)."""
        return vectors, None

    def bounds(self, e: "Expansion", y: np.ndarray, v: np.ndarray, outside: np.ndarray, rounding: float,
               amplified: Amplified) -> tuple[np.ndarray, np.ndarray]:
        """Bounds (P, m) on the errors of fitted values and weights.  Eqs. (57)-(60)

        e: the expansion, bounds (P, 1). y, v: norms (1, m) of targets and start. outside (P, m): of the part beyond L.
        rounding: relative. amplified: (coefficients, power) -> (first, rest) (P, 1).
        """
        (first_gain, rest_gain), (first, _), (_, rest) = (
            amplified(e.polynomial, 0), amplified(e.quotient, 0), amplified(e.quotient, 0.5))
        scale = e.largest**0.5
        return (e.gain[:, None] * y + outside + rounding * np.hypot(first_gain, rest_gain) * y,
                e.root[:, None] * y + outside / scale + rounding * np.hypot(scale * first, rest) * y)


@dataclass(frozen=True, eq=False)
class WideFeatures(Operator):
    """Products with X (n, p), n <= p, iterated with X X^T.

    forward: rows W (q, p) -> W X^T (q, n). adjoint: rows U (q, n) -> U X (q, p).
    """

    forward: Rows
    adjoint: Rows

    kind: ClassVar[Kind] = FEATURES
    multiplied: ClassVar[str] = "weights"

    @property
    def weights(self) -> Computed:
        return "quotient", self.adjoint

    def bases(self, vectors: Array, inverse: Array) -> tuple[Array, Array | None]:
        return vectors, self.adjoint(vectors) * inverse


@dataclass(frozen=True, eq=False)
class TallFeatures(WideFeatures):
    """Products with X (n, p), p < n, iterated with X^T X."""

    @property
    def weights(self) -> Computed:
        return "quotient", _same

    @property
    def fitted(self) -> Computed:
        return "quotient", self.forward

    @property
    def coefficients(self) -> Computed:
        raise TypeError("coefficients: with fewer features than samples only weights are computed; use fit.weights")

    def start(self, rows: Array) -> Array:
        return self.adjoint(rows)

    def bases(self, vectors: Array, inverse: Array) -> tuple[Array, Array | None]:
        return self.forward(vectors) * inverse, vectors

    def bounds(self, e: "Expansion", y: np.ndarray, v: np.ndarray, outside: np.ndarray, rounding: float,
               amplified: Amplified) -> tuple[np.ndarray, np.ndarray]:
        (first, rest), (first_root, rest_root) = amplified(e.quotient, 0), amplified(e.quotient, 0.5)
        gain, root, slope, scale = e.gain[:, None], e.root[:, None], e.slope[:, None], e.largest**0.5
        fitted = np.minimum(gain * y, root * v) + outside / scale
        weights = np.minimum(slope * v, root * y) + outside / scale**2
        return (fitted + rounding * np.hypot(scale * first_root * y, rest_root * v),
                weights + rounding * np.hypot(scale * first * y, rest * v))


def from_features(X: Any, y: ArrayLike) -> tuple[Operator, Array]:
    """(`Operator`, y as an array) for features X (n, p) in any form, functions as a pair (X @ V, X.T @ U)."""
    if isinstance(X, tuple | list) and any(callable(f) for f in X):
        if len(X) != 2 or not all(callable(f) for f in X):
            raise TypeError(f"X: expected a pair of functions, got {len(X)} things; pass (V -> X @ V, U -> X.T @ U)")
        y = targets(y)
        forward, adjoint = (_function(f"X[{i}]", f) for i, f in enumerate(X))
        p = adjoint(rows_of(y)).shape[1]
        return _gram(forward, adjoint, y.shape[0], p), y
    if callable(X) and not hasattr(X, "shape"):
        raise TypeError("X: expected two functions, got one; pass the pair (V -> X @ V, U -> X.T @ U)")
    if not is_operator(X):
        X = _seen("X", _detached(real_array("X", X, ndim=(2,))))
        return _gram(lambda W: W @ X.T, lambda U: U @ X, *X.shape), targets(y, X, X.shape[0])
    n, p = _shape("X", X)
    transposed = X.mT if is_torch_array(X) else X.T
    forward, adjoint = _function("X", lambda V: X @ V, n), _function("X", lambda U: transposed @ U, p)
    return _gram(forward, adjoint, n, p), targets(y, None, n)


def from_kernel(K: Any, y: ArrayLike) -> tuple[Operator, Array]:
    """(`Operator`, y as an array) for a symmetric kernel matrix K (n, n) in any form, a function as V -> K @ V."""
    if isinstance(K, tuple | list) and any(callable(f) for f in K):
        raise TypeError(f"K: expected one function, got {len(K)} things; pass V -> K @ V")
    if callable(K) and not hasattr(K, "shape"):
        y = targets(y)
        return Operator(y.shape[0], _function("K", K, y.shape[0])), y
    if is_operator(K):
        n, columns = _shape("K", K)
        product = _function("K", lambda V: K @ V, n)
    else:
        K = _seen("K", _detached(real_array("K", K, ndim=(2,))))
        (n, columns), product = K.shape, lambda V: V @ K
    if n != columns:
        raise ValueError(f"K: expected a square matrix, got shape {(n, columns)}; kernel_flow takes the kernel between "
                         f"the training inputs, linear_flow takes features")
    return Operator(n, product), targets(y, None if is_operator(K) else K, n)


def _gram(forward, adjoint, n, p):
    if p < n:
        return TallFeatures(p, lambda W: adjoint(forward(W)), forward, adjoint)
    return WideFeatures(n, lambda U: forward(adjoint(U)), forward, adjoint)


def is_operator(A: Any) -> bool:
    """Whether A multiplies but holds no dense array: a sparse matrix, a LinearOperator, anything with @ and a shape."""
    dense = is_array_api_obj(A) and not (is_torch_array(A) and A.layout != _strided(A))
    return not dense and hasattr(A, "__matmul__") and hasattr(A, "shape") and not hasattr(A, "__array_interface__")


def _strided(tensor):
    return array_namespace(tensor).strided


def _shape(name, A):
    if len(A.shape) != 2:
        raise ValueError(f"{name}: expected 2 dimensions, got shape {tuple(A.shape)}; pass a matrix")
    if getattr(getattr(A, "dtype", None), "kind", "f") == "c":
        raise TypeError(f"{name}: expected real numbers, got dtype {A.dtype}; pass {name}.real if that is meant")
    return tuple(A.shape)


def _function(name, function, length=None):
    """A product of columns, (r, q) -> (length, q), as a product of rows whose result is checked."""

    def rows(V):
        try:
            result = function(V.T)
        except NotImplementedError as error:
            raise TypeError(f"{name}: expected products with the matrix and its transpose, got an operator without one "
                            f"of them ({str(error)[:80]}); give a LinearOperator both matvec and rmatvec") from error
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}: expected a product with columns of shape {tuple(V.T.shape)}, got an error "
                             f"({str(error)[:120]}); a pair of functions multiplies by a matrix and by its transpose"
                             ) from error
        result = real_array(name, result, like=V, values=False)
        if result.ndim != 2 or result.shape[1] != V.shape[0] or (length and result.shape[0] != length):
            wanted = f"({length or 'length'}, {V.shape[0]})"
            raise ValueError(f"{name}: expected a product of shape {wanted} from columns {tuple(V.T.shape)}, got shape "
                             f"{tuple(result.shape)}; the function has to take and return columns of vectors")
        return result.T

    return rows


def _seen(name: str, x: Array) -> Array:
    if not is_concrete(x):
        raise TypeError(f"{name}: expected values, got a traced array; the number of products depends on them: call "
                        f"krylov outside jit, vmap and grad, or use eigenkd.linear_flow inside")
    return x


def targets(y: ArrayLike, like: Array | None = None, n: int | None = None) -> Array:
    """y (n,) or (n, m) as an array, checked."""
    y = _seen("y", _detached(real_array("y", y, like=like, ndim=(1, 2))))
    if n is not None and y.shape[0] != n:
        raise ValueError(f"y: expected {n} rows like the inputs, got shape {tuple(y.shape)}; pass one row of targets a "
                         f"sample")
    xp = array_namespace(y)
    largest, least = float(xp.max(xp.abs(y))), float(xp.finfo(y.dtype).smallest_normal) ** 0.5
    if largest and not least / float(xp.finfo(y.dtype).eps) < largest < 1e-3 / least:
        raise ValueError(f"y: expected a largest entry whose square is represented in {y.dtype}, got {largest:.3g}; "
                         f"divide y by it, and multiply the results, which are linear in y")
    return y


def rows_of(y: Array) -> Array:
    """Targets (n,) or (n, m) as rows (1, n) or (m, n)."""
    return y[None, :] if y.ndim == 1 else y.T


def _detached(x: Any) -> Array:
    return x.detach() if is_torch_array(x) else x


def placed(values: np.ndarray, like: Array) -> Array:
    """A NumPy array in the library, on the device and in the precision of `like`."""
    return array_namespace(like).astype(moved(values, like), like.dtype)
