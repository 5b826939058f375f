"""What is known, and what is certain, of a deviation between rows of which only some tokens are known.

Let A be the tokens whose log-probabilities are known in both rows and R the rest, P and Q the probabilities of R. Then

    sum_A p log p/q + P log P/Q  <=  KL(p || q)  <=  sum_A p log p/q + sum_{known in p} p (log p - f) + r (c - f)

by the log-sum inequality, and because every p outside the known ones is at most e^c, they sum to r, and every q is at
least e^f. The mass of a tail is log(1 - e^L) = log(-expm1(L)) with L the log of the known sum, which keeps its digits
where the known ones sum to nearly 1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj

from eigenkd._arrays import to_numpy
from eigenkd.deviation.softmax import Softmax
from eigenkd.deviation.topk import NONE, TopK, log_sum
from eigenkd.typing import Progress

DOUBLE = 2.0**-48  # nats by which what is computed in double precision may be wrong


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of rows of probabilities: log p of some tokens, and bounds of the others.

    ids, log: (n, m), -1 and -inf for none. floor, ceiling: (n,) of log p of the other tokens. tail: two (n,), bounds of
    the log of their sum. best: (n,) the most probable token; certain: (n,) bool, whether it is that for sure. full:
    whether all was known; rounding: of log.
    """

    ids: np.ndarray
    log: np.ndarray
    floor: np.ndarray
    ceiling: np.ndarray
    tail: tuple[np.ndarray, np.ndarray]
    best: np.ndarray
    certain: np.ndarray
    entropy: tuple[np.ndarray, np.ndarray]
    rounding: float
    vocabulary: int

    @classmethod
    def of(cls, rows: Any, ids: np.ndarray, numbers: Any) -> "Known":
        """Those of a block of `TopK`, or of full rows of logits, of which the tokens `ids` (n, m) are looked up."""
        return cls._of_top(rows) if isinstance(rows, TopK) else cls._of_logits(rows, ids, numbers)

    @classmethod
    def _of_top(cls, rows):
        log, n = rows.log_probs, len(rows.ids)
        total, count = log_sum(log), (rows.ids != NONE).sum(axis=1)
        whole = count == rows.vocabulary
        tail = tuple(np.where(whole, -np.inf, _log_rest(np.minimum(total + sign * rows.rounding, 0.0)))
                     for sign in (1, -1))
        least = np.min(np.where(rows.top, log, np.inf), axis=1)
        ceiling = np.minimum(np.minimum(least, 0.0) + rows.rounding, tail[1])
        rest = rows.vocabulary - count
        tail = (tail[0], np.minimum(tail[1], np.log(np.maximum(rest, 1)) + ceiling))  # each is at most the ceiling
        tail = (np.minimum(*tail), tail[1])
        at = np.argmax(log, axis=1)
        best = np.take_along_axis(log, at[:, None], axis=1)[:, 0]
        known = -np.sum(np.exp(log) * np.where(log > -np.inf, log, 0.0), axis=1)
        low = known + np.exp(tail[0]) * -_finite(np.minimum(ceiling, tail[0]))
        high = known + np.exp(tail[1]) * (np.log(np.maximum(rest, 1)) - _finite(tail[1]))
        high = np.minimum(high, np.log(rows.vocabulary))
        slack = rows.rounding * (1 + known)
        entropy = np.maximum(np.minimum(low, high) - slack, 0), high + slack
        return cls(rows.ids, log, np.full(n, rows.floor), ceiling, tail, rows.ids[np.arange(n), at],
                   rows.top.any(axis=1) | (best >= ceiling), entropy,
                   rows.rounding, rows.vocabulary)

    @classmethod
    def _of_logits(cls, rows, ids, numbers):
        model = Softmax("logits", np.array(rows, dtype=float), np, numbers)
        log = model.log - model.log_sum[:, None]
        n, places = len(log), np.arange(len(log))
        ids = np.concatenate([ids, np.asarray(model.top)[:, None]], axis=1)
        order = np.argsort(ids, axis=1, kind="stable")
        again = np.pad(np.diff(np.take_along_axis(ids, order, axis=1), axis=1) == 0, ((0, 0), (1, 0)))
        np.put_along_axis(again, order, again.copy(), axis=1)
        ids = np.where(again, NONE, ids)
        found = np.where(ids == NONE, -np.inf, log[places[:, None], ids])
        others = log.copy()
        others[np.repeat(places, ids.shape[1])[(ids != NONE).ravel()], ids[ids != NONE]] = np.nan
        empty = np.isnan(others).all(axis=1)
        floor = np.min(np.where(np.isnan(others), np.inf, others), axis=1)
        ceiling = np.max(np.where(np.isnan(others), -np.inf, others), axis=1)
        tail = np.where(empty, -np.inf, log_sum(np.where(np.isnan(others), -np.inf, others)))
        return cls(ids, found, np.where(empty, 0.0, floor), ceiling, (tail, tail), np.array(model.top),
                   np.ones(n, bool), (model.entropy, model.entropy), DOUBLE, log.shape[1])

    def look_up(self, ids: np.ndarray) -> np.ndarray:
        """(n, m) log p of tokens, NaN where it is not known and -inf for no token."""
        n, width = len(ids), self.vocabulary + 1
        rows = np.arange(n)[:, None] * width
        mine = (rows + self.ids + 1).ravel()
        order = np.argsort(mine, kind="stable")
        wanted = (rows + ids + 1).ravel()
        at = order[np.minimum(np.searchsorted(mine, wanted, sorter=order), mine.size - 1)]
        found = np.where(mine[at] == wanted, self.log.ravel()[at], np.nan).reshape(ids.shape)
        return np.where(ids == NONE, -np.inf, found)

    def log_odds(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(value, low, high) of log p / (1 - p) of one token a row, (n,) each; the value is NaN where it is not known.

        1 - p is both -expm1(log p) and the sum of the others: near p = 1 the second keeps its digits where others are
        known, whatever log p was rounded to.
        """
        log, size = self.look_up(ids[:, None])[:, 0], self.rounding
        others = log_sum(np.where(self.ids == ids[:, None], -np.inf, self.log))
        bound = np.where(np.isnan(log), np.minimum(self.ceiling, self.tail[1]), log + size)
        with np.errstate(divide="ignore", invalid="ignore"):
            least = np.maximum(_log_rest(np.minimum(bound, 0)), np.logaddexp(others - size, self.tail[0]))
            most = np.minimum(_log_rest(np.minimum(log - size, 0)), np.logaddexp(others + size, self.tail[1]))
            most = np.maximum(most, least)
            value = log - np.clip(_log_rest(np.minimum(log, 0)), least, most)
            low, high = log - size - most, bound - least
        unknown = np.isnan(log)
        least = np.maximum(_log_rest(np.minimum(bound, 0)), others)
        return value, np.where(unknown, -np.inf, low), np.where(unknown, bound - least, high)

    def nll(self, ids: np.ndarray) -> np.ndarray:
        """-log p of one token a row, NaN where unknown."""
        return -self.look_up(ids[:, None])[:, 0]


def divergence(p: Known, q: Known) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of KL(p || q), (n,) each, of two `Known`. Certain up to the rounding of what is stored."""
    log_p, log_q = p.log, q.look_up(p.ids)
    both = np.isfinite(log_p) & ~np.isnan(log_q)
    share = np.where(both, np.exp(log_p), 0.0)
    with np.errstate(invalid="ignore"):
        terms = np.where(share > 0, share * (log_p - log_q), 0.0)
    known, error = terms.sum(axis=1), (share * (p.rounding + q.rounding) + np.abs(terms) * p.rounding).sum(axis=1)
    alone = np.where(np.isfinite(log_p) & np.isnan(log_q), np.exp(log_p), 0.0)  # known in p only
    other = np.where(np.isnan(p.look_up(q.ids)), np.exp(q.log), 0.0).sum(axis=1)  # known in q only
    rest_p = [alone.sum(axis=1) + np.exp(tail) for tail in p.tail]
    rest_q = other + np.exp(q.tail[1])
    middle = np.clip(rest_q / np.e, *rest_p)  # where P log(P / Q) is least
    with np.errstate(divide="ignore", invalid="ignore"):
        low = known + np.where(middle > 0, middle * (np.log(middle) - np.log(rest_q)), 0.0)
        floor = np.minimum(q.floor, np.min(np.where(np.isnan(p.look_up(q.ids)), q.log, np.inf), axis=1))
        extra = np.where(alone > 0, alone * (log_p - floor[:, None]), 0.0).sum(axis=1)
        steep = np.minimum(p.ceiling, p.tail[1]) - floor
        mass = np.exp(np.where(steep > 0, p.tail[1], p.tail[0]))
        high = known + extra + np.where(mass > 0, mass * steep, 0.0)
    return np.maximum(low - error, 0.0), np.maximum(high + error, 0.0)


def jensen_shannon(p: Known, q: Known) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the Jensen-Shannon divergence of two `Known`, (n,) each."""
    log_p, log_q = p.log, q.look_up(p.ids)
    both = np.isfinite(log_p) & ~np.isnan(log_q)
    a, b = (np.where(both, np.exp(np.where(both, log, 0.0)), 0.0) for log in (log_p, log_q))
    known = _half(a, b).sum(axis=1)
    rest = [np.maximum(1 - share.sum(axis=1), 0.0) for share in (a, b)]
    error = 2 * (p.rounding + q.rounding)
    low = known + _half(*rest)
    return np.maximum(low - error, 0.0), np.minimum(known + np.log(2) * sum(rest) / 2 + error, np.log(2))


def points(teacher: Any, student: Any, labels: np.ndarray | None, numbers: Any, block: int = 4096,
           progress: Progress | None = None) -> dict[str, np.ndarray]:
    """As `pointwise.points`, of rows of which one or both are `TopK`: what is not known is NaN, and "low:" and "high:"
    of its name are bounds of it. "unsure": whether the student's most probable token is not known."""
    n, parts = teacher.shape[0], []
    size = max(1, min(block, min([n, *(2**20 // rows.shape[1] for rows in (teacher, student)
                                       if not isinstance(rows, TopK))])))
    for start in range(0, n, size):
        rows = slice(start, min(n, start + size))
        parts.append(_block(teacher[rows], student[rows], None if labels is None else labels[rows], numbers[rows]))
        if progress is not None:
            progress(rows.stop, n)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _block(teacher, student, labels, numbers):
    teacher, student = (rows if isinstance(rows, TopK) or not is_array_api_obj(rows) else to_numpy(rows)
                        for rows in (teacher, student))
    asked = np.full((len(numbers), 1), NONE) if labels is None else labels[:, None]
    if isinstance(teacher, TopK):
        t = Known.of(teacher, asked, numbers)
        s = Known.of(student, np.concatenate([t.ids, asked], axis=1), numbers)
    else:
        s = Known.of(student, asked, numbers)
        t = Known.of(teacher, np.concatenate([s.ids, asked], axis=1), numbers)
    result = {"teacher_class": t.best, "student_class": s.best, "unsure": ~s.certain | ~t.certain}
    for role, model in (("teacher", t), ("student", s)):
        value, low, high = model.log_odds(t.best)
        name = f"{role}_confidence"
        result |= {name: value, f"low:{name}": low, f"high:{name}": high}
        _put(result, f"{role}_entropy", model.entropy)
    _put(result, "divergence", divergence(t, s))
    _put(result, "reverse", divergence(s, t))
    _put(result, "jensen_shannon", jensen_shannon(t, s))
    result |= {"clipped": np.zeros(len(numbers), bool), "far": np.zeros(len(numbers), bool)}
    if labels is not None:
        for role, model in (("teacher", t), ("student", s)):
            best = model.look_up(model.best[:, None])[:, 0]
            result |= {f"{role}_top": np.where(model.certain, np.exp(best), np.nan), f"{role}_nll": model.nll(labels),
                       f"{role}_brier": np.full(len(labels), np.nan)}
    return result


def _put(result, name, bounds):
    low, high = bounds
    result |= {name: np.where(high - low <= 1e-12 * np.maximum(1, low), low, np.nan), f"low:{name}": low,
               f"high:{name}": high}


def _half(a, b):
    """1/2 a log(a/m) + 1/2 b log(b/m) with m the mean."""
    m = (a + b) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return sum(np.where(x > 0, x * np.log(x / m), 0.0) for x in (a, b)) / 2


def _log_rest(log):
    """log(1 - e^log) of numbers at most 0."""
    with np.errstate(divide="ignore"):
        return np.log(-np.expm1(log))


def _finite(log):
    """0 for -inf, where it is multiplied by a probability of zero."""
    return np.where(log > -np.inf, log, 0.0)
