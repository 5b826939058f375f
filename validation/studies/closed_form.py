"""The closed form's own diagram of when distillation helps, for the labels of `teacher_fit`. Sec. 5.2."""

from validation.closed_form.matching import gain_at
from validation.studies.study import Quantity, Study

FITS = (0.7, 0.8, 0.9, 0.99)


def predicted(rate, fit):
    """The student's gain in points where the teacher gets so many training labels right, both trained equally long."""
    return Quantity(f"gain at noise {rate:g}, fit {100 * fit:g} % (points)",
                    lambda result: gain_at(result, rate, 1.0, fit))


CLOSED_FORM_STUDY = Study(
    name="closed_form",
    title="teacher and student on the tangent kernel of the CNN for Fashion-MNIST, in closed form",
    settings=("closed_form",),
    quantities=tuple(predicted(rate, fit) for rate in (0.0, 0.2, 0.4) for fit in FITS),
)
