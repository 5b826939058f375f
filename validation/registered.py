"""The registered settings, to which addresses and `where` are relative, and the commands that produce their runs."""

import shlex

from validation.address import changes, leaves
from validation.closed_form.setting import CLOSED_FORM
from validation.data import DATASETS
from validation.function_space.setting import FUNCTION_SPACE
from validation.language_models.setting import LANGUAGE_MODELS
from validation.settings import SETTINGS

REGISTERED = SETTINGS | {setting.name: setting for setting in (FUNCTION_SPACE, CLOSED_FORM, LANGUAGE_MODELS)}
SOURCE = "data_source"  # the configuration's field for the source of the data


def ANY(value):  # in capitals because it is used like a constant
    """A `where`, or a value in it, that matches everything."""
    return True


def base_of(setting):
    """The unchanged setting that this one is a change of, or the setting itself."""
    return getattr(setting, "base", None) or REGISTERED.get(setting.name, setting)


def data_set(setting):
    """The `Dataset` of a setting; works for function space too."""
    return DATASETS[setting.data]() if isinstance(setting.data, str) else setting.data.set


def as_it_stands(setting):
    """The configuration, without a seed, of a registered setting's runs on its default data source: the one used on a
    machine that has no data files."""
    return setting.configuration() | {"smoke": False, SOURCE: data_set(setting).usual_source}


def command(setting, where=None, seeds=None):
    """The command that produces such a run, with one value per name of `where`, as far as these are flags."""
    words, rest = [getattr(setting, "command", f"python -m validation.run {setting.name}")], ""
    first = REGISTERED.get(setting.name, setting).configuration()
    registered = {".".join(path): value for path, value in leaves(first).items()}
    changed = {".".join(path): value[0] for path, value in changes(setting.configuration(), first).items() if value}
    for name, value in (changed | ({} if not where or where is ANY else where)).items():
        if name in registered and not callable(value):
            one = next(iter(value)) if value and is_list(value) and not is_list(registered[name]) else value
            words += _flag(getattr(setting, "flags", {}).get(name, name).replace("_", "-"), one)
        elif name not in (SOURCE, "smoke") and value is not ANY:
            rest = " (plus the other requested values)"
    return " ".join(words + ([] if seeds is None else ["--seeds", *map(str, several(seeds))])) + rest


def again(configuration):
    """The command that produces a run of this configuration, if its setting is known."""
    setting, seed = REGISTERED.get(configuration.get("setting")), configuration.get("seed")
    if setting is None:
        return f"python -m validation.run {configuration.get('setting', 'NAME')} --seeds {seed}"
    changed = changes(configuration, as_it_stands(setting))
    return command(setting, {".".join(path): value[0] for path, value in changed.items() if value}, seed)


def _flag(name, value):
    """The words of a command-line flag and its value; a boolean becomes --x or --no-x."""
    if isinstance(value, bool):
        part, dot, last = name.rpartition(".")
        return [f"--{part}{dot}{'' if value else 'no-'}{last}"]
    return [f"--{name}", *(shlex.quote(str(word)) for word in several(value))]


def is_list(value):
    return isinstance(value, list | tuple | set | range)


def several(value):
    return list(value) if is_list(value) else [value]
