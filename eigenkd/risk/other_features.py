"""Distilling into other features (weak to strong): what `flow.distil` changes, exactly and from the data."""

from dataclasses import dataclass

from array_api_compat import array_namespace

from eigenkd._arrays import moved, real_array
from eigenkd._pytrees import pytree
from eigenkd.filters.algebra import Filter, filter_named
from eigenkd.fit import Fit
from eigenkd.flow import LinearFlow
from eigenkd.risk.change import Change
from eigenkd.risk.directions import checked_fit, checked_flow, equally_weighted, targets_like
from eigenkd.risk.estimates import given_noise, root
from eigenkd.risk.mixing import Line
from eigenkd.typing import Array, ArrayLike


@pytree("change", "line", "misfit")
@dataclass(frozen=True, eq=False)
class Distilled:
    """A student with other features than its teacher's; all risks are on the training inputs.

    change: the student's risk less the teacher's, with the break-even noise, 0 or below where distilling always helps.
    line: over the teacher's weight in mixed targets, from the student's features trained on the labels (weight 0) to
    the student (weight 1). misfit: (1/n) ||N f_T||^2, what the student cannot follow of its teacher.
    """

    change: Change
    line: Line
    misfit: Array

    @property
    def risk(self) -> Array:
        """The student's."""
        return self.line.risk_at(1.0)

    @property
    def teacher_risk(self) -> Array:
        return self.risk - self.change.value

    @property
    def overlap(self) -> Array:
        """(1/n) <f_T - signal, N f_T>, the teacher's error within the misfit. Distilling helps if and only if it is
        more than half of the misfit: change = misfit - 2 overlap."""
        return (self.misfit - self.change.value) / 2


def distilled(flow: LinearFlow, teacher: Fit, student: Filter, signal: ArrayLike, noise: ArrayLike,
              mean: ArrayLike | None = None) -> Distilled:
    """The risk of flow.distil(teacher, student) on the training inputs, over the noise of the labels.  Eqs. (105)-(107)

    flow: of the student's features. teacher: a `Fit` of the same samples, of any flow, with single numbers as
    parameters, trained on the labels; only its filter and inputs matter. student: a filter, with single numbers too.
    signal, noise, mean: as in `fixed_design`.

    >>> from eigenkd import filters, linear_flow
    >>> weak = linear_flow([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [1.0, 1.0, 1.0]).teacher(5.0)     # sees two samples
    >>> strong = linear_flow([[1.0], [1.0], [1.0]], [1.0, 1.0, 1.0])                # knows that all are equal
    >>> found = distilled(strong, weak, filters.flow(5.0), signal=[1.0, 1.0, 1.0], noise=2.0)
    >>> print(found.teacher_risk.round(3), found.risk.round(3), found.line.risk.round(3))
    1.649 0.553 0.667

    Raises TypeError or ValueError for other models, shapes and numbers, sample weights and intercepts.
    """
    flow, teacher, student, parts = _checked(flow, teacher, student)
    xp, n = array_namespace(parts.s), flow.targets.shape[0]
    noise = real_array("noise", noise, like=parts.s, nonnegative=True)
    theta = targets_like("signal", signal, flow)
    expected = theta if mean is None else targets_like("mean", mean, flow)
    taught = parts.teacher_on(expected)
    alone, both = parts.student_on(expected), parts.student_on(taught)

    def per_sample(a, b):
        return xp.sum(a * b) / n

    A = per_sample(both - theta, both - theta) - per_sample(taught - theta, taught - theta)
    change = Change(noise, (A, (parts.trace(2, 2) - xp.sum(parts.g**2)) / n), 0 * A)
    line = Line(noise, (per_sample(alone - theta, alone - theta), parts.trace(2, 0) / n),
                (per_sample(alone - theta, alone - both), (parts.trace(2, 0) - parts.trace(2, 1)) / n),
                (per_sample(alone - both, alone - both),
                 (parts.trace(2, 0) - 2 * parts.trace(2, 1) + parts.trace(2, 2)) / n))
    unfollowed = xp.sum(parts.g**2) - 2 * parts.trace(1, 2) + parts.trace(2, 2)
    return Distilled(change, line, per_sample(taught - both, taught - both) + noise * unfollowed / n)


