"""The runs that the command line selects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from validation import runs
from validation.errors import UsageError


@dataclass(frozen=True)
class Choice:
    """Runs in `out`, or else committed ones, of one seed or all, of unchanged settings or with the values of `where`.

    `find` is that of `validation.runs`."""

    out: Path | str = "runs"
    seed: int | None = None
    where: Mapping = field(default_factory=dict)
    _found: dict = field(default_factory=dict, repr=False, compare=False)  # what was looked up before

    def find(self, setting, where=None):
        """The runs found. Without `where` they must share one configuration: means over several are meaningless."""
        asked = {**self.where, **(where or {})}
        key = (setting, self.seed, repr(asked))
        if key in self._found:
            return self._found[key]
        found = runs.find(setting, asked, self.seed, self.out)
        if not where and len(names := dict.fromkeys(run.name for run in found)) > 1:
            raise UsageError(f"--where: expected values of one configuration, got those of {', '.join(names)}; "
                             "name one")
        return self._found.setdefault(key, found)
