"""Top-k log-probabilities row by row, as files are read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eigenkd.deviation.inputs import NO_LABEL
from eigenkd.deviation.tokens import Tokens
from eigenkd.deviation.topk import NONE, ROUNDING, TopK


@dataclass
class Rows:
    """Rows as they are read: of each the ids, log-probabilities and which are top ones, its sequence and position."""

    ids: list[Any] = field(default_factory=list)
    logs: list[Any] = field(default_factory=list)
    tops: list[Any] = field(default_factory=list)
    sequences: list[Any] = field(default_factory=list)
    positions: list[Any] = field(default_factory=list)
    texts: dict[int, Any] = field(default_factory=dict)
    rounding: float = ROUNDING

    def add(self, sequence: int, position: int, known: Mapping[int, tuple[float, bool]]) -> None:
        """A row: known is a mapping of ids to (log-probability, whether it is one of the top ones)."""
        if lost := [token for token, (log, _) in known.items() if log != log]:
            raise ValueError(f"NaN as the log-probability of token {lost[0]} at position {position}")
        known = {token: found for token, found in known.items() if token >= 0 and found[0] > -np.inf}
        if not known:
            return
        self.ids.append(list(known))
        self.logs.append([log for log, _ in known.values()])
        self.tops.append([top for _, top in known.values()])
        self.sequences.append(sequence)
        self.positions.append(position)

    def topk(self, vocabulary: Any, path: str) -> TopK:
        """The `TopK` of all rows, short ones filled up. Raises as `TopK` does."""
        shape = (len(self.ids), max(map(len, self.ids)))
        ids, logs, tops = np.full(shape, NONE), np.full(shape, -np.inf), np.zeros(shape, bool)
        for array, rows in ((ids, self.ids), (logs, self.logs), (tops, self.tops)):
            for k, row in enumerate(rows):
                array[k, :len(row)] = row
        tokens = Tokens(np.array(self.sequences), np.array(self.positions), self.texts)
        labels = None
        if self.texts:
            labels = np.array([text[at] if (text := self.texts.get(of, ())) is not None and at < len(text) else NO_LABEL
                               for of, at in zip(self.sequences, self.positions)])
        return TopK(ids, logs, vocabulary, top=tops, rounding=self.rounding, labels=labels, tokens=tokens, path=path)
