"""Several students, or several pairs of teacher and student, as one measurement with intervals over seeds."""

from dataclasses import dataclass
from math import isfinite
from statistics import mean

from eigenkd.deviation.comparison import Deviation, slopes
from eigenkd.deviation.slope import Slope, undetermined
from eigenkd.deviation.verdict import FRACTION, as_mapping, judge
from eigenkd.intervals import t_interval


@dataclass(frozen=True)
class Seeds:
    """What `over_seeds` returns: the deviations, and their means with 95% intervals over seeds."""

    deviations: tuple[Deviation, ...]

    def slope(self, side="low", fraction=0.25):
        """The mean slope over seeds with its t interval; NaN, with a reason, where a seed has none.

        The interval speaks of a new seed of the same recipe; that of a single `Deviation.slope` of new points.
        """
        found = [d.slope(side, fraction) for d in self.deviations]
        missing = [slope.reason for slope in found if not isfinite(slope.value)]
        points = round(mean(slope.points for slope in found))
        if missing:
            return undetermined(points, f"{len(missing)} of {len(found)} seeds have none ({missing[0]})")
        return Slope(*t_interval([slope.value for slope in found]), points)

    def underfit(self, fraction=0.25):
        """The mean share over seeds."""
        return mean(d.underfit(fraction) for d in self.deviations)

    def overfit(self, fraction=0.25):
        """The mean share over seeds."""
        return mean(d.overfit(fraction) for d in self.deviations)

    @property
    def agreement(self):
        """The mean over seeds."""
        return mean(d.agreement for d in self.deviations)

    @property
    def kl(self):
        """The mean over seeds, in nats."""
        return mean(d.kl for d in self.deviations)

    @property
    def verdict(self):
        """As `Deviation.verdict`, on the means, with t intervals over seeds of slopes and shares."""
        notes = (f"Means over {len(self.deviations)} seeds; the intervals are over seeds.",
                 *dict.fromkeys(note for d in self.deviations for note in d.verdict.notes))
        shares = ([d.underfit(FRACTION) for d in self.deviations], [d.overfit(FRACTION) for d in self.deviations])
        sides = []
        for side, share in zip(("low", "high"), shares):
            beyond, least, most = t_interval(share)
            sides.append((self.slope(side, FRACTION), beyond, (max(least, 0.0), min(most, 1.0))))
        return judge(*sides, notes)

    def summary(self):
        """The means as a plain mapping, and each seed's own summary under `seeds`."""
        return {
            **slopes(self),
            "underfit": self.underfit(), "overfit": self.overfit(), "agreement": self.agreement, "kl": self.kl,
            "verdict": as_mapping(self.verdict), "seeds": [d.summary() for d in self.deviations],
        }

    def _repr_html_(self):
        from eigenkd.deviation.table import html

        return html(self)

    def table(self, format="text"):
        """As `Deviation.table`."""
        from eigenkd.deviation.table import table

        return table(self, format)


def over_seeds(deviations):
    """`Seeds` from two deviations or more, one a seed. Raises ValueError for fewer, TypeError for something else."""
    deviations = tuple(deviations)
    if len(deviations) < 2:
        raise ValueError(f"deviations: expected two or more, got {len(deviations)}; one seed has no spread over seeds")
    if wrong := [d for d in deviations if not isinstance(d, Deviation)]:
        raise TypeError(f"deviations: expected what compare returns, got {type(wrong[0]).__name__}; pass "
                        "[compare(teacher, student) for student in students]")
    return Seeds(deviations)
