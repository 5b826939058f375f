"""The points of each reference class."""

from typing import TYPE_CHECKING, Any

import numpy as np

from eigenkd._arrays import to_numpy

if TYPE_CHECKING:
    from eigenkd.deviation.measured import Deviation


def by_class(deviation: "Deviation") -> list[dict[str, Any]]:
    """`Deviation.per_class`."""
    x, y = deviation._confidences()
    of: Any = deviation.labels if deviation.reference == "label" else to_numpy(deviation.teacher_class)
    columns = {"teacher_confidence": x, "student_confidence": y, "underfit": deviation._less(),
               "kl": to_numpy(deviation.divergence)}
    if deviation.labels is not None:
        columns |= dict(zip(("teacher_accuracy", "student_accuracy"), deviation._right("per_class")))
    count = np.bincount(of, minlength=deviation.classes)
    with np.errstate(invalid="ignore"):  # inf - inf: a mean of both is none
        sums = {name: np.bincount(of, values.astype(float), minlength=deviation.classes)
                for name, values in columns.items()}
    return [{"class": int(c), "points": int(count[c])} | {name: float(sums[name][c] / count[c]) for name in columns}
            for c in np.flatnonzero(count)]
