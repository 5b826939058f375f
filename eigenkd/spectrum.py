"""The eigenbasis in which training decouples: K = X X^T = U diag(lambda) U^T, of features X or of a kernel K alone.

With X = U diag(sigma) V^T, lambda = sigma^2. U (the sample basis) carries targets and predictions, V (the feature
basis) carries weights. Eqs. (1)-(2), docs/theory.md.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from array_api_compat import array_namespace
from array_api_compat import device as device_of

from eigenkd.arrays import is_concrete, real_array, to_numpy
from eigenkd.pytrees import pytree
from eigenkd.svd import blocks, descending_eigh, graded_svd, thin_svd

GRAM_CONDITION = 1e3  # up to it the Gram matrix leaves 1e-11 standing, with a decade to spare: 2e-15 cond(K) at worst


class Residual(NamedTuple):
    """How far a computed decomposition is from one: relative Frobenius norms, of the order of eps where all is well."""

    reconstruction: float  # ||X - U diag(sigma) V^T|| / ||X||, or ||K - U diag(lambda) U^T|| / ||K||
    sample_orthogonality: float  # ||U^T U - I|| / sqrt(rank), over the directions that are not null
    feature_orthogonality: float | None  # the same of V; None for a kernel


@pytree("singular_values", "sample_basis", "feature_basis")
@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """Eigenvalues and eigenvectors of K (n, n), k = min(n, p) of them from features X (n, p), n from a kernel.

    eigenvalues (k,) and singular_values (k,): descending; null ones are exactly 0 and stay, so that shapes never depend
    on the data. sample_basis (n, k): columns u_i. feature_basis (p, k): columns v_i; None for a kernel. method: how it
    was computed, "svd", "gram" or "kernel"; by "gram" the columns of null directions are 0 in the larger of the bases,
    otherwise both bases are orthonormal. Rank threshold: sigma_i <= max(n, p) eps sigma_1 counts as null when X was
    decomposed, lambda_i <= max(n, p) eps lambda_1 when K was.
    """

    singular_values: Any
    sample_basis: Any
    feature_basis: Any
    method: str

    def __repr__(self):
        k = self.singular_values.shape[-1]
        return f"{type(self).__name__}({k} directions of rank {self.rank}, by {self.method!r})"

    @property
    def eigenvalues(self):
        return self.singular_values**2

    @property
    def rank(self):
        """The number of eigenvalues that are not null: an int, or a traced integer under a transformation."""
        xp = array_namespace(self.singular_values)
        count = xp.sum(xp.astype(self.singular_values > 0, xp.int32))
        return int(count) if is_concrete(count) else count

    @property
    def inverse(self):
        """1/sigma (k,), and 0 for null directions."""
        xp, s = array_namespace(self.singular_values), self.singular_values
        return xp.where(s > 0, 1 / xp.where(s > 0, s, 1.0), 0.0)

    def project(self, new):
        """Coordinates of new inputs along the feature basis, (n_new, k): X_new V, or K_new U / sigma for a kernel."""
        if self.feature_basis is not None:
            return new @ self.feature_basis
        return (new @ self.sample_basis) * self.inverse

    def sample_coordinates(self, columns):
        """U^T columns, (k, m), of columns (n, m)."""
        return self.sample_basis.T @ columns

    def outputs(self, components):
        """U diag(sigma) components, (..., n, m): what weights of these components (..., k, m) predict on samples."""
        return times(self.sample_basis, self.singular_values[:, None] * components)

    def weights(self, components):
        """V components, (..., p, m); not for a kernel."""
        return times(self.feature_basis, components)

    def residual(self, matrix):
        """`Residual` of this decomposition of `matrix`: the X or K it was made from."""
        xp = array_namespace(self.sample_basis)
        kernel = self.feature_basis is None
        matrix = real_array("matrix", matrix, like=self.sample_basis, ndim=(2,))
        right = self.sample_basis if kernel else self.feature_basis
        if tuple(matrix.shape) != (self.sample_basis.shape[0], right.shape[0]):
            raise ValueError(f"matrix: expected the {'K' if kernel else 'X'} of shape "
                             f"{(self.sample_basis.shape[0], right.shape[0])} that this spectrum was made from, got "
                             f"shape {tuple(matrix.shape)}")
        values = self.eigenvalues if kernel else self.singular_values
        norm = xp.linalg.vector_norm
        distance = norm(matrix - (self.sample_basis * values) @ right.T) / norm(matrix)
        return Residual(float(distance), self._orthogonality(self.sample_basis),
                        None if kernel else self._orthogonality(right))

    def _orthogonality(self, basis):
        xp = array_namespace(basis)
        basis = basis[:, : self.rank]
        identity = xp.eye(self.rank, dtype=basis.dtype, device=device_of(basis))
        return float(xp.linalg.vector_norm(basis.T @ basis - identity)) / max(self.rank, 1) ** 0.5


@pytree("singular_values", "_basis", "_inputs", static=("method",))
class GramSpectrum(Spectrum):
    """A `Spectrum` of which the larger basis, X^T U / sigma or X V / sigma, is taken when it is first asked for: what
    follows from the smaller one and X does without."""

    def __init__(self, singular_values, basis, inputs):
        self.__dict__.update(singular_values=singular_values, method="gram", _basis=basis, _inputs=inputs)

    @cached_property
    def sample_basis(self):
        return self._basis if self._wide else self._larger(self._inputs)

    @cached_property
    def feature_basis(self):
        return self._larger(self._inputs.T) if self._wide else self._basis

    def project(self, new):
        if self._formed or not self._wide:
            return super().project(new)
        return ((new @ self._inputs.T) @ self._basis) * self.inverse

    def sample_coordinates(self, columns):
        if self._formed or self._wide:
            return super().sample_coordinates(columns)
        return (self._basis.T @ (self._inputs.T @ columns)) * self.inverse[:, None]

    def outputs(self, components):
        if self._formed or self._wide:
            return super().outputs(components)
        return times(self._inputs, times(self._basis, components))

    def weights(self, components):
        if self._formed or not self._wide:
            return super().weights(components)
        return times(self._inputs.T, times(self._basis, self.inverse[:, None] * components))

    @property
    def _wide(self):
        return self._inputs.shape[0] <= self._inputs.shape[1]

    @property
    def _formed(self):
        """Whether the larger basis is there."""
        return ("feature_basis" if self._wide else "sample_basis") in vars(self)

    def _larger(self, inputs):
        return inputs @ (self._basis * self.inverse)


def times(matrix, columns):
    """matrix (q, k) @ columns (..., k, m), in one product."""
    xp = array_namespace(matrix)
    rows = xp.matrix_transpose(columns)
    flat = rows.reshape((-1, rows.shape[-1])) @ matrix.T
    return xp.matrix_transpose(flat.reshape((*rows.shape[:-1], matrix.shape[0])))


def from_features(X, method="auto"):
    """Spectrum of K = X X^T from features X (n, p), already checked.

    method: "gram" takes the eigenbasis of the smaller of X X^T and X^T X, with errors of eps cond(K); "svd" goes on
    below the top of its spectrum (`svd.graded_svd`) and is right to 1e-11 in the weights for condition numbers of K up
    to 1e12 and more, at up to five times the cost; "auto" looks at the Gram matrix's eigenvalues, leaves it at them
    where cond(K) <= 1e3 and goes on elsewhere. Single precision, whose Gram matrix has too few digits, and JAX and
    functorch transformations, under which nothing can be looked at, take "svd"; under a transformation, or where
    PyTorch records derivatives, that is LAPACK's.
    """
    if method not in ("auto", "svd", "gram"):
        raise ValueError(f"method: expected 'auto', 'svd' or 'gram', got {method!r}; leave it out to have the "
                         f"condition number decide")
    concrete = is_concrete(X)
    if concrete:
        _check_scale(X)
    looks = method == "auto" and concrete and X.dtype == array_namespace(X).float64
    if method != "gram" and not looks:
        return _from_svd(X)
    gram = descending_eigh(X @ X.T if X.shape[0] <= X.shape[1] else X.T @ X)
    lam = gram[0]
    if method == "gram" or (bool(lam[0] > 0) and bool(lam[-1] * GRAM_CONDITION >= lam[0])):
        return _from_gram(X, *gram)
    return _from_svd(X, gram)


def _check_scale(X):
    """ValueError where the squares of X leave the range of its precision, and eigenvalues would be 0 or infinite."""
    xp = array_namespace(X)
    largest, limits = max(float(to_numpy(xp.max(X))), -float(to_numpy(xp.min(X)))), xp.finfo(X.dtype)
    least = (float(limits.smallest_normal) / float(limits.eps)) ** 0.5
    most = (float(limits.max) / max(X.shape)) ** 0.5 / 4
    if largest and not least < largest < most:
        raise ValueError(f"X: expected a largest entry between {least:.1g} and {most:.1g}, so that eigenvalues can be "
                         f"represented, got {largest:.3g}; divide X by it, and multiply times by its square")


def _from_svd(X, gram=None):
    null_ratio = max(X.shape) * array_namespace(X).finfo(X.dtype).eps
    # A refinement has shapes that depend on the data, and derivatives that nobody has taken.
    plain = not is_concrete(X) or getattr(X, "requires_grad", False)
    U, s, V = thin_svd(X) if plain else graded_svd(X, null_ratio, gram)
    return Spectrum(_null_to_zero(s, null_ratio), U, V, "svd")


def _from_gram(X, lam, basis):
    xp = array_namespace(lam)
    s = xp.sqrt(_null_to_zero(lam, max(X.shape) * xp.finfo(X.dtype).eps))
    return GramSpectrum(s, basis, X)


def from_kernel(K):
    """Spectrum of a symmetric positive semi-definite kernel matrix K (n, n), by LAPACK's divide-and-conquer (evd).

    Raises ValueError where K is asymmetric or has a negative eigenvalue, beyond rounding (10 n eps of the largest).
    """
    xp = array_namespace(K)
    if K.shape[0] != K.shape[1]:
        raise ValueError(f"K: expected a square matrix, got shape {tuple(K.shape)}; kernel_flow takes the kernel "
                         f"between the training inputs, linear_flow takes features")
    eps, n = xp.finfo(K.dtype).eps, K.shape[0]
    if is_concrete(K):
        size = max(float(to_numpy(xp.max(K))), -float(to_numpy(xp.min(K))))
        asymmetry = max(float(to_numpy(xp.max(xp.abs(K[rows, :] - K[:, rows].T)))) for rows in blocks(n, n))
        if asymmetry > 10 * n * eps * size:
            raise ValueError(f"K: expected a symmetric matrix, got |K - K^T| up to {asymmetry:.3g} beside entries up "
                             f"to {size:.3g}; if that is rounding pass (K + K.T)/2, else check how K was made")
    exact = is_concrete(K) and asymmetry == 0 and not getattr(K, "requires_grad", False)
    lam, U = descending_eigh(K if exact else (K + K.T) / 2)  # whose derivative is symmetric too
    if is_concrete(K) and bool(lam[-1] < -10 * n * eps * xp.max(xp.abs(lam))):
        raise ValueError(f"K: expected a positive semi-definite matrix, got a smallest eigenvalue of "
                         f"{float(lam[-1]):.3g} beside a largest of {float(lam[0]):.3g}; "
                         f"{not_a_kernel(float(lam[-1]), float(lam[0]))}")
    s = xp.sqrt(_null_to_zero(lam, n * eps))
    return Spectrum(s, U, None, "kernel")


def not_a_kernel(least, largest):
    """What to do about a negative eigenvalue."""
    if -least > 1e-3 * largest:
        return "this is not a kernel; check its sign, and how it was made"
    return f"if that is rounding add {-2 * least:.2g} to the diagonal, else this is not a kernel"


def _null_to_zero(values, ratio):
    xp = array_namespace(values)
    return xp.where(values > ratio * values[0], values, 0.0)
