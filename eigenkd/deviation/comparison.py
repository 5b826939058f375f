"""The comparison of a student with its teacher, point by point."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from eigenkd.deviation.stream import Stream
from eigenkd.typing import ArrayLike, LabelsLike, MasksLike, Progress, RowsLike

if TYPE_CHECKING:
    from eigenkd.deviation.measured import Deviation


def compare(teacher_logits: RowsLike, student_logits: RowsLike, labels: LabelsLike | None = None, *,
            reference: str = "teacher", inputs: str = "auto", masks: MasksLike | None = None,
            groups: LabelsLike | None = None, keep: ArrayLike | None = None, masked: str = "refuse",
            class_names: Sequence[str] | None = None, progress: Progress | None = None) -> "Deviation":
    """Compare a student's logits with its teacher's: the `Deviation` of their confidence values

        phi = f_y - log sum_{c != y} exp f_c = log(p_y / (1 - p_y)),    y = argmax of the teacher's logits,

    computed from differences of logits, so that neither large logits nor probabilities that round to 1 lose digits.

    Logits of language models may have the shape (sequences, tokens, vocabulary), with labels, masks and keep of shape
    (sequences, tokens) and groups of either (default: the sequences); the label of a place is the token that its logits
    predict. Base files of llama.cpp (`files.read`) have their labels and chunks with them.

    teacher_logits, student_logits: (n, classes), of the same points and classes, two classes or more, not divided by
    a temperature; arrays of any library, or whatever has rows to slice, such as a memory-mapped file, read block by
    block. labels: (n,) whole numbers from 0 to classes - 1, or names out of `class_names`, or None; rows of the label
    -100 are left out. reference: what the class y is, the "teacher"'s prediction or the "label" (App. C.3). inputs:
    "logits", "probabilities" (those below 1e-12 are clipped and counted), or "auto", which takes rows in [0, 1] with
    sums near 1 for probabilities and says so. masks: points to measure separately, an array (n,) of bool or a
    mapping of names to such arrays. groups: (n,) numbers or names of what a point belongs to, such as its text, chunk
    or patient: intervals then resample groups, since points of one group are not independent. keep: (n,) bool,
    the points to use; others, such as padding, are left out. progress(done, n): called
    as rows are read.

    A logit of -inf is a probability of zero, and so is a mask's constant: the lowest number of a floating-point type,
    or 1e6 nats and more below its row's largest. A class that both models have masked in all rows is left out. masked:
    "refuse" a class that only one of them has masked, or "keep" it as it stands. Where a quantity is infinite,
    `Deviation.infinite` says why.

    Raises TypeError or ValueError for other shapes, NaN and +inf, classes masked in one model only, probabilities that
    do not sum to one, and labels that are no classes. Sec. 3 of the paper, Eq. (61).
    """
    stream = Stream(reference=reference, inputs=inputs, masked=masked, class_names=class_names)
    stream._add(teacher_logits, student_logits, labels, groups, masks, keep, progress, whole=True)
    return stream.result()
