"""The eigenbasis in which training decouples: K = X X^T = U diag(lambda) U^T, of features X or of a kernel K alone.

With X = U diag(sigma) V^T, lambda = sigma^2. U (the sample basis) carries targets and predictions, V (the feature
basis) carries weights. Eqs. (1)-(2), docs/theory.md.
"""

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from array_api_compat import array_namespace
from array_api_compat import device as device_of

from eigenkd.arrays import is_concrete, real_array, to_numpy
from eigenkd.filters.resolved import Resolved
from eigenkd.pytrees import pytree

NOISE = 5  # eigenvalues down to a fifth of the resolution's square are more than rounding
GAP = 1e3  # of eigenvalues: a spectrum that stops this far above its resolution ends there; otherwise it is cut


class Residual(NamedTuple):
    """How far a computed decomposition is from one: relative Frobenius norms, of the order of eps where all is well."""

    reconstruction: float  # ||X - U diag(sigma) V^T|| / ||X||, or ||K - U diag(lambda) U^T|| / ||K||
    sample_orthogonality: float  # ||U^T U - I|| / sqrt(rank), over the directions that are resolved
    feature_orthogonality: float | None  # the same of V; None for a kernel


@pytree("singular_values", "sample_basis", "feature_basis", "resolution")
@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """Eigenvalues and eigenvectors of K (n, n), k = min(n, p) of them from features X (n, p), n from a kernel.

    eigenvalues (k,) and singular_values (k,): descending; null ones are exactly 0 and stay, so that shapes never depend
    on the data. sample_basis (n, k): columns u_i. feature_basis (p, k): columns v_i; None for a kernel. method: how it
    was computed, "svd", "gram" or "kernel"; by "gram" the columns of null directions are 0 in the larger of the bases,
    otherwise both bases are orthonormal.

    resolution (): the singular value up to which a direction is not resolved: rounding of the input or of the
    factorisation may be all that there is to it. `rank` counts the others. Directions that are neither null nor
    resolved are learned at finite times, where a small eigenvalue has a small gain, and not at t = inf; `resolved`
    makes that of a filter. tolerance_given: whether the resolution is the user's own `rank_tolerance`.
    "Rank", docs/theory.md.
    """

    singular_values: Any
    sample_basis: Any
    feature_basis: Any
    method: str
    resolution: Any
    tolerance_given: bool = False

    def __repr__(self):
        return f"{type(self).__name__}({self.described}, by {self.method!r})"

    @property
    def described(self):
        """How many directions there are and how many of them are kept, in words."""
        k, more = self.singular_values.shape[-1], self.learnable - self.rank
        only = f", {more} more at finite times only" if is_concrete(more) and more else ""
        return f"{k} directions of rank {self.rank if is_concrete(more) else '(traced)'}{only}"

    @property
    def eigenvalues(self):
        return self.singular_values**2

    @property
    def rank(self):
        """The number of directions that are resolved: an int, or a traced integer under a transformation."""
        return self._count(self.singular_values > self.resolution)

    @property
    def learnable(self):
        """The number of directions that are not null: those that are learned at finite times."""
        return self._count(self.singular_values > 0)

    def _count(self, which):
        xp = array_namespace(which)
        count = xp.sum(xp.astype(which, xp.int32))
        return int(count) if is_concrete(count) else count

    @cached_property
    def _all_resolved(self):
        """Whether every direction that is not null is known to be resolved."""
        return is_concrete(self.singular_values) and self.rank == self.learnable

    def resolved(self, filter):
        """The filter as far as directions are resolved: g(lam) less g(0+) where they are not.  Eq. (73)

        At finite times that is the filter itself; at t = inf, and for a vanishing ridge, nothing is learned there.
        """
        return filter if self._all_resolved else Resolved(filter, self.resolution**2)

    def reaches_its_resolution(self):
        """Whether eigenvalues reach the resolution from above, where a cut takes an end of them away, or from below:
        rounding alone leaves less than half of it."""
        values, rank, squared = to_numpy(self.singular_values), self.rank, float(self.resolution) ** 2
        if not 0 < rank < values.shape[0]:
            return False
        return values[rank - 1] ** 2 <= GAP * squared or NOISE * values[rank] ** 2 >= squared

    def with_resolution(self, resolution):
        """The same with another resolution: 0 keeps every direction at all times."""
        other = copy(self)
        other.__dict__.pop("_all_resolved", None)
        xp = array_namespace(self.resolution)
        other.__dict__["resolution"] = xp.full_like(self.resolution, resolution)
        return other

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


@pytree("singular_values", "_basis", "_inputs", "resolution", static=("method", "tolerance_given"))
class GramSpectrum(Spectrum):
    """A `Spectrum` of which the larger basis, X^T U / sigma or X V / sigma, is taken when it is first asked for: what
    follows from the smaller one and X does without."""

    def __init__(self, singular_values, basis, inputs, resolution, tolerance_given):
        self.__dict__.update(singular_values=singular_values, method="gram", _basis=basis, _inputs=inputs,
                             resolution=resolution, tolerance_given=tolerance_given)

    def formed(self):
        """The same with both bases there, which inputs of less precision do not spoil."""
        return Spectrum(self.singular_values, self.sample_basis, self.feature_basis, "gram", self.resolution,
                        self.tolerance_given)

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
