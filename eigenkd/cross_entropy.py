"""Gradient flow of the same linear and kernel models under the softmax cross-entropy, by an ODE solver.

Between the closed forms and networks: the model of `eigenkd.linear_flow`, the loss of a classifier. Nothing decouples
any more, so that times are reached by integration (diffrax), in the eigenbasis of K. Eqs. (66)-(71), docs/theory.md.

    from eigenkd import cross_entropy
    flow = cross_entropy.linear_flow(X, labels)
    teacher, student = flow.teacher(t), flow.student(s, teacher_time=T, temperature=4.0)
    teacher.probabilities

Needs JAX and diffrax: pip install 'eigenkd[ode]'.
"""

from dataclasses import dataclass
from functools import cache, cached_property, partial
from operator import index
from typing import Any

import numpy as np

from eigenkd import filters, fit
from eigenkd.arrays import is_concrete, real_array, to_numpy
from eigenkd.flow import LinearFlow
from eigenkd.spectrum import Spectrum, from_features, from_kernel

RTOL, MAX_STEPS = 1e-10, 100_000


def linear_flow(X, y, method="auto", start=None, rtol=RTOL, max_steps=MAX_STEPS):
    """Factorise X for training softmax(X B) on y by gradient flow, for all times, students and generations.

    dB/dt = X^T (y - softmax(X B)), the gradient flow of the cross-entropy summed over samples, from B = 0 unless a
    start is given.  Eq. (66)

    X: (n, p) features, a row a sample. y: (n,) class labels 0, 1, ..., m - 1, or (n, m) probabilities that sum to 1 in
    each row. method: "auto", "svd" or "gram", see `spectrum.from_features`. start: weights (p, m) that every generation
    starts from. Numbers of NumPy, JAX or PyTorch; all is computed in double precision, and results are NumPy arrays.
    There are no derivatives with respect to inputs.

    rtol: the solver's tolerance for one step, absolute and relative, in logits. With the default weights and logits
    are right to 1e-9 of the largest, or of 0.1 where that is less. max_steps: of the solver, for one trajectory; they
    are at most 0.13 lambda_1 time and a few hundred, and far fewer where the model comes to fit its labels.

    Raises TypeError or ValueError for what is not real, finite, of matching shape, or no distribution over classes.
    Returns a `Flow`.
    """
    X = _double("X", X, ndim=(2,))
    y = _targets(y, X)
    return _flow(from_features(X, method), X, y, _start(start, X.shape[1], y), rtol, max_steps)


def kernel_flow(K, y, start=None, rtol=RTOL, max_steps=MAX_STEPS):
    """Factorise the kernel matrix K for the same flow of logits f: df/dt = K (y - softmax(f)).  Eq. (66)

    K: (n, n) symmetric positive semi-definite, between the training inputs; or (n m, n m), of outputs flattened row by
    row, where a kernel couples the classes, as a network's tangent kernel does: components then are (..., k, 1), and
    `predict` takes K_new (n_new m, n m). start: logits (n, m) on the training
    inputs of the function that every generation starts from, zero if left out. Otherwise as `linear_flow`. Raises
    ValueError also for a K that is not square, not symmetric or indefinite. Returns a `Flow`.
    """
    K = _double("K", K, ndim=(2,))
    spectrum = from_kernel(K)
    y = _targets(y, K, coupled=True)
    return _flow(spectrum, K, y, _start(start, y.shape[0], y), rtol, max_steps)


