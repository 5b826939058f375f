"""What llama-perplexity prints on two models, by its own definitions, and intervals over texts.

With a = -log p of the target under the teacher ("base") and b = -log q under the student ("Q"), natural logarithms,
PPL(base) = exp mean a, PPL(Q) = exp mean b, and the change of the target's probability is exp(-b) - exp(-a). Its "±" is
a standard error that takes tokens as independent.
"""

from dataclasses import dataclass
from math import exp, sqrt

import numpy as np

from eigenkd.deviation import clusters
from eigenkd.deviation.clusters import Mean
from eigenkd.table import Cells, number

OF_KL = (99.9, 99, 95, 90, 50, 10, 5, 1, 0.1)
OF_CHANGE = (99.9, 99, 95, 90, 75, 50, 25, 10, 5, 1, 0.1)


@dataclass(frozen=True, eq=False)
class Perplexity:
    """Both models on the tokens that follow.

    teacher, student: (n,) negative log-probabilities a and b. kl: (n,); same: (n,) bool, whether the top tokens are.
    clusters: (n,) codes of the texts, or None. floored_teacher, floored_student: (n,) bool, whether a target's
    probability is only known to lie below what is stored.
    """

    teacher: np.ndarray
    student: np.ndarray
    kl: np.ndarray
    same: np.ndarray
    clusters: np.ndarray | None
    floored_teacher: np.ndarray
    floored_student: np.ndarray

    @property
    def floored(self) -> np.ndarray:
        """(n,) bool: whether the target's probability is not known in one of the models."""
        return self.floored_teacher | self.floored_student

    def notes(self) -> list[str]:
        """What a reader of the perplexities has to know, in words."""
        said = []
        if self.floored.any():
            said.append(
                f"Of {self.floored.size:,} targets, {self.floored_teacher.sum():,} lie below the floor of the "
                f"teacher's file and {self.floored_student.sum():,} below that of the student's: of these the files "
                "hold only an upper bound. The true perplexities are higher, and the ratio that llama-perplexity "
                "prints, in which the teacher alone is cut off, is wrong; divide the \"Final estimate\" of the runs "
                f"that wrote the files. Over the {(~self.floored).sum():,} other targets the ratio is "
                f"{self.ratio_without_floors:.3f}.")
        if (ratio := self.clustered["ln(PPL ratio)"]).high < 0:
            said.append(f"The student predicts the text better than its teacher (ratio of perplexities "
                        f"{exp(ratio.value):.3f}); if that is not meant, the files are swapped.")
        return said

    @property
    def change(self) -> np.ndarray:
        """(n,) the change of the target's probability, student minus teacher, single precision as printed."""
        return (np.exp(-self.student) - np.exp(-self.teacher)).astype(np.float32)

    @property
    def values(self) -> dict[str, tuple[float, float | None]]:
        """name -> (value, its "±" over independent tokens or None): all that llama-perplexity prints, by its names.

        Probabilities and shares are in percent, as printed.
        """
        a, b, n = self.teacher, self.student, self.teacher.size
        (base, ua), (quantised, ub) = _printed_mean(a), _printed_mean(b)
        cov = (float(np.mean(a * b)) - base * quantised) / (n - 1)
        spread = sqrt(max(ua * ua + ub * ub - 2 * cov, 0))
        ppl, ppl_base, ratio = exp(quantised), exp(base), exp(quantised - base)
        gap = sqrt(max((ppl * ub) ** 2 + (ppl_base * ua) ** 2 - 2 * ppl * ppl_base * cov, 0))
        change = self.change.astype(float)
        (mean_change, u_change), (square, u_square) = _printed_mean(change), _printed_mean(change * change)
        rms, share = sqrt(square), float(np.mean(self.same))
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = float(100 * np.float64(cov) / (np.float64(ua) * ub))
            rms_error = float(100 * np.float64(u_square) / (2 * rms))
        return {
            "Mean PPL(Q)": (ppl, ppl * ub), "Mean PPL(base)": (ppl_base, ppl_base * ua),
            "Cor(ln(PPL(Q)), ln(PPL(base)))": (correlation, None),
            "Mean ln(PPL(Q)/PPL(base))": (quantised - base, spread), "Mean PPL(Q)/PPL(base)": (ratio, ratio * spread),
            "Mean PPL(Q)-PPL(base)": (ppl - ppl_base, gap),
            "Mean KLD": _printed_mean(self.kl),
            **_percentiles(self.kl, OF_KL, "KLD", 1),
            "Mean Δp": (100 * mean_change, 100 * u_change), **_percentiles(self.change, OF_CHANGE, "Δp", 100),
            "RMS Δp": (100 * rms, rms_error),
            "Same top p": (100 * share, 100 * sqrt(share * (1 - share) / (n - 1))),
        }

    @property
    def clustered(self) -> dict[str, Mean]:
        """name -> `clusters.Mean` of the means among the values, with 95% intervals over texts: "ln(PPL ratio)",
        "KL", "Δp" and "same top"."""
        return {name: clusters.mean(values, self.clusters) for name, values in self._means.items()}

    @property
    def _means(self) -> dict[str, np.ndarray]:
        return {"ln(PPL ratio)": self.student - self.teacher, "KL": self.kl, "Δp": self.change, "same top": self.same}

    @property
    def widening(self) -> dict[str, float]:
        """name -> how many times as wide the interval over texts is as one that takes tokens for independent."""
        alone = {name: clusters.mean(values) for name, values in self._means.items()}
        return {name: _over(found.high - found.low, alone[name].high - alone[name].low)
                for name, found in self.clustered.items()}

    @property
    def ratio_without_floors(self) -> float:
        """The ratio of perplexities over the targets whose probability is known in both models; NaN for none."""
        known = ~self.floored
        return exp(float(np.mean(self.student[known] - self.teacher[known]))) if known.any() else float("nan")


