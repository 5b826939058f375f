"""Which runs a figure or table rests on: wanted ones, those found, and the command that makes the missing ones."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from validation.registered import ANY, REGISTERED, command
from validation.settings import SETTINGS
from validation.studies import STUDIES
from validation.studies.study import Variant


@dataclass(frozen=True)
class Wanted:
    """A setting with values, whose runs of all seeds are wanted. made_by: the command, if it is not validation.run;
    optional: whether it is only drawn next to others, and no figure without them."""

    variant: Variant
    made_by: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class Found:
    """Runs to draw.

    runs: pairs (variant, its runs), of variants that have any: first the one to draw where one is drawn, which is that
    of the lowest seed with the arrays, then the others by increasing seed. beside: the same, of optional ones.
    stand_ins: those of `runs` that take the place of the paper's own, which are missing.

    A figure may draw the points or the path of one run, but a number in its title or beside a panel is that of all
    runs: `Quantity.over` and `captions.between` make it.
    """

    runs: tuple = ()
    beside: tuple = ()
    stand_ins: tuple = ()

    @property
    def kind(self):
        """"missing", "drawn", "stand-in" or "in part", as in `entry.Status`."""
        if not self.runs:
            return "missing"
        return "drawn" if not self.stand_ins else "stand-in" if len(self.stand_ins) == len(self.runs) else "in part"

    @property
    def first(self):
        """(variant, the run to draw where one is drawn), of all variants."""
        return [(variant, mine[0]) for variant, mine in self.runs]

    @property
    def all(self):
        """Every run."""
        return [run for _, mine in (*self.runs, *self.beside) for run in mine]

    def of(self, setting):
        """The runs of a setting, of all its variants, those drawn beside included."""
        return [run for variant, mine in (*self.runs, *self.beside) if variant.setting == setting for run in mine]


def settings(*names, **labelled):
    """`Wanted` of settings as they stand. labelled: label -> setting, where the figure calls it something else."""
    return tuple(Wanted(Variant(setting, {}, (label,)))
                 for label, setting in (*((name, name) for name in names), *labelled.items()))


def changed(setting, values, *labels):
    """The `Wanted` of a setting with changed values."""
    return (Wanted(Variant(setting, values, labels or (setting,))),)


def beside(wanted):
    """The same `Wanted`, as optional ones."""
    return tuple(replace(one, optional=True) for one in wanted)


def study(name, some: Callable = lambda *labels: True):
    """`Wanted` of a study's variants, of those whose labels after the setting's satisfy some(*labels)."""
    return tuple(Wanted(variant, f"python -m validation.study {name}") for variant in STUDIES[name].variants()
                 if some(*variant.labels[1:]))


def texts(self_distillation, *endings, begins="roberta"):
    """`Wanted` of the registered settings of language models, on data sets that end their names."""
    return settings(*(name for name, setting in SETTINGS.items() if name.startswith(begins)
                      and same_network(setting) == self_distillation and (not endings or name.endswith(endings))))


def same_network(setting):
    """Whether teacher and student have the same architecture: dropout is no part of it."""
    student = setting.student_model
    return student is None or (type(student) is type(setting.model) and hasattr(student, "dropout") and (
        replace(student, dropout=setting.model.dropout) == setting.model))


def commands(missing, seed=None, where=None):
    """The command lines that make the runs of these `Wanted`; what needs no changed values shares a line."""
    plain = [one for one in missing if one.made_by is None and not one.variant.values]
    lines = list(dict.fromkeys(one.made_by for one in missing if one.made_by))
    if seed is not None:
        lines = [f"{line} --seeds {seed}" for line in lines]
    if plain:
        names = list(dict.fromkeys(one.variant.setting for one in plain))
        first = command(REGISTERED[names[0]], where, seed).split(f" {names[0]}", 1)
        lines.append(f" {' '.join(names)}".join(first))
    lines += [command(REGISTERED[one.variant.setting], {**(where or {}), **one.variant.values}, seed)
              for one in missing if one.made_by is None and one.variant.values]
    return tuple(lines)


def snapshotted(wanted, epochs):
    """The same `Wanted` of runs that keep logits after these epochs, whatever epochs they kept."""
    words = f"--evaluation.snapshots {' '.join(map(str, epochs))}"
    return tuple(replace(one, made_by=f"{command(REGISTERED[one.variant.setting], one.variant.values)} {words}",
                         variant=replace(one.variant, values=one.variant.values | {"evaluation.snapshots": ANY}))
                 for one in wanted)
