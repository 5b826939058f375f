"""The comparison of a student with its teacher, point by point."""

from collections.abc import Mapping

import numpy as np

from eigenkd._arrays import to_numpy
from eigenkd.deviation.alignment import doubt
from eigenkd.deviation.inputs import (
    NO_LABEL,
    first_block,
    kept,
    kind_of,
    labels_of,
    mask_of,
    names_of,
    refuse_ids,
    rows_of,
)
from eigenkd.deviation.masking import masked_classes
from eigenkd.deviation.measured import POINTWISE, Deviation
from eigenkd.deviation.pointwise import points


def compare(teacher_logits, student_logits, labels=None, *, reference="teacher", inputs="auto", masks=None,
            masked="refuse", class_names=None, progress=None):
    """Compare a student's logits with its teacher's: the `Deviation` of their confidence values

        phi = f_y - log sum_{c != y} exp f_c = log(p_y / (1 - p_y)),    y = argmax of the teacher's logits,

    computed from differences of logits, so that neither large logits nor probabilities that round to 1 lose digits.

    teacher_logits, student_logits: (n, classes), of the same points and classes, two classes or more, not divided by
    a temperature; arrays of any library, or whatever has rows to slice, such as a memory-mapped file, read block by
    block. labels: (n,) whole numbers from 0 to classes - 1, or names out of `class_names`, or None; rows of the label
    -100 are left out. reference: what the class y is, the "teacher"'s prediction or the "label" (App. C.3). inputs:
    "logits", "probabilities" (those below 1e-12 are clipped and counted), or "auto", which takes rows in [0, 1] with
    sums near 1 for probabilities and says so. masks: points to measure separately, an array (n,) of bool or a
    mapping of names to such arrays. progress(done, n): called as rows are read.

    A logit of -inf is a probability of zero, and so is a mask's constant: the lowest number of a floating-point type,
    or 1e6 nats and more below its row's largest. A class that both models have masked in all rows is left out. masked:
    "refuse" a class that only one of them has masked, or "keep" it as it stands. Where a quantity is infinite,
    `Deviation.infinite` says why.

    Raises TypeError or ValueError for other shapes, NaN and +inf, classes masked in one model only, probabilities that
    do not sum to one, and labels that are no classes. Sec. 3 of the paper, Eq. (61).
    """
    teacher, student = _pair(teacher_logits, student_logits)
    n, classes = teacher.shape
    names = names_of(class_names, classes)
    if labels is not None:
        labels = labels_of(labels, n, classes, names)
    if reference not in ("teacher", "label"):
        raise ValueError(f"reference: expected 'teacher' or 'label', got {reference!r}")
    if reference == "label" and labels is None:
        raise ValueError("labels: expected them for reference='label', got none; pass labels=labels")
    masks = {} if masks is None else masks if isinstance(masks, Mapping) else {"mask": masks}
    masks = {str(name): mask_of(f"masks[{name!r}]", mask, n) for name, mask in masks.items()}
    numbers = np.arange(n) if labels is None else np.flatnonzero(labels != NO_LABEL)
    if numbers.size < n:
        teacher, student, labels = kept(teacher, numbers), kept(student, numbers), labels[numbers]
        masks = {name: mask[numbers] for name, mask in masks.items()}
    kinds = tuple(kind_of(name, rows, inputs, names) for name, rows in (("teacher_logits", teacher),
                                                                        ("student_logits", student)))
    without = masked_classes(teacher, student, kinds, masked, names)
    found = points(teacher, student, labels, reference, kinds, without, numbers, progress)
    measured = {name: found.pop(name) for name in POINTWISE}
    predicted = to_numpy(measured["teacher_class"]), to_numpy(measured["student_class"])
    return Deviation(
        **measured, classes=classes, reference=reference,
        inputs=kinds[0] if kinds[0] == kinds[1] else f"{kinds[0]} of the teacher and {kinds[1]} of the student",
        clipped=int(to_numpy(found["clipped"]).sum()), labels=labels, masks=masks, class_names=names,
        left_out=tuple(np.flatnonzero(without).tolist()), unlabelled=n - numbers.size, rows=numbers,
        doubt=doubt(*predicted, labels, classes), scores=found)


def _pair(teacher_logits, student_logits):
    """Both as `rows_of` takes them, of one shape (n, classes)."""
    teacher, student = rows_of("teacher_logits", teacher_logits), rows_of("student_logits", student_logits)
    n, classes = teacher.shape
    if classes < 2:
        raise ValueError(f"teacher_logits: expected two classes or more, got shape {tuple(teacher.shape)}; a single "
                         "logit f of two classes is the pair (0, f)")
    if tuple(student.shape) != (n, classes):
        for name, rows in (("teacher_logits", teacher), ("student_logits", student)):
            refuse_ids(name, first_block(name, rows))
        raise ValueError(f"student_logits: expected shape {(n, classes)} like teacher_logits, got "
                         f"{tuple(student.shape)}; pass the logits of the same points and classes")
    return teacher, student
