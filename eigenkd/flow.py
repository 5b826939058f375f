"""Gradient flow of linear and kernel regression in closed form, for teachers, students and any filter.

Loss (1/2)||X b - y||^2, start b = 0. Trained on the labels for a time t, b(t) = X^T K^-1 A(t) y with
A(t) = I - exp(-t K) and K = X X^T; a student trained for s on the outputs of a teacher stopped at T has A(s) A(T) in
its place. One factorisation serves every time, filter and generation. Eqs. (3)-(6), docs/theory.md.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from array_api_compat import array_namespace

from eigenkd import filters
from eigenkd.arrays import is_concrete, leading, library, moved, real_array
from eigenkd.spectrum import Spectrum, from_features, from_kernel
from eigenkd.svd import interpolant_components


def linear_flow(X, y, method="auto"):
    """Factorise linear regression of y on X once, for all times, students and filters.

    X: (n, p) features, a row a sample. y: (n,) or (n, m) targets. Real numbers of NumPy, JAX or PyTorch; the results
    are of X's library, precision and device. method: "auto", "svd" or "gram", see `spectrum.from_features`. In double
    precision the relative error of the weights is below 1e-11 for condition numbers of X X^T up to 1e12 ("auto", "svd";
    for y with a component of its own along the directions that dominate the weights).

    Differentiable in X, y and times under JAX and PyTorch where eigenvalues differ; where they repeat, or nearly do,
    derivatives in X come out as NaN or inaccurate, as those of the libraries' decompositions do.

    Raises TypeError or ValueError for what is not real, finite, of matching shape. Returns a `LinearFlow`.
    Eqs. (1)-(6), docs/theory.md.
    """
    X = real_array("X", X, ndim=(2,))
    y = _targets(y, X)
    spectrum = from_features(X, method)
    U, s, V = spectrum.sample_basis, spectrum.singular_values, spectrum.feature_basis
    columns = y.reshape((y.shape[0], -1))
    if spectrum.method == "svd" and is_concrete(X) and is_concrete(y) and spectrum.rank > 0:
        limit = interpolant_components(X, columns, U, s, V, spectrum.rank)
    else:
        limit = (U.T @ columns) * spectrum.inverse[:, None]
    return LinearFlow(spectrum, limit.reshape((limit.shape[0], *y.shape[1:])))


def kernel_flow(K, y):
    """Factorise kernel regression of y with the kernel matrix K once, for all times, students and filters.

    K: (n, n) symmetric positive semi-definite, between the training inputs. y: (n,) or (n, m). Otherwise as
    `linear_flow`; the weights live in the kernel's feature space, so use `components`, `fitted` and `predict`.
    Raises ValueError also for a K that is not square, not symmetric or indefinite. Returns a `LinearFlow`.
    """
    K = real_array("K", K, ndim=(2,))
    spectrum = from_kernel(K)
    y = _targets(y, K)
    limit = spectrum.sample_basis.T @ y.reshape((y.shape[0], -1)) * spectrum.inverse[:, None]
    return LinearFlow(spectrum, limit.reshape((limit.shape[0], *y.shape[1:])))


def _targets(y, inputs):
    y = real_array("y", y, like=inputs, ndim=(1, 2))
    if y.shape[0] != inputs.shape[0]:
        raise ValueError(f"y: expected {inputs.shape[0]} rows like the inputs, got shape {tuple(y.shape)}; pass one "
                         f"row of targets a sample")
    return y


@dataclass(frozen=True, eq=False)
class LinearFlow:
    """A factorised regression: what `linear_flow` and `kernel_flow` return.

    spectrum: the eigenbasis. limit: (k,) or (k, m), the components of the minimum-norm interpolant X^+ y along the
    feature basis, where every training that is not stopped ends; 0 in null directions.
    """

    spectrum: Spectrum
    limit: Any

    def teacher(self, time):
        """Trained on the labels for `time` >= 0, a number or an array of any shape, inf allowed.  Eqs. (3), (4)"""
        return self.fit(filters.flow(time))

    def student(self, time, teacher_time):
        """Trained for `time` on the outputs of a teacher stopped at `teacher_time`; both broadcast.  Eqs. (5), (6)"""
        teacher_time = real_array("teacher_time", teacher_time, nonnegative=True, finite=False)
        return self.fit(filters.flow(time) @ filters.flow(teacher_time))

    def chain(self, times):
        """The last of several generations: times[0] on the labels, each next one on the outputs of the one before."""
        if not hasattr(times, "__len__") or len(times) == 0 or isinstance(times, str):
            raise ValueError(f"times: expected training times, one a generation, got {times!r}; pass a list of them")
        model = filters.identity
        for i, time in enumerate(times):
            model = filters.flow(real_array(f"times[{i}]", time, nonnegative=True, finite=False)) @ model
        return self.fit(model)

    def fit(self, filter):
        """The model with any filter of `eigenkd.filters`: components gain(lambda_k) * limit_k."""
        if not isinstance(filter, filters.Filter):
            raise TypeError(f"filter: expected a filter, got {type(filter).__name__}; make one with "
                            f"filters.flow(time), filters.ridge(strength), student @ teacher ...")
        return Fit(self._moved(leading(self.limit, *filter.parameters)), filter)

    def _moved(self, like):
        """This flow for parameters of another library: NumPy data with JAX or PyTorch times, say."""
        if library(like) == library(self.limit):
            return self
        s = self.spectrum
        basis = None if s.feature_basis is None else moved(s.feature_basis, like)
        spectrum = Spectrum(moved(s.singular_values, like), moved(s.sample_basis, like), basis, s.method)
        return LinearFlow(spectrum, moved(self.limit, like))


@dataclass(frozen=True, eq=False)
class Fit:
    """One trained model, or an array of them: `...` below is the broadcast shape of the filter's parameters.

    Nothing is computed before it is asked for, and nothing factorises again.
    """

    flow: LinearFlow
    filter: filters.Filter

    @cached_property
    def gain(self):
        """(..., k): the share of each component that is learned; 0 in null directions."""
        lam = self.flow.spectrum.eigenvalues
        return array_namespace(lam).where(lam > 0, self.filter.gain(lam), 0.0)

    @cached_property
    def components(self):
        """(..., k) or (..., k, m): weights along the feature basis, Theorem 4.1's [b]_k."""
        gain, limit = self.gain, self.flow.limit
        return gain * limit if limit.ndim == 1 else gain[..., None] * limit

    @cached_property
    def weights(self):
        """(..., p) or (..., p, m): the weights b. Raises TypeError for a kernel, which has none of finite number."""
        if self.flow.spectrum.feature_basis is None:
            raise TypeError("weights: a kernel fixes no finite feature space to have weights in; use fit.components "
                            "(along the kernel's eigenfunctions), fit.fitted or fit.predict(K_new)")
        return self._combine(self.flow.spectrum.feature_basis)

    @cached_property
    def fitted(self):
        """(..., n) or (..., n, m): predictions on the training inputs."""
        spectrum = self.flow.spectrum
        return self._combine(spectrum.sample_basis * spectrum.singular_values)

    def predict(self, new):
        """(..., n_new) or (..., n_new, m): predictions on X_new (n_new, p), or from K_new (n_new, n) for a kernel."""
        spectrum = self.flow.spectrum
        kernel = spectrum.feature_basis is None
        name, basis = ("K_new", spectrum.sample_basis) if kernel else ("X_new", spectrum.feature_basis)
        new = real_array(name, new, like=basis, ndim=(2,))
        if new.shape[1] != basis.shape[0]:
            mend = "pass the kernel between new (rows) and training (columns) inputs" if kernel else \
                "pass the features that X was made of, a row a sample"
            raise ValueError(f"{name}: expected {basis.shape[0]} columns, got shape {tuple(new.shape)}; {mend}")
        return self._combine(spectrum.project(new))

    def _combine(self, coordinates):
        """coordinates (q, k) times components: (..., q) or (..., q, m)."""
        if self.flow.limit.ndim == 1:
            return self.components @ coordinates.T
        return coordinates @ self.components
