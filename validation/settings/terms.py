"""A mixture of loss terms whose weights change during training, and its text form."""

import re
from dataclasses import dataclass
from typing import Literal

from validation.errors import UsageError

TERMS = ("one_hot", "distilled", "squared", "squared_distilled")
NUMBER = r"\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+"
TERM = re.compile(rf"(?:({NUMBER})\s*\*?\s*)?({'|'.join(sorted(TERMS, reverse=True))})$")
WHEN = re.compile(rf"(?:(epoch|step)\s+({NUMBER})|({NUMBER})\s*%)$")
SPAN = re.compile(rf"({NUMBER})\s*(epochs?|steps?|%)$")
EXAMPLES = "'distilled', '0.1 distilled + 0.9 one_hot', 'distilled to one_hot at epoch 45 over 2 epochs'"


@dataclass(frozen=True)
class Duration:
    """A number of steps, of epochs, or a percentage of the training."""

    amount: float
    unit: Literal["step", "epoch", "%"]

    def steps(self, per_epoch, epochs):
        """The duration in steps, for a training of `epochs` epochs with `per_epoch` steps each."""
        return self.amount * {"step": 1, "epoch": per_epoch, "%": per_epoch * epochs / 100}[self.unit]

    def times(self, ratio):
        """The duration times `ratio`; a percentage of the training is not changed."""
        return self if self.unit == "%" else Duration(float(f"{self.amount * ratio:.6g}"), self.unit)

    def at(self):
        return f"{self.amount:.10g}%" if self.unit == "%" else f"{self.unit} {self.amount:.10g}"

    def over(self):
        return f"{self.amount:.10g}%" if self.unit == "%" else f"{self.amount:.10g} {self.unit}s"


@dataclass(frozen=True)
class Mixture:
    """The non-zero weights, as (name of a term, weight) in the order of TERMS."""

    weights: tuple[tuple[str, float], ...]

    def __str__(self):
        return " + ".join(name if weight == 1 else f"{weight:.10g} {name}" for name, weight in self.weights)


@dataclass(frozen=True)
class Switch:
    """From `start` on, the weights change linearly to those of `mixture` over `window`; a window of 0 is abrupt."""

    mixture: Mixture
    start: Duration
    window: Duration

    def done(self, step, per_epoch, epochs):
        """The completed fraction of the switch, from 0 to 1, in the step after `step` steps."""
        start, window = (each.steps(per_epoch, epochs) for each in (self.start, self.window))
        return min(max((step - start) / window, 0.0), 1.0) if window else float(step >= start)


@dataclass(frozen=True)
class Terms:
    """A mixture and the switches to other mixtures. `parse` reads the text that `str` writes.

        terms    = mixture { "to" mixture "at" ("epoch" N | "step" N | N "%") [ "over" N ("epochs" | "steps" | "%") ] }
        mixture  = [ weight ] term { "+" [ weight ] term }
        term     = "one_hot" | "distilled" | "squared" | "squared_distilled"

    For example: distilled to one_hot at step 15000 over 1000 steps.
    """

    first: Mixture
    switches: tuple[Switch, ...] = ()

    @classmethod
    def parse(cls, text):
        """The terms of a text. Raises UsageError for a text outside the grammar."""
        first, *others = re.split(r"\s+to\s+", " ".join(str(text).split()))
        return cls(_mixture(first, text), tuple(_switch(part, text) for part in others))

    def __str__(self):
        return str(self.first) + "".join(
            f" to {switch.mixture} at {switch.start.at()}" + (f" over {switch.window.over()}" if switch.window.amount
                                                              else "") for switch in self.switches)

    @property
    def names(self):
        """The terms that have a weight at some point of the training."""
        return tuple(dict(pair for mixture in (self.first, *(switch.mixture for switch in self.switches))
                          for pair in mixture.weights))

    def weights(self, step, per_epoch, epochs):
        """The weight of each of `names` in the step after `step` steps."""
        now = dict.fromkeys(self.names, 0.0) | dict(self.first.weights)
        for switch in self.switches:
            done, then = switch.done(step, per_epoch, epochs), dict(switch.mixture.weights)
            now = {name: (1 - done) * weight + done * then.get(name, 0.0) for name, weight in now.items()}
        return now

    def stretched(self, ratio):
        """The terms with start and window of the switches scaled by `ratio`; percentages are not changed."""
        return Terms(self.first, tuple(Switch(switch.mixture, switch.start.times(ratio), switch.window.times(ratio))
                                       for switch in self.switches))


def _mixture(text, whole):
    weights = {}
    for part in text.split("+"):
        found = TERM.match(part.strip())
        if not found or found[2] in weights:
            raise _refused(whole, f"{part.strip()!r}")
        weights[found[2]] = float(found[1] or 1)
    if not any(weights.values()):
        raise _refused(whole, "weights that are all zero")
    return Mixture(tuple((name, weights[name]) for name in TERMS if weights.get(name)))


def _switch(text, whole):
    mixture, at, when = text.partition(" at ")
    when, _, span = when.partition(" over ")
    found, window = WHEN.match(when.strip()), SPAN.match(span.strip() or "0 steps")
    if not at or not found or not window:
        raise _refused(whole, f"'to {text}'")
    start = Duration(float(found[2]), found[1]) if found[1] else Duration(float(found[3]), "%")
    unit = window[2].removesuffix("s")
    return Switch(_mixture(mixture, whole), start, Duration(float(window[1]), unit))


def _refused(whole, got):
    return UsageError(f"--student.loss.terms: expected a mixture of {', '.join(TERMS)} and switches to others, such as "
                      f"{EXAMPLES}, got {got} in {str(whole)!r}")
