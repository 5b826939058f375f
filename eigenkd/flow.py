"""Gradient flow of linear and kernel regression in closed form, for teachers, students and any filter.

Loss (1/2)||X b - y||^2, start b = 0 unless given. Trained on the labels for a time t, b(t) = X^T K^-1 A(t) y with
A(t) = I - exp(-t K) and K = X X^T; a student trained for s on the outputs of a teacher stopped at T has A(s) A(T) in
its place. One factorisation serves every time, filter, generation and target. Eqs. (3)-(6), docs/theory.md.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from array_api_compat import array_namespace

from eigenkd import filters
from eigenkd._arrays import (
    caller_level,
    cast_like,
    in_double,
    is_concrete,
    leading,
    library,
    moved,
    real_array,
    runs_in_double,
    to_numpy,
)
from eigenkd._pytrees import mapped, pytree
from eigenkd._svd import interpolant_components
from eigenkd._weighting import Weighting
from eigenkd.filters.algebra import Filter
from eigenkd.fit import Fit
from eigenkd.spectrum import Spectrum
from eigenkd.typing import Array, ArrayLike, Shape

VISIBLE = 0.01  # a cut that removes more than this share of the norm of y - f0 gives a warning


@pytree("spectrum", "inputs", "targets", "start", "limit", "weighting", "level")
@dataclass(frozen=True, eq=False, repr=False)
class LinearFlow:
    """A factorised regression: what `linear_flow` and `kernel_flow` return.

    spectrum: the eigenbasis. inputs: the X (n, p) or K (n, n) that it was made from. targets: y as columns (n, m), one
    for a y without that axis (`vector`, and then no result has it). start: what training starts from, (p, m) or for a
    kernel (n, m), or None for zero. limit: (k, m), the components along the feature basis of the displacement from the
    start to the minimum-norm interpolant X^+ y, the end of training that is not stopped; 0 in null directions. After
    `distil` targets and limit have the axes of the teacher's parameters in front.

    weighting: sample weights and intercept, or None: with them, inputs and targets are those of the plain flow that
    Eqs. (75), (76) make of it, and level (..., 1, m) is the mean of y. coupled: the number of outputs k of a kernel
    (n, n, k, k), whose inputs and targets are flattened; 0 for others.

    A flow is a JAX pytree, as are Fit, Spectrum and filters: functions under jit and vmap take and return them.
    Derivatives with respect to a flow are those in inputs, targets and start. Those in spectrum and limit, which follow
    from these, are 0.
    """

    spectrum: Spectrum
    inputs: Array
    targets: Array
    start: Array | None
    limit: Array
    vector: bool
    weighting: Weighting | None = None
    level: Array | None = None
    coupled: int = 0

    @classmethod
    def of(cls, spectrum: Spectrum, inputs: Array, targets: Array, start: Array | None, vector: bool,
           weighting: Weighting | None = None, coupled: int = 0) -> "LinearFlow":
        """The flow of factorised `inputs`, for targets (..., n, m) before weighting."""
        targets, level = (targets, None) if weighting is None else weighting.targets(targets)
        rest = _rest(spectrum, inputs, targets, start)
        return cls(spectrum, inputs, targets, start, _limit(spectrum, inputs, rest), vector, weighting, level, coupled)

    def _with_targets(self, targets, vector):
        return LinearFlow.of(self.spectrum, self.inputs, targets, self.start, vector, self.weighting, self.coupled)

    @property
    def samples(self) -> int:
        """n."""
        return self.inputs.shape[0] // max(self.coupled, 1)

    def shape_of(self, rows: int) -> Shape:
        """The shape of predictions, as users see them, on inputs of so many rows."""
        k = self.coupled
        return (rows // k, k) if k else (rows,) if self.vector else (rows, self.targets.shape[-1])

    @property
    def start_outputs(self) -> Array | None:
        """(n, m): what the start predicts on the training inputs; None for a start from zero."""
        return None if self.start is None else self.spectrum.start_outputs(self.inputs, self.start)

    @property
    def rest(self) -> Array:
        """(..., n, m): the targets less what the start predicts."""
        return _rest(self.spectrum, self.inputs, self.targets, self.start)

    def __repr__(self) -> str:
        outputs = self.coupled or self.targets.shape[-1]
        return (f"LinearFlow({self.samples} samples, {outputs} output(s), {self.spectrum.described}, by "
                f"{self.spectrum.method!r})")

    def retarget(self, y: ArrayLike) -> "LinearFlow":
        """The flow of the same inputs and start with other targets y (n,) or (n, m), without another factorisation."""
        y = checked_targets(y, self.inputs, self.coupled)
        columns = () if self.vector else self.targets.shape[-1:]
        if not self.coupled and self.start is not None and tuple(y.shape[1:]) != tuple(columns):
            raise ValueError(f"y: expected columns like those of the start, {tuple(self.start.shape)}, got shape "
                             f"{tuple(y.shape)}; make a new flow with a start of its own")
        targets = y.reshape((-1, 1)) if self.coupled or y.ndim == 1 else y
        return self._with_targets(targets, self.coupled > 0 or y.ndim == 1)

    def teacher(self, time: ArrayLike) -> Fit:
        """Trained on the labels for `time` >= 0, a number or an array of any shape, inf allowed.  Eqs. (3), (4)"""
        return self.fit(filters.flow(time))

    def student(self, time: ArrayLike, teacher_time: ArrayLike) -> Fit:
        """Trained for `time` on the outputs of a teacher stopped at `teacher_time`; both broadcast.  Eqs. (5), (6)"""
        teacher_time = real_array("teacher_time", teacher_time, nonnegative=True, finite=False)
        return self.fit(filters.flow(time) @ filters.flow(teacher_time))

    def chain(self, times: Sequence[ArrayLike], weights: Sequence[ArrayLike] | None = None) -> Fit:
        """The last of several generations: times[0] on the labels, each later one on the outputs of the one before.

        weights: one per generation: the weight of the labels in its targets, any number. The rest, 1 - weight, is that
        of the outputs of the generation before; all of it where weights are left out. The first generation sees labels
        alone, whatever its weight. Eqs. (12), (13)
        """
        times = _sequence("times", times)
        if weights is not None and len(_sequence("weights", weights)) != len(times):
            raise ValueError(f"weights: expected {len(times)} of them, one a generation, got {len(weights)}; pass 1 "
                             f"for the first, which has no other targets than the labels")
        if weights is not None:
            weights = [real_array(f"weights[{i}]", weight) for i, weight in enumerate(weights)]
        model = filters.identity
        for i, time in enumerate(times):
            if weights is not None and i > 0:
                model = filters.mix(filters.identity, model, weights[i])
            model = filters.flow(real_array(f"times[{i}]", time, nonnegative=True, finite=False)) @ model
        return self.fit(model)

    def distil(self, teacher: Fit, filter: Filter) -> Fit:
        """A student with these features, trained by `filter` on the outputs of a teacher with other features.

        teacher: a `Fit` of the same training samples, from any flow. filter: of `eigenkd.filters`, as filters.flow(s);
        its parameters broadcast with the teacher's. With the same features on both sides this is
        `fit(filter @ teacher.filter)`. Eq. (8)

        Raises TypeError for anything but a Fit, ValueError for a fit of another number of samples.
        """
        if not isinstance(teacher, Fit):
            raise TypeError(f"teacher: expected a Fit, got {type(teacher).__name__}; pass what flow.teacher(time), "
                            f"flow.student(...) or flow.fit(filter) returned; for arrays, as the fitted of a "
                            f"matrix-free one, use flow.retarget(y)")
        outputs = moved(teacher._fitted_columns, self.inputs, "teacher")
        if outputs.shape[-2] != self.samples:
            raise ValueError(f"teacher: expected a model of {self.samples} training samples, got one of "
                             f"{outputs.shape[-2]}; teacher and student have to share them")
        vector = teacher.flow.vector and not teacher.flow.coupled
        if self.coupled:
            if outputs.shape[-1] != self.coupled:
                raise ValueError(f"teacher: expected a model of {self.coupled} outputs like this kernel's, got one of "
                                 f"{outputs.shape[-1]}; pass one with an output for each")
            outputs, vector = outputs.reshape((*outputs.shape[:-2], -1, 1)), True
        fit = self._with_targets(outputs, vector).fit(filter)
        try:
            np.broadcast_shapes(tuple(outputs.shape[:-2]), *(tuple(p.shape) for p in filter.parameters))
        except ValueError as error:
            raise ValueError(f"filter: expected parameters that broadcast with the teacher's, of shape "
                             f"{tuple(outputs.shape[:-2])}, got {filter!r}; add axes of length 1, as in time[:, None]"
                             ) from error
        return fit

    def fit(self, filter: Filter) -> Fit:
        """The model with any filter of `eigenkd.filters`: components gain(lambda_k) * limit_k from the start.

        Gives a RuntimeWarning where the filter learns nothing of a visible part of y, more than 1 % of its norm,
        because its eigenvalues are below the resolution of a spectrum that reaches down to it (`Spectrum.resolution`).
        """
        if not isinstance(filter, filters.Filter):
            raise TypeError(f"filter: expected a filter, got {type(filter).__name__}; make one with "
                            f"filters.flow(time), filters.ridge(strength), student @ teacher ...")
        self._warn_of_a_cut(filter)
        return Fit(self._moved(leading(self.limit, *filter.parameters)), filter)

    def _warn_of_a_cut(self, filter):
        if not all(is_concrete(array) for array in (self.limit, *filter.parameters)) or self._cut_share <= VISIBLE:
            return
        vanishing = np.asarray([np.finfo(np.float32).smallest_normal], dtype=np.float32)
        if np.max(to_numpy(filter.gain(vanishing))) <= VISIBLE:
            return
        spectrum = self.spectrum
        kept, total, share = spectrum.rank, spectrum.singular_values.shape[0], self._cut_share
        ratio = float(spectrum.resolution / spectrum.singular_values[0]) ** spectrum.power
        warnings.warn(f"filter: expected one that is learned in every direction of y, got training without end (or a "
                      f"vanishing ridge), which leaves out the {total - kept} of {total} directions up to "
                      f"{ratio:.1g} of the largest {spectrum.value}: rounding hides them, and {share:.0%} of the norm "
                      f"of y lies there; stop at a finite time, use ridge, or choose a rank_tolerance",
                      RuntimeWarning, stacklevel=caller_level())

    @cached_property
    def _cut_share(self):
        """The share of the norm of y - f0 along directions that the default resolution cuts from a longer spectrum."""
        spectrum, rest = self.spectrum, self.rest
        if spectrum.tolerance_given or not is_concrete(rest) or not spectrum.reaches_its_resolution():
            return 0.0
        columns = to_numpy(rest).astype(float).reshape((-1, *rest.shape[-2:]))
        basis = to_numpy(spectrum.sample_basis)[:, spectrum.rank:].astype(float)
        size = np.linalg.norm(columns)
        return float(np.linalg.norm(basis.T @ columns) / size) if size > 0 else 0.0

    def _moved(self, like):
        """This flow in the library of a filter's parameters, as for NumPy data with JAX or PyTorch times."""
        if library(like) == library(self.limit):
            return self
        return mapped(self, lambda array, _: moved(array, like))


