"""Students whose loss is switched: the runs that Figs. 4b and 24 to 26 need, and those that stand in for them."""

from paper_figures.sources import Wanted, changed, study
from validation.settings import SETTINGS
from validation.studies.loss_switching import TEACHERS
from validation.studies.study import Variant

BOTH = ("distilled", "one_hot", "distilled to one_hot at 50%", "one_hot to distilled at 50%")


def switched(setting, teacher, when, **values):
    """`Wanted` of the four losses of a student under one teacher: distilled, one-hot, and switched `when`."""
    losses = ("distilled", "one_hot", f"distilled to one_hot at {when}", f"one_hot to distilled at {when}")
    return tuple(wanted for loss in losses for wanted in changed(
        setting, values | ({} if loss == "distilled" else {"student.loss.terms": loss}), setting, teacher, loss))


def parted(*wanted):
    """`Wanted` of students whose loss is switched, and of all others."""
    return tuple(tuple(one for some in wanted for one in some if (" at " in one.variant.labels[-1]) == is_switched)
                 for is_switched in (True, False))


CIFAR100 = switched("resnet_cifar100", "interpolating", "step 15000 over 1000 steps")[:2] + tuple(
    Wanted(Variant(setting, {}, ("resnet_cifar100", "interpolating", SETTINGS[setting].student.loss.terms)))
    for setting in ("resnet_cifar100_to_one_hot", "resnet_cifar100_to_distillation"))
TINY = switched("resnet_tiny_imagenet", "Tiny-ImageNet", "step 100000 over 10000 steps")
CIFAR100_V2 = tuple(switched("resnet_cifar100_v2", teacher, "50%", **values) for teacher, values in (
    ("interpolating", {}), ("half the data", {"data.teacher_fraction": 0.5})))
CNN = {teacher: study("loss_switching", lambda named, loss, teacher=teacher: named == teacher) for teacher in TEACHERS}

FIG4B, FIG24 = parted(*CIFAR100_V2), parted(CIFAR100, TINY)
INSTEAD4B, INSTEAD24 = (parted(CNN["interpolating"], CNN[other]) for other in ("half the data",
                                                                               "stopped after 15 epochs"))
ALL = parted(*CNN.values())


def halfway(teacher):
    """`Wanted` of the CNN's four losses under a teacher, switched halfway."""
    return tuple(one for one in CNN[teacher] if one.variant.labels[-1] in BOTH)
