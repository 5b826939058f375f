"""Where on a diagram of the closed form a measured pair of teacher and student lies: matched by what they fit."""

import numpy as np


def diagram_of(result, rate, fraction):
    """The diagram of a closed form's result for a share of flipped labels and a fraction of taught examples, or None.
    """
    return next((one for one in result["diagrams"] if abs(one["label_noise"] - rate) < 1e-9
                 and abs(one["teacher_fraction"] - fraction) < 1e-9), None)


def gain_at(result, rate, fraction, teacher_fit, student_fit=None):
    """The closed form's gain on the test set in points of accuracy, its teacher stopped where it gets the share
    `teacher_fit` of the training labels right.

    student_fit: the share where the student is stopped; None: the student is trained as long as its teacher. A share
    that no training time reaches is taken at the nearest one that is reached. None where the result has no such
    diagram.
    """
    found = diagram_of(result, rate, fraction)
    if found is None:
        return None
    teacher, student = (({name: np.array(values) for name, values in found[role].items()})
                        for role in ("teacher", "student"))
    at = _place(teacher["train"], teacher_fit)
    rows = {name: _row(values, at) for name, values in student.items()}
    when = at if student_fit is None else _place(rows["train"], student_fit)
    return 100 * (_value(rows["test"], when) - _value(teacher["test"], at))


def _place(curve, value):
    """The index, whole or between two, at which a curve that grows first reaches the value, or comes nearest to it."""
    curve = np.maximum.accumulate(curve)
    if value <= curve[0]:
        return 0.0
    if value >= curve[-1]:
        return float(np.argmax(curve >= curve[-1]))
    k = int(np.argmax(curve >= value))
    return k - 1 + (value - curve[k - 1]) / (curve[k] - curve[k - 1])


def _row(values, at):
    low = min(int(at), len(values) - 2)
    return (1 - (at - low)) * values[low] + (at - low) * values[low + 1]


def _value(curve, at):
    return float(np.interp(at, np.arange(len(curve)), curve))


def switched_gain(result, rate, fraction, terms, teacher_fit):
    """As `gain_at`, of a student trained as long as its teacher whose loss is switched as `terms` says, such as
    "distilled to one_hot at 75%"; None where the result has no such diagram or switch."""
    found = diagram_of(result, rate, fraction)
    if found is None or terms not in found["switched"]:
        return None
    at = _place(np.array(found["teacher"]["train"]), teacher_fit)
    return 100 * (_value(found["switched"][terms], at) - _value(found["teacher"]["test"], at))
