"""The factorised classification problem and its trained models."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import index

import numpy as np

from eigenkd import filters
from eigenkd._factorisation import flat_kernel, from_features, from_kernel
from eigenkd.cross_entropy import checks
from eigenkd.cross_entropy.integration import integrate
from eigenkd.fit import Fit
from eigenkd.flow import LinearFlow
from eigenkd.regression import checked_tolerance
from eigenkd.spectrum import Spectrum
from eigenkd.typing import ArrayLike

RTOL, MAX_STEPS = 1e-11, 100_000


def linear_flow(X: ArrayLike, y: ArrayLike, method: str = "auto", start: ArrayLike | None = None, rtol: float = RTOL,
                max_steps: int = MAX_STEPS) -> "CrossEntropyFlow":
    """Factorise X for training softmax(X B) on y by gradient flow, for all times, students and generations.

    dB/dt = X^T (y - softmax(X B)), the gradient flow of the cross-entropy summed over samples, from B = 0 unless a
    start is given.  Eq. (66)

    X: (n, p) features, a row a sample. y: (n,) class labels 0, 1, ..., m - 1, or (n, m) probabilities that sum to 1 in
    each row. method: "auto", "svd" or "gram", see `eigenkd.linear_flow`. start: weights (p, m) that every generation
    starts from. Numbers of NumPy, JAX or PyTorch; all is computed in double precision, and results are NumPy arrays.
    There are no derivatives with respect to inputs.

    rtol: the solver's tolerance for one step, absolute and relative, in logits. With the default, weights and logits
    are right to 1e-9 of the largest, or of 0.1 if that is larger. max_steps: of the solver, for one trajectory, which
    takes at most 0.13 lambda_1 time plus a few hundred steps, and far fewer once the model fits its labels.

    Raises TypeError or ValueError for what is not real, finite, of matching shape, or no distribution over classes.
    Returns a `CrossEntropyFlow`.
    """
    X = checks.double("X", X, ndim=(2,))
    y = checks.targets(y, X)
    return _flow(from_features(X, method), X, y, checks.start(start, X.shape[1], y), rtol, max_steps)


def kernel_flow(K: ArrayLike, y: ArrayLike, start: ArrayLike | None = None, rtol: float = RTOL,
                max_steps: int = MAX_STEPS, *, rank_tolerance: float | None = None) -> "CrossEntropyFlow":
    """Factorise the kernel matrix K for the same flow of logits f: df/dt = K (y - softmax(f)).  Eq. (66)

    K: (n, n) symmetric positive semi-definite, between the training inputs; or, where a kernel couples the classes, as
    a network's tangent kernel does, (n, n, m, m) or the same with outputs flattened row by row, (n m, n m): components
    then are (..., k, 1), and `predict` takes K_new (n_new, n, m, m) or (n_new m, n m). start: logits (n, m) on the
    training inputs of the function that every generation starts from, zero if left out. rank_tolerance: eigenvalues
    from -rank_tolerance to 0 times the largest are taken for 0, as in `eigenkd.kernel_flow`. Otherwise as
    `linear_flow`. Raises ValueError also for a K that is not square, not symmetric or indefinite. Returns a
    `CrossEntropyFlow`.
    """
    K = flat_kernel("K", checks.double("K", K, ndim=(2, 4)), square=True)
    spectrum = from_kernel(K, checked_tolerance(rank_tolerance))
    y = checks.targets(y, K, coupled=True)
    return _flow(spectrum, K, y, checks.start(start, y.shape[0], y), rtol, max_steps)


@dataclass(frozen=True, eq=False, repr=False)
class CrossEntropyFlow:
    """A factorised classification problem: what `linear_flow` and `kernel_flow` return. Arrays are NumPy's.

    spectrum: the eigenbasis. inputs: X (n, p) or K (n, n). targets: the labels as probabilities (n, m). start: what
    training starts from, (p, m) or for a kernel (n, m), or None for zero. rtol, max_steps: of the solver.

    Times are numbers or arrays of any shape, >= 0 and finite: logits of separable classes grow without bound, so there
    is no limit. Each trajectory is integrated once for all of its times. All methods raise TypeError or ValueError for
    other times, ValueError where max_steps do not reach them, and ImportError without diffrax.
    """

    spectrum: Spectrum
    inputs: np.ndarray
    targets: np.ndarray
    start: np.ndarray | None
    rtol: float
    max_steps: int

    def __repr__(self) -> str:
        (n, m), k = self.targets.shape, self.spectrum.eigenvalues.shape[0]
        return f"CrossEntropyFlow({n} samples, {m} classes, {k} directions by {self.spectrum.method!r})"

    def teacher(self, time: ArrayLike) -> "CrossEntropyFit":
        """Trained on the labels for `time`.  Eq. (67)"""
        return self._trained({"time": time}, 1.0, 1.0)

    def student(self, time: ArrayLike, teacher_time: ArrayLike, temperature: float = 1.0,
                weight: float = 1.0) -> "CrossEntropyFit":
        """Trained for `time` on the probabilities of a teacher stopped at `teacher_time`; both broadcast.  Eq. (68)

        The loss is weight * temperature^2 * KL(softmax(f_T / temperature) || softmax(f / temperature))
        + (1 - weight) * cross-entropy(y, softmax(f)), summed over samples. temperature: a number > 0. weight: a number
        between 0 and 1, 1 for the teacher alone.
        """
        return self._trained({"teacher_time": teacher_time, "time": time}, temperature, weight)

    def chain(self, times: Sequence[ArrayLike], temperature: float = 1.0, weight: float = 1.0) -> "CrossEntropyFit":
        """The last of several generations: times[0] on the labels, each next one as the `student` of the one before.

        times: a list of times, one a generation, that broadcast. temperature, weight: of every generation but the
        first.
        """
        if isinstance(times, str) or getattr(times, "ndim", 1) == 0 or not hasattr(times, "__len__") or not len(times):
            raise ValueError(f"times: expected training times, one a generation, got {times!r}; pass a list of them")
        return self._trained({f"times[{i}]": time for i, time in enumerate(times)}, temperature, weight)

    def _trained(self, named, temperature, weight):
        times = [checks.times(name, time) for name, time in named.items()]
        temperature = checks.number("temperature", temperature, "a number > 0", lambda v: 0 < v < np.inf)
        weight = checks.number("weight", weight, "a number between 0 and 1", lambda v: 0 <= v <= 1)
        try:
            shape = np.broadcast_shapes(*(time.shape for time in times))
        except ValueError as error:
            raise ValueError(f"{', '.join(named)}: expected times that broadcast, got shapes "
                             f"{', '.join(str(time.shape) for time in times)}; add axes of length 1, as in "
                             f"time[:, None]") from error
        rows = np.stack([np.broadcast_to(time, shape).ravel() for time in times], axis=1)
        learned = self._generation(rows, list(named), temperature, weight)
        return self._fit(learned.reshape((*shape, *learned.shape[1:])))

    def _fit(self, learned):
        """The fit with the components (..., k, m) learned. It is a linear model, whatever the loss."""
        start = None if self.start is None else self._rows(self.start)
        model = LinearFlow(self.spectrum, self.inputs, self._rows(self.targets), start, learned, vector=False)
        return CrossEntropyFit(model.fit(filters.identity), self.targets.shape[1])

    def _rows(self, values):
        """Values (n, m) with a row for each of the kernel's: as they are, or (n m, 1) where it couples classes."""
        coupled = self.inputs.shape == (self.targets.size,) * 2
        return values.reshape(-1, 1) if coupled else values

    def _generation(self, rows, names, temperature, weight):
        """Components learned (N, k, m) by the last generation, for the times of all (N, generations)."""
        if rows.shape[1] == 1:
            return self._trajectory([(1.0, 1.0, self.targets)], rows[:, 0], names[0])
        earlier, group = np.unique(rows[:, :-1], axis=0, return_inverse=True)
        teachers = self._fit(self._generation(earlier, names[:-1], temperature, weight)).fitted
        learned = np.empty((len(rows), *self._nothing().shape))
        for i, logits in enumerate(teachers):
            mine = group.ravel() == i
            losses = [(weight, temperature, _softmax(logits / temperature)), (1 - weight, 1.0, self.targets)]
            learned[mine] = self._trajectory([loss for loss in losses if loss[0] > 0], rows[mine, -1], names[-1])
        return learned

    def _nothing(self):
        """The components (k, m) learned at the start of training."""
        return np.zeros((self.spectrum.eigenvalues.shape[0], self._rows(self.targets).shape[1]))

    def _trajectory(self, losses, times, name):
        """Components learned (N, k, m) at times (N,), from losses (weight, temperature, target probabilities)."""
        sigma = self.spectrum.singular_values
        scale = sigma[0] if sigma[0] > 0 else 1.0  # logits, and times in units of 1/lambda_1: X and cX are one problem
        distinct, where = np.unique(times, return_inverse=True)
        # Padded with the last one to a power of two, 16 or more, so that few programs are compiled.
        count = max(16, 1 << (len(distinct) - 1).bit_length())
        reached = np.pad(distinct * scale**2, (0, count - len(distinct)), mode="edge")
        begin = self._fit(self._nothing()).fitted
        values, done = integrate(self.spectrum.sample_basis * (sigma / scale), begin, losses, reached, self.rtol,
                                  self.max_steps)
        if not done:
            raise ValueError(f"{name}: expected times that are reached in max_steps={self.max_steps} steps of the "
                             f"solver, got lambda_1 * {name} up to {reached[-1]:.3g}; pass smaller times, a larger "
                             f"max_steps, or a larger rtol than {self.rtol:.3g}")
        return values[where] / scale


