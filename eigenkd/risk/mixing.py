"""Targets that mix labels and teacher, with any weight: the risk along the line between two models.

A student of weight * teacher + (1 - weight) * labels is (1 - weight) f + weight f', f trained on labels alone and f' on
the teacher alone. Its risk is a parabola in the weight, in every metric and whatever the models are.
"""

from dataclasses import dataclass

from array_api_compat import array_namespace

from eigenkd import filters
from eigenkd._arrays import real_array
from eigenkd._pytrees import pytree
from eigenkd.filters.algebra import Filter, filter_named
from eigenkd.flow import LinearFlow
from eigenkd.risk._text import numbers
from eigenkd.risk.directions import checked_flow, checked_noise, parts
from eigenkd.typing import Array, ArrayLike, Pair


@pytree("noise", "of_risk", "of_difference", "of_distance")
@dataclass(frozen=True, eq=False)
class Line:
    """The risk R - 2 w (R - C) + w^2 D of (1 - w) first + w second.  Eq. (85)

    All numbers (...,) are linear in the noise: pairs (what the signal gives, what a unit of noise adds). of_risk: R, of
    the first model. of_difference: R - C, with C the cross risk of both. of_distance: D, their squared distance.
    separated: whether the pairs are known; else each second one is 0 and `noise_at` has no answer.
    """

    noise: Array
    of_risk: Pair
    of_difference: Pair
    of_distance: Pair
    separated: bool = True

    def __repr__(self) -> str:
        return f"{type(self).__name__}({numbers(weight=self.weight, risk=self.risk, gain=self.gain)})"

    def _at(self, pair: Pair) -> Array:
        return pair[0] + self.noise * pair[1]

    @property
    def risk(self) -> Array:
        """R, of the first model: trained on labels alone."""
        return self._at(self.of_risk)

    @property
    def difference(self) -> Array:
        """R - C: half of the slope at weight 0, downwards."""
        return self._at(self.of_difference)

    @property
    def distance(self) -> Array:
        """D, the squared distance of the two models in the metric of the risk."""
        return self._at(self.of_distance)

    @property
    def weight(self) -> Array:
        """(R - C)/D: the best weight of the second model (the teacher), any number; 0 where the weight changes
        nothing. `filters.mix` takes the weight of the labels, 1 - weight."""
        return _ratio(self.difference, self.distance)

    @property
    def gain(self) -> Array:
        """(R - C)^2/D >= 0: what the best weight takes off R."""
        return self.difference * self.weight

    def risk_at(self, weight: ArrayLike) -> Array:
        """The risk of a given weight of the second model."""
        return self.risk - 2 * weight * self.difference + weight**2 * self.distance

    def noise_at(self, weight: ArrayLike) -> Array:
        """The noise at which this weight is the best one.  Eq. (87)

        The best weight grows with the noise: it is negative below noise_at(0) and above one above noise_at(1). The
        second model (pure distillation) beats the first (no distillation) above noise_at(0.5). NaN where no noise gives
        that weight. Raises ValueError where signal and noise are not known apart, as for measured or left-out errors.
        """
        if not self.separated:
            raise ValueError("noise_at: expected a line whose risks are split into signal and noise, got one of "
                             "measured or leave-one-out errors, which do not say what is noise; use mixing(...) or "
                             "estimated_mixing(..., inputs='training'), or estimated_change(...).break_even_noise for "
                             "new inputs")
        a, b = (self.of_difference[i] - weight * self.of_distance[i] for i in (0, 1))
        xp = array_namespace(a + b)
        return xp.where(b != 0, -a / xp.where(b != 0, b, 1.0), xp.nan)


def line(first_risk: Array, second_risk: Array, distance: Array) -> Line:
    """The line through two models whose risks and squared distance are known, by any measure.  Eq. (86)

    R - C = (R_1 - R_2 + D)/2. first_risk, second_risk: mean squared errors on the same points; distance: the mean
    squared difference of their predictions there. Numbers or arrays that broadcast. The two may be checkpoints of one
    training, at times t and 2 t: with equal times, students on mixed targets are the line through these, in the
    direction away from 2 t (weight -w of the second); a warm start from a teacher at T, trained for d, is the line
    through T and T + d.

    >>> found = line(1.0, 1.2, 0.4)     # training on would hurt
    >>> print(found.weight.round(3), found.gain.round(3), found.risk_at(found.weight).round(3))
    0.25 0.025 0.975

    Raises TypeError or ValueError for what is not finite.
    """
    distance = real_array("distance", distance, nonnegative=True)
    first, second = (real_array(name, value, like=distance) for name, value in
                     (("first_risk", first_risk), ("second_risk", second_risk)))
    nothing = 0 * distance
    return Line(nothing, (first, nothing), ((first - second + distance) / 2, nothing), (distance, nothing), False)


