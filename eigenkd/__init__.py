"""The theory of distillation as an exaggerated implicit bias, in closed form, and measurements for any network.

    from eigenkd import linear_flow
    flow = linear_flow(X, y)
    teacher, student = flow.teacher(t), flow.student(s, teacher_time=T)

See docs/theory.md for the symbols and equations that docstrings cite.
"""

from importlib import import_module
from types import ModuleType

from eigenkd import filters
from eigenkd.flow import Fit, LinearFlow
from eigenkd.regression import kernel_flow, linear_flow

__version__ = "0.1.0"
__all__ = ["Fit", "LinearFlow", "cross_entropy", "deviation", "filters", "kernel_flow", "krylov", "linear_flow", "plot",
           "projection", "risk", "theorem"]
_ON_FIRST_USE = ("cross_entropy", "deviation", "krylov", "plot", "projection", "risk", "theorem", "torch")


def __getattr__(name: str) -> ModuleType:
    if name in _ON_FIRST_USE:
        return import_module(f"eigenkd.{name}")
    raise AttributeError(f"module 'eigenkd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ON_FIRST_USE])
