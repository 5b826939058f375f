"""Accuracy and calibration of both models, and how they overlap with the points that the student underfits."""

from dataclasses import dataclass

import numpy as np

BINS = 15


@dataclass(frozen=True)
class Calibration:
    """One model against the labels, over all points.

    accuracy: share predicted right. ece: expected calibration error, the mean distance between confidence (the largest
    probability) and accuracy over 15 bins of equal width, weighted by their points (Guo et al. 2017). nll: the mean of
    -log of the label's probability, in nats. brier: the mean of sum_c (p_c - 1[c = label])^2, from 0 to 2.
    """

    accuracy: float
    ece: float
    nll: float
    brier: float


@dataclass(frozen=True)
class Calibrations:
    """The calibration of both models."""

    teacher: Calibration
    student: Calibration


@dataclass(frozen=True)
class Group:
    """One group of points: its share of all points, the share of it that is underfit, its share of the underfit points.

    A share of nothing is NaN.
    """

    share: float
    underfit: float
    of_underfit: float


@dataclass(frozen=True)
class Groups:
    """The points that both, only the teacher, only the student, or neither predicts right. App. C.3."""

    both: Group
    only_teacher: Group
    only_student: Group
    neither: Group


def calibrate(right: np.ndarray, top: np.ndarray, nll: np.ndarray, brier: np.ndarray) -> Calibration:
    """`Calibration` from, per point (n,): whether it is right, the largest probability, and the two scores."""
    bins = np.minimum((top * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, top - right, minlength=BINS)
    return Calibration(float(right.mean()), float(np.abs(gap).sum() / right.size), float(nll.mean(dtype=float)),
                       float(brier.mean(dtype=float)))


def group(teacher_right: np.ndarray, student_right: np.ndarray, underfit: np.ndarray) -> Groups:
    """`Groups` from, per point (n,): who is right, and whether the student is less confident than its teacher."""
    members = (teacher_right & student_right, teacher_right & ~student_right, ~teacher_right & student_right,
               ~teacher_right & ~student_right)
    return Groups(*(Group(float(of.mean()), _share(underfit, of), _share(of, underfit)) for of in members))


def _share(of, among):
    """The share of the points `among` that are `of`; NaN where it is not known which these are."""
    if among.dtype != bool:
        if np.isnan(among).any():
            return float("nan")
        among = among > 0
    return float(of[among].mean()) if among.any() else float("nan")
