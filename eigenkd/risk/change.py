"""What distilling changes: the risk of a student less that of its teacher, exactly and from the data."""

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from eigenkd._arrays import moved, real_array
from eigenkd._pytrees import pytree
from eigenkd.filters.algebra import Filter
from eigenkd.flow import LinearFlow
from eigenkd.risk._text import numbers
from eigenkd.risk.directions import checked_noise, of_targets, parts
from eigenkd.risk.estimates import averaged, checked_pair, noise_variance, stein, unknown
from eigenkd.risk.left_out import left_out_of
from eigenkd.typing import Array, ArrayLike, Pair

PROBES = 32  # random labels without a signal, which show how much noise the models pass on


@pytree("noise", "of_change", "standard_error")
@dataclass(frozen=True, eq=False)
class Change:
    """R(student) - R(teacher) (...,), linear in the noise: A - noise * B. Negative where distilling helps.  Eq. (97)

    of_change: the pair (A, -B). standard_error: of the change; 0 where it is exact, with derivative 0 there.
    """

    noise: Array
    of_change: Pair
    standard_error: Array

    def __repr__(self) -> str:
        return "Change(" + numbers(value=self.value, standard_error=self.standard_error, noise=self.noise,
                                   break_even_noise=self.break_even_noise) + ")"

    @property
    def value(self) -> Array:
        """R(student) - R(teacher)."""
        return self.of_change[0] + self.noise * self.of_change[1]

    @property
    def break_even_noise(self) -> Array:
        """The noise above which distilling helps, A/B; inf where no noise makes it help, NaN where it changes
        nothing."""
        A, B = self.of_change[0], -self.of_change[1]
        xp = array_namespace(A + B)
        never = xp.where((A == 0) & (B == 0), xp.nan, xp.inf)
        return xp.where(B > 0, A / xp.where(B > 0, B, 1.0), never)


def change(flow: LinearFlow, student: Filter, teacher: Filter, signal: ArrayLike, noise: ArrayLike,
           mean: ArrayLike | None = None) -> Change:
    """The change of the risk on the training inputs, over the noise.  Eq. (97)

    A = (1/n) sum_k delta_k (2 (1 - g_k) + delta_k) ||b_k||^2 and B = (1/n) sum_k (g_k^2 - (s_k g_k)^2), delta = (1 - s)
    g: both >= 0 for gains in [0, 1] (A where the mean is the signal). student, teacher: filters; signal, noise, mean:
    as in `fixed_design`. Distilling helps if and only if the noise is above A/B.
    """
    flow, student, teacher = checked_pair(flow, student, teacher)
    g, left, delta = _gains(flow, student, teacher)
    xp, n = array_namespace(g), flow.targets.shape[0]
    noise = checked_noise(noise, delta)
    expected, offset, _ = parts(flow, signal, mean)
    power, cross = xp.sum(expected**2, axis=-1), xp.sum(expected * offset, axis=-1)
    A = xp.sum(delta * ((2 * left + delta) * power + 2 * cross), axis=-1) / n
    return Change(noise, (A, -xp.sum(delta * (2 * g - delta), axis=-1) / n), 0 * A)


def estimated_change(flow: LinearFlow, student: Filter, teacher: Filter, noise: ArrayLike | None = None,
                     inputs: str = "new") -> Change:
    """The change of the risk by distilling, from the data, with its standard error.  Eqs. (98), (99)

    inputs: "training", unbiased given the variance `noise` of the labels (summed over outputs; `noise_variance` where
    it is None); "new", the difference of exact leave-one-out errors, for which the noise only splits the change into
    its parts. student, teacher: filters.

    Raises ValueError for unknown inputs, and for a flow with sample weights ("training"). Returns a `Change`.
    """
    flow, student, teacher = checked_pair(flow, student, teacher)
    if inputs == "training":
        return _in_sample(flow, student, teacher, noise)
    if inputs == "new":
        return _on_new_inputs(flow, student, teacher, noise)
    raise unknown(inputs)


def _in_sample(flow, student, teacher, noise):
    (g, left, delta), n = _gains(flow, student, teacher), flow.targets.shape[0]
    here, noise, error = stein(flow, teacher, noise)
    xp, q = array_namespace(g), delta * (2 * left + delta)
    slope = -2 * xp.sum(delta, axis=-1) / n
    return Change(noise, (xp.sum(q * here.energy, axis=-1) / n, slope), error(q, slope))


def _on_new_inputs(flow, student, teacher, noise):
    value, error = left_out_change(flow, student, teacher)
    passed = _noise_passed_on(flow, student, teacher)
    noise = noise_variance(flow) if noise is None else real_array("noise", noise, like=flow.limit, nonnegative=True)
    return Change(noise, (value + noise * passed, -passed), error)


def left_out_change(flow: LinearFlow, student: Filter, teacher: Filter) -> Pair:
    """(change, standard error) from leave-one-out errors.  Eq. (99)"""
    here = of_targets(flow)
    of_student, of_teacher = (left_out_of(flow.fit(f), here)[0] for f in (student @ teacher, teacher))
    return averaged(array_namespace(of_student).sum(of_student**2 - of_teacher**2, axis=-2))


def _noise_passed_on(flow, student, teacher):
    """B: how much less of a unit of noise the student passes on to a sample left out, over random labels."""
    n = flow.targets.shape[0]
    labels = np.random.default_rng(0).normal(size=(n, PROBES)).astype(str(flow.limit.dtype).split(".")[-1])
    pure = LinearFlow.of(flow.spectrum, flow.inputs, moved(labels, flow.limit), None, False, flow.weighting)
    xp = array_namespace(flow.limit)
    (a, b) = (pure.targets - xp.matrix_transpose(left_out_of(pure.fit(f), of_targets(pure))[0])
              for f in (teacher, student @ teacher))
    return xp.sum(a**2 - b**2, axis=(-2, -1)) / (n * PROBES)


def _gains(flow, student, teacher):
    """(g, 1 - g, (1 - s) g) (..., k): of the teacher, and what the student takes off it."""
    alone, taught = flow.fit(teacher), flow.fit(student)
    return alone.gain, alone.residual, alone.gain * taught.residual
