"""Tuning: the member of a family of models that is best by a criterion, from one factorisation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import is_numpy_array

from eigenkd._arrays import real_array, to_numpy
from eigenkd._pytrees import mapped
from eigenkd.flow import Fit, LinearFlow
from eigenkd.risk import held_out, search
from eigenkd.risk.criteria import sure_of
from eigenkd.risk.directions import checked_flow, checked_values, of_targets, parts
from eigenkd.risk.families import axes_of, family_of
from eigenkd.risk.left_out import gcv_of, left_out_of
from eigenkd.risk.noise import risk_of
from eigenkd.typing import ArrayLike

NEEDS: dict[str, tuple[str, ...]] = {
    "gcv": (), "loo": (), "sure": ("noise",), "risk": ("signal", "noise"), "squared": ("validation",),
    "error": ("validation",)}
MAY_HAVE = {"risk": ("mean",)}
BUDGET = {1: 200, 2: 1000}  # grid points by the number of parameters
MOST = 3000  # for more of them
AT_ONCE = 2**19  # predictions held at a time: 4 MB


@dataclass(frozen=True, eq=False)
class Tuned:
    """The best of a family.

    fit: the model, of the flow that was tuned. parameters: name -> number, inf included. value: its criterion.
    evaluations: how many members of the family, and of those inside it, the criterion was computed for.
    """

    fit: Fit
    family: str
    parameters: dict[str, float]
    criterion: str
    value: float
    evaluations: int

    def __repr__(self) -> str:
        parameters = ", ".join(f"{name}={value:.4g}" for name, value in self.parameters.items())
        return f"Tuned({self.family}: {parameters}; {self.criterion}={self.value:.6g}, {self.evaluations} evaluations)"


def tune(flow: LinearFlow, family: str = "student", criterion: str | None = None, *, noise: float | None = None,
         signal: ArrayLike | None = None, mean: ArrayLike | None = None, validation: Sequence[Any] | None = None,
         generations: int = 3) -> Tuned:
    """The parameters of a family of models that minimise a criterion, and the model that they give.  Sec. 9

    family: "teacher" (time), "student" (time, teacher_time), "chain" (time_1, time_2, ..., `generations` of them, first
    to last), "mixture" (time, teacher_time and weight: a student of weight * labels + (1 - weight) * teacher), "ridge"
    (strength). Times 0 and inf are included, so that chain and mixture contain the student, and the student contains
    the teacher. No family is worse by the criterion than one that it contains. The order of the times of a student or
    chain does not change the model: a student is returned with time <= teacher_time, a chain with falling times.
    criterion: "gcv" (if no validation set is given), "loo", "sure" (needs noise), "risk" (needs signal and noise, may
    have mean), or on a validation set "squared" (if one is given) or "error", the share of samples whose class, the
    largest of a row of y_val, does not have the single largest output. noise, signal, mean: as in `fixed_design`.
    validation: (X_val, y_val), for a kernel (K_val (n_val, n), y_val); y_val with columns like y. For a kernel flow
    with a start, the start's predictions on the validation inputs as a third.

    Method: a grid of 1,000 to 3,000 points in the logarithms of times, evaluated in vectorised calls, then L-BFGS-B
    from its best points inside, its best ones at a limit, and the optima of the families inside. "error" is constant in
    pieces: it is searched by finer grids around the best point, and the smaller squared error decides between equal
    errors. Neither search is certain to find the global minimum. All libraries are computed by NumPy in double
    precision, not under jit.

    >>> from eigenkd import linear_flow
    >>> flow = linear_flow(np.diag([3.0, 1.0, 0.3]), np.ones(3))
    >>> for family in ("teacher", "student", "mixture"):
    ...     print(f"{tune(flow, family, 'risk', signal=[3.0, 1.0, 0.0], noise=0.5).value:.4f}")
    0.2792
    0.2778
    0.2706

    Raises TypeError or ValueError for unknown names, what a criterion lacks or does not take, and all-zero inputs.
    Returns a `Tuned`.
    """
    return tune_each(flow, (family,), criterion, noise=noise, signal=signal, mean=mean, validation=validation,
                     generations=generations)[family]


def tune_each(flow: LinearFlow, families: Sequence[str] | str = ("teacher", "ridge", "student", "chain", "mixture"),
              criterion: str | None = None, *, noise: float | None = None, signal: ArrayLike | None = None,
              mean: ArrayLike | None = None, validation: Sequence[Any] | None = None,
              generations: int = 3) -> dict[str, Tuned]:
    """{name: Tuned} of several families by one criterion: as `tune` for each, but a family inside several of them is
    searched once. families: their names, or one."""
    flow = checked_values(checked_flow(flow))
    families = [families] if isinstance(families, str) else families
    if not isinstance(families, list | tuple) or not families:
        raise TypeError(f"families: expected names of families, got {families!r}; pass a list, as ['teacher', 'ridge']")
    families = {name: family_of(name, generations) for name in families}
    given = {"noise": noise, "signal": signal, "mean": mean, "validation": validation}
    criterion = _criterion_name(criterion, given)
    plain = _in_numpy(flow)
    function = _criterion(criterion, plain, given)
    task = _Task(plain, str(criterion), function, 0 if validation is None else len(validation[1]), {})
    return {name: _tuned(flow, family, task) for name, family in families.items()}


def _tuned(flow, family, task):
    (point, value), evaluations = task.search(family)
    if family.interchangeable:
        point = np.sort(point)[::family.interchangeable]
    parameters = {name: float(x) for name, x in zip(family.names, point)}
    if task.criterion == "error":
        value = np.floor(value) / task.samples
    return Tuned(flow.fit(family.filter(*parameters.values())), family.name, parameters, task.criterion, float(value),
                 evaluations)


@dataclass(frozen=True, eq=False)
class _Task:
    """A search by a criterion of the fits of a flow.

    function: fit -> values. samples: the number of validation samples. found: results by family.
    """

    flow: LinearFlow
    criterion: str
    function: Callable[..., Any]
    samples: int
    found: dict[Any, Any]

    def search(self, family):
        """((point, value), evaluations). Families inside are searched first; their optima are starts."""
        key = family.name, len(family.names)
        if key not in self.found:
            self.found[key] = self._search(family)
        return self.found[key]

    def _search(self, family):
        starts, before = [], 0
        for smaller, embeddings in family.contains:
            (point, _), evaluations = self.search(smaller)
            starts += [embed(*point) for embed in embeddings]
            before += evaluations
        n, m = self.flow.targets.shape
        rows = max(1, AT_ONCE // (max(n, self.samples) * m))

        def values(points):
            return np.concatenate([self.function(Fit(self.flow, family.filter(*points[i:i + rows].T)))
                                   for i in range(0, len(points), rows)])

        objective = search.Objective(values)
        method = search.stepwise if self.criterion == "error" else search.smooth
        axes, budget = axes_of(family, self.flow.spectrum), BUDGET.get(len(family.names), MOST)
        found = method(objective, axes, starts, budget, family.interchangeable)
        return found, before + objective.evaluations


def _criterion_name(criterion, given):
    name = criterion or ("gcv" if given["validation"] is None else "squared")
    if name not in NEEDS:
        raise ValueError(f"criterion: expected one of {', '.join(map(repr, NEEDS))}, got {name!r}; 'squared' and "
                         f"'error' are those of a validation set")
    for argument, value in given.items():
        if argument in NEEDS[name] and value is None:
            raise ValueError(f"{argument}: expected a value for criterion={name!r}, got None; pass {argument}=...")
        if value is not None and argument not in NEEDS[name] + MAY_HAVE.get(name, ()):
            raise ValueError(f"{argument}: expected none for criterion={name!r}, which does not use it, got "
                             f"{type(value).__name__}; leave it out, or choose the criterion that it is meant for")
    return name


def _criterion(name, flow, given):
    """fit -> values (...,) of the criterion; what all fits of the flow share is computed once."""
    if name in ("squared", "error"):
        held = held_out.validation_set(given["validation"], flow)
        return (held_out.squared_error if name == "squared" else held_out.wrong)(flow, *held)
    here = of_targets(flow)
    if name == "gcv":
        return lambda fit: gcv_of(fit, here)
    if name == "loo":
        return lambda fit: left_out_of(fit, here)[1]
    noise, signal, mean = (None if given[k] is None else to_numpy(real_array(k, given[k]))
                           for k in ("noise", "signal", "mean"))
    if noise.ndim:
        raise ValueError(f"noise: expected a number, got shape {noise.shape}; tune once for each, as a single model is "
                         f"chosen")
    if name == "sure":
        return lambda fit: sure_of(fit, here, noise)  # pyrefly: ignore[bad-argument-type]
    split = parts(flow, signal, mean)
    return lambda fit: risk_of(fit, split, noise).total  # pyrefly: ignore[bad-argument-type]


def _in_numpy(flow):
    """The flow with NumPy arrays in double precision."""
    if is_numpy_array(flow.limit) and flow.limit.dtype == np.float64:
        return flow

    return mapped(flow, lambda array, _: to_numpy(array).astype(float))
