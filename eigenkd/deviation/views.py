"""Pairs of quantities of the points to draw against each other, Fig. 16 of the paper."""

from typing import TYPE_CHECKING

import numpy as np

from eigenkd._arrays import to_numpy

if TYPE_CHECKING:
    from eigenkd.deviation.measured import Deviation

VIEWS = ("confidence", "probability", "entropy", "confidence-kl", "probability-kl", "entropy-kl")  # Fig. 16


def axes(deviation: "Deviation", name: str) -> tuple[np.ndarray, np.ndarray, str, str]:
    """`Deviation.view`."""
    if name not in VIEWS:
        raise ValueError(f"name: expected one of {', '.join(VIEWS)}, got {name!r}")
    teacher, student = deviation._confidences()
    of = "label" if deviation.reference == "label" else "teacher's class"
    kind, _, against_kl = name.partition("-")
    x, y, what = {
        "confidence": (teacher, student, f"confidence on the {of} (log-odds, nats)"),
        "probability": (_logistic(teacher), _logistic(student), f"probability of the {of}"),
        "entropy": (to_numpy(deviation.teacher_entropy), to_numpy(deviation.student_entropy), "entropy (nats)"),
    }[kind]
    if against_kl:
        return x, to_numpy(deviation.divergence), f"teacher's {what}", "KL(teacher ‖ student) (nats)"
    return x, y, f"teacher's {what}", f"student's {what}"


def _logistic(phi):
    return np.exp(-np.logaddexp(0, -phi))