def estimated_distilled(flow: LinearFlow, teacher: Fit, student: Filter, noise: ArrayLike | None = None) -> Distilled:
    """The same from the data, unbiased given the noise of the labels (Stein's estimate).  Eqs. (108), (109)

    noise: their variance, summed over outputs; `noise_variance` of the student's flow where it is None. The standard
    error is that of Gaussian noise. Arguments otherwise as in `distilled`; the flow's targets are the labels.
    """
    flow, teacher, student, parts = _checked(flow, teacher, student)
    (n, m), xp = flow.targets.shape, array_namespace(parts.s)
    y = flow.targets
    noise, spread = given_noise(flow, noise, xp.sum(parts.g))
    taught = parts.teacher_on(y)
    alone, both = parts.student_on(y), parts.student_on(taught)

    def per_sample(a, b):
        return xp.sum(a * b) / n

    df = [parts.trace(1, 1), xp.sum(parts.g), parts.trace(1, 0)]  # of the student, the teacher, the student on labels
    A = per_sample(y - both, y - both) - per_sample(y - taught, y - taught)
    slope = 2 * (df[0] - df[1]) / n
    form, trace = parts.quadratic(y)  # y' Q^2 y and tr Q^2 of the quadratic form that A is
    least = 2 * noise**2 / m * trace
    found = 4 * noise / m * form - least
    error = root(xp.where(found > least, found, least) / n**2 + (slope * spread) ** 2)
    line = Line(noise, (per_sample(y - alone, y - alone), 2 * df[2] / n - 1),
                (per_sample(alone - y, alone - both), (df[2] - df[0]) / n),
                (per_sample(alone - both, alone - both), 0 * A))
    return Distilled(Change(noise, (A, slope), error), line, per_sample(taught - both, taught - both))


def _checked(flow, teacher, student):
    flow, teacher = equally_weighted(checked_flow(flow), intercept=False), checked_fit(teacher)
    student = filter_named("student", student)
    equally_weighted(teacher.flow, intercept=False)
    own = flow.fit(student)
    for name, fit in (("teacher", teacher), ("student", own)):
        if fit.gain.ndim != 1:
            raise ValueError(f"{name}: expected single numbers as parameters, got {fit.filter!r}; call once for each")
    if teacher.flow.targets.shape[0] != flow.targets.shape[0]:
        raise ValueError(f"teacher: expected a model of {flow.targets.shape[0]} training samples, got one of "
                         f"{teacher.flow.targets.shape[0]}; teacher and student have to share them")
    if flow.start is not None or teacher.flow.start is not None:
        raise ValueError("flow: expected a start from zero for student and teacher, got one with a start; subtract "
                         "what it predicts from the labels")
    return own.flow, teacher, student, _Pair(own, teacher)


class _Pair:
    """Gains and bases of student and teacher, in the student's library, and how the bases overlap."""

    def __init__(self, student, teacher):
        like, xp = student.flow.limit, array_namespace(student.flow.limit)
        self.s, self.g = student.gain, xp.astype(moved(teacher.gain, like, "teacher"), like.dtype, copy=False)
        self.U = student.flow.spectrum.sample_basis
        self.W = xp.astype(moved(teacher.flow.spectrum.sample_basis, like, "teacher"), like.dtype, copy=False)
        self.cross = self.U.T @ self.W
        self.xp = xp

    def teacher_on(self, y):
        return self.W @ (self.g[:, None] * (self.W.T @ y))

    def student_on(self, y):
        return self.U @ (self.s[:, None] * (self.U.T @ y))

    def trace(self, a, b):
        """tr S_X^a S_Z^b = sum_kj s_k^a g_j^b (u_k . w_j)^2; b = 0: sum_k s_k^a."""
        if b == 0:
            return self.xp.sum(self.s**a)
        return self.xp.sum(self.s[:, None] ** a * self.cross**2 * self.g**b)

    def quadratic(self, y):
        """(y' Q^2 y summed over columns, tr Q^2) for Q = (I - S)'(I - S) - (I - S_Z)^2, S = S_X S_Z.

        Q = 2 S_Z - S - S' + S_Z (S_X^2 - I) S_Z lives in W and its image under S_X: S = U s cross g W'.
        """
        xp, W, g = self.xp, self.W, self.g
        image = self.U @ (self.s[:, None] * self.cross) * g  # S W = S_X W g
        inner = (self.cross.T * self.s**2) @ self.cross  # W' S_X^2 W
        middle = g[:, None] * inner * g
        middle = middle + xp.where(xp.eye(g.shape[0], dtype=xp.bool), 2 * g - g**2, 0.0)

        def Q(v):
            c = W.T @ v
            return W @ (middle @ c) - image @ c - W @ (image.T @ v)

        applied, columns = Q(y), Q(xp.eye(W.shape[0], dtype=W.dtype))
        return xp.sum(applied**2), xp.sum(columns**2)
