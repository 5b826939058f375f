"""The families that `tune` chooses from: the parameters of a filter, and where to look for them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from math import inf
from typing import Any

import numpy as np

from eigenkd import filters
from eigenkd.filters import Filter
from eigenkd.risk.search import Axis, ShareAxis
from eigenkd.spectrum import Spectrum


@dataclass(frozen=True)
class Family:
    """Filters with named parameters.

    filter: a function of one array per parameter, in the order of `names`. kinds: "time", "strength" or "weight" of
    each. interchangeable: whether the times may trade places; they are then kept in `order`, 1 rising or -1 falling.
    contains: pairs of a family inside this one and the functions that take its parameters to those of this one.
    """

    name: str
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    filter: Callable[..., Filter]
    interchangeable: int = 0
    contains: tuple[tuple["Family", tuple[Callable[..., Any], ...]], ...] = ()


def family_of(name: object, generations: int) -> Family:
    """The family called `name`; `generations` is read for "chain" alone."""
    if not isinstance(name, str):
        raise TypeError(f"family: expected a name, got {name!r}; for several families at once use risk.tune_each")
    if name == "chain":
        return _chain(generations)
    known = {family.name: family for family in (TEACHER, RIDGE, STUDENT, MIXTURE)}
    if name not in known:
        raise ValueError(f"family: expected one of {', '.join(map(repr, [*known, 'chain']))}, got {name!r}; for other "
                         f"filters evaluate a criterion on flow.fit(filter) over a grid")
    return known[name]


def axes_of(family: Family, spectrum: Spectrum) -> list[Axis]:
    """An `Axis` a parameter, in units of the spectrum: from a thousandth of the first eigendirection learned to the
    last one learned to all digits."""
    lam = spectrum.eigenvalues[:spectrum.rank]
    if lam.size == 0:
        raise ValueError("flow: expected inputs that are not all 0, got a spectrum without a positive eigenvalue; "
                         "there is nothing to tune")
    largest, least = float(lam[0]), float(lam[-1])
    axes = {"time": Axis(1e-3 / largest, 40 / least), "strength": Axis(1e-6 * least, 1e4 * largest),
            "weight": ShareAxis()}
    return [axes[kind] for kind in family.kinds]


def _product(*times):
    return reduce(lambda teacher, student: student @ teacher, map(filters.flow, times))


def _mixture(time, teacher_time, weight):
    return filters.flow(time) @ filters.mix(filters.identity, filters.flow(teacher_time), weight)


def _chain(generations):
    if isinstance(generations, bool) or not isinstance(generations, int | np.integer) or generations < 2:
        raise ValueError(f"generations: expected a whole number of at least 2, got {generations!r}; a single "
                         f"generation is family='teacher'")
    names = tuple(f"time_{i + 1}" for i in range(generations))
    if generations == 2:
        return Family("chain", names, ("time", "time"), _product, -1, ((STUDENT, (lambda s, T: (T, s),)),))
    if generations == 3:
        inside = STUDENT, (lambda s, T: (inf, T, s), lambda s, T: (T, T, s))
    else:
        inside = _chain(generations - 1), (lambda *times: (inf, *times), lambda *times: (times[0], *times))
    return Family("chain", names, ("time",) * generations, _product, -1, (inside, _equal(generations)))


def _equal(generations):
    """The family of equal times, and two embeddings in that of any times: equal, and spread out, as equal times may be
    a saddle point."""
    spread = [2 * 4 ** (-i / (generations - 1)) for i in range(generations)]  # 2 to 1/2
    return (Family(f"{generations} equal times", ("time",), ("time",), lambda t: _product(*(t,) * generations)),
            (lambda t: (t,) * generations, lambda t: tuple(t * factor for factor in spread)))


TEACHER = Family("teacher", ("time",), ("time",), filters.flow)
RIDGE = Family("ridge", ("strength",), ("strength",), filters.ridge)
STUDENT = Family("student", ("time", "teacher_time"), ("time", "time"), lambda s, T: filters.flow(s) @ filters.flow(T),
                 1, ((TEACHER, (lambda t: (t, inf),)), _equal(2)))
MIXTURE = Family("mixture", ("time", "teacher_time", "weight"), ("time", "time", "weight"), _mixture, 0,
                 ((STUDENT, (lambda s, T: (s, T, 0.0), lambda s, T: (T, s, 0.0))),))
