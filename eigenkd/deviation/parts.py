"""Where a student deviates: its volume and its direction on parts of the points, by position, confidence or token.

Volume is the mean KL(teacher || student). Direction is its sign: the mean change of the confidence, student minus
teacher, the share of points on which the student is less confident, and the change of the entropy. Two students of the
same volume may have opposite directions.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from eigenkd._arrays import to_numpy
from eigenkd.deviation import clusters
from eigenkd.deviation.clusters import Mean
from eigenkd.deviation.vocabulary import SPECIAL, Vocabulary

if TYPE_CHECKING:
    from eigenkd.deviation.measured import Deviation

POSITIONS = 16  # parts
CONFIDENCES = 10


@dataclass(frozen=True)
class Part:
    """Some of the points. middle: their median position, or teacher's confidence, of parts by these; else NaN. kl,
    reverse, jensen_shannon, entropy_change, change (of the confidence): means in nats; less_confident, flipped (another
    predicted class): shares. Each is a `Mean` with a 95% interval; where top-k rows leave its value open (NaN), low and
    high are the bounds of it that are certain."""

    name: str
    points: int
    middle: float
    kl: Mean
    reverse: Mean
    jensen_shannon: Mean
    change: Mean
    less_confident: Mean
    entropy_change: Mean
    flipped: Mean


def part(deviation: "Deviation", name: str = "all", keep: np.ndarray | None = None,
         along: np.ndarray | None = None) -> Part | None:
    """The `Part` of the points `keep` (n,) bool, default all; None where there are none. along: (n,), of which `middle`
    is the median."""
    keep = np.ones(deviation.points, dtype=bool) if keep is None else keep
    if not keep.any():
        return None
    of = None if deviation.clusters is None else deviation.clusters[keep]
    x, y = (to_numpy(phi)[keep].astype(float) for phi in (deviation.teacher_confidence, deviation.student_confidence))

    def mean(values):
        return clusters.mean(to_numpy(values)[keep], of)

    def bounded(name):
        found = mean(getattr(deviation, name))
        if name not in deviation.bounds:
            return found
        low, high = (float(np.mean(deviation.scores[f"{end}:{name}"][keep])) for end in ("low", "high"))
        return replace(found, low=low, high=high)

    with np.errstate(invalid="ignore"):  # inf - inf: no change is known
        change = y - x
    middle = np.nan if along is None else float(np.median(along[keep]))
    return Part(name, int(keep.sum()), middle, bounded("divergence"), bounded("reverse"), bounded("jensen_shannon"),
                clusters.mean(change, of), mean(deviation._less()),
                mean(to_numpy(deviation.student_entropy) - to_numpy(deviation.teacher_entropy)),
                mean(deviation._flipped()))


def by_position(deviation: "Deviation", parts: int = POSITIONS) -> list[Part]:
    """The `Part`s of equal ranges of the token's position in its sequence. Raises ValueError without tokens."""
    at = _tokens(deviation).positions
    edges = np.unique(np.linspace(at.min(), at.max() + 1, parts + 1).round().astype(int))
    return _found(part(deviation, f"{a}" if b == a + 1 else f"{a} to {b - 1}", (a <= at) & (at < b), at)
                  for a, b in pairwise(edges))


def by_confidence(deviation: "Deviation", parts: int = CONFIDENCES) -> list[Part]:
    """The `Part`s of equal numbers of points by the teacher's confidence, the least first; ties stay together."""
    phi = to_numpy(deviation.teacher_confidence).astype(float)
    edges = np.unique(np.quantile(phi, np.linspace(0, 1, parts + 1), method="inverted_cdf"))
    if len(edges) == 1:
        return _found([part(deviation, f"{edges[0]:.1f}", along=phi)])
    which = np.clip(np.searchsorted(edges, phi, side="left") - 1, 0, len(edges) - 2)  # (a, b], the first one [a, b]
    return _found(part(deviation, f"{a:.1f} to {b:.1f}", which == k, phi)
                  for k, (a, b) in enumerate(pairwise(edges)))


def by_kind(deviation: "Deviation", vocabulary: Vocabulary) -> list[Part]:
    """The `Part`s of the kinds of tokens (see `Vocabulary.kinds`), and of the rarest and most frequent ones.

    The token is the label, or the teacher's where there are no labels. Rare: the least frequent tokens that make up a
    tenth of the points; frequent: the most frequent ones that make up a half. Raises ValueError for the tokenizer of
    other models (`Vocabulary.expect_of`).
    """
    vocabulary.expect_of(deviation.classes, deviation.labels)
    ids = to_numpy(deviation.teacher_class) if deviation.labels is None else deviation.labels
    kinds = np.array([*vocabulary.kinds, *[SPECIAL] * (deviation.classes - len(vocabulary))])
    count = np.bincount(ids, minlength=deviation.classes)
    order = np.argsort(count, kind="stable")
    below = np.empty(len(count))  # share of the points whose tokens are rarer, or as rare and lower
    below[order] = np.cumsum(count[order]) / ids.size
    named = {kind: kinds[ids] == kind for kind in dict.fromkeys(kinds)}
    named |= {"rare": below[ids] <= 0.1, "frequent": below[ids] > 0.5}
    return _found(part(deviation, name, keep) for name, keep in named.items())


def worst(deviation: "Deviation", count: int = 20) -> np.ndarray:
    """The indices (m,) of the points with the largest KL(teacher || student), the largest first; where top-k rows leave
    it open, with the largest that is certain."""
    kl = to_numpy(deviation.divergence)
    kl = np.where(np.isnan(kl), deviation.scores.get("low:divergence", kl), kl)
    return np.argsort(-kl, kind="stable")[:count]


def _found(parts):
    return [found for found in parts if found is not None]


def _tokens(deviation):
    if deviation.tokens is None:
        raise ValueError("deviation: expected tokens with positions, got points without; pass logits of shape "
                         "(sequences, tokens, vocabulary), or base files of llama.cpp")
    return deviation.tokens