@dataclass(frozen=True, eq=False, repr=False)
class Flow:
    """A factorised classification problem: what `linear_flow` and `kernel_flow` return. Arrays are NumPy's.

    spectrum: the eigenbasis. inputs: X (n, p) or K (n, n). targets: the labels as probabilities (n, m). start: what
    training starts from, (p, m) or for a kernel (n, m), or None for zero. rtol, max_steps: of the solver.

    Times are numbers or arrays of any shape, >= 0 and finite: where classes are separable logits grow without bound,
    so that there is no limit. Each trajectory is integrated once for all of its times. Raised everywhere below:
    TypeError or ValueError for other times, ValueError where max_steps do not reach them, ImportError without diffrax.
    """

    spectrum: Spectrum
    inputs: Any
    targets: Any
    start: Any
    rtol: float
    max_steps: int

    def __repr__(self):
        (n, m), k = self.targets.shape, self.spectrum.eigenvalues.shape[0]
        return f"cross_entropy.Flow({n} samples, {m} classes, {k} directions by {self.spectrum.method!r})"

    def teacher(self, time):
        """Trained on the labels for `time`.  Eq. (67)"""
        return self._trained({"time": time}, 1.0, 1.0)

    def student(self, time, teacher_time, temperature=1.0, weight=1.0):
        """Trained for `time` on the probabilities of a teacher stopped at `teacher_time`; both broadcast.  Eq. (68)

        The loss is weight * temperature^2 * KL(softmax(f_T / temperature) || softmax(f / temperature))
        + (1 - weight) * cross-entropy(y, softmax(f)), summed over samples. temperature: a number > 0. weight: a number
        between 0 and 1, 1 for the teacher alone.
        """
        return self._trained({"teacher_time": teacher_time, "time": time}, temperature, weight)

    def chain(self, times, temperature=1.0, weight=1.0):
        """The last of several generations: times[0] on the labels, each next one as the `student` of the one before.

        times: a list of times, one a generation, that broadcast. temperature, weight: of every generation but the
        first.
        """
        if isinstance(times, str) or getattr(times, "ndim", 1) == 0 or not hasattr(times, "__len__") or not len(times):
            raise ValueError(f"times: expected training times, one a generation, got {times!r}; pass a list of them")
        return self._trained({f"times[{i}]": time for i, time in enumerate(times)}, temperature, weight)

    def _trained(self, named, temperature, weight):
        times = [_times(name, time) for name, time in named.items()]
        temperature = _number("temperature", temperature, "a number > 0", lambda v: 0 < v < np.inf)
        weight = _number("weight", weight, "a number between 0 and 1", lambda v: 0 <= v <= 1)
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
        """The linear model of the components (..., k, m) learned, whose loss no longer matters."""
        start = None if self.start is None else self._rows(self.start)
        model = LinearFlow(self.spectrum, self.inputs, self._rows(self.targets), start, learned, vector=False)
        return Fit(model.fit(filters.identity), self.targets.shape[1])

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
        """The components (k, m) of what training starts from."""
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
        values, done = _integrate(self.spectrum.sample_basis * (sigma / scale), begin, losses, reached, self.rtol,
                                  self.max_steps)
        if not done:
            raise ValueError(f"{name}: expected times that are reached in max_steps={self.max_steps} steps of the "
                             f"solver, got lambda_1 * {name} up to {reached[-1]:.3g}; pass smaller times, a larger "
                             f"max_steps, or a larger rtol than {self.rtol:.3g}")
        return values[where] / scale


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """One trained classifier, or an array of them: `...` below is the broadcast shape of the times.

    model: the linear model that it is, an `eigenkd.Fit`. classes: m.
    """

    model: fit.Fit
    classes: int

    def __repr__(self):
        return f"cross_entropy.Fit({self.components.shape[:-2]} times, {self.classes} classes)"

    components = property(lambda self: self.model.components, doc="(..., k, m): weights along the feature basis.")
    weights = property(lambda self: self.model.weights, doc="(..., p, m): B. Raises TypeError for a kernel.")
    fitted = property(lambda self: self._logits(self.model.fitted), doc="(..., n, m): logits on the training inputs.")

    @cached_property
    def probabilities(self):
        """(..., n, m): softmax of `fitted`."""
        return _softmax(self.fitted)

    def predict(self, new, start=None):
        """(..., n_new, m): logits on X_new (n_new, p), or from K_new (n_new, n) for a kernel.

        start: for a kernel flow with a start, the logits of that function on the new inputs, (n_new, m).
        """
        name = "K_new" if self.model.flow.spectrum.method == "kernel" else "X_new"
        if start is not None:
            start = _double("start", start)
            start = start.reshape(-1, 1) if self.components.shape[-1] == 1 else start
        return self._logits(self.model.predict(_double(name, new), start))

    def _logits(self, rows):
        return rows.reshape(*rows.shape[:-2], -1, self.classes)


def _integrate(features, begin, losses, times, rtol, max_steps):
    """z (N, k, m) at ascending times (N,) of dz/dt = features^T (targets - probabilities at begin + features z) from 0,
    summed over losses (weight, temperature, targets) as in Eq. (68), and whether the solver got there."""
    solve, double_precision = _solver()
    with double_precision(True):  # in this thread alone, and no longer than this
        values, done = solve(features, begin, losses, times, rtol, max_steps)
        return np.asarray(values), bool(done)


