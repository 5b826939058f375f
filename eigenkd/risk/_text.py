"""Numbers of results as text."""

from typing import Any

import numpy as np

from eigenkd._arrays import to_numpy


def numbers(**values: Any) -> str:
    """name=value, separated by commas: four digits, the ends of long arrays. Values that are being traced are named by
    their type."""
    return ", ".join(f"{name}={_shown(value)}" for name, value in values.items())


def _shown(value):
    try:
        value = np.asarray(to_numpy(value), dtype=float)
    except Exception:  # a tracer of JAX, a batch of torch.func: it has no numbers yet
        return type(value).__name__
    text = np.array2string(value + 0.0, formatter={"float_kind": lambda x: f"{x:.4g}"}, threshold=6, edgeitems=2,
                           separator=", ")  # + 0.0: there is no -0
    return " ".join(text.split())
