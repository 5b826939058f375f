"""Will distillation help? A verdict on one student and its teacher, from the data that the teacher was trained on."""

from dataclasses import dataclass
from functools import cached_property
from math import copysign, inf, isfinite, nan

from eigenkd import filters
from eigenkd._arrays import real_array, to_numpy
from eigenkd.flow import LinearFlow
from eigenkd.risk.change import estimated_change
from eigenkd.risk.criteria import sure
from eigenkd.risk.directions import checked_flow, checked_values, equally_weighted
from eigenkd.risk.estimates import EstimatedLine, estimated_mixing
from eigenkd.risk.left_out import leave_one_out
from eigenkd.risk.tuning import Tuned, tune
from eigenkd.typing import ArrayLike

CERTAIN = 2.0  # standard errors that a change has to exceed for a verdict
NEGLIGIBLE = 1e-6  # of the teacher's risk: what is less changes nothing
NEAR = 2.0  # times the best stopping time, or a part of it: where the sign of a change is least sure
LARGEST = 100.0  # a larger weight means that students of either hardly differ
GUESSED = ("Caution: the noise is estimated, and a part of the target that the features cannot follow counts as noise; "
           "pass the noise if you know it.")
HELPS = "helps"
HURTS = "hurts"
UNKNOWN = "can't tell"


@dataclass(frozen=True, eq=False)
class Advice:
    """What `advise` returns. Numbers are floats, in units of the squared error of a sample, summed over outputs.

    verdict: "helps", "hurts" or "can't tell". change, standard_error: the estimated R(student) - R(teacher), negative
    where distilling helps; z is their ratio. noise: the variance of the labels, given or estimated. break_even_noise:
    the one above which distilling helps, inf if none, with its standard error break_even_error. teacher_risk: the
    teacher's, by the same estimate; for new inputs it contains the noise of new labels. estimated: whether the noise
    was.
    """

    flow: LinearFlow
    student_time: float
    teacher_time: float
    inputs: str
    verdict: str
    change: float
    standard_error: float
    noise: float
    break_even_noise: float
    break_even_error: float
    teacher_risk: float
    estimated: bool

    @property
    def z(self) -> float:
        """change/standard_error: infinite for a change that is known exactly, 0 for none."""
        if self.standard_error > 0 or self.change == 0:
            return self.change / self.standard_error if self.standard_error > 0 else 0.0
        return copysign(inf, self.change)

    @property
    def negligible(self) -> bool:
        """Whether the change is less than a millionth of the teacher's risk: what rounding leaves of none."""
        return changes_nothing(self.change, self.teacher_risk)

    @cached_property
    def stopped(self) -> Tuned:
        """The best early-stopped teacher by the same estimate: `.parameters["time"]`, `.fit`, `.value`."""
        if self.inputs == "new":
            return tune(self.flow, "teacher", "loo")
        return tune(self.flow, "teacher", "sure", noise=self.noise)

    @cached_property
    def mixed(self) -> EstimatedLine:
        """Students of this time on weight * teacher + (1 - weight) * labels: `estimated_mixing`."""
        noise = self.noise if self.inputs == "training" else None
        return estimated_mixing(self.flow, filters.flow(self.student_time), filters.flow(self.teacher_time), noise,
                                self.inputs)

    @property
    def change_by_stopping(self) -> float:
        """The estimated risk of the best early-stopped teacher, less this teacher's."""
        return self.stopped.value - self.teacher_risk

    @property
    def change_by_mixing(self) -> float:
        """The estimated risk of the student with the best weight, less the teacher's."""
        return float(self.mixed.risk - self.mixed.gain) - self.teacher_risk

    @property
    def weight(self) -> float:
        """The best weight of the teacher; NaN where the data do not determine it, as students of either hardly
        differ."""
        weight, error = float(self.mixed.weight), float(self.mixed.standard_errors.weight)
        return weight if isfinite(error) and abs(weight) <= LARGEST else nan

    @property
    def cautions(self) -> tuple[str, ...]:
        """Sentences on what makes this verdict less sure than its standard error says."""
        found, best = [], self.stopped.parameters["time"]
        if self.teacher_risk < 0:
            found.append("Caution: the unbiased estimate of the teacher's error is negative; the true one is near 0.")
        if self.inputs == "training" and self.estimated:
            found.append(GUESSED)
        if self.teacher_time == best or best / NEAR <= self.teacher_time <= NEAR * best < inf:
            found.append(f"Caution: the teacher's time is close to the best one ({best:.4g}), where the sign of such "
                         f"changes is least sure.")
        return tuple(found)

    def __str__(self) -> str:
        where = "new inputs" if self.inputs == "new" else "the training inputs"
        opening = {HELPS: "Distilling helps", HURTS: "Distilling hurts", UNKNOWN: "Can't tell whether distilling helps"}
        even = (f"It pays above a label noise of {self.break_even_noise:.3g} ± {self.break_even_error:.2g}; here it is "
                f"{self.noise:.3g}." if isfinite(self.break_even_noise) else
                "By this estimate it pays at no level of label noise.")
        weight = self.weight
        mixing = (f"Mixing teacher and labels with weights {weight:.3g} and {1 - weight:.3g} would "
                  f"{self._verb(self.change_by_mixing)} (chosen from the data: expect less)." if isfinite(weight) else
                  "No weight for mixing teacher and labels: students of either hardly differ, so the data do not "
                  "determine it.")
        return "\n".join([
            f"{opening[self.verdict]} (student {self.student_time:.4g}, teacher {self.teacher_time:.4g}): a student is "
            f"estimated to {self._verb(self.change, f'the squared error on {where}', self.standard_error)} "
            f"(z = {shown(self.z)}).",
            f"The teacher's is {self.teacher_risk:.3g} a sample, in squared units of the labels, summed over outputs.",
            even, f"{stopping(self.stopped.parameters['time'])} would {self._verb(self.change_by_stopping)}.", mixing,
            "This compares with this teacher only: where distilling helps, stopping it earlier may do as well.",
            *self.cautions])

    def _verb(self, change: float, what: str = "it", error: float | None = None) -> str:
        if changes_nothing(change, self.teacher_risk):
            return f"leave {what} as it is"
        size = f"{abs(change):.3g}" if error is None else f"{abs(change):.3g} ± {error:.2g}"
        return f"{'lower' if change < 0 else 'raise'} {what} by {size}"


