"""The runs that the command line selects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from validation import runs
from validation.errors import UsageError


@dataclass(frozen=True)
class Choice:
    """Runs in `out`, or else committed ones, of one seed or all, of unchanged settings or with the values of `where`.

    `find` and `require` are those of `validation.runs`."""

    out: Path | str = "runs"
    seed: int | None = None
    where: Mapping = field(default_factory=dict)

    def find(self, setting, where=None):
        return self._one(runs.find, setting, where)

    def require(self, setting, where=None):
        return self._one(runs.require, setting, where)

    def _one(self, look, setting, where):
        """The runs found. Without `where` they must share one configuration: means over several are meaningless."""
        found = look(setting, {**self.where, **(where or {})}, self.seed, self.out)
        if not where and len(names := dict.fromkeys(run.name for run in found)) > 1:
            raise UsageError(f"--where: expected values of one configuration, got those of {', '.join(names)}; "
                             "name one")
        return found
