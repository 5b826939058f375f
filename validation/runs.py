"""The one reader of run folders: finished runs by setting, values and seeds, for figures, tables, studies and users.

    runs.find("rf_noisy_mnist")                                     # the setting as it stands
    runs.find("rf_noisy_mnist", where={"data.label_noise": 0.1})    # all other values as registered
    runs.find("function_space", where={"width": [64, 256], "loss": runs.ANY}, seeds=range(5))
    runs.find("mlp_mnist", where=runs.ANY)                          # whatever was changed

Smoke runs are left out. A run that cannot be used is named in a `LeftOut` warning, and the others are returned.
"""

import difflib
import json
import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from validation.address import differing, leaves, names, same, told
from validation.errors import UsageError, unknown
from validation.record import COMMITTED, CONFIGURATION, Damaged, Folder, OtherVersion
from validation.registered import ANY, REGISTERED, SOURCE, again, as_it_stands, command, is_list, several

ABSENT = object()  # the value of a name that a configuration does not have


class Unusable(UsageError):
    """A run that is needed is missing or cannot be used; the message ends with the command that makes it."""


class LeftOut(UserWarning):
    """A run that was found cannot be used; the message ends with the command that makes it again."""


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, config.json and result.json."""

    folder: Path
    configuration: dict
    result: dict

    @property
    def name(self):
        """The setting with what was changed, such as "rf_noisy_mnist@data.label_noise=0.1"."""
        return self.folder.parent.name

    @property
    def seed(self):
        return self.configuration["seed"]

    def value(self, name):
        """The configuration's value of a dotted name; raises Unusable where it has none."""
        return self._at(self.configuration, "config.json", name.split("."))

    def field(self, *path):
        """The result's value under the keys of `path`; raises Unusable where it is missing."""
        return self._at(self.result, "result.json", path)

    def arrays(self, name, *keys):
        """The arrays `keys` of the file `name`; raises Unusable where the file is damaged or one is missing."""
        try:
            return list(Folder.at(self.folder).arrays(name.removesuffix(".npz"), *keys).values())
        except Damaged as error:
            raise Unusable(f"{self.folder} cannot be used: {error.reason}; {self._again()}") from None
        except (OSError, KeyError) as error:
            if isinstance(error, FileNotFoundError) and COMMITTED in self.folder.parents:
                error = "the records that come with a checkout have arrays for their lowest seed at most"
            raise Unusable(f"{self.folder / name} cannot be read ({error}); {self._again()}") from None

    @property
    def checks(self):
        """Sentences on what to know before the run is used; empty where there is nothing."""
        said = ["It was made with code that was not committed."] if self.result.get("dirty") else []
        return said + [f"The {name} is at chance on the {split} data." for split, networks in
                       self.result.get("at_chance", {}).items() for name in networks]

    def _at(self, value, file, path):
        for key in path:
            if not isinstance(value, dict) or key not in value:
                raise Unusable(f"{self.folder / file} has no field {'.'.join(path)}; {self._again()}")
            value = value[key]
        return value

    def _again(self):
        return f"run it again with: {again(self.configuration)}"


def find(setting, where=None, seeds=None, out="runs", committed=None):
    """The finished `Run`s of a setting, by address and seed.

    setting: its name, or the setting itself, changed or not; where: dotted names of its configuration -> a value, a
    list of values, or a predicate, all other values being the setting's; ANY for all runs. seeds: one, several, or None
    for all. Of each configuration the runs are those in `out`, or else those in `committed` (the records of the
    checkout). Sources of data are never mixed: if `where` does not name data_source, the setting's own one is taken, or
    else another one. Raises UsageError for a name that no configuration has.
    """
    setting, where = _found(setting), {} if where is None else where
    asked, groups, seen = _Asked(as_it_stands(setting), where), {}, set(names(as_it_stands(setting)))
    as_registered = setting.configuration() == REGISTERED.get(setting.name, setting).configuration()
    for place in dict.fromkeys((Path(out), Path(COMMITTED if committed is None else committed))):
        for folder in _folders(place, setting.name, seeds):
            run = _read(folder, setting, asked, seen, as_registered)
            if run is not None:
                source = run.configuration.get(SOURCE)
                rank = (place != Path(out), source != asked.registered[SOURCE], str(source))
                groups.setdefault(asked.group(run), {}).setdefault(rank, {})[run.seed] = run
    if where is not ANY and (strange := [name for name in where if not _begins(name, seen)]):
        close = difflib.get_close_matches(strange[0], seen, n=3, cutoff=0.5)
        raise UsageError(f"where: expected dotted names of the configuration of {setting.name}, got {strange[0]!r}; "
                         + (f"did you mean {', '.join(close)}?" if close else f"it has {', '.join(sorted(seen))}"))
    found = [run for group in groups.values() for run in group[min(group)].values()]
    return sorted(found, key=lambda run: (run.name, run.seed))


def require(setting, where=None, seeds=None, out="runs", committed=None):
    """As `find`, of one run at least; raises Unusable with the command that makes one."""
    if found := find(setting, where, seeds, out, committed):
        return found
    setting = _found(setting)
    of_seeds = "" if seeds is None else f" of seed {' '.join(map(str, several(seeds)))}"
    begun = [folder for folder in _folders(out, setting.name, seeds) if not (folder / "result.json").exists()
             and _Asked(as_it_stands(setting), where or {}).fits(_seems(Folder.at(folder)) or {})]
    unfinished = f" (an unfinished one is in {begun[0]})" if begun else ""
    asked = [] if not where or where is ANY else [name for name, value in where.items() if value is not ANY]
    changed = f" with {', '.join(asked)} as asked for" if asked else ""
    raise Unusable(f"no finished run of {setting.name}{of_seeds}{changed} in {out}{unfinished}; make one with: "
                   f"{command(setting, where, seeds)}")


