"""The registry of studies. To add one, write a file here and add a line below."""

from validation.errors import unknown
from validation.studies.ablations import ABLATIONS, ABLATIONS_CIFAR100
from validation.studies.closed_form import CLOSED_FORM_STUDY
from validation.studies.function_space import FUNCTION_SPACE, FUNCTION_SPACE_STEPS
from validation.studies.intervention import INTERVENTION
from validation.studies.label_class import LABEL_CLASS
from validation.studies.label_noise import LABEL_NOISE
from validation.studies.language import LANGUAGE, LANGUAGE_FULL, LANGUAGE_PAPER
from validation.studies.language_models import LANGUAGE_MODELS_STUDY
from validation.studies.loss_switching import (
    LOSS_SWITCHING,
    LOSS_SWITCHING_GRADUAL,
    LOSS_SWITCHING_IMAGENET,
    LOSS_SWITCHING_LONG,
)
from validation.studies.noisy_labels import NOISY_LABELS
from validation.studies.optimisers import OPTIMISERS
from validation.studies.resnets import RESNETS
from validation.studies.study import Quantity, Study
from validation.studies.teacher_fit import TEACHER_FIT

STUDIES = {study.name: study for study in (
    OPTIMISERS,
    LABEL_NOISE,
    NOISY_LABELS,
    TEACHER_FIT,
    CLOSED_FORM_STUDY,
    LOSS_SWITCHING,
    LOSS_SWITCHING_GRADUAL,
    LOSS_SWITCHING_LONG,
    LOSS_SWITCHING_IMAGENET,
    LABEL_CLASS,
    ABLATIONS,
    ABLATIONS_CIFAR100,
    INTERVENTION,
    RESNETS,
    FUNCTION_SPACE,
    FUNCTION_SPACE_STEPS,
    LANGUAGE,
    LANGUAGE_FULL,
    LANGUAGE_PAPER,
    LANGUAGE_MODELS_STUDY,
)}

__all__ = ["STUDIES", "Quantity", "Study", "find"]


def find(name) -> Study:
    """The study of that name. Raises UsageError for an unknown name, with the known ones."""
    if name not in STUDIES:
        raise unknown("NAME", name, STUDIES)
    return STUDIES[name]
