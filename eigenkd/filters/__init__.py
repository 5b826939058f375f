"""Filters: what training does to one eigendirection, as a function of its eigenvalue.

A filter maps an eigenvalue lam >= 0 of K = X X^T to a gain g (its filter factor): the share of the target that a model
has learned along that direction, with residual r = 1 - g. A teacher relaxes from zero to the labels, its student from
zero to the teacher, the next generation from zero to the student, and a loss switch from the end of the first loss to
the second target. All are one operation (`algebra`). It is applied to ways of training (`training`; `pytorch` has them
in PyTorch's terms) and gives schedules (`schedules`). Eqs. (9)-(15) and (16)-(24), docs/theory.md.

>>> from eigenkd import filters
>>> teacher = filters.flow(2.0)
>>> student = filters.flow(1.0) @ teacher
>>> print(student.gain([0.0, 0.1, 1.0]).round(4))
[0.     0.0173 0.5466]
>>> print(f"{student.log_residual(1e-9):.6g}")      # of a residual that rounds to 1
-2e-18
"""

from eigenkd.filters.algebra import Filter, identity, mix, toward, zero
from eigenkd.filters.pytorch import sgd, sgd_time
from eigenkd.filters.schedules import anneal, generations, mutual, online, online_chain, switch
from eigenkd.filters.steps import steps
from eigenkd.filters.training import (
    descend,
    descent,
    flow,
    heavy_ball,
    heavy_flow,
    relax,
    ridge,
    scheduled_descent,
)

__all__ = ["Filter", "anneal", "descend", "descent", "flow", "generations", "heavy_ball", "heavy_flow", "identity",
           "mix", "mutual", "online", "online_chain", "relax", "ridge", "scheduled_descent", "sgd",
           "sgd_time", "steps", "switch", "toward", "zero"]