def changes_nothing(change: float, risk: float) -> bool:
    """Whether a change is less than a millionth of the risk."""
    return abs(change) <= NEGLIGIBLE * abs(risk)


def stopping(time: float) -> str:
    """What to do to stop a teacher at a time, as the subject of a sentence."""
    if time == 0:
        return "Not training at all (time 0)"
    return f"Stopping the teacher at {time:.4g} instead" if time < inf else "Training the teacher to the end (time inf)"


def advise(flow: LinearFlow, *, student_time: float, teacher_time: float, noise: ArrayLike | None = None,
           inputs: str = "new") -> Advice:
    """Whether a student has less risk than its teacher, from one factorisation of the training data.  Eqs. (97)-(99)

    student_time, teacher_time: s and T >= 0, numbers, inf allowed. inputs: "new" compares exact leave-one-out errors;
    "training" the risks on the training inputs, by Stein's estimate. noise: the variance of the labels, summed over
    outputs, as in `sure` (`flip_noise` for flipped classes); None: `noise_variance`. For "new" it is needed for the
    break-even noise alone.

    The verdict is "helps" or "hurts" where the change exceeds two standard errors and a millionth of the teacher's
    risk, else "can't tell". Measured on 2,000 simulated problems with Gaussian noise (docs/advisor.md): wrong in 0.8 %
    of the verdicts for training inputs and known noise, in 2.7 % for new inputs, in 19 % of the few verdicts on
    teachers that are stopped at one to two times the best time. It is about the squared error, and about this
    teacher: where distilling helps, stopping the teacher earlier may help as much (`.stopped`, `.mixed`).

    >>> import numpy as np
    >>> from eigenkd import linear_flow
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 300)) / np.arange(1, 301) ** 0.5
    >>> flow = linear_flow(X, X[:, 0] + rng.normal(size=200))
    >>> print(advise(flow, student_time=1.0, teacher_time=1.0).verdict)      # an over-trained teacher
    helps
    >>> print(advise(flow, student_time=0.002, teacher_time=0.002).verdict)  # one that has hardly begun
    hurts

    Raises TypeError or ValueError for what is not a number >= 0, unknown inputs, fewer than three samples, and flows
    with sample weights. Returns an `Advice`, which prints as sentences, with `.cautions` where the verdict is less sure
    than its standard error says.
    """
    flow = equally_weighted(checked_values(checked_flow(flow)))
    s, T = (_time(name, value) for name, value in (("student_time", student_time), ("teacher_time", teacher_time)))
    student, teacher = filters.flow(s), filters.flow(T)
    if flow.samples < 3:
        raise ValueError(f"flow: expected at least 3 samples, got {flow.samples}; a standard error needs more")
    if noise is not None:
        noise = real_array("noise", noise, nonnegative=True)
        if noise.ndim:
            raise ValueError(f"noise: expected a number, got shape {tuple(noise.shape)}; ask once for each")
    found, estimated = estimated_change(flow, student, teacher, noise, inputs), noise is None
    change, error, noise, even, passed = (float(to_numpy(v)) for v in (
        found.value, found.standard_error, found.noise, found.break_even_noise, -found.of_change[1]))
    fit = flow.fit(teacher)
    risk = float(to_numpy(leave_one_out(fit).value if inputs == "new" else sure(fit, noise)))
    certain = abs(change) > CERTAIN * error and not changes_nothing(change, risk)
    verdict = UNKNOWN if not certain else HELPS if change < 0 else HURTS
    return Advice(flow, s, T, inputs, verdict, change, error, noise, max(even, 0.0),
                  error / passed if passed > 0 else inf, risk, estimated)


def shown(z: float) -> str:
    """A ratio to the standard error as text."""
    return f"{z:+.1f}" if abs(z) < 1e4 else f"{z:+.2g}"


def _time(name, value):
    value = real_array(name, value, nonnegative=True, finite=False)
    if value.ndim:
        raise ValueError(f"{name}: expected a number, got shape {tuple(value.shape)}; ask once for each, or use "
                         f"estimated_change with filters of arrays of times")
    return min(float(to_numpy(value)), inf)
