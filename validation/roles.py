"""The networks that a run trains, each with its recipe, its stream of random numbers, and its flag."""

from dataclasses import dataclass, replace

from validation.models import Network
from validation.settings.loss import ONE_HOT
from validation.settings.setting import Training


@dataclass(frozen=True)
class Role:
    """One network of a run."""

    name: str
    """"teacher", "one_hot" or "student", as in results and files."""
    flag: str
    """The command-line flag of its recipe."""
    stream: str
    """The stream of random numbers for its batches and augmentations."""
    model: Network
    recipe: Training
    fraction: float = 1.0
    """The fraction of the training examples that it is trained on."""

    @property
    def is_student(self):
        """Whether it is trained on a teacher's outputs."""
        return self.name == "student"


def roles(setting):
    """The `Role` of each network, by name, in the order of training.

    If the student's architecture differs from the teacher's, it is also trained on one-hot labels ("one_hot"), like a
    teacher; the distilled student is compared with this network.
    """
    teacher = Role("teacher", "--teacher", "teacher", setting.model, setting.teacher, setting.data.teacher_fraction)
    student = Role("student", "--student", "student", setting.student_model or setting.model, setting.student)
    if setting.is_self_distillation:
        return {role.name: role for role in (teacher, student)}
    one_hot = replace(student, name="one_hot", stream="teacher", recipe=replace(setting.student, loss=ONE_HOT))
    return {role.name: role for role in (teacher, one_hot, student)}