def mixing(flow: LinearFlow, student: Filter, teacher: Filter, signal: ArrayLike, noise: ArrayLike,
           mean: ArrayLike | None = None) -> Line:
    """Students of weight * teacher + (1 - weight) * labels on the training inputs, over the weight.  Eqs. (85), (87)

    student, teacher: the filters of their trainings, as filters.flow(s) and filters.flow(T), or of ridge regression.
    signal, noise, mean: as in `fixed_design`. The best student is flow.fit(student @ filters.mix(filters.identity,
    teacher, 1 - found.weight)).

    >>> from eigenkd import filters, linear_flow
    >>> flow = linear_flow([[3.0, 0.0], [0.0, 1.0]], [3.0, 1.0])
    >>> found = mixing(flow, filters.flow(1.0), filters.flow(1.0), signal=[3.0, 0.5], noise=0.5)
    >>> print(found.weight.round(4), found.gain.round(4), found.noise_at(1.0).round(4))
    1.2864 0.0336 0.3752

    Raises TypeError or ValueError as `fixed_design` does, and for what is not a filter. Returns a `Line`.
    """
    flow, student, teacher = checked_flow(flow), filter_named("student", student), filter_named("teacher", teacher)
    flow = flow.fit(student @ teacher).flow  # in the library of the filters' parameters
    s, left, d = gains(flow, student, teacher)
    xp, n = array_namespace(s), flow.targets.shape[0]
    noise = checked_noise(noise, d)
    expected, offset, outside = parts(flow, signal, mean)
    power, cross = xp.sum(expected**2, axis=-1), xp.sum(expected * offset, axis=-1)
    bias = xp.sum((left[..., None] * expected + offset) ** 2, axis=(-2, -1)) + outside

    def over_n(*values):
        return tuple(value / n for value in values)

    return Line(noise, over_n(bias, xp.sum(s**2, axis=-1)),
                over_n(-xp.sum(d * (left * power + cross), axis=-1), xp.sum(d * s, axis=-1)),
                over_n(xp.sum(d**2 * power, axis=-1), xp.sum(d**2, axis=-1)))


def gains(flow: LinearFlow, student: Filter, teacher: Filter) -> tuple[Array, Array, Array]:
    """(s, 1 - s, s (1 - g)) (..., k): of a student on labels, and what a unit of weight of the teacher takes off it."""
    unlearned = filters.toward(filters.zero, teacher, start=filters.identity)  # by the teacher: 1 - g
    alone, less = flow.fit(student), flow.fit(student @ unlearned)
    xp = array_namespace(alone.gain, less.gain)
    return alone.gain, alone.residual, xp.where(alone.flow.spectrum.eigenvalues > 0, less.gain, 0.0)


def best_mixing_weight(flow: LinearFlow, time: ArrayLike, teacher_time: ArrayLike, signal: ArrayLike, noise: ArrayLike,
                       mean: ArrayLike | None = None, clip: bool = True) -> Array:
    """The share of labels in a student's targets, weight * labels + (1 - weight) * teacher, of least risk.  Eq. (43)

    One less the weight of the teacher that `mixing` finds for filters.flow(time) and filters.flow(teacher_time).

    time, teacher_time: s and T >= 0; they broadcast, inf allowed. signal, noise, mean: as in `fixed_design`. clip:
    whether the weight is limited to [0, 1]. Else it is the parabola's vertex, and `filters.mix` takes it as it is: a
    negative weight moves away from the labels, one above 1 away from the teacher. 1 where the weight changes nothing
    (s = 0 or T = inf).
    """
    teacher = filters.flow(real_array("teacher_time", teacher_time, nonnegative=True, finite=False))
    weight = 1 - mixing(flow, filters.flow(time), teacher, signal, noise, mean).weight
    return array_namespace(weight).clip(weight, 0.0, 1.0) if clip else weight


def _ratio(a, b):
    xp = array_namespace(a + b)
    return xp.where(b > 0, a / xp.where(b > 0, b, 1.0), 0.0)
