"""The eigenbasis in which training decouples: K = X X^T = U diag(lambda) U^T, of features X or of a kernel K alone.

With X = U diag(sigma) V^T, lambda = sigma^2. U (the sample basis) carries targets and predictions, V (the feature
basis) carries weights. Eqs. (1)-(2), docs/theory.md.
"""

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, ClassVar, NamedTuple

from array_api_compat import array_namespace
from array_api_compat import device as device_of

from eigenkd._arrays import FEATURES, Kind, is_concrete, real_array, to_numpy
from eigenkd._pytrees import pytree
from eigenkd.filters.algebra import Filter
from eigenkd.filters.resolved import Resolved
from eigenkd.typing import Array, ArrayLike, Shape

NOISE = 5  # eigenvalues down to a fifth of the resolution's square are more than rounding
GAP = 1e3  # a spectrum whose last eigenvalue is more than this above the resolution's square ends there; else it is cut


class Residual(NamedTuple):
    """Errors of a computed decomposition: relative Frobenius norms, of the order of eps for an accurate one."""

    reconstruction: float  # ||X - U diag(sigma) V^T|| / ||X||, or ||K - U diag(lambda) U^T|| / ||K||
    sample_orthogonality: float  # ||U^T U - I|| / sqrt(rank), over the directions that are resolved
    feature_orthogonality: float | None  # the same of V; None for a kernel