def cells(found: Perplexity, name: str = "as llama-perplexity prints it") -> Cells:
    """The `Cells` of a `Perplexity`: each value as llama-perplexity writes it, its ±, and the interval over texts."""
    over = {"Mean ln(PPL(Q)/PPL(base))": "ln(PPL ratio)", "Mean KLD": "KL", "Mean Δp": "Δp", "Same top p": "same top"}
    intervals, rows = found.clustered, []
    for label, (value, error) in found.values.items():
        if np.isnan(value):  # top-k rows leave it open
            continue
        percent = "Δp" in label or "Same" in label
        digits, scale = (".3f", 100) if percent else (".2f" if "Cor" in label else ".6f", 1)
        unit = "%" if percent or "Cor" in label else ""
        mean = intervals.get(over.get(label, ""))
        rows.append((label, number(value, digits) + unit, "" if error is None else number(error, digits),
                     "" if mean is None or np.isnan(mean.low) else
                     f"[{number(scale * mean.low, digits)}, {number(scale * mean.high, digits)}]"))
    groups = next(iter(intervals.values())).groups
    return Cells((name, "value", "± (tokens independent)", f"95% interval over {groups:,} groups"), tuple(rows))


def _printed_mean(values):
    """(mean, standard error as llama-perplexity computes it, 0 for up to 10 values)."""
    values = np.asarray(values, dtype=float)
    n, mean = values.size, float(np.mean(values))
    square = (float(np.mean(values * values)) - mean * mean) / (n - 1) if n > 10 else 0.0
    return mean, sqrt(max(square, 0.0))


def _percentiles(values, which, name, scale):
    values = np.asarray(values, np.float32)
    values = np.full_like(values, np.nan) if np.isnan(values).any() else np.sort(values)

    def at(percent):
        place = np.float32(percent / 100) * np.float32(values.size - 1)
        low = int(place)
        part = np.float32(place - low)
        return float((1 - part) * values[low] + part * values[min(low + 1, values.size - 1)])

    found = {f"Maximum {name}": (scale * float(values[-1]), None)}
    for percent in which:
        label = "Median" if percent == 50 else f"{percent:.1f}%"
        found[f"{label} {name}"] = (scale * (float(np.median(values)) if percent == 50 else at(percent)), None)
    return found | {f"Minimum {name}": (scale * float(values[0]), None)}


def _over(width, other):
    return width / other if other > 0 else float("nan")
