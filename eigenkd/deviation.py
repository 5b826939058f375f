"""How a student's confidence deviates from its teacher's, from two sets of logits of any framework.

Confidence is the log-odds of the teacher's predicted class; a student exaggerates where it is less sure than its
teacher on the points of which the teacher is least sure, or surer on those of which it is surest: a least-squares
slope above 1 there. Sec. 3 and App. C.3, C.4 of the paper; Eq. (20), docs/theory.md.
"""

from dataclasses import asdict, dataclass
from math import isfinite
from numbers import Real
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from eigenkd.arrays import leading, library, real_array, to_numpy

FRACTIONS = (0.1, 0.25, 0.5)  # what a summary reports, since the paper's own percentile is not known
RESAMPLES = 1000
_DRAWS_AT_ONCE = 2**20  # resampled points held at a time: some 40 MB


@dataclass(frozen=True)
class Slope:
    """A least-squares slope, its 95 % bootstrap interval, the points under it, and why it is NaN where it is."""

    value: float
    low: float
    high: float
    points: int
    reason: str | None = None


@dataclass(frozen=True)
class Groups:
    """The shares of points that both, only the teacher, only the student, or neither predicts right. App. C.3."""

    both: float
    only_teacher: float
    only_student: float
    neither: float


@dataclass(frozen=True, eq=False, repr=False)
class Deviation:
    """A student beside its teacher, point by point; made by `compare`.

    teacher_confidence, student_confidence: (n,) phi on the teacher's predicted class. teacher_class, student_class:
    (n,) predicted classes. divergence: (n,) KL(teacher || student) in nats. All are in the library of the logits.
    classes: how many. labels: (n,) NumPy, or None.
    """

    teacher_confidence: Any
    student_confidence: Any
    teacher_class: Any
    student_class: Any
    divergence: Any
    classes: int
    labels: Any

    def slope(self, side="low", fraction=0.25):
        """The least-squares slope of student on teacher confidence over the teacher's least or most confident points.

        side: "low" or "high". fraction: of all points, in (0, 1], to the nearest whole number of points; points tied
        with the last one belong to them. The interval holds the middle 95 % of the slopes of 1,000 resamples of these
        points (a fixed seed; resamples without spread are left out). NaN, with a reason, for fewer than 3 points or a
        teacher that is equally confident on all of them.

        Raises ValueError for another side or fraction. App. C.4.
        """
        if side not in ("low", "high"):
            raise ValueError(f"side: expected 'low' or 'high', got {side!r}; 'low' is where the teacher is unsure")
        x, y = self._selected(side, fraction)
        points = x.shape[0]
        if points < 3:
            return Slope(np.nan, np.nan, np.nan, points, f"a slope needs at least 3 points, got {points}")
        # Equal confidences may still differ by the rounding of the precision that they were computed in.
        rounding = 16 * array_namespace(self.teacher_confidence).finfo(self.teacher_confidence.dtype).eps
        if np.ptp(x) <= rounding * max(1.0, np.abs(x).max()):
            return Slope(np.nan, np.nan, np.nan, points, f"the teacher is equally confident on all {points} points")
        order = np.lexsort((y, x))  # the interval must not depend on the order of the points
        x, y = x[order] - x.mean(), y[order] - y.mean()
        low, high = np.percentile(_resampled_slopes(x, y), [2.5, 97.5])
        return Slope(float(x @ y / (x @ x)), float(low), float(high), points)

    def underfit(self, fraction=0.25):
        """The share of the teacher's least confident points on which the student is strictly less confident still.

        fraction: as for `slope`. Raises ValueError for a fraction outside (0, 1]. Sec. 3.
        """
        x, y = self._selected("low", fraction)
        return float(np.mean(y < x))

    @property
    def agreement(self):
        """The share of points on which student and teacher predict the same class."""
        return float(np.mean(to_numpy(self.teacher_class) == to_numpy(self.student_class)))

    @property
    def kl(self):
        """The mean of KL(teacher || student) over the points, in nats."""
        return float(np.mean(to_numpy(self.divergence), dtype=float))

    @property
    def groups(self):
        """Who is right, as shares that sum to one. Raises ValueError where no labels were given. App. C.3."""
        if self.labels is None:
            raise ValueError("groups: expected labels to tell who is right, got none; pass compare(..., labels=labels)")
        teacher, student = (to_numpy(c) == self.labels for c in (self.teacher_class, self.student_class))
        shares = teacher & student, teacher & ~student, ~teacher & student, ~teacher & ~student
        return Groups(*(float(np.mean(share)) for share in shares))

    def summary(self):
        """The numbers as a plain mapping that json.dumps takes: None for NaN, `groups` where there are labels."""
        slopes = {f"slope_{side}": {str(fraction): _plain(self.slope(side, fraction)) for fraction in FRACTIONS}
                  for side in ("low", "high")}
        groups = {} if self.labels is None else {"groups": asdict(self.groups)}
        return {"points": int(self.teacher_confidence.shape[0]), **slopes, "underfit": self.underfit(),
                "agreement": self.agreement, "kl": self.kl, **groups}

    def plot(self, ax=None):
        """The scatter of student on teacher confidence: `eigenkd.plot.confidence`."""
        from eigenkd import plot

        return plot.confidence(self, ax=ax)

    def __repr__(self):
        return f"Deviation(points={self.teacher_confidence.shape[0]}, classes={self.classes})"

    def _selected(self, side, fraction):
        """The confidences, NumPy and double, of the points that the teacher is least or most sure of."""
        if not isinstance(fraction, Real) or not 0 < fraction <= 1:
            raise ValueError(f"fraction: expected a number in (0, 1], got {fraction!r}; a quarter is 0.25")
        x, y = (to_numpy(c).astype(float) for c in (self.teacher_confidence, self.student_confidence))
        rank = max(1, round(fraction * x.size)) - 1
        keep = x <= np.partition(x, rank)[rank] if side == "low" else -x <= np.partition(-x, rank)[rank]
        return x[keep], y[keep]


