"""Which quantities are infinite, where and why: because of a probability of zero."""

from typing import TYPE_CHECKING

import numpy as np

from eigenkd._arrays import to_numpy

if TYPE_CHECKING:
    from eigenkd.deviation.measured import Deviation

SHOWN = 5  # rows that are named


def infinities(deviation: 'Deviation') -> dict[str, str]:
    """name -> where and why a quantity of a `Deviation` is infinite, in words; empty where all are finite.

    kl: the student gives probability zero to a class to which its teacher does not; reverse_kl: the teacher, where its
    student does not. teacher_confidence,
    student_confidence: the probability of the reference class is 0 or 1. teacher_nll, student_nll: the label has
    probability zero.
    """
    of = "label" if deviation.reference == "label" else "teacher's class"
    quantities = {"kl": (deviation.divergence, "the student gives probability zero to a class to which its teacher "
                         "does not")}
    quantities["reverse_kl"] = (deviation.reverse, "the teacher gives probability zero to a class to which its student "
                                "does not")
    for role in ("teacher", "student"):
        quantities[f"{role}_confidence"] = (getattr(deviation, f"{role}_confidence"),
                                            f"the {role}'s probability of the {of} is 0 or 1")
        if deviation.labels is not None:
            quantities[f"{role}_nll"] = (deviation.scores[f"{role}_nll"],
                                         f"the {role} gives probability zero to the label")
    found = {name: _said(to_numpy(values), why, deviation.rows) for name, (values, why) in quantities.items()}
    return {name: said for name, said in found.items() if said}


def _said(values, why, rows):
    at = np.flatnonzero(np.isinf(values))
    if not at.size:
        return ""
    which = ", ".join(map(str, rows[at[:SHOWN]])) + ", ..." * (at.size > SHOWN)
    finite = values[np.isfinite(values)].astype(float)
    rest = f"; the mean over the other points is {finite.mean():.3g}" if finite.size else ""
    return f"on {at.size:,} of {values.size:,} points (row{'s' * (at.size != 1)} {which}) {why}{rest}"
