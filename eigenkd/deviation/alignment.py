"""Whether two arrays hold the same points row by row, and how their rows are matched by ids."""

import re

import numpy as np

from eigenkd.deviation.verdict import FEWEST

Z = 2  # standard errors within which an agreement is no better than chance: one model in forty that is right at times


def order(name, ids, expected):
    """(n,) indices that put rows named `ids` into the order of the rows named `expected`.

    Raises ValueError for an id that comes twice, and for ids that are not the same ones.
    """
    ids, expected = spelled(ids), spelled(expected)
    for whose, these in (("the teacher's ids", expected), (name, ids)):
        values, counts = np.unique(these, return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"{whose}: expected a different id for every row, got {str(values[counts > 1][0])!r} "
                             f"{counts.max()} times; name another column or drop the rows that come again")
    where = np.argsort(ids, kind="stable")
    at = np.searchsorted(ids, expected, sorter=where)
    at = where[np.minimum(at, ids.size - 1)]
    if (missing := expected[ids[at] != expected]).size or ids.size != expected.size:
        others = np.setdiff1d(ids, expected)
        came = (f"{missing.size} of the teacher's missing, such as {str(missing[0])!r}" if missing.size else
                f"{others.size} more, such as {str(others[0])!r}")
        raise ValueError(f"{name}: expected the ids of the teacher's rows, got {came}; keep the rows that all files "
                         "have")
    return at


def spelled(ids):
    """Ids as strings, whole numbers the same however they are written."""
    return np.array([_whole(str(value).strip()) for value in np.asarray(ids).tolist()])


def _whole(text):
    if re.fullmatch(r"[+-]?\d+|.*_.*", text):
        return text  # all digits, of which a float would lose some, or what only Python takes for a number
    try:
        return str(int(float(text))) if float(text).is_integer() else text
    except ValueError:
        return text


def doubt(teacher_class, student_class, labels, classes):
    """A sentence on rows that may not be those of the same points, "" where nothing speaks for it.

    teacher_class, student_class: (n,) predicted classes; labels: (n,) or None; NumPy integers. Said where two models
    agree no better than chance, where labels fit one of them only, and where they fit none of two that agree. By
    chance is the agreement of independent classes of the same frequencies; nothing is said where no agreement could be
    told from it, as with a model that predicts one class everywhere, nor of fewer than 20 points.
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


def _agreement(one, other, classes):
    """(whether it is better than chance, None where that can't be told; the share of equal classes; that by chance)."""
    p, q = (np.bincount(values, minlength=classes) / values.size for values in (one, other))
    share, chance = float(np.mean(one == other)), float(p @ q)
    limit = chance + Z * np.sqrt(chance * (1 - chance) / one.size)
    return None if limit >= np.minimum(p, q).sum() else bool(share > limit), share, chance