@cache
def _solver():
    """The compiled integration, by an explicit method with a step that ends at each time, and JAX's context of double
    precision. The Jacobian has eigenvalues between -lambda_1/2 and 0: see docs/theory.md for why not an implicit one.
    """
    try:
        import diffrax
        import jax
    except ImportError as error:
        raise ImportError("cross_entropy: expected JAX and diffrax, one of which is missing; "
                          "pip install 'eigenkd[ode]'") from error

    @partial(jax.jit, static_argnames="max_steps")
    def solve(features, begin, losses, times, rtol, max_steps):
        def rate(t, z, _):
            f = begin + (features @ z).reshape(begin.shape)
            slope = sum(a * tau * (q - jax.nn.softmax(f / tau)) for a, tau, q in losses)
            return features.T @ slope.reshape(features.shape[0], -1)

        steps = diffrax.ClipStepSizeController(diffrax.PIDController(rtol=rtol, atol=rtol), step_ts=times)
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(rate), diffrax.Dopri8(), 0.0, times[-1], None,
            jax.numpy.zeros((features.shape[1], begin.size // features.shape[0])), saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=steps, max_steps=max_steps, throw=False)
        return solution.ys, diffrax.is_successful(solution.result)

    return solve, jax.enable_x64


def _softmax(logits):
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def _flow(spectrum, inputs, y, start, rtol, max_steps):
    rtol = _number("rtol", rtol, "a tolerance between 1e-13 and 0.01", lambda v: 1e-13 <= v <= 1e-2)
    max_steps = _number("max_steps", max_steps, "a whole number of steps >= 1", lambda v: v >= 1, index)
    return Flow(spectrum, inputs, y, start, rtol, max_steps)


def _double(name, value, **checks):
    """A checked array, as NumPy's in double precision."""
    value = real_array(name, value, **checks)
    if not is_concrete(value):
        raise TypeError(f"{name}: expected values, got a traced array; call the flow outside of jit, vmap and grad")
    return to_numpy(value).astype(np.float64, copy=False)


def _times(name, value):
    times = _double(name, value, nonnegative=True, finite=False)
    if np.isinf(times).any():
        raise ValueError(f"{name}: expected finite times, got inf; where classes are separable logits diverge, so that "
                         f"there is no limit: pass the largest time that matters")
    return times


def _number(name, value, wanted, valid, convert=float):
    try:
        number = convert(value)
        if valid(number):
            return number
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{name}: expected {wanted}, got {value!r}; pass one such number, and loop over several")


def _targets(y, inputs, coupled=False):
    """y as probabilities (n, m); coupled: whether inputs may have a row for each of them, not only for each sample."""
    y = _double("y", y, ndim=(1, 2))
    if y.shape[0] != inputs.shape[0] and not (coupled and y.ndim == 2 and y.size == inputs.shape[0]):
        raise ValueError(f"y: expected {inputs.shape[0]} rows like the inputs, got shape {y.shape}; pass one label or "
                         f"one row of probabilities a sample")
    if y.ndim == 1:
        if (y < 0).any() or (y != np.floor(y)).any():
            raise ValueError(f"y: expected class labels 0, 1, ..., got values between {y.min():g} and {y.max():g}; "
                             f"number the classes from 0, or pass probabilities (n, m)")
        y = np.eye(int(y.max()) + 1)[y.astype(int)]
    if y.shape[1] < 2:
        raise ValueError("y: expected at least 2 classes, got 1; pass probabilities (n, m) where only one of the m "
                         "classes occurs")
    totals = y.sum(1, keepdims=True)
    if (y < 0).any() or (abs(totals - 1) > 1e-5).any():
        raise ValueError(f"y: expected probabilities >= 0 that sum to 1 in each row, got a smallest of {y.min():g} and "
                         f"sums between {totals.min():g} and {totals.max():g}; pass softmax(logits), or labels (n,)")
    return y / totals  # which single precision leaves off 1


def _start(start, length, y):
    if start is None:
        return None
    start = _double("start", start)
    expected = (length, y.shape[1])
    if start.shape != expected:
        raise ValueError(f"start: expected shape {expected}, got {start.shape}; pass the weights that training starts "
                         f"from (for a kernel its logits on the training inputs), with a column a class")
    return start
