"""The numbers of a deviation as a plain mapping, for JSON."""

from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from eigenkd._arrays import to_numpy
from eigenkd.deviation.slope import reported
from eigenkd.deviation.verdict import as_mapping

if TYPE_CHECKING:
    from eigenkd.deviation.measured import Deviation


def summarised(deviation: 'Deviation') -> dict[str, Any]:
    """`Deviation.summary`."""
    result = {
        "points": deviation.points, "classes": deviation.classes, "reference": deviation.reference,
        "inputs": deviation.inputs,
        "interval": deviation.interval, "clipped": deviation.clipped,
        "left_out": {"classes": list(deviation.left_out), "rows": deviation.unlabelled + deviation.dropped},
        **reported(deviation), "infinite": deviation.infinite,
        "bounds": {name: list(ends) for name, ends in deviation.bounds.items()},
        "underfit": deviation.underfit(), "overfit": deviation.overfit(), "agreement": deviation.agreement,
        "kl": deviation.kl,
        "reverse_kl": deviation.mean(deviation.reverse).value,
        "jensen_shannon": deviation.mean(deviation.jensen_shannon).value,
        "entropy": {"teacher": float(np.mean(to_numpy(deviation.teacher_entropy), dtype=float)),
                    "student": float(np.mean(to_numpy(deviation.student_entropy), dtype=float))},
        "verdict": as_mapping(deviation.verdict),
    }
    if deviation.labels is not None:
        result["groups"] = asdict(deviation.groups)
        result["calibration"] = asdict(deviation.calibration)
    if deviation.masks:
        result["masks"] = {name: part and part.summary() for name, part in deviation.by_mask().items()}
    return finite(result)


def finite(mapping: Any) -> Any:
    """The mapping with None for each NaN and infinity, which JSON does not have, in nested mappings and lists too."""
    if isinstance(mapping, dict):
        return {name: finite(value) for name, value in mapping.items()}
    if isinstance(mapping, list):
        return [finite(value) for value in mapping]
    return None if isinstance(mapping, float) and not isfinite(mapping) else mapping
