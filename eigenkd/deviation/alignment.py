"""Whether two arrays hold the same points row by row, and how their rows are matched by ids."""

import re
from collections.abc import Sequence

import numpy as np

from eigenkd.deviation.verdict import FEWEST
from eigenkd.typing import ArrayLike

Z = 2  # standard errors above chance up to which an agreement counts as chance


def order(name: str, ids: np.ndarray, expected: np.ndarray, owner: str = "the teacher") -> np.ndarray:
    """(n,) indices that put rows named `ids` into the order of the rows named `expected`, which are the owner's.

    Raises ValueError for a repeated id, and for ids that are not the expected ones.
    """
    ids, expected = spelled(ids), spelled(expected)
    for whose, these in ((f"{owner}'s ids", expected), (name, ids)):
        values, counts = np.unique(these, return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"{whose}: expected a different id for every row, got {str(values[counts > 1][0])!r} "
                             f"{counts.max()} times; name another column or drop the repeated rows")
    where = np.argsort(ids, kind="stable")
    at = np.searchsorted(ids, expected, sorter=where)
    at = where[np.minimum(at, ids.size - 1)]
    if (missing := expected[ids[at] != expected]).size or ids.size != expected.size:
        others = np.setdiff1d(ids, expected)
        came = (f"{missing.size} of {owner}'s missing, such as {str(missing[0])!r}" if missing.size else
                f"{others.size} more, such as {str(others[0])!r}")
        raise ValueError(f"{name}: expected the ids of {owner}'s rows, got {came}; keep the rows that all files have")
    return at


def spelled(ids: ArrayLike) -> np.ndarray:
    """Ids as strings, whole numbers the same however they are written."""
    return np.array([_whole(str(value).strip()) for value in np.asarray(ids).tolist()])


def _whole(text):
    if re.fullmatch(r"[+-]?\d+|.*_.*", text):
        return text  # a float would lose digits; only Python takes an underscore for a part of a number
    try:
        return str(int(float(text))) if float(text).is_integer() else text
    except ValueError:
        return text


def doubt(teacher_class: np.ndarray, student_class: np.ndarray, labels: np.ndarray | None, classes: int) -> str:
    """A sentence that says why the rows may not be the same points, "" where there is no sign of it.

    teacher_class, student_class: (n,) predicted classes; labels: (n,) or None; NumPy integers. The signs are: the
    models agree no better than chance; the labels fit one model only; the labels fit neither of two models that agree.
    Chance is the agreement of independent predictions with the same class frequencies. The result is "" for fewer than
    20 points, and where no agreement can be told from chance, as for a model that predicts one class everywhere.
    """
    if teacher_class.size < FEWEST:
        return ""
    better, share, chance = _agreement(teacher_class, student_class, classes)
    if better is False:
        return (f"The rows may not be the same points: teacher and student predict the same class on {share:.0%} of "
                f"them, no more than by chance ({chance:.0%}); check their order, or align them by ids.")
    if labels is None:
        return ""
    found = {role: _agreement(of, labels, classes) for role, of in (("teacher", teacher_class),
                                                                    ("student", student_class))}
    unfit = [role for role, (fits, *_) in found.items() if fits is False]
    if len(unfit) == 1 and found[other := "student" if unfit == ["teacher"] else "teacher"][0]:
        return (f"The rows may not be the same points: the labels fit the {other} ({found[other][1]:.0%} right) and "
                f"the {unfit[0]} no better than chance ({found[unfit[0]][1]:.0%}); check their order, or align them by "
                "ids.")
    if len(unfit) == 2 and better:
        return (f"The labels may not be those of the same points: they fit neither model better than chance "
                f"({found['teacher'][1]:.0%} and {found['student'][1]:.0%} right), while the models agree on "
                f"{share:.0%}; check their order, or align them by ids.")
    return ""


def twice(teacher: Sequence[np.ndarray], student: Sequence[np.ndarray]) -> str:
    """A sentence that says that both models give the same numbers, "" where they do not.

    teacher, student: the quantities of each point that would differ, (n,) NumPy arrays.
    """
    if not all(np.array_equal(mine, theirs, equal_nan=True) for mine, theirs in zip(teacher, student)):
        return ""
    return (f"Teacher and student are equal on all {len(teacher[0]):,} points: the same outputs may have been given "
            "twice.")


def _agreement(one, other, classes):
    """(whether it is better than chance or None if unknown, the share of equal classes, that expected by chance)."""
    p, q = (np.bincount(values, minlength=classes) / values.size for values in (one, other))
    share, chance = float(np.mean(one == other)), float(p @ q)
    limit = chance + Z * np.sqrt(chance * (1 - chance) / one.size)
    return None if limit >= np.minimum(p, q).sum() else bool(share > limit), share, chance
