"""Several students, or several pairs of teacher and student, as one measurement with intervals over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import mean
from typing import Any

from eigenkd._intervals import SHARE, t_interval
from eigenkd.deviation.measured import Deviation
from eigenkd.deviation.slope import Slope, reported, undetermined
from eigenkd.deviation.summary import finite
from eigenkd.deviation.table import html, table
from eigenkd.deviation.verdict import FRACTION, Verdict, as_mapping, judge


@dataclass(frozen=True)
class Seeds:
    """What `over_seeds` returns: the deviations, and their means with 95% intervals over seeds."""

    deviations: tuple[Deviation, ...]

    @property
    def members(self) -> tuple[Deviation, ...]:
        """The deviations that this is measured from."""
        return self.deviations

    @property
    def interval(self) -> str:
        """What the intervals of slopes are, in words."""
        return f"95% t interval over {len(self.deviations)} seeds"

    def by_mask(self) -> dict[str, "Seeds | None"]:
        """name -> the `Seeds` of the mask's points alone, for masks that all seeds have; None where one has none."""
        shared = [name for name in self.deviations[0].masks if all(name in d.masks for d in self.deviations)]
        parts: dict[str, list[Any]] = {name: [d.by_mask()[name] for d in self.deviations] for name in shared}
        return {name: None if None in found else Seeds(tuple(found)) for name, found in parts.items()}

    @property
    def infinite(self) -> dict[str, str]:
        """As `Deviation.infinite`, for quantities that are infinite in a seed."""
        found = [d.infinite for d in self.deviations]
        return {name: f"{sum(name in reasons for reasons in found)} of {len(found)} seeds: "
                      f"{next(reasons[name] for reasons in found if name in reasons)}"
                for name in dict.fromkeys(name for reasons in found for name in reasons)}

    def slope(self, side: str = "low", fraction: float = 0.25) -> Slope:
        """The mean slope over seeds with its t interval; NaN, with a reason, where a seed has none.

        The interval is about a new seed of the same recipe; that of `Deviation.slope` is about new points.
        """
        found = [d.slope(side, fraction) for d in self.deviations]
        missing = [slope.reason for slope in found if not isfinite(slope.value)]
        points = round(mean(slope.points for slope in found))
        if missing:
            return undetermined(points, f"{len(missing)} of {len(found)} seeds have none ({missing[0]})")
        return Slope(*t_interval([slope.value for slope in found]), points)

    def underfit(self, fraction: float = 0.25) -> float:
        """The mean share over seeds."""
        return mean(d.underfit(fraction) for d in self.deviations)

    def overfit(self, fraction: float = 0.25) -> float:
        """The mean share over seeds."""
        return mean(d.overfit(fraction) for d in self.deviations)

    @property
    def agreement(self) -> float:
        """The mean over seeds."""
        return mean(d.agreement for d in self.deviations)

    @property
    def kl(self) -> float:
        """The mean over seeds, in nats."""
        return mean(d.kl for d in self.deviations)

    @property
    def verdict(self) -> Verdict:
        """As `Deviation.verdict`, on the means, with t intervals over seeds of slopes and shares."""
        of_each = [d.verdict.notes for d in self.deviations]
        shared = [note for note in of_each[0] if all(note in notes for notes in of_each)]
        notes = (f"Means over {len(self.deviations)} seeds; the intervals are over seeds.", *shared,
                 *(f"Seed {k}: {note}" for k, notes in enumerate(of_each, 1) for note in notes if note not in shared))
        shares = ([d.underfit(FRACTION) for d in self.deviations], [d.overfit(FRACTION) for d in self.deviations])
        sides = []
        for side, share in zip(("low", "high"), shares):
            beyond, *ends = t_interval(share, SHARE)
            sides.append((self.slope(side, FRACTION), beyond, tuple(ends)))
        doubts = [d.doubt for d in self.deviations if d.doubt]
        doubt = f"In {len(doubts)} of {len(self.deviations)} seeds: {doubts[0]}" if doubts else ""
        return judge(sides[0], sides[1], notes, doubt)

    def summary(self) -> dict[str, Any]:
        """The means as a plain mapping, and each seed's own summary under `seeds`."""
        return finite({
            **reported(self), "infinite": self.infinite,
            "underfit": self.underfit(), "overfit": self.overfit(), "agreement": self.agreement, "kl": self.kl,
            "verdict": as_mapping(self.verdict), "seeds": [d.summary() for d in self.deviations],
        })

    def _repr_html_(self) -> str:
        return html(self)

    def table(self, format: str = "text") -> str:
        """As `Deviation.table`."""
        return table(self, format)


def over_seeds(deviations: Sequence[Deviation]) -> Seeds:
    """`Seeds` from two deviations or more, one a seed. Raises ValueError for fewer, TypeError for other objects."""
    deviations = tuple(deviations)
    if len(deviations) < 2:
        raise ValueError(f"deviations: expected two or more, got {len(deviations)}; one seed has no spread over seeds")
    if wrong := [d for d in deviations if not isinstance(d, Deviation)]:
        raise TypeError(f"deviations: expected what compare returns, got {type(wrong[0]).__name__}; pass "
                        "[compare(teacher, student) for student in students]")
    return Seeds(deviations)
