"""Which runs are drawn, as the command line says it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from validation import runs


@dataclass(frozen=True)
class Choice:
    """Runs in `out` or else committed ones, of one seed or of all, of settings as they stand or changed as `where` has
    it. Both methods are those of `validation.runs`."""

    out: Path | str = "runs"
    seed: int | None = None
    where: Mapping = field(default_factory=dict)

    def find(self, setting, where=None):
        return runs.find(setting, {**self.where, **(where or {})}, self.seed, self.out)

    def require(self, setting, where=None):
        return runs.require(setting, {**self.where, **(where or {})}, self.seed, self.out)