@pytree("singular_values", "sample_basis", "feature_basis", "resolution")
@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """Eigenvalues and eigenvectors of K (n, n), k = min(n, p) of them from features X (n, p), n from a kernel.

    eigenvalues (k,) and singular_values (k,): descending; null ones are exactly 0 and are kept, so that shapes never
    depend on the data. sample_basis (n, k): columns u_i. feature_basis (p, k): columns v_i; None for a kernel. method:
    how it was computed, "svd", "gram" or "kernel"; by "gram" the columns of null directions are 0 in the larger of the
    bases, otherwise both bases are orthonormal.

    resolution (): the singular value up to which a direction is not resolved: it may be rounding of the input or of the
    factorisation. `rank` counts the others. Directions that are neither null nor resolved are learned at finite times,
    where a small eigenvalue has a small gain, and not at t = inf; `resolved` applies this to a filter. tolerance_given:
    whether the resolution is the user's `rank_tolerance`. "Rank", docs/theory.md.
    """

    singular_values: Array
    sample_basis: Array
    feature_basis: Array | Any
    method: str
    resolution: Array
    tolerance_given: bool = False

    kind: ClassVar[Kind] = FEATURES
    without_start: ClassVar[str] = "features"  # in messages, a flow that takes no predictions of a start
    value: ClassVar[str] = "singular value"  # what rank_tolerance refers to
    power: ClassVar[int] = 1  # that, as a power of the singular value
    refined: ClassVar[bool] = False  # whether derivatives need h[a, b] itself, not sqrt(a b) h[a, b]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.described}, by {self.method!r})"

    @property
    def described(self) -> str:
        """The number of directions and the rank, in words."""
        k, more = self.singular_values.shape[-1], self.learnable - self.rank
        only = f", {more} more at finite times only" if is_concrete(more) and more else ""
        return f"{k} directions of rank {self.rank if is_concrete(more) else '(traced)'}{only}"

    @property
    def eigenvalues(self) -> Array:
        return self.singular_values**2

    @property
    def rank(self) -> int:
        """The number of directions that are resolved: an int, or a traced integer under a transformation."""
        return self._count(self.singular_values > self.resolution)

    @property
    def learnable(self) -> int:
        """The number of directions that are not null: those that are learned at finite times."""
        return self._count(self.singular_values > 0)

    def _count(self, which):
        xp = array_namespace(which)
        count = xp.sum(xp.astype(which, xp.int32))
        return int(count) if is_concrete(count) else count

    @cached_property
    def _all_resolved(self):
        """Whether all directions that are not null are known to be resolved."""
        return is_concrete(self.singular_values) and self.rank == self.learnable

    def resolved(self, filter: Filter) -> Filter:
        """The filter, with g(lam) - g(0+) in directions that are not resolved.  Eq. (73)

        At finite times that is the filter itself; at t = inf, and for a vanishing ridge, nothing is learned there.
        """
        return filter if self._all_resolved else Resolved(filter, self.resolution**2)

    def reaches_its_resolution(self) -> bool:
        """Whether the eigenvalues go down to the resolution, so that it cuts a longer spectrum: one lies just above it,
        or one below it is too large to be rounding."""
        values, rank, squared = to_numpy(self.singular_values), self.rank, float(self.resolution) ** 2
        if not 0 < rank < values.shape[0] or squared == 0:  # 0: nothing is cut
            return False
        return values[rank - 1] ** 2 <= GAP * squared or NOISE * values[rank] ** 2 >= squared

    def with_resolution(self, resolution: float) -> "Spectrum":
        """A copy with another resolution; 0 keeps every direction at all times."""
        other = copy(self)
        other.__dict__.pop("_all_resolved", None)
        xp = array_namespace(self.resolution)
        other.__dict__["resolution"] = xp.full_like(self.resolution, resolution)
        return other

    @property
    def spans_samples(self) -> bool:
        """Whether the sample basis spans all of the n dimensions."""
        return self.sample_basis.shape[0] <= self.feature_basis.shape[0]

    @property
    def spans_features(self) -> bool:
        """Whether the feature basis spans all of the p dimensions, null directions included."""
        return not self.spans_samples

    def formed(self) -> "Spectrum":
        """The same with all bases computed, so that inputs of less precision do not spoil them."""
        return self

    @property
    def inverse(self) -> Array:
        """1/sigma (k,), and 0 for null directions."""
        xp, s = array_namespace(self.singular_values), self.singular_values
        return xp.where(s > 0, 1 / xp.where(s > 0, s, 1.0), 0.0)

    def project(self, new: Array) -> Array:
        """Coordinates of new inputs along the feature basis, (n_new, k): X_new V, or K_new U / sigma for a kernel."""
        return new @ self.feature_basis

    def sample_coordinates(self, columns: Array) -> Array:
        """U^T columns, (k, m), of columns (n, m)."""
        return self.sample_basis.T @ columns

    def outputs(self, components: Array) -> Array:
        """U diag(sigma) components, (..., n, m): what weights of these components (..., k, m) predict on samples."""
        return times(self.sample_basis, self.singular_values[:, None] * components)

    def weights(self, components: Array) -> Array:
        """V components, (..., p, m). Raises TypeError for a kernel."""
        return times(self.feature_basis, components)

    def predict(self, new: Array, components: Array) -> Array:
        """(..., n_new, m): predictions of these components on new inputs, in the cheaper order of products."""
        if new.shape[0] < prod(components.shape) // components.shape[-2]:
            return times(self.project(new), components)
        return times(new, self.weights(components))

    def multiplied(self, components: Array, coefficients: Array) -> tuple[Array, Array]:
        """(basis, columns): new inputs are multiplied with basis @ columns."""
        return self.feature_basis, components

    def turns(self, fitted: bool) -> tuple[bool, bool]:
        """Whether a derivative along inputs has a part with g[a, b], and one with h[a, b]."""
        return True, not fitted

    def turn(self, fitted: bool, change: Array) -> tuple[Array | None, Array | None]:
        """The matrices (k, k) that g[a, b] and h[a, b] multiply for a change of inputs; None where `turns` is False.

        fitted: for fitted values, else for weights and predictions on new inputs.  Eqs. (51)-(54)
        """
        s, A = self.singular_values, self.sample_basis.T @ change @ self.feature_basis
        return (A * s + (A * s).T, None) if fitted else (A.T, s[:, None] * A * s)

    def turn_back(self, fitted: bool, first: Any, second: Any) -> Array:
        """The transpose of `turn`: a matrix like the inputs."""
        s = self.singular_values
        A = (first + first.T) * s if fitted else first.T + s[:, None] * second * s
        return self.sample_basis @ A @ self.feature_basis.T

    def start_components(self, start: Array) -> Array:
        """(k, m): the components of the start, weights (p, m)."""
        return self.project(start.T).T

    def start_outputs(self, inputs: Array, start: Array) -> Array:
        """(n, m): what the start predicts on the training inputs."""
        return inputs @ start

    def new_start_outputs(self, new: Array, start: Array | None, given: ArrayLike | None, shape: Shape,
                          name: str = "start") -> Array | None:
        """(n_new, m): what the start predicts on new inputs; None for a start from zero.

        given: these predictions, of the shape that users see, for a kernel with a start; else None. name: of `given`.
        Raises ValueError where it is missing, superfluous or of another shape.
        """
        if given is not None:
            raise ValueError(f"{name}: expected none for {self.without_start}, got {type(given).__name__}; leave it "
                             f"out")
        return None if start is None else new @ start

    def residual(self, matrix: ArrayLike) -> Residual:
        """`Residual` of this decomposition of `matrix`: the X or K it was made from."""
        xp, left, right = array_namespace(self.sample_basis), self.sample_basis, self._right_basis
        matrix = real_array("matrix", matrix, like=left, ndim=(2,))
        expected = left.shape[0], right.shape[0]
        if tuple(matrix.shape) != expected:
            raise ValueError(f"matrix: expected the {self.kind.inputs} of shape {expected} that this spectrum was made "
                             f"from, got shape {tuple(matrix.shape)}")
        norm = xp.linalg.vector_norm
        distance = norm(matrix - (left * self.singular_values**self.power) @ right.T) / norm(matrix)
        return Residual(float(distance), self._orthogonality(left), self._orthogonality(self.feature_basis))

    @property
    def _right_basis(self):
        return self.feature_basis

    def _orthogonality(self, basis: Array | None) -> Any:
        if basis is None:
            return None
        xp = array_namespace(basis)
        basis = basis[:, : self.rank]
        identity = xp.eye(self.rank, dtype=basis.dtype, device=device_of(basis))
        return float(xp.linalg.vector_norm(basis.T @ basis - identity)) / max(self.rank, 1) ** 0.5


