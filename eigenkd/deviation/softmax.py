"""The softmax of a block of logits, where a class may have a probability of zero.

An entry of -inf is a probability of zero. So is a mask's constant: the lowest number of a floating-point type, -1e9 or
another entry that no network computes as a logit.
"""

from typing import Any

from array_api_compat import device

from eigenkd._arrays import to_numpy
from eigenkd.deviation.workspace import Workspace
from eigenkd.typing import Array

ZERO = 1e3  # nats below the row's largest logit from which on every floating-point type rounds the probability to zero
MASK = 1e6  # nats below it from which on an entry is a mask's constant: its logit is -inf
LOWEST_HALF = -65504.0  # the lowest number of half precision, a mask's constant above that limit


class Softmax:
    """p = exp(f - max f) / sum exp(f - max f) of a block of logits f (rows, classes).

    logits: f; largest: (rows,) max f, and top its class; log: f - max f, -inf for masked entries; exp: its exponential,
    at most 1; sum: (rows,) of exp. masked, far: (rows, classes), entries of -inf and finite ones of probability zero;
    None where no entry lies that far below its row's largest. numbers: of the rows in the user's array, for messages.

    Raises ValueError for NaN, +inf, and rows of -inf alone.
    """

    xp: Any
    logits: Any
    top: Any
    largest: Any
    log: Any
    masked: Any
    far: Any
    exp: Any
    sum: Any
    log_sum: Any
    entropy: Any

    def __init__(self, name: str, logits: Any, xp: Any, numbers: Any) -> None:
        self.xp, self.logits, self.top = xp, logits, xp.argmax(logits, axis=1)
        self._into = Workspace(name, logits)
        self._rows = xp.arange(logits.shape[0], device=device(logits))
        self.largest = self._at(logits, self.top)
        largest = self.largest[:, None]
        self.log = self._into("log", xp.subtract, logits, largest)
        self.masked = self.far = None
        if not bool(xp.min(self.log) > -ZERO):  # also for NaN, which infinities become here
            _check(name, logits, largest, xp, numbers)
            below = self.log <= -ZERO
            self.masked = (self.log <= -MASK) | (below & (logits == LOWEST_HALF))
            self.far = below & ~self.masked
            self.log = xp.where(self.masked, -xp.inf, self.log)
        self.exp = self._into("exp", xp.exp, self.log)
        self._rest = self._without_top()
        self.sum = 1 + self._rest
        self.log_sum = xp.log(self.sum)
        self.entropy = self.log_sum - xp.vecdot(self.exp, self._finite()) / self.sum

    def divergences(self, other: 'Softmax') -> tuple[Array, Array, Array]:
        """KL(self || other), KL(other || self) and Jensen-Shannon's, 1/2 KL(self || m) + 1/2 KL(other || m) with m the
        mean of both, (rows,) each.

        KL is infinite where the second model gives probability zero to a class of the first. A class whose probability
        under the first rounds to zero in every precision does not count.
        """
        xp, into = self.xp, self._into
        difference = into("difference", xp.subtract, self._finite(), other._finite())
        shift = self.log_sum - other.log_sum
        ahead, behind = (xp.vecdot(model.exp, difference) / model.sum for model in (self, other))
        forward, reverse = ahead - shift, shift - behind
        # JS = KL(self || m) / 2 + ..., m = (p + q) / 2, in units of this model's sum: log m is the only new logarithm
        mean = into("mean", xp.multiply, other.exp, (self.sum / other.sum)[:, None])
        mean = into("mean", xp.add, mean, self.exp)
        if not bool(xp.min(mean) > 0):
            mean = xp.where(mean > 0, mean, xp.finfo(mean.dtype).smallest_normal)
        above = into("difference", xp.log, mean)
        above = into("difference", xp.subtract, above, self._finite())
        half = xp.asarray(0.5, dtype=mean.dtype)
        shannon = xp.log(1 / half) - half * (xp.vecdot(mean, above) / self.sum + behind - shift)
        return (self._positive(forward, other), other._positive(reverse, self),
                xp.where(shannon > 0, shannon, 0.0))

    def _positive(self, divergence, other):
        """Where rounding alone makes KL(self || other) negative it is 0; where `other` masks a class of this, inf."""
        xp = self.xp
        result = xp.where(divergence > 0, divergence, 0.0)
        if other.masked is None:
            return result
        return xp.where(xp.any(other.masked & (self.log > -ZERO), axis=1), xp.inf, result)

    def log_odds(self, y: Array) -> Array:
        """phi = f_y - log sum_{c != y} exp f_c of the classes y, (rows,).  Eq. (61)"""
        xp, zero = self.xp, self.xp.zeros((), dtype=self.exp.dtype, device=device(self.exp))
        chosen = self._at(self.log, y)
        # The others of another class than the largest have its 1 among them, so that the difference keeps its digits.
        others = xp.where(y == self.top, self._rest, 1 + (self._rest - self._at(self.exp, y)))
        # Where the others nearly vanish next to the largest, they are summed relative to their own largest.
        least = xp.finfo(self.exp.dtype).smallest_normal ** 0.5
        result = chosen - xp.log(xp.where(others > least, others, 1.0))
        vanishing = others <= least
        if bool(xp.any(vanishing)):
            own = xp.arange(self.log.shape[1], device=device(y)) == y[:, None]
            rest = xp.where(own, -xp.inf, self.log)
            largest = xp.max(rest, axis=1)
            largest = xp.where(largest > -xp.inf, largest, zero)  # all others are masked: their sum is 0, phi infinite
            apart = (chosen - largest) - xp.log(xp.sum(xp.exp(rest - largest[:, None]), axis=1))
            result = xp.where(vanishing, apart, result)
        return result

    def nll(self, label: Array) -> Array:
        """-log of the probability of the label, infinite where that is zero."""
        return self.log_sum - self._at(self.log, label)

    def brier(self, label: Array) -> Array:
        """sum_c (p_c - 1[c = label])^2, from 0 where p is the label's indicator."""
        p = self._at(self.exp, label) / self.sum
        squares = self.xp.vecdot(self.exp, self.exp) / self.sum**2
        return self.xp.maximum((1 - p) ** 2 + (squares - p * p), (1 - p) ** 2)

    def _without_top(self):
        """The sum of exp over all classes but the largest's. It is not sum - 1, which would lose the digits of a sure
        model."""
        xp, y = self.xp, self.top
        if not self._into.reuses:
            own = xp.arange(self.exp.shape[1], device=device(y)) == y[:, None]
            return xp.sum(xp.where(own, xp.zeros((), dtype=self.exp.dtype, device=device(y)), self.exp), axis=1)
        kept = self._at(self.exp, y)  # a mask of all entries would cost more than their exponentials
        self.exp[self._rows, y] = 0
        result = self.exp.sum(axis=1)
        self.exp[self._rows, y] = kept
        return result

    def _finite(self):
        """The logs, with 0 in place of -inf: they are multiplied by a probability of zero."""
        return self.log if self.masked is None else self.xp.where(self.masked, 0.0, self.log)

    def _at(self, values, y):
        return values[self._rows, y]


def _check(name, logits, largest, xp, numbers):
    bad = to_numpy(xp.isnan(logits) | (logits == xp.inf))
    if bad.any():
        raise ValueError(f"{name}: expected finite numbers, got {bad.sum()} NaN or +inf value(s) from row "
                         f"{numbers[bad.any(axis=1).argmax()]} on; replace or remove them (-inf is a probability of "
                         "zero)")
    empty = to_numpy(largest[:, 0] == -xp.inf)
    if empty.any():
        raise ValueError(f"{name}: expected a class above -inf in every row, got none in row "
                         f"{numbers[empty.argmax()]}; remove the row from all arrays")
