"""Several steps of self-distillation, each with its own weight of the model before, any number."""

from collections.abc import Sequence

from eigenkd._arrays import real_array
from eigenkd.filters.algebra import Filter, filter_named, identity, mix
from eigenkd.typing import ArrayLike


def steps(student: Filter, weights: Sequence[ArrayLike]) -> Filter:
    """Steps h_j = s (1 - xi_j + xi_j h_{j-1}) of self-distillation from h_0 = s, one a weight.  Eq. (101)

    student: the filter s of each training, as flow(t) or ridge(mu). weights: xi_1, xi_2, ..., first to last: the weight
    of the model before in the targets, any numbers; 1 - xi_j is that of the labels. All of 1 are generations(student,
    len(weights) + 1), no weights the student itself. Raises TypeError for what is not a list of numbers.

    >>> from eigenkd.filters import flow
    >>> print(steps(flow(1.0), [1.0, -0.5]).gain(1.0).round(4))     # a step towards the teacher, then away from it
    0.8219
    """
    if isinstance(weights, str) or not hasattr(weights, "__len__") or getattr(weights, "ndim", 1) == 0:
        raise TypeError(f"weights: expected a list of numbers, one a step, got {weights!r}; for equal ones use "
                        f"filters.generations")
    model = student = filter_named("student", student)
    for i, weight in enumerate(weights):
        model = student @ mix(identity, model, 1 - real_array(f"weights[{i}]", weight))
    return model
