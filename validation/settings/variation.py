"""A setting with changed values, given by their dotted names as in a configuration."""

from dataclasses import is_dataclass, replace

from validation.errors import UsageError


def varied(setting, values):
    """The `Setting` with these values: {"data.label_noise": 0.1, "student.loss.temperature": 1.0}.

    Its title says that it is changed, and given values are no longer guesses. Raises UsageError for unknown names and
    invalid values.
    """
    before = setting.base or setting
    for name, value in values.items():
        setting = _with(setting, name.split("."), value, name)
    guesses = {name: why for name, why in setting.guesses.items() if name not in values}
    title = f"{setting.title}, changed" if values else setting.title
    return replace(setting, title=title, guesses=guesses, given=setting.given | set(values),
                   base=before if values else setting.base)


def _with(part, keys, value, name):
    key, *rest = keys
    if not is_dataclass(part) or key not in part.__dataclass_fields__:
        raise UsageError(f"values: expected the dotted name of a value of the setting, such as data.label_noise, got "
                         f"{name!r}; the configuration of --dry-run --json has all names")
    old = getattr(part, key)
    return replace(part, **{key: _with(old, rest, value, name) if rest else value})
