"""A run's address is its configuration: `<setting>/seed<k>` of a setting as it stands, `<setting>@<changes>/seed<k>` of
a changed one.

Configurations are nested dicts as JSON has them; nothing here knows a field of theirs. Two configurations of a setting
never have the same address: text that could be read in two ways, or that is long, ends in a hash of the changes.
"""

import hashlib
import json
import re

from validation.errors import UsageError

LONGEST = 120  # characters of <setting>@<changes>, about: folders' names have 255 bytes at most
APART = ("seed",)  # not a change: it is the address's second part
NAME, KEY, WORD = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII), re.compile(r"[a-z_][a-z0-9_]*"), re.compile(
    r"[a-z_][a-z0-9_.]*")
RESERVED = ("none", "true", "false", "nan", "inf")  # what a text is not written as, for values are
TAKEN = ("teachers",)  # a folder of --out that is no setting's


def address(setting, configuration, registered, seed):
    """The path of a run inside of --out, such as "rf_noisy_mnist@data.label_noise=0.1/seed0".

    setting: its name; configuration: all that decides the run's numbers; registered: the same of the setting as it
    stands. Values that differ are named in alphabetical order; `seed` is no change. Raises UsageError for a name that
    no folder can have.
    """
    if not NAME.fullmatch(setting) or setting in TAKEN:
        raise UsageError(f"NAME: expected a setting's name of letters, digits, '_', '-' and '.', other than "
                         f"{', '.join(TAKEN)}, got {setting!r}; rename the setting")
    changed = changes(configuration, registered)
    if not changed:
        return f"{setting}/seed{seed}"
    text, whole = _written(changed, leaves(registered))
    room = max(LONGEST - len(setting), LONGEST // 4)
    if len(text) > room:
        text, whole = text[:room - 11].rpartition(",")[0] or text[:room - 11], False
    return f"{setting}@{text}{'' if whole else f'~{_digest(changed)}'}/seed{seed}"


def changes(configuration, registered):
    """path -> value of each leaf that differs from the registered configuration's, [value]; [] of one that is gone."""
    now, before = leaves(configuration), leaves(registered)
    paths = sorted(path for path in now.keys() | before.keys() if path[0] not in APART)
    return {path: [now[path]] if path in now else [] for path in paths
            if path not in now or path not in before or not same(now[path], before[path])}


def leaves(mapping, path=()):
    """path -> value of everything in nested dicts that is no dict with something in it."""
    found = {}
    for key, value in mapping.items():
        found |= leaves(value, (*path, key)) if isinstance(value, dict) and value else {(*path, key): value}
    return found


def names(configuration):
    """The dotted names of all leaves."""
    return [".".join(path) for path in leaves(configuration)]


def same(one, other):
    """Whether two values are the same to JSON, where 1 is 1.0 and not true; tuples are lists."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def told(configuration, registered):
    """One line for each change: "teacher.epochs: 40 registered, 5 here"."""
    before = leaves(registered)
    return [f"{'.'.join(path)}: {json.dumps(before[path]) if path in before else 'absent'} registered, "
            f"{json.dumps(value[0]) if value else 'absent'} here"
            for path, value in changes(configuration, registered).items()]


def _written(changed, registered):
    """The changes as text, and whether nothing else reads like it."""
    words, whole = [], True
    there = [path for path, value in changed.items() if value]
    for path, value in changed.items():
        if value:
            text, sure = _word(value[0], registered.get(path))
            words.append(f"{_safe('.'.join(path))}={text}")
            whole &= sure and all(KEY.fullmatch(key) for key in path)
        else:  # what is gone is not named; it goes without saying where a dict and a leaf took each other's place
            whole &= any(path[:len(other)] == other or other[:len(path)] == path for other in there)
    return ",".join(words) or "changed", whole


def _word(value, registered):
    """A value as text, and whether no other value of this name is written so."""
    is_list = isinstance(value, list | tuple)
    if is_list and not value:
        return "none", isinstance(registered, list | tuple)
    if is_list:
        words = [_scalar(item) for item in value]
        sure = all(known and "-" not in word and item is not None for (word, known), item in zip(words, value))
        return "-".join(word for word, _ in words), sure and (len(value) > 1 or isinstance(registered, list | tuple))
    word, sure = _scalar(value)
    return word, sure and not isinstance(registered, list | tuple)


def _scalar(value):
    if value is None or isinstance(value, bool):
        return str(value).lower(), True
    if isinstance(value, int | float):
        return repr(_integral(value)), True
    if isinstance(value, str):
        return _safe(value), bool(WORD.fullmatch(value)) and value not in RESERVED
    return _safe(json.dumps(value)), False


def _safe(text):
    """Without what a file system or a shell takes for something else, nor what separates values here."""
    return re.sub(r"[^\w.+-]", "_", text, flags=re.ASCII)


def _digest(changed):
    text = json.dumps([[path, _integral(value)] for path, value in changed.items()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _integral(value):
    """Whole floats as the integers that they are equal to."""
    if isinstance(value, list | tuple):
        return [_integral(item) for item in value]
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
