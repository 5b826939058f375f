"""The risk of the best teacher and of the best student over label noise, in closed form. docs/theory.md, Sec. 9."""

from functools import cache

import numpy as np
from matplotlib.figure import Figure

from eigenkd import linear_flow, plot, risk
from eigenkd.plot import GUIDE
from paper_figures.captions import legend_of, titled
from paper_figures.style import WIDTH

DIRECTIONS = 50
LAM = 1.0 / np.arange(1, DIRECTIONS + 1)  # eigenvalues; the first is 1
NOISES = 10.0 ** np.linspace(-2, 2, 9)  # variance of the labels' noise, over the mean square of the signal
SIGNALS = {"signal spread over all directions": 0.5, "signal in the upper directions": 1.0,
           "signal in the top directions": 2.0}  # coefficients grow like a power of the eigenvalue


def draw(found=None):
    """A panel a signal: risks over that of the best teacher. Needs no run."""
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axes = figure.subplots(1, 3, sharex=True, sharey=True)
    best = {}
    for ax, (name, power) in zip(axes, SIGNALS.items()):
        ratios = over_teacher(power)
        best[name] = 100 * (1 - ratios["student"].min())
        ax.axhline(1, color=plot.TEACHER["color"], linewidth=2, label="best teacher")
        ax.plot(NOISES, ratios["student"], label="best student", linewidth=2, **plot.STUDENT)
        ax.plot(NOISES, ratios["as_long"], color="#CC79A7", linestyle=":", linewidth=2,
                label="student of the best teacher, trained as long")
        ax.plot(NOISES, ratios["ridge"], color=GUIDE, linewidth=1, label="best ridge regression")
        ax.set(xscale="log", xlabel="label noise / signal", ylim=(0.6, 1.6))
        ax.set_title(name)
    axes[0].set_ylabel("risk / risk of the best teacher")
    return titled(
        figure, f"The best student has up to {max(best.values()):.0f} % less risk than the best teacher where the "
        f"signal lies in the top directions, {min(best.values()):.0f} % where it is spread",
        f"Gradient flow on the squared loss, {DIRECTIONS} directions with eigenvalues 1/k and signal √λ, λ, λ²; each "
        "model's training times are those of least risk on the training inputs.", legend_of(axes[0]))


@cache
def over_teacher(power):
    """Risks over that of the best teacher, (noises,) each, for coefficients of the signal that grow like λ^power."""
    signal = LAM**power
    signal *= np.sqrt(DIRECTIONS / np.sum(signal**2))
    flow, found = linear_flow(np.diag(np.sqrt(LAM)), signal), {"student": [], "ridge": [], "as_long": []}
    for noise in NOISES:
        tuned = risk.tune_each(flow, ("teacher", "ridge", "student"), "risk", signal=signal, noise=noise)
        time, least = tuned["teacher"].parameters["time"], tuned["teacher"].value
        as_long = risk.fixed_design(flow.student(time, teacher_time=time), signal, noise).total
        for name, value in (("student", tuned["student"].value), ("ridge", tuned["ridge"].value),
                            ("as_long", float(as_long))):
            found[name].append(value / least)
    return {name: np.array(values) for name, values in found.items()}
