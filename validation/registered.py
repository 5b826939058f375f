"""What addresses and `where` are relative to: settings as they stand, and the commands that make their runs."""

from pathlib import Path

from validation.address import changes, leaves
from validation.closed_form.setting import CLOSED_FORM
from validation.data import DATASETS
from validation.function_space.setting import FUNCTION_SPACE
from validation.settings import SETTINGS

REGISTERED = SETTINGS | {setting.name: setting for setting in (FUNCTION_SPACE, CLOSED_FORM)}
SOURCE = "data_source"  # in a configuration: where the data came from
NOWHERE = Path(__file__) / "data"  # a folder that does not exist


def ANY(value):  # the name of a constant, which it is to whoever uses it
    """A `where`, or a value in it, that everything matches."""
    return True


def base_of(setting):
    """The setting as it stands, of which this one is a change, or itself."""
    return getattr(setting, "base", None) or REGISTERED.get(setting.name, setting)


def data_set(setting):
    """The `Dataset` of a setting, of function space too."""
    return DATASETS[setting.data]() if isinstance(setting.data, str) else setting.data.set


def as_it_stands(setting):
    """The configuration of a registered setting's runs, without a seed, on its own source of data: the one that it has
    on a machine with none of the data sets' files."""
    return setting.configuration() | {"smoke": False, SOURCE: data_set(setting).locate(NOWHERE, None).name}


def command(setting, where=None, seeds=None):
    """The command line that makes such a run, as far as `where` has values that are flags: a value for each name."""
    words, rest = [getattr(setting, "command", f"python -m validation.run {setting.name}")], ""
    first = REGISTERED.get(setting.name, setting).configuration()
    registered = {".".join(path): value for path, value in leaves(first).items()}
    changed = {".".join(path): value[0] for path, value in changes(setting.configuration(), first).items() if value}
    for name, value in (changed | ({} if not where or where is ANY else where)).items():
        if name in registered and not callable(value):
            one = next(iter(value)) if value and is_list(value) and not is_list(registered[name]) else value
            words += _flag(getattr(setting, "flags", {}).get(name, name).replace("_", "-"), one)
        elif name not in (SOURCE, "smoke") and value is not ANY:
            rest = " (and other values as asked for)"
    return " ".join(words + ([] if seeds is None else ["--seeds", *map(str, several(seeds))])) + rest


def again(configuration):
    """The command line that makes a run of this configuration, as far as its setting is known."""
    setting, seed = REGISTERED.get(configuration.get("setting")), configuration.get("seed")
    if setting is None:
        return f"python -m validation.run {configuration.get('setting', 'NAME')} --seeds {seed}"
    changed = changes(configuration, as_it_stands(setting))
    return command(setting, {".".join(path): value[0] for path, value in changed.items() if value}, seed)


def _flag(name, value):
    """The words of a flag of the command line, without its dashes: of a boolean it is --x or --no-x."""
    if isinstance(value, bool):
        part, dot, last = name.rpartition(".")
        return [f"--{part}{dot}{'' if value else 'no-'}{last}"]
    return [f"--{name}", *map(str, several(value))]


def is_list(value):
    return isinstance(value, list | tuple | set | range)


def several(value):
    return list(value) if is_list(value) else [value]
