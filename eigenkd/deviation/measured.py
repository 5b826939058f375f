"""The measurements of a student against its teacher: `Deviation`."""

from dataclasses import dataclass, field, replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import array_namespace

from eigenkd._arrays import to_numpy
from eigenkd._intervals import share_interval
from eigenkd.deviation import clusters
from eigenkd.deviation.calibration import Calibrations, Groups, calibrate, group
from eigenkd.deviation.classes import by_class
from eigenkd.deviation.clusters import Mean
from eigenkd.deviation.infinities import infinities
from eigenkd.deviation.inputs import mask_of
from eigenkd.deviation.perplexity import Perplexity
from eigenkd.deviation.remarks import remarks
from eigenkd.deviation.slope import Slope, fit
from eigenkd.deviation.summary import summarised
from eigenkd.deviation.table import html, table
from eigenkd.deviation.tokens import Tokens
from eigenkd.deviation.verdict import FRACTION, Verdict, judge
from eigenkd.deviation.views import axes
from eigenkd.typing import Array, ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTWISE = ("teacher_confidence", "student_confidence", "teacher_class", "student_class", "divergence", "reverse",
             "jensen_shannon", "teacher_entropy", "student_entropy")


@dataclass(frozen=True, eq=False, repr=False)
class Deviation:
    """A student compared with its teacher, point by point; `compare` makes it.

    teacher_confidence, student_confidence: (n,) phi on the reference class. teacher_class, student_class: (n,)
    predicted classes. divergence, reverse, jensen_shannon: (n,) KL(teacher || student), KL(student || teacher), and the
    divergence of both from their mean; teacher_entropy, student_entropy: (n,); all in nats and in the library of the
    logits. classes: how many. reference: "teacher" or "label". inputs: what was given. clipped:
    how many points have a probability that was clipped. labels: (n,) NumPy, or None. masks: name -> (n,) NumPy bool.
    rows: (n,) NumPy, the points' rows in the arrays that were given. scores: name -> (n,), whether a point is clipped
    or far (see `pointwise.block_points`) and with labels the terms of the calibration. class_names: of all classes, or
    (). left_out: the classes that both models have masked. unlabelled, dropped: how many rows were left out for their
    label -100, and by keep. doubt: why the rows may not be the same points, or "". notes: on the inputs, for the
    verdict. clusters: (n,) NumPy codes of the groups that intervals resample, or None where points are independent.
    tokens: the `Tokens` that the points predict, or None.
    """

    teacher_confidence: Array
    student_confidence: Array
    teacher_class: Array
    student_class: Array
    divergence: Array
    reverse: Array
    jensen_shannon: Array
    teacher_entropy: Array
    student_entropy: Array
    classes: int
    reference: str
    inputs: str
    clipped: int
    labels: np.ndarray | None
    masks: dict[str, np.ndarray]
    rows: np.ndarray
    scores: dict[str, Any]
    class_names: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()
    unlabelled: int = 0
    dropped: int = 0
    doubt: str = ""
    notes: tuple[str, ...] = ()
    clusters: np.ndarray | None = None
    tokens: Tokens | None = None
    _slopes: dict[tuple[str, float], Slope] = field(default_factory=dict)  # those that were fitted already

    @property
    def points(self) -> int:
        """How many points there are."""
        return int(self.teacher_confidence.shape[0])

    @property
    def interval(self) -> str:
        """What the intervals of slopes are, in words."""
        if self.clusters is None:
            return "95% bootstrap interval over points"
        return f"95% bootstrap interval over {np.unique(self.clusters).size:,} groups of points"

    def mean(self, values: ArrayLike) -> Mean:
        """The `clusters.Mean` of any numbers (n,) of the points, with a 95% interval, clustered where there are groups.

        Raises ValueError for another shape.
        """
        values = to_numpy(values)
        if values.shape != (self.points,):
            raise ValueError(f"values: expected shape ({self.points},), a number a point, got {values.shape}; such as "
                             "d.divergence")
        return clusters.mean(values, self.clusters)

    @property
    def members(self) -> tuple["Deviation", ...]:
        """The deviations that this is measured from: itself."""
        return (self,)

    def by_mask(self) -> dict[str, "Deviation | None"]:
        """name -> the deviation of the mask's points alone, None where there are none."""
        return {name: replace(self.subset(mask), masks={}) if mask.any() else None for name, mask in self.masks.items()}

    def slope(self, side: str = "low", fraction: float = 0.25) -> Slope:
        """The least-squares slope of student on teacher confidence over the teacher's least or most confident points.

        side: "low" or "high". fraction: of all points, in (0, 1], to the nearest whole number of points; points tied
        with the last one are included. The result has a 95% bootstrap interval, see `slope.fit`. It is NaN,
        with a reason, for fewer than 3 points, a teacher that is equally confident on all, and infinite confidences.

        Raises ValueError for another side or fraction. App. C.4.
        """
        if side not in ("low", "high"):
            raise ValueError(f"side: expected 'low' or 'high', got {side!r}; 'low' is where the teacher is unsure")
        if (side, fraction) in self._slopes:
            return self._slopes[side, fraction]
        x, y, keep = self._selected(side, fraction)
        # Equal confidences may still differ by the rounding of the precision that they were computed in.
        rounding = 16 * array_namespace(self.teacher_confidence).finfo(self.teacher_confidence.dtype).eps
        return self._slopes.setdefault((side, fraction), fit(
            x, y, rounding, None if self.clusters is None else self.clusters[keep]))

    def underfit(self, fraction: float = 0.25) -> float:
        """The share of the teacher's least confident points on which the student is strictly less confident.

        fraction: as for `slope`. Raises ValueError for a fraction outside (0, 1]. Sec. 3.
        """
        _, _, keep = self._selected("low", fraction)
        return float(np.mean(self._less()[keep]))

    def overfit(self, fraction: float = 0.25) -> float:
        """The share of the teacher's most confident points on which the student is strictly more confident.

        fraction: as for `slope`. Raises ValueError for a fraction outside (0, 1]. Sec. 3.
        """
        x, y, _ = self._selected("high", fraction)
        return float(np.mean(np.where(np.isnan(y), np.nan, y > x)))

    @property
    def agreement(self) -> float:
        """The share of points on which student and teacher predict the same class; NaN where top-k rows leave it
        open."""
        same = to_numpy(self.teacher_class) == to_numpy(self.student_class)
        return float("nan") if np.any(self.scores.get("unsure", False)) else float(np.mean(same))

    @property
    def kl(self) -> float:
        """The mean of KL(teacher || student) over the points, in nats; infinite where `infinite` says why, and NaN
        where top-k rows leave it open: `bounds` has the interval then."""
        return float(np.mean(to_numpy(self.divergence), dtype=float))

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """name of an array -> (low, high), the bounds of its mean that are certain; empty where all rows are full."""
        return {name: (float(np.mean(self.scores[f"low:{name}"])), float(np.mean(self.scores[f"high:{name}"])))
                for name in POINTWISE if f"low:{name}" in self.scores and np.isnan(to_numpy(getattr(self, name))).any()}

    @property
    def infinite(self) -> dict[str, str]:
        """name -> where and why a quantity is infinite, see `infinities`; empty where all are finite."""
        return infinities(self)

    @property
    def groups(self) -> Groups:
        """Who is right, and how that overlaps with the points where the student is less confident. App. C.3.

        Raises ValueError where no labels were given.
        """
        teacher, student = self._right("groups")
        return group(teacher, student, self._less())

    @property
    def calibration(self) -> Calibrations:
        """Accuracy, expected calibration error, NLL and Brier score of both. Raises ValueError without labels."""
        right = dict(zip(("teacher", "student"), self._right("calibration")))
        return Calibrations(**{role: calibrate(right[role], *(to_numpy(self.scores[f"{role}_{name}"]).astype(float)
                                                              for name in ("top", "nll", "brier")))
                               for role in ("teacher", "student")})

    @property
    def perplexity(self) -> Perplexity:
        """The `Perplexity` of both models on the labels: what llama-perplexity prints, with intervals over texts.

        Of two base files it takes what they store, as that tool does. Raises ValueError where no labels were given.
        """
        self._right("perplexity")
        stored = "stored_kl" in self.scores
        of = {name: to_numpy(self.scores[f"stored_{name}" if stored else name]) for name in ("teacher_nll",
                                                                                             "student_nll")}
        kl = to_numpy(self.scores["stored_kl"] if stored else self.divergence)
        same = self.scores["stored_same"] if stored else to_numpy(self.teacher_class) == to_numpy(self.student_class)
        floored = [self.scores.get(f"floored_{role}", np.zeros(self.points, bool)) for role in ("teacher", "student")]
        return Perplexity(of["teacher_nll"].astype(float), of["student_nll"].astype(float), kl, same, self.clusters,
                          *floored)

    @property
    def per_class(self) -> list[dict[str, Any]]:
        """For each reference class with points, as plain mappings: points, means of both confidences and of KL (which
        may be infinite), the share of points underfit, and with labels both accuracies on the class."""
        return by_class(self)

    @property
    def verdict(self) -> Verdict:
        """`Verdict`: whether the student exaggerates on either side, in words, as far as the numbers support it."""
        sides = []
        for side, beyond in (("low", self.underfit(FRACTION)), ("high", self.overfit(FRACTION))):
            slope = self.slope(side, FRACTION)
            ties = slope.points > max(1, round(FRACTION * self.points))
            sides.append((slope, beyond, self._share_interval(side, beyond), ties))
        return judge(sides[0], sides[1], remarks(self), self.doubt)

    def view(self, name: str) -> tuple[np.ndarray, np.ndarray, str, str]:
        """(x, y, x's label, y's label), a pair of axes of Fig. 16, (n,) NumPy each.

        Teacher against student confidence, probability or entropy, or one of the teacher's against the KL divergence.

        Raises ValueError for a name that is not in `VIEWS`.
        """
        return axes(self, name)

    def subset(self, mask: ArrayLike) -> "Deviation":
        """The `Deviation` of the points where mask (n,) is true. Its quarters and masks are those of these points.

        Raises ValueError for another shape, or where no point is left.
        """
        mask = mask_of("mask", mask, self.points)
        if not mask.any():
            raise ValueError("mask: expected at least one true value, got none; the subset would be empty")
        keep = np.flatnonzero(mask)
        return replace(self, **{name: _take(getattr(self, name), keep) for name in POINTWISE}, rows=self.rows[keep],
                       clusters=None if self.clusters is None else self.clusters[keep],
                       tokens=None if self.tokens is None else self.tokens.take(keep),
                       labels=None if self.labels is None else self.labels[mask],
                       masks={name: other[mask] for name, other in self.masks.items()},
                       clipped=int(to_numpy(self.scores["clipped"])[mask].sum()),
                       scores={name: _take(values, keep) for name, values in self.scores.items()}, _slopes={})

    def summary(self) -> dict[str, Any]:
        """The numbers as a plain mapping that json.dumps takes, None for NaN and for infinity (`infinite` says where);
        with labels `groups` and `calibration`, with masks a summary of each mask's points under `masks`."""
        return summarised(self)

    def table(self, format: str = "text") -> str:
        """The summary as a table that pastes into a paper: "text", "markdown", "latex", "csv" or "json"."""
        return table(self, format)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """The scatter of student on teacher confidence: `eigenkd.plot.confidence`."""
        from eigenkd import plot

        return plot.confidence(self, ax=ax, highlight=self.masks or None)

    def _repr_html_(self) -> str:
        return html(self)

    def __repr__(self) -> str:
        return f"Deviation(points={self.points}, classes={self.classes})"

    def _confidences(self):
        return tuple(to_numpy(c).astype(float) for c in (self.teacher_confidence, self.student_confidence))

    def _less(self):
        """(n,) 1 where the student is less confident than its teacher, 0 where not, NaN where top-k rows leave it
        open."""
        x, y = self._confidences()
        high = self.scores.get("high:student_confidence", y)
        return np.where(np.isnan(y) & (high >= x), np.nan, np.where(np.isnan(y), high, y) < x)

    def _flipped(self):
        """(n,) 1 where the predicted classes differ, 0 where not, NaN where top-k rows leave it open."""
        differ = to_numpy(self.teacher_class) != to_numpy(self.student_class)
        return np.where(self.scores.get("unsure", False), np.nan, differ)

    def _selected(self, side: str, fraction: float) -> Any:
        """(both confidences, NumPy and double, of the teacher's least or most sure points; which these are)."""
        if not isinstance(fraction, Real) or isinstance(fraction, bool) or not 0 < fraction <= 1:
            raise ValueError(f"fraction: expected a number in (0, 1], got {fraction!r}; a quarter is 0.25")
        x, y = self._confidences()
        rank = max(1, round(fraction * x.size)) - 1
        keep = x <= np.partition(x, rank)[rank] if side == "low" else -x <= np.partition(-x, rank)[rank]
        return x[keep], y[keep], keep

    def _share_interval(self, side, beyond):
        """The 95% interval of the share of a side's points on which the student goes beyond its teacher."""
        x, y, keep = self._selected(side, FRACTION)
        if np.isnan(beyond):
            return 0.0, 1.0
        if self.clusters is None:
            return share_interval(round(beyond * x.size), x.size)
        return clusters.share_interval(self._less()[keep] > 0 if side == "low" else y > x, self.clusters[keep])

    def _right(self, what):
        if self.labels is None:
            raise ValueError(f"{what}: expected labels to tell who is right, got none; pass compare(..., "
                             "labels=labels)")
        return tuple(to_numpy(c) == self.labels for c in (self.teacher_class, self.student_class))


def _take(values, keep):
    xp = array_namespace(values)
    return xp.take(values, xp.asarray(keep), axis=0) if not isinstance(values, np.ndarray) else values[keep]