def compare(teacher_logits, student_logits, labels=None):
    """Set a student's logits beside its teacher's: the `Deviation` of their confidence values

        phi = f_y - log sum_{c != y} exp f_c = log(p_y / (1 - p_y)),    y = argmax of the teacher's logits,

    computed from differences of logits, so that neither large logits nor probabilities that round to 1 lose digits.

    teacher_logits, student_logits: (n, classes), of the same points and classes, two classes or more, not divided by
    a temperature. labels: (n,) whole numbers from 0 to classes - 1, or None.

    Raises TypeError or ValueError for other shapes, NaN or infinite logits, and labels that are no classes.
    Sec. 3 of the paper, Eq. (20).
    """
    teacher = real_array("teacher_logits", teacher_logits, ndim=(2,))
    student = real_array("student_logits", student_logits, ndim=(2,))
    if student.shape != teacher.shape:
        raise ValueError(f"student_logits: expected shape {tuple(teacher.shape)} like teacher_logits, got "
                         f"{tuple(student.shape)}; pass logits of the same points over the same classes")
    n, classes = teacher.shape
    if classes < 2:
        raise ValueError(f"teacher_logits: expected two classes or more, got shape {(n, classes)}; for one logit z per "
                         "point pass the columns 0 and z")
    teacher, student = _same_library(teacher, student)
    labels = None if labels is None else _labels(labels, n, classes)
    xp = array_namespace(teacher)
    log_p, log_q = _log_softmax(teacher, xp), _log_softmax(student, xp)
    y = xp.argmax(teacher, axis=1)
    divergence = xp.sum(xp.exp(log_p) * (log_p - log_q), axis=1)
    return Deviation(
        teacher_confidence=_log_odds(teacher, y, xp),
        student_confidence=_log_odds(student, y, xp),
        teacher_class=y,
        student_class=xp.argmax(student, axis=1),
        divergence=xp.where(divergence > 0, divergence, xp.zeros_like(divergence)),  # rounding can leave -1e-17
        classes=classes,
        labels=labels,
    )


def _same_library(teacher, student):
    if library(teacher) == library(student):
        xp = array_namespace(teacher)
        wide = xp.result_type(teacher.dtype, student.dtype)
        teacher, student = (xp.astype(x, wide, copy=False) for x in (teacher, student))
    like = leading(teacher, student)
    return real_array("teacher_logits", teacher, like=like), real_array("student_logits", student, like=like)


def _labels(labels, n, classes):
    labels = to_numpy(real_array("labels", labels))
    if labels.shape != (n,):
        raise ValueError(f"labels: expected shape {(n,)}, one class a point, got {labels.shape}; "
                         "pass class indices, for one-hot rows their argmax")
    if np.any(labels != np.round(labels)):
        raise ValueError(f"labels: expected whole numbers, got {labels[labels != np.round(labels)][0]} among them; "
                         "pass class indices")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels: expected classes from 0 to {classes - 1}, got {int(labels.min())} to "
                         f"{int(labels.max())}; number the classes as the columns of the logits")
    return labels.astype(int)


def _log_odds(logits, y, xp):
    own = xp.arange(logits.shape[1], device=device(logits)) == y[:, None]
    others = xp.where(own, xp.asarray(-xp.inf, dtype=logits.dtype), logits)
    largest = xp.max(others, axis=1)
    chosen = xp.sum(xp.where(own, logits, xp.zeros_like(logits)), axis=1)
    return (chosen - largest) - xp.log(xp.sum(xp.exp(others - largest[:, None]), axis=1))


def _log_softmax(logits, xp):
    shifted = logits - xp.max(logits, axis=1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))


def _resampled_slopes(x, y):
    """The slopes of RESAMPLES bootstrap resamples of the centred x, y (m,), those without spread left out."""
    rng = np.random.default_rng(0)
    m, slopes = x.size, []
    rows = max(1, _DRAWS_AT_ONCE // m)
    for begin in range(0, RESAMPLES, rows):
        drawn = rng.integers(m, size=(min(rows, RESAMPLES - begin), m))
        xs, ys = x[drawn], y[drawn]
        size, mean = np.einsum("ij,ij->i", xs, xs), xs.mean(axis=1)
        spread = size - m * mean**2
        cross = np.einsum("ij,ij->i", xs, ys) - m * mean * ys.mean(axis=1)
        some = spread > 1e-12 * size
        slopes.append(cross[some] / spread[some])
    return np.concatenate(slopes)


def _plain(slope):
    return {key: value if isfinite(value := getattr(slope, key)) else None for key in ("value", "low", "high")}
