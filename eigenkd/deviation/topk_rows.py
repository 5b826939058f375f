"""Top-k log-probabilities row by row, as files are read."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eigenkd.deviation.inputs import NO_LABEL
from eigenkd.deviation.tokens import Tokens
from eigenkd.deviation.topk import NONE, ROUNDING, TopK


@dataclass
class Rows:
    """Rows as they are read, 17 bytes a value: ids, log-probabilities and which are top ones, one row after another; of
    each row how many it has, its sequence and position."""

    ids: array = field(default_factory=lambda: array("q"))
    logs: array = field(default_factory=lambda: array("d"))
    tops: array = field(default_factory=lambda: array("b"))
    counts: array = field(default_factory=lambda: array("q"))
    sequences: array = field(default_factory=lambda: array("q"))
    positions: array = field(default_factory=lambda: array("q"))
    texts: dict[int, Any] = field(default_factory=dict)
    rounding: float = ROUNDING

    def add(self, sequence: int, position: int, known: Mapping[int, tuple[float, bool]]) -> None:
        """A row: known is a mapping of ids to (log-probability, whether it is one of the top ones)."""
        if lost := [token for token, (log, _) in known.items() if log != log]:
            raise ValueError(f"NaN as the log-probability of token {lost[0]} at position {position}")
        known = {token: found for token, found in known.items() if token >= 0 and found[0] > -np.inf}
        if not known:
            return
        self.ids.extend(known)
        self.logs.extend(log for log, _ in known.values())
        self.tops.extend(top for _, top in known.values())
        self.counts.append(len(known))
        self.sequences.append(sequence)
        self.positions.append(position)

    def topk(self, vocabulary: Any, path: str) -> TopK:
        """The `TopK` of all rows, short ones filled up. Raises as `TopK` does."""
        counts = np.array(self.counts)
        used = np.arange(counts.max()) < counts[:, None]
        ids, logs, tops = np.full(used.shape, NONE), np.full(used.shape, -np.inf), np.zeros(used.shape, bool)
        for rows, stored in ((ids, self.ids), (logs, self.logs), (tops, self.tops)):
            rows[used] = np.frombuffer(stored, stored.typecode)
        tokens = Tokens(np.array(self.sequences), np.array(self.positions), self.texts)
        labels = None
        if self.texts:
            labels = np.array([text[at] if (text := self.texts.get(of, ())) is not None and at < len(text) else NO_LABEL
                               for of, at in zip(self.sequences, self.positions)])
        return TopK(ids, logs, vocabulary, top=tops, rounding=self.rounding, labels=labels, tokens=tokens, path=path)
