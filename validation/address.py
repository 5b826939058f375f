"""The address of a run follows from its configuration: `<setting>/seed<k>` for an unchanged setting,
`<setting>@<changes>/seed<k>` for a changed one.

Configurations are nested dicts of JSON values; nothing here depends on particular fields. Two configurations of a
setting never have the same address: an ambiguous or long text ends in a hash of the changes.
"""

import hashlib
import json
import re

from validation.errors import UsageError

LONGEST = 120  # approximate limit on the characters of <setting>@<changes>; folder names are limited to 255 bytes
APART = ("seed",)  # not a change: the seed is the second part of the address
NAME, KEY, WORD = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII), re.compile(r"[a-z_][a-z0-9_]*"), re.compile(
    r"[a-z_][a-z0-9_.]*")
RESERVED = ("none", "true", "false", "nan", "inf")  # strings that would read like other values
TAKEN = ("teachers",)  # folders of --out that do not belong to a setting


def address(setting, configuration, registered, seed):
    """The path of a run inside --out, such as "rf_noisy_mnist@data.label_noise=0.1/seed0".

    setting: its name; configuration: all values that determine the run's numbers; registered: those of the unchanged
    setting. Values that differ are listed in alphabetical order; `seed` is not a change. Raises UsageError for a name
    that is not a valid folder name.
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
    """path -> [value] for each leaf that differs from the registered configuration; [] for a leaf that is missing."""
    return differing(leaves(configuration), leaves(registered))


def differing(now, before):
    """`changes` of the `leaves` of both."""
    paths = sorted(path for path in now.keys() | before.keys() if path[0] not in APART)
    return {path: [now[path]] if path in now else [] for path in paths
            if path not in now or path not in before or not same(now[path], before[path])}


def leaves(mapping, path=()):
    """path -> value for all leaves of nested dicts; an empty dict is a leaf."""
    found = {}
    for key, value in mapping.items():
        found |= leaves(value, (*path, key)) if isinstance(value, dict) and value else {(*path, key): value}
    return found


def names(configuration):
    """The dotted names of all leaves."""
    return [".".join(path) for path in leaves(configuration)]


def same(one, other):
    """Whether two values are equal in JSON, where 1 equals 1.0 but not true; tuples count as lists."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def told(configuration, registered):
    """One line per change: "teacher.epochs: 40 registered, 5 here"."""
    before = leaves(registered)
    return [f"{'.'.join(path)}: {json.dumps(before[path]) if path in before else 'absent'} registered, "
            f"{json.dumps(value[0]) if value else 'absent'} here"
            for path, value in changes(configuration, registered).items()]


def _written(changed, registered):
    """The changes as text, and whether the text is unambiguous."""
    words, whole = [], True
    there = [path for path, value in changed.items() if value]
    for path, value in changed.items():
        if value:
            text, sure = _word(value[0], registered.get(path))
            words.append(f"{_safe('.'.join(path))}={text}")
            whole &= sure and all(KEY.fullmatch(key) for key in path)
        else:  # a missing leaf is not listed; it is implied if a dict and a leaf replaced each other
            whole &= any(path[:len(other)] == other or other[:len(path)] == path for other in there)
    return ",".join(words) or "changed", whole


def _word(value, registered):
    """A value as text, and whether the text is unambiguous for this name."""
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
    """The text without characters that are special to file systems, shells, or addresses."""
    return re.sub(r"[^\w.+-]", "_", text, flags=re.ASCII)


def _digest(changed):
    text = json.dumps([[path, _integral(value)] for path, value in changed.items()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _integral(value):
    """The value with whole floats converted to integers."""
    if isinstance(value, list | tuple):
        return [_integral(item) for item in value]
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
