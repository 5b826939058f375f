"""The verdict in words: what the numbers support, and no more."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil, isfinite, isnan, log10
from typing import Any

from eigenkd.table import number

FRACTION = 0.25
SLIGHT = 0.05  # by which a slope differs from 1 where the words say "slightly": a choice
DIGITS = 6  # at most, of slopes that are close to 1
WIDE = 0.5  # width of an interval around 1 above which exaggeration cannot be told
UNKNOWN = ("too small", "undetermined", "unclear")
FEWEST = 20  # points of a side; fewer give intervals too wide and too unreliable for a verdict

TITLES = {
    "exaggerates": "exaggerates", "reverse": "the reverse", "shifted": "shifted, no slope above 1 shown",
    "steeper": "steeper only", "neither": "no exaggeration shown", "too small": "too small to tell",
    "undetermined": "undetermined", "unclear": "cannot be told",
}


@dataclass(frozen=True)
class Side:
    """The verdict on the teacher's least ("low") or most ("high") confident quarter of the points.

    kind: "exaggerates": the slope's interval lies above 1 and most points (the interval of their share above 1/2) go
    beyond the teacher, below it on the low side and above it on the high one; "reverse": the slope's interval lies
    below 1 and most points stay short of it; "shifted": most points go beyond, but no slope above 1 is shown;
    "steeper": a slope above 1, but not most points; "unclear": none of these, with an interval around 1 wider than 0.5;
    "neither"; "too small": fewer than 20 points; "undetermined": no slope can be fitted. sentence: that in words, with
    the numbers. slight: whether the slope is within 0.05 of 1: over many points the interval can exclude 1 although the
    deviation is too small to matter.
    """

    kind: str
    sentence: str
    slight: bool = False


@dataclass(frozen=True)
class Verdict:
    """Both sides, a sentence for the whole, and notes on the inputs."""

    low: Side
    high: Side
    sentence: str
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([self.sentence, self.low.sentence, self.high.sentence, *self.notes])


def judge(low: Any, high: Any, notes: Sequence[str] = (), doubt: str = "") -> Verdict:
    """`Verdict` from, for each side, (slope, share beyond the teacher, its 95% interval, whether ties are in).

    doubt: why the rows may not be the same points, or ""; the sentence begins with it.
    """
    low, high = _side("low", *low), _side("high", *high)
    sentence = _sentence({"low": low.kind, "high": high.kind}, {"low": low.slight, "high": high.slight})
    return Verdict(low, high, f"{doubt} {sentence}".strip(), tuple(notes))


def _sentence(kinds, slight):
    """The sentence for the whole, from the kinds of both sides, and whether they are slight."""
    beyond = [side for side, kind in kinds.items() if kind == "shifted"]
    exaggerated = [side for side, kind in kinds.items() if kind == "exaggerates"]
    turned = [side for side, kind in kinds.items() if kind == "reverse"]
    unknown = [side for side, kind in kinds.items() if kind in UNKNOWN]
    known = [side for side in kinds if side not in unknown]
    if exaggerated:
        where = "both sides" if len(exaggerated) == 2 else f"the {exaggerated[0]} side"
        rest = f", and shows the reverse on the {turned[0]} side" if turned else ""
        slightly = "slightly " * all(slight[side] for side in exaggerated)
        return f"The student {slightly}exaggerates its teacher's confidence on {where}{rest}."
    if turned:
        where = "both sides" if len(turned) == 2 else f"the {turned[0]} side"
        slightly = "slightly " * all(slight[side] for side in turned)
        rest = (f" On the {beyond[0]} side it is {'less' if beyond[0] == 'low' else 'more'} confident on most points, "
                "without a slope above 1.") if beyond else ""
        return (f"The reverse of exaggeration on {where}: the student's confidence is {slightly}flatter than its "
                f"teacher's there.{rest}")
    if all(kind == "too small" for kind in kinds.values()):
        return "The sample is too small to tell."
    if len(unknown) == 2:
        return "Whether the student exaggerates its teacher's confidence cannot be told from these points."
    if unknown:
        return (f"No exaggeration of the teacher's confidence is shown on the {known[0]} side; on the {unknown[0]} "
                f"side it cannot be told.")
    return "No exaggeration of the teacher's confidence is shown."


def _side(name, slope, beyond, interval, ties=False):
    least, far = ("least", "less") if name == "low" else ("most", "more")
    points = f"{slope.points:,} point{'s' * (slope.points != 1)}{', ties included' * ties}"
    where = f"On the teacher's {least} confident quarter ({points})"
    if slope.points < FEWEST:
        return Side("too small", f"{where} there are too few points to tell: at least {FEWEST} are needed.")
    if isnan(slope.value):
        return Side("undetermined", f"{where} there is no slope: {slope.reason}.")
    if isnan(beyond):
        return Side("undetermined", f"{where} the student's confidence is not known on all points.")
    if slope.low > 1:
        kind = "exaggerates" if interval[0] > 0.5 else "steeper"
    elif interval[0] > 0.5:
        kind = "shifted"
    elif slope.high < 1 and interval[1] < 0.5:
        kind = "reverse"
    elif slope.high > 1 and slope.high - slope.low > WIDE:
        kind = "unclear"
    else:
        kind = "neither"
    slight = abs(slope.value - 1) < SLIGHT
    digits = _digits(slope)
    value, low, high = (number(x, f".{digits}f") for x in (slope.value, slope.low, slope.high))
    return Side(kind, f"{where} the student is {far} confident on {beyond:.0%} [{interval[0]:.0%}, {interval[1]:.0%}] "
                      f"of them, and the slope is {value} [{low}, {high}]: "
                      f"{TITLES[kind]}{', slightly' * (slight and kind in ('exaggerates', 'reverse', 'steeper'))}.",
                slight)


def _digits(slope):
    """Decimals that show on which side of 1 the interval's ends are: two, and more where they are close to it."""
    nearest = min(abs(slope.low - 1), abs(slope.high - 1))
    return 2 if nearest == 0 else min(DIGITS, max(2, ceil(-log10(nearest) - 1e-6))) if isfinite(nearest) else 2


def as_mapping(verdict: Verdict) -> dict[str, Any]:
    """The verdict as json.dumps takes it and json.loads gives it back."""
    return asdict(verdict) | {"notes": list(verdict.notes)}
