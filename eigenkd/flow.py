"""Gradient flow of linear and kernel regression in closed form, for teachers, students and any filter.

Loss (1/2)||X b - y||^2, start b = 0 unless given. Trained on the labels for a time t, b(t) = X^T K^-1 A(t) y with
A(t) = I - exp(-t K) and K = X X^T; a student trained for s on the outputs of a teacher stopped at T has A(s) A(T) in
its place. One factorisation serves every time, filter, generation and target. Eqs. (3)-(6), docs/theory.md.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from eigenkd import filters
from eigenkd.arrays import is_concrete, leading, library, moved, real_array
from eigenkd.filters.algebra import share
from eigenkd.fit import Fit
from eigenkd.pytrees import mapped, pytree
from eigenkd.spectrum import Spectrum, from_features, from_kernel
from eigenkd.svd import interpolant_components


def linear_flow(X, y, method="auto", start=None):
    """Factorise linear regression of y on X once, for all times, students and filters.

    X: (n, p) features, a row a sample. y: (n,) or (n, m) targets. Real numbers of NumPy, JAX or PyTorch; the results
    are of X's library, precision and device. method: "auto", "svd" or "gram", see `spectrum.from_features`. In double
    precision the relative error of the weights is below 1e-11 for condition numbers of X X^T up to 1e12 ("auto", "svd";
    for y with a component of its own along the directions that dominate the weights). start: weights (p,) or (p, m)
    that every generation starts from, zero if left out; filters then act on the displacement from it.  Eq. (7)

    Under JAX and PyTorch `weights`, `fitted` and `predict` of what is trained are differentiable in X, y, start, times
    and new inputs, also where eigenvalues repeat, nearly repeat or are 0: Eqs. (48)-(54), `eigenkd.sensitivity`. At
    t = inf and for vanishing ridges, where X is not of full rank, there is no derivative; what comes out is that along
    changes of X that keep its rank. Second derivatives lose digits as eigenvalues meet, eps lambda/gap of them, and
    are NaN or infinite where they do. `components` and the bases of the spectrum, which jump where eigenvalues cross,
    have the derivatives of the library's decomposition: NaN or infinite where eigenvalues repeat.

    Raises TypeError or ValueError for what is not real, finite, of matching shape. Returns a `LinearFlow`.
    Eqs. (1)-(6), docs/theory.md.
    """
    X = real_array("X", X, ndim=(2,))
    y = _targets(y, X)
    start = _start(start, X.shape[1], y)
    return _flow(from_features(X, method), X, y, start)


def kernel_flow(K, y, start=None):
    """Factorise kernel regression of y with the kernel matrix K once, for all times, students and filters.

    K: (n, n) symmetric positive semi-definite, between the training inputs. y: (n,) or (n, m). start: predictions on
    the training inputs, like y, of the function that every generation starts from, zero if left out. Otherwise as
    `linear_flow`; the weights live in the kernel's feature space, so use `components`, `fitted` and `predict`.
    Derivatives in K are those along (K + K^T)/2.
    Raises ValueError also for a K that is not square, not symmetric or indefinite. Returns a `LinearFlow`.
    """
    K = real_array("K", K, ndim=(2,))
    spectrum = from_kernel(K)
    y = _targets(y, K)
    return _flow(spectrum, K, y, _start(start, K.shape[0], y))


def _targets(y, inputs):
    y = real_array("y", y, like=inputs, ndim=(1, 2))
    if y.shape[0] != inputs.shape[0]:
        raise ValueError(f"y: expected {inputs.shape[0]} rows like the inputs, got shape {tuple(y.shape)}; pass one "
                         f"row of targets a sample")
    return y


def _start(start, length, y):
    if start is None:
        return None
    start = real_array("start", start, like=y)
    expected = (length, *y.shape[1:])
    if tuple(start.shape) != expected:
        raise ValueError(f"start: expected shape {expected}, got {tuple(start.shape)}; pass the weights that training "
                         f"starts from (for a kernel its predictions on the training inputs), with columns like y")
    return start.reshape((length, -1))


def _flow(spectrum, inputs, y, start):
    return LinearFlow.of(spectrum, inputs, y.reshape((y.shape[0], -1)), start, y.ndim == 1)


@pytree("spectrum", "inputs", "targets", "start", "limit")
@dataclass(frozen=True, eq=False, repr=False)
class LinearFlow:
    """A factorised regression: what `linear_flow` and `kernel_flow` return.

    spectrum: the eigenbasis. inputs: the X (n, p) or K (n, n) that it was made from. targets: y as columns (n, m), one
    for a y without that axis (`vector`, and then no result has it). start: what training starts from, (p, m) or for a
    kernel (n, m), or None for zero. limit: (k, m), the components along the feature basis of the displacement from the
    start to the minimum-norm interpolant X^+ y, where training ends that is not stopped; 0 in null directions. In what
    `distil` returns, targets and limit have the axes of the teacher's parameters in front.

    A JAX pytree, as are Fit, Spectrum and filters: they go through jit and vmap, in and out. With respect to a flow,
    derivatives are all in inputs, targets and start, and 0 in spectrum and limit, which follow from those.
    """

    spectrum: Spectrum
    inputs: Any
    targets: Any
    start: Any
    limit: Any
    vector: bool

    @classmethod
    def of(cls, spectrum, inputs, targets, start, vector):
        """From a factorisation of `inputs`, for targets (..., n, m)."""
        rest = _rest(spectrum, inputs, targets, start)
        return cls(spectrum, inputs, targets, start, _limit(spectrum, inputs, rest), vector)

    @property
    def start_outputs(self):
        """(n, m): what the start predicts on the training inputs; None for a start from zero."""
        return _outputs(self.spectrum, self.inputs, self.start)

    @property
    def rest(self):
        """(..., n, m): what the start leaves to learn of the targets."""
        return _rest(self.spectrum, self.inputs, self.targets, self.start)

    def __repr__(self):
        n, m = self.targets.shape[-2:]
        return f"LinearFlow({n} samples, {m} output(s), {self.limit.shape[-2]} directions by {self.spectrum.method!r})"

    def retarget(self, y):
        """The same inputs and start with other targets y (n,) or (n, m): nothing is factorised again."""
        y = _targets(y, self.inputs)
        if self.start is not None and tuple(y.shape[1:]) != (() if self.vector else (self.start.shape[1],)):
            raise ValueError(f"y: expected columns like those of the start, {tuple(self.start.shape)}, got shape "
                             f"{tuple(y.shape)}; make a new flow with a start of its own")
        return _flow(self.spectrum, self.inputs, y, self.start)

    def teacher(self, time):
        """Trained on the labels for `time` >= 0, a number or an array of any shape, inf allowed.  Eqs. (3), (4)"""
        return self.fit(filters.flow(time))

    def student(self, time, teacher_time):
        """Trained for `time` on the outputs of a teacher stopped at `teacher_time`; both broadcast.  Eqs. (5), (6)"""
        teacher_time = real_array("teacher_time", teacher_time, nonnegative=True, finite=False)
        return self.fit(filters.flow(time) @ filters.flow(teacher_time))

    def chain(self, times, weights=None):
        """The last of several generations: times[0] on the labels, each next one on the outputs of the one before.

        weights: one a generation, between 0 and 1: the share of the labels in its targets, the rest being the outputs
        of the generation before; none if left out. The first generation sees labels alone, whatever its weight.
        Eqs. (12), (13)
        """
        times = _sequence("times", times)
        if weights is not None and len(_sequence("weights", weights)) != len(times):
            raise ValueError(f"weights: expected {len(times)} of them, one a generation, got {len(weights)}; pass 1 "
                             f"for the first, which has no other targets than the labels")
        shares = None if weights is None else [share(f"weights[{i}]", weight) for i, weight in enumerate(weights)]
        model = filters.identity
        for i, time in enumerate(times):
            if shares is not None and i > 0:
                model = filters.mix(filters.identity, model, shares[i])
            model = filters.flow(real_array(f"times[{i}]", time, nonnegative=True, finite=False)) @ model
        return self.fit(model)

    def distil(self, teacher, filter):
        """A student with these features, trained by `filter` on the outputs of a teacher with other features.

        teacher: a `Fit` of the same training samples, from any flow. filter: of `eigenkd.filters`, as filters.flow(s);
        its parameters broadcast with the teacher's. With the same features on both sides this is
        `fit(filter @ teacher.filter)`. Eq. (8)

        Raises TypeError for what is no Fit, ValueError for one of another number of samples.
        """
        if not isinstance(teacher, Fit):
            raise TypeError(f"teacher: expected a Fit, got {type(teacher).__name__}; pass what flow.teacher(time), "
                            f"flow.student(...) or flow.fit(filter) returned; for arrays, as the fitted of a "
                            f"matrix-free one, use flow.retarget(y)")
        outputs = moved(teacher._fitted_columns, self.inputs, "teacher")
        if outputs.shape[-2] != self.inputs.shape[0]:
            raise ValueError(f"teacher: expected a model of {self.inputs.shape[0]} training samples, got one of "
                             f"{outputs.shape[-2]}; teacher and student have to share them")
        fit = LinearFlow.of(self.spectrum, self.inputs, outputs, self.start, teacher.flow.vector).fit(filter)
        try:
            np.broadcast_shapes(tuple(outputs.shape[:-2]), *(tuple(p.shape) for p in filter.parameters))
        except ValueError as error:
            raise ValueError(f"filter: expected parameters that broadcast with the teacher's, of shape "
                             f"{tuple(outputs.shape[:-2])}, got {filter!r}; add axes of length 1, as in time[:, None]"
                             ) from error
        return fit

    def fit(self, filter):
        """The model with any filter of `eigenkd.filters`: components gain(lambda_k) * limit_k from the start."""
        if not isinstance(filter, filters.Filter):
            raise TypeError(f"filter: expected a filter, got {type(filter).__name__}; make one with "
                            f"filters.flow(time), filters.ridge(strength), student @ teacher ...")
        return Fit(self._moved(leading(self.limit, *filter.parameters)), filter)

    def _moved(self, like):
        """This flow for parameters of another library: NumPy data with JAX or PyTorch times, say."""
        if library(like) == library(self.limit):
            return self
        return mapped(self, lambda array, _: moved(array, like))


def _limit(spectrum, inputs, y):
    """Components (..., k, m) of the minimum-norm interpolant of y (..., n, m)."""
    xp = array_namespace(y)
    last = y.ndim - 1
    rows = xp.permute_dims(y, (last - 1, *range(last - 1), last))
    columns = rows.reshape((rows.shape[0], -1))
    if spectrum.method == "svd" and is_concrete(inputs) and is_concrete(y) and spectrum.rank > 0:
        limit = interpolant_components(inputs, columns, spectrum.sample_basis, spectrum.singular_values,
                                       spectrum.feature_basis, spectrum.rank)
    else:
        limit = spectrum.sample_coordinates(columns) * spectrum.inverse[:, None]
    return xp.permute_dims(limit.reshape((limit.shape[0], *rows.shape[1:])), (*range(1, last), 0, last))


def _outputs(spectrum, inputs, start):
    return start if start is None or spectrum.method == "kernel" else inputs @ start


def _rest(spectrum, inputs, targets, start):
    begin = _outputs(spectrum, inputs, start)
    return targets if begin is None else targets - begin


def _sequence(name, values):
    if isinstance(values, str) or getattr(values, "ndim", 1) == 0 or not hasattr(values, "__len__") or not len(values):
        what = "training times" if name == "times" else name
        raise ValueError(f"{name}: expected {what}, one a generation, got {values!r}; pass a list of them")
    return values