@contextmanager
def telling(say):
    """A block whose `LeftOut` warnings are said, each once, by say(text)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LeftOut)
        try:
            yield
        finally:
            for text in dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, LeftOut)):
                say(text)
    for one in caught:
        if not issubclass(one.category, LeftOut):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def _found(setting):
    if not isinstance(setting, str):
        return setting
    if setting not in REGISTERED:
        raise unknown("setting", setting, REGISTERED)
    return REGISTERED[setting]


def _folders(place, name, seeds):
    """The folders of a setting's runs, as it stands and changed, of these seeds."""
    wanted = None if seeds is None else set(several(seeds))
    for parent in sorted([Path(place) / name, *Path(place).glob(f"{name}@*")]):
        numbered = [(int(match[1]), path) for path in parent.glob("seed*")
                    if (match := re.fullmatch(r"seed(\d+)", path.name))]
        yield from (path for seed, path in sorted(numbered) if wanted is None or seed in wanted)


def _read(folder, setting, asked, seen, as_registered):
    """The finished `Run` in a folder if it is asked for, else None; it is named where it can't be used.

    seen: gets the names of its configuration; as_registered: whether the setting is unchanged.
    """
    there = Folder.at(folder)
    if not there.is_finished():
        return None
    at_home = as_registered and not asked.where and folder.parent.name == setting.name
    configuration = _seems(there)
    if configuration is None:  # damaged, or of another version
        configuration, _, why = _checked(there)
        if configuration is None:
            return _leave_out(folder, why, setting) if at_home or asked.where else None
    seen |= set(names(configuration))
    fits = asked.fits(configuration)
    if configuration.get("smoke") or not (fits or at_home):
        return None
    _, result, why = _checked(there)
    if why is None and not fits:
        why = f"it is not {setting.name} as it is now ({'; '.join(told(configuration, asked.registered))})"
    return Run(folder, configuration, result) if why is None else _leave_out(folder, why, setting)


def _checked(there):
    """(configuration, result, None) of a finished run, or (what its configuration seems to be, None, why it cannot be
    used); a configuration that cannot be read is None."""
    try:
        result = there.finished()
        if not there.has(CONFIGURATION):
            return None, None, f"its {CONFIGURATION} is missing"
        there.verify(complete=False)
        return there.configuration(), result, None
    except OtherVersion as error:
        return _seems(there, sealed=False), None, error.reason
    except Damaged as error:
        return _seems(there), None, error.reason
    except OSError as error:
        return None, None, f"it cannot be read ({error})"


def _seems(there, sealed=True):
    """The configuration that is there if it can be read; sealed: if it has not changed either."""
    try:
        return there.configuration()
    except Damaged as error:
        return None if sealed else error.mapping


def _leave_out(folder, why, setting):
    seed = int(folder.name.removeprefix("seed"))
    known = _seems(Folder.at(folder), sealed=False)
    if folder.parent.name == setting.name:
        make = f"run it again with: {command(setting, seeds=seed)}"
    else:
        make = f"run it again with: {again(known)}" if known else "run it again with the command that made it"
    warnings.warn(f"{folder} is left out: {why}; {make}", LeftOut, stacklevel=4)


class _Asked:
    """What `find` is asked for: `where`, and all other values as registered."""

    def __init__(self, registered, where):
        self.registered, self.where, self._leaves = registered, where, leaves(registered)
        self._free = () if where is ANY else {SOURCE, *(_shortest(name, self._leaves) for name in where)}

    def changes(self, configuration):
        """`address.changes` from the registered configuration."""
        return differing(leaves(configuration), self._leaves)

    def fits(self, configuration):
        """Whether a configuration has the values asked for, and all others as registered."""
        if self.where is ANY:
            return True
        others = [path for path in self.changes(configuration) if not any(_is_under(path, name) for name in self._free)]
        return not others and all(_fits(_at(configuration, name), wanted) for name, wanted in self.where.items())

    def group(self, run):
        """What runs have in common that are seeds of one another, whatever the source of their data."""
        named = self.where is ANY or SOURCE in self.where
        return json.dumps([[path, value] for path, value in self.changes(run.configuration).items()
                           if named or path != (SOURCE,)])


def _fits(value, wanted):
    if callable(wanted):
        return value is not ABSENT and bool(wanted(value))
    return same(value, wanted) or (is_list(wanted) and any(same(value, one) for one in wanted))


def _shortest(name, known):
    """The shortest beginning of a dotted name that is one of the known leaves, else the name: what has taken the place
    of a None has no registered values."""
    keys = name.split(".")
    return next((".".join(keys[:k]) for k in range(1, len(keys)) if tuple(keys[:k]) in known), name)


def _is_under(path, name):
    keys = tuple(name.split("."))
    return path[:len(keys)] == keys


def _begins(name, known):
    return any(one == name or one.startswith(f"{name}.") for one in known)


def _at(configuration, name):
    for key in name.split("."):
        configuration = configuration.get(key, ABSENT) if isinstance(configuration, dict) else ABSENT
    return configuration
