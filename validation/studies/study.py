"""The configuration of a study: settings, varied values, seeds, and the quantities of each run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from eigenkd._intervals import ANYWHERE, in_words
from validation.errors import UsageError
from validation.registered import REGISTERED
from validation.settings import Setting, find
from validation.settings.variation import varied


@dataclass(frozen=True)
class Quantity:
    """A number computed from the result of a run, or None if it is undetermined; within: the range it can lie in."""

    title: str
    of: Callable[[dict], float | None]
    digits: int = 2
    within: tuple[float, float] = ANYWHERE

    def of_run(self, run):
        """The number of a `validation.runs.Run`. Raises UsageError where its result was made before it was measured."""
        try:
            return self.of(run.result)
        except KeyError as error:
            raise UsageError(f"{run.folder / 'result.json'} has no field {error}, which {self.title!r} is read from; "
                             f"compute it with: python -m validation.findings {run.folder}") from None

    def over(self, runs):
        """A number a run, those that are undetermined left out."""
        return [value for run in runs if (value := self.of_run(run)) is not None]

    def in_words(self, runs):
        """The mean over the runs with its interval, in brackets."""
        return in_words(self.over(runs), self.digits, self.within)


@dataclass(frozen=True)
class Variant:
    """A setting, its changed values, and the labels of the row."""

    setting: str
    values: dict
    labels: tuple[str, ...]

    def apply(self):
        """The changed setting; works for function space too."""
        setting = REGISTERED.get(self.setting) or find(self.setting)
        return varied(setting, self.values) if isinstance(setting, Setting) else replace(setting, **self.values)


@dataclass(frozen=True)
class Study:
    """All combinations of `settings`, the values in `vary`, and seeds.

    vary: dotted name of a value, or a tuple of names that share a value -> the values; or any title -> a mapping of
    labels to the values that each label stands for, such as {"half the data": {"data.teacher_fraction": 0.5}}. values:
    those that all variants share.
    """

    name: str
    title: str
    settings: tuple[str, ...]
    quantities: tuple[Quantity, ...]
    vary: Mapping[str | tuple[str, ...], tuple | Mapping[str, dict]] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def header(self):
        """The headers of a variant's labels."""
        return ("setting", *(_names(key)[0] for key in self.vary))

    def variants(self):
        """All `Variant`s, in the order of settings and values."""
        axes = [_choices(key, values) for key, values in self.vary.items()]
        return [Variant(setting, {**self.values, **{name: value for _, values in chosen
                                                    for name, value in values.items()}},
                        (setting, *(label for label, _ in chosen)))
                for setting in self.settings for chosen in product(*axes)]


def _choices(key, values):
    """(label, {name: value}) of each value of an axis."""
    if isinstance(values, Mapping):
        return list(values.items())
    return [(_text(value), dict.fromkeys(_names(key), value)) for value in values]


def _names(key):
    return (key,) if isinstance(key, str) else tuple(key)


def _text(value):
    return f"{value:g}" if isinstance(value, float) else str(value)
