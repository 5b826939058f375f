"""The networks that a run trains, each with all that belongs to it: its recipe, its random numbers, its flag."""

from dataclasses import dataclass, replace

from validation.models import Network
from validation.settings.loss import ONE_HOT
from validation.settings.setting import Training


@dataclass(frozen=True)
class Role:
    """One network of a run."""

    name: str
    """"teacher", "one_hot" or "student": in results and files."""
    flag: str
    """What the command line calls its recipe."""
    stream: str
    """Whose random numbers its batches and augmentations are drawn from."""
    model: Network
    recipe: Training
    fraction: float = 1.0
    """Of the training examples that it is trained on."""

    @property
    def is_student(self):
        """Whether it is trained on a teacher's answers."""
        return self.name == "student"


def roles(setting):
    """The `Role` of each network, by name, in the order of training.

    The student's own network, where it is another one than the teacher's, is trained on one-hot labels too ("one_hot"),
    as a teacher of its own kind: with that one a student across architectures is compared.
    """
    teacher = Role("teacher", "--teacher", "teacher", setting.model, setting.teacher, setting.data.teacher_fraction)
    student = Role("student", "--student", "student", setting.student_model or setting.model, setting.student)
    if setting.is_self_distillation:
        return {role.name: role for role in (teacher, student)}
    one_hot = replace(student, name="one_hot", stream="teacher", recipe=replace(setting.student, loss=ONE_HOT))
    return {role.name: role for role in (teacher, one_hot, student)}
