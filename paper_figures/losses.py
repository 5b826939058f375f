"""Students whose loss is switched: the runs that Figs. 4b and 24 to 26 need, and those that stand in for them."""

from dataclasses import replace

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


def switches(*wanted):
    """`Wanted` of students whose loss is switched; the others are drawn next to them."""
    return tuple(replace(one, optional=" at " not in one.variant.labels[-1]) for some in wanted for one in some)


CIFAR100 = switched("resnet_cifar100", "of CIFAR-100", "step 15000 over 1000 steps")[:2] + tuple(
    Wanted(Variant(setting, {}, ("resnet_cifar100", "of CIFAR-100", SETTINGS[setting].student.loss.terms)))
    for setting in ("resnet_cifar100_to_one_hot", "resnet_cifar100_to_distillation"))
TINY = switched("resnet_tiny_imagenet", "of Tiny-ImageNet", "step 100000 over 10000 steps")
CIFAR100_V2 = tuple(switched("resnet_cifar100_v2", teacher, "50%", **values) for teacher, values in (
    ("interpolating", {}), ("half the data", {"data.teacher_fraction": 0.5})))


def trained(name, longer=""):
    """{teacher: `Wanted` of the CNN's students}, of a study whose labels end in the teacher and the loss; longer: put
    behind the teacher's name, to tell students apart that are trained longer."""
    by_teacher = {teacher: study(name, lambda named, loss, teacher=teacher: named == teacher) for teacher in TEACHERS}
    return {teacher: tuple(replace(one, variant=replace(one.variant, labels=(
        *one.variant.labels[:-2], f"{teacher}{longer}", one.variant.labels[-1]))) for one in some)
        for teacher, some in by_teacher.items()}


CNN, GRADUAL = trained("loss_switching"), trained("loss_switching_gradual")
LONG = trained("loss_switching_long", ", student trained three times as long")

FIG4B, FIG24 = switches(*CIFAR100_V2), switches(CIFAR100, TINY)
INSTEAD4B = switches(CNN["interpolating"], CNN["half the data"])
INSTEAD24 = switches(*(kind[teacher] for kind in (CNN, GRADUAL, LONG)
                       for teacher in ("interpolating", "stopped after 15 epochs")))
ALL = switches(*CNN.values())
EVERY = ALL + switches(*GRADUAL.values(), *LONG.values())


def halfway(teacher):
    """`Wanted` of the CNN's four losses under a teacher, switched halfway."""
    return tuple(one for one in CNN[teacher] if one.variant.labels[-1] in BOTH)