@dataclass(frozen=True, eq=False, repr=False)
class CrossEntropyFit:
    """One trained classifier, or an array of them: `...` below is the broadcast shape of the times.

    model: its linear model, an `eigenkd.Fit`. classes: m.
    """

    model: Fit
    classes: int

    def __repr__(self) -> str:
        return f"CrossEntropyFit({self.components.shape[:-2]} times, {self.classes} classes)"

    @property
    def components(self) -> np.ndarray:
        """(..., k, m): weights along the feature basis."""
        return np.asarray(self.model.components)

    @property
    def weights(self) -> np.ndarray:
        """(..., p, m): B. Raises TypeError for a kernel."""
        return np.asarray(self.model.weights)

    @property
    def fitted(self) -> np.ndarray:
        """(..., n, m): logits on the training inputs."""
        return self._logits(self.model.fitted)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(..., n, m): softmax of `fitted`."""
        return _softmax(self.fitted)

    def predict(self, new: ArrayLike, start: ArrayLike | None = None) -> np.ndarray:
        """(..., n_new, m): logits on X_new (n_new, p), or from K_new (n_new, n) for a kernel.

        start: for a kernel flow with a start, the logits of that function on the new inputs, (n_new, m).
        """
        if start is not None:
            start = checks.double("start", start)
            start = start.reshape(-1, 1) if self.components.shape[-1] == 1 else start
        new = checks.double(self.model.flow.spectrum.kind.new, new)
        return self._logits(self.model.predict(new, start))

    def _logits(self, rows):
        return rows.reshape(*rows.shape[:-2], -1, self.classes)


def _flow(spectrum, inputs, y, start, rtol, max_steps):
    rtol = checks.number("rtol", rtol, "a tolerance between 1e-13 and 0.01", lambda v: 1e-13 <= v <= 1e-2)
    max_steps = checks.number("max_steps", max_steps, "a whole number of steps >= 1", lambda v: v >= 1, index)
    # All times are finite, so directions that are not resolved are learned.
    return CrossEntropyFlow(spectrum.with_resolution(0.0), inputs, y, start, rtol, max_steps)


def _softmax(logits):
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)
