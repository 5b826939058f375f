"""What the numbers support, in words, and no more."""

from dataclasses import asdict, dataclass
from math import isnan, sqrt

FRACTION = 0.25
FEWEST = 20  # points of a side under which an interval is too wide, and too unsure of itself, to be called on

TITLES = {
    "exaggerates": "exaggerates", "reverse": "the reverse", "shifted": "shifted, not exaggerated",
    "steeper": "steeper only", "neither": "no exaggeration shown", "too small": "too small to tell",
    "undetermined": "undetermined",
}


@dataclass(frozen=True)
class Side:
    """The verdict on the teacher's least ("low") or most ("high") confident quarter of the points.

    kind: "exaggerates": the slope's interval lies above 1 and most points (the interval of their share above 1/2) go
    beyond the teacher, below it on the low side and above it on the high one; "reverse": the slope's interval lies
    below 1 and most points stay short of it; "shifted": most points go beyond, but no slope above 1 is shown;
    "steeper": a slope above 1, but not most points; "neither"; "too small": fewer than 20 points; "undetermined": no
    slope can be fitted. sentence: that in words, with the numbers.
    """

    kind: str
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """Both sides, a sentence for the whole, and notes on what the reader has to know of the inputs."""

    low: Side
    high: Side
    sentence: str
    notes: tuple[str, ...] = ()


def judge(slope_low, underfit, slope_high, overfit, notes=()):
    """`Verdict` from the two slopes and the shares of points beyond the teacher, over the quarter at each end."""
    low, high = _side("low", slope_low, underfit), _side("high", slope_high, overfit)
    kinds = low.kind, high.kind
    if kinds == ("exaggerates", "exaggerates"):
        sentence = "The student exaggerates its teacher's confidence on both sides."
    elif "exaggerates" in kinds:
        where = "low" if low.kind == "exaggerates" else "high"
        sentence = f"The student exaggerates its teacher's confidence on the {where} side."
    elif kinds == ("too small", "too small"):
        sentence = "The sample is too small to tell."
    elif kinds == ("reverse", "reverse"):
        sentence = "The reverse of exaggeration: the student's confidence is flatter than its teacher's on both sides."
    elif "reverse" in kinds:
        where = "low" if low.kind == "reverse" else "high"
        sentence = f"The reverse of exaggeration on the {where} side: the student's confidence is flatter there."
    else:
        sentence = "No exaggeration of the teacher's confidence is shown."
    return Verdict(low, high, sentence, tuple(notes))


def _side(name, slope, beyond):
    least, far = ("least", "less") if name == "low" else ("most", "more")
    where = f"On the teacher's {least} confident quarter ({slope.points:,} points)"
    share = wilson(beyond, slope.points)
    numbers = (f"the student is {far} confident on {beyond:.0%} [{share[0]:.0%}, {share[1]:.0%}] of them, and the "
               f"slope is {slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}]")
    if slope.points < FEWEST:
        return Side("too small", f"{where} there are too few points to tell: at least {FEWEST} are needed.")
    if isnan(slope.value):
        return Side("undetermined", f"{where} there is no slope: {slope.reason}.")
    if slope.low > 1:
        kind = "exaggerates" if share[0] > 0.5 else "steeper"
    elif share[0] > 0.5:
        kind = "shifted"
    elif slope.high < 1 and share[1] < 0.5:
        kind = "reverse"
    else:
        kind = "neither"
    return Side(kind, f"{where} {numbers}: {TITLES[kind]}.")


def as_mapping(verdict):
    """The verdict as json.dumps takes it and json.loads gives it back."""
    return asdict(verdict) | {"notes": list(verdict.notes)}


def wilson(share, n, z=1.96):
    """The 95% interval of a share of n points (Wilson 1927), independent points supposed."""
    if n == 0:
        return 0.0, 1.0
    centre, half = share + z * z / (2 * n), z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