@pytree("singular_values", "_basis", "_inputs", "resolution", static=("method", "tolerance_given"))
class GramSpectrum(Spectrum):
    """A `Spectrum` that computes the larger basis, X^T U / sigma or X V / sigma, when it is first asked for.

    What follows from the smaller basis and X does without the larger one.
    """

    _basis: Array
    _inputs: Array

    def __init__(self, singular_values: Array, basis: Array, inputs: Array, resolution: Array,
                 tolerance_given: bool) -> None:
        self.__dict__.update(singular_values=singular_values, method="gram", _basis=basis, _inputs=inputs,
                             resolution=resolution, tolerance_given=tolerance_given)

    def formed(self) -> Spectrum:
        return Spectrum(self.singular_values, self.sample_basis, self.feature_basis, "gram", self.resolution,
                        self.tolerance_given)

    @cached_property
    def sample_basis(self) -> Array:
        return self._basis if self.spans_samples else self._larger(self._inputs)

    @cached_property
    def feature_basis(self) -> Array:
        return self._larger(self._inputs.T) if self.spans_samples else self._basis

    def project(self, new: Array) -> Array:
        if self._formed or not self.spans_samples:
            return super().project(new)
        return ((new @ self._inputs.T) @ self._basis) * self.inverse

    def sample_coordinates(self, columns: Array) -> Array:
        if self._formed or self.spans_samples:
            return super().sample_coordinates(columns)
        return (self._basis.T @ (self._inputs.T @ columns)) * self.inverse[:, None]

    def outputs(self, components: Array) -> Array:
        if self._formed or self.spans_samples:
            return super().outputs(components)
        return times(self._inputs, times(self._basis, components))

    def weights(self, components: Array) -> Array:
        if self._formed or not self.spans_samples:
            return super().weights(components)
        return times(self._inputs.T, times(self._basis, self.inverse[:, None] * components))

    @property
    def spans_samples(self) -> bool:
        return self._inputs.shape[0] <= self._inputs.shape[1]

    @property
    def _formed(self):
        """Whether the larger basis has been computed."""
        return ("feature_basis" if self.spans_samples else "sample_basis") in vars(self)

    def _larger(self, inputs):
        return inputs @ (self._basis * self.inverse)


def times(matrix: Array, columns: Array) -> Array:
    """matrix (q, k) @ columns (..., k, m), in one product."""
    xp = array_namespace(matrix)
    rows = xp.matrix_transpose(columns)
    flat = rows.reshape((-1, rows.shape[-1])) @ matrix.T
    return xp.matrix_transpose(flat.reshape((*rows.shape[:-1], matrix.shape[0])))
