"""A figure or table of the registry: what it shows, which runs it needs, and how it is drawn from them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import matplotlib
from matplotlib.figure import Figure

from paper_figures.captions import drawn, retitled, title_of, trimmed
from paper_figures.sources import Found, commands
from paper_figures.style import STYLE
from validation.record import COMMITTED
from validation.registered import REGISTERED
from validation.runs import Unusable

WORDS = {"stand-in": "Stand-in data", "in part": "In part stand-in data"}


@dataclass(frozen=True)
class Status:
    """What an entry is drawn from.

    kind: "no run" (is needed), "drawn", "stand-in", "in part" (are the runs stand-ins) or "missing"; rests_on: the runs
    in words; own, instead: the commands that make the paper's runs and the stand-ins that are missing; why: sentences
    on runs that cannot be used.
    """

    kind: str
    rests_on: str = ""
    own: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    why: tuple[str, ...] = ()

    def missing(self):
        """What is missing, and the commands that make it, in a sentence."""
        own = f"make them with: {' && '.join(self.own)}" if self.own else "no setting of this version has its data"
        instead = f"on stand-in data with: {' && '.join(self.instead)}" if self.instead else ""
        return "; ".join(filter(None, (*self.why, own, instead)))


@dataclass(frozen=True, eq=False)
class Entry:
    """A figure or table under its name in the paper, or under a name of ours where the paper has none.

    shows: one line. function: `sources.Found` -> a Figure, or `eigenkd.table.Cells` for a table; it reads nothing but
    the runs. needs: the `sources.Wanted` that the paper's figure rests on; with a part of them, that part is drawn;
    None for a closed form, which needs none. stand_in: what is drawn where none of them has a run, and then the title
    says so; filled: whether it is drawn next to a part of them too. file: the file of a run folder that the first run
    of a variant must have, unless it is optional. aliases: other names. page: `Found` -> an HTML document to explore.
    """

    name: str
    shows: str
    function: Callable
    needs: tuple | None = None
    stand_in: tuple = ()
    filled: bool = False
    file: str | None = None
    aliases: tuple[str, ...] = ()
    page: Callable | None = None

    def draw(self, choice):
        """The Figure, or the Cells, of the runs that a `choice.Choice` selects. Raises Unusable, with the command,
        where there are none."""
        return self.made(self.found(choice))

    def found(self, choice):
        """The `Found` runs, as `draw` uses them."""
        found, status = self.look(choice)
        if status.kind == "missing":
            of_seed = "" if choice.seed is None else f" of seed {choice.seed}"
            raise Unusable(f"no finished run{of_seed} in {choice.out}; {status.missing()}")
        return found

    def made(self, found):
        """The Figure or the Cells of these runs."""
        with matplotlib.rc_context(STYLE):
            made = self.function(found)
            words = WORDS.get(found.kind, "")
            data = ", ".join(dict.fromkeys(title_of(mine[0]) for _, mine in found.stand_ins))
            if isinstance(made, Figure):
                return trimmed(retitled(made, f"{words} ({data}):") if words else made)
            return replace(made, notes=(f"{words}: {data}.", *made.notes)) if words else made

    def status(self, choice):
        """The `Status` for a choice."""
        return self.look(choice)[1]

    def look(self, choice):
        """(`Found`, `Status`) for a choice."""
        if self.needs is None:
            return Found(), Status("no run")
        found, missing, why = self._look(self.needs, choice)
        lacking = ()
        if not found.runs or (self.filled and missing):
            other, lacking, unread = self._look(self.stand_in, choice)
            found = Found(found.runs + other.runs, found.beside + other.beside, other.runs)
            why += unread
        own, instead = (commands([one for one in some if one.variant.setting in REGISTERED], choice.seed, choice.where)
                        for some in (missing, lacking))
        return found, Status(found.kind, drawn(found.all) if found.runs else "", own, instead, tuple(why))

    def _look(self, wanted, choice):
        """(`Found`, the `Wanted` without a run, sentences on runs that lack the file)."""
        runs, missing, why = {False: [], True: []}, [], []
        for one in wanted:
            mine = choice.find(one.variant.setting, one.variant.values) if one.variant.setting in REGISTERED else []
            if mine and self.file:  # a run that has it comes first
                mine = sorted(mine, key=lambda run: not (run.folder / self.file).exists())
                if not (one.optional or (mine[0].folder / self.file).exists()):
                    why.append(_without(mine[0], self.file))
                    mine = []
            if mine:
                runs[one.optional].append((one.variant, mine))
            else:
                missing.append(one)
        return Found(tuple(runs[False]), tuple(runs[True])), tuple(missing), why


def _without(run, file):
    records = ": of the records, only the lowest seed has all files" if COMMITTED in run.folder.parents else ""
    return f"{run.folder} has no {file}{records}"