def _limit(spectrum, inputs, y):
    """Components (..., k, m) of the minimum-norm interpolant of y (..., n, m)."""
    if runs_in_double(inputs, y):
        wide = mapped(spectrum, lambda array, _: in_double(array))
        return cast_like(_limit(wide, in_double(inputs), in_double(y)), y)
    xp = array_namespace(y)
    last = y.ndim - 1
    rows = xp.permute_dims(y, (last - 1, *range(last - 1), last))
    columns = rows.reshape((rows.shape[0], -1))
    if spectrum.method == "svd" and is_concrete(inputs) and is_concrete(y) and spectrum.learnable > 0:
        limit = interpolant_components(inputs, columns, spectrum.sample_basis, spectrum.singular_values,
                                       spectrum.feature_basis, spectrum.learnable)
    else:
        limit = spectrum.sample_coordinates(columns) * spectrum.inverse[:, None]
    return xp.permute_dims(limit.reshape((limit.shape[0], *rows.shape[1:])), (*range(1, last), 0, last))


def _rest(spectrum, inputs, targets, start):
    return targets if start is None else targets - spectrum.start_outputs(inputs, start)


def _sequence(name, values):
    if isinstance(values, str) or getattr(values, "ndim", 1) == 0 or not hasattr(values, "__len__") or not len(values):
        what = "training times" if name == "times" else name
        raise ValueError(f"{name}: expected {what}, one a generation, got {values!r}; pass a list of them")
    return values


def checked_targets(y: ArrayLike, inputs: Array, coupled: int = 0) -> Array:
    """y (n,) or (n, m) as an array with a row for each of the inputs, (n, k) for a kernel between k outputs."""
    if coupled:
        y = real_array("y", y, like=inputs)
        expected = (inputs.shape[0] // coupled, coupled)
        if tuple(y.shape) != expected:
            raise ValueError(f"y: expected shape {expected} for a kernel between outputs, got {tuple(y.shape)}; pass a "
                             f"row a sample and a column an output")
        return y
    y = real_array("y", y, like=inputs, ndim=(1, 2))
    if y.shape[0] != inputs.shape[0]:
        raise ValueError(f"y: expected {inputs.shape[0]} rows like the inputs, got shape {tuple(y.shape)}; pass one "
                         f"row of targets a sample")
    return y
