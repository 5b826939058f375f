"""Which points the student underfits: mislabelled and clean ones apart, and who is wrong on them."""

import numpy as np
from scipy.stats import mannwhitneyu

from eigenkd import deviation
from eigenkd.deviation.verdict import FRACTION


def mislabelled_points(teacher, student, labels, wrong):
    """Mislabelled and clean training points apart; empty where all points are of one kind. Fig. 4a, Sec. 5.1.

        separation      the probability that the teacher is less confident on a mislabelled point than on a clean one,
                        ties counted half
        mislabelled, clean, each:
          points        how many
          confidence    the median of the teacher's confidence phi
          low           the share of them in the teacher's least confident quarter of all points
          underfit_low  of those, the share on which the student is less confident still; None where there are none
          underfit      of all of them, that share
          fitted        the share of which the teacher predicts the label trained on
          underfit_fitted  as underfit_low, of those alone: on the others the class is another one than the label's

    teacher, student: logits (n, classes); labels: (n,), those trained on; wrong: (n,), where they are not the true
    ones.
    """
    if wrong.all() or not wrong.any():
        return {}
    x, y, low = _confidences(teacher, student)
    fitted = teacher.argmax(axis=1) == labels
    below, total = mannwhitneyu(x[~wrong], x[wrong]).statistic, wrong.sum() * (~wrong).sum()
    return {"separation": float(below / total),
            **{name: {"points": int(of.sum()), "confidence": float(np.median(x[of])), "low": float(low[of].mean()),
                      "underfit_low": _share(y < x, of & low), "underfit": _share(y < x, of),
                      "fitted": float(fitted[of].mean()), "underfit_fitted": _share(y < x, of & low & fitted)}
               for name, of in (("mislabelled", wrong), ("clean", ~wrong))}}


def by_label(teacher, student, labels):
    """The deviation on the label's class, and who is wrong on the underfit points. App. C.3, Figs. 13, 14.

        slope_low, underfit    as of `eigenkd.deviation`, of the confidence on the label's class
        either_wrong           the points that teacher or student gets wrong, next to those of the teacher's least
                               confident quarter that the student underfits on the teacher's class: the share of each
                               set that is in the other, and the points in both over the points in either

    teacher, student: logits (n, classes); labels: (n,), those trained on or the test labels.
    """
    found = deviation.compare(teacher, student, labels, reference="label", inputs="logits", masked="keep").summary()
    x, y, low = _confidences(teacher, student)
    either = (teacher.argmax(axis=1) != labels) | (student.argmax(axis=1) != labels)
    underfit = low & (y < x)
    overlap = {"of_underfit": _share(either, underfit), "are_underfit": _share(underfit, either),
               "overlap": _share(underfit & either, underfit | either)}
    return {"slope_low": found["slope_low"], "underfit": found["underfit"], "either_wrong": overlap}


def _confidences(teacher, student):
    """(x, y, low): confidences (n,) of both on the teacher's class, and which points are in the teacher's least
    confident quarter, those tied with its last one included."""
    found = deviation.compare(teacher, student, inputs="logits", masked="keep")
    x, y = (np.asarray(c, dtype=float) for c in (found.teacher_confidence, found.student_confidence))
    rank = max(1, round(FRACTION * x.size)) - 1
    return x, y, x <= np.partition(x, rank)[rank]


def _share(what, of):
    """The share of the points `of` that are `what`, None where there are none."""
    return float(what[of].mean()) if of.any() else None
