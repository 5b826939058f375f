"""Theorem 4.1 and its pivot form: matched at a pivot, the student's gain is smaller below it and larger above it."""

import numpy as np
from matplotlib.figure import Figure

from eigenkd import filters, plot, theorem
from paper_figures.captions import legend_of, titled
from paper_figures.style import WIDTH

STUDENT_TIME, TEACHER_TIME = 1.0, 2.0             # in units of 1 / (eigenvalue of the pivot)
RATIOS = 10.0 ** (np.arange(200, -601, -1) / 200)  # eigenvalues over the pivot's, descending
PIVOT = 200


def draw(found=None):
    """Left: the gains over the eigenvalue. Right: their gap with its certified lower bound. Needs no run."""
    check = theorem.check(RATIOS, student_time=STUDENT_TIME, teacher_time=TEACHER_TIME, pivot=PIVOT)
    matched_time = float(check.matched_time)
    teacher = filters.flow(matched_time).gain(RATIOS)
    student = (filters.flow(STUDENT_TIME) @ filters.flow(TEACHER_TIME)).gain(RATIOS)
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True)
    names = (f"one-hot teacher at the matched time t = {matched_time:.2f}",
             f"student at s = {STUDENT_TIME:g} of a teacher stopped at T = {TEACHER_TIME:g}")
    plot.gains(RATIOS, teacher, student, ax=left, pivot=PIVOT, labels=names)
    left.fill_between(RATIOS, teacher, student, color="#999999", alpha=0.25, linewidth=0)
    left.set_title("gains, matched at the pivot")
    _gap(right, check)
    for ax in (left, right):
        ax.set_xlabel("eigenvalue λ / pivot's eigenvalue")
    left.get_legend().remove()
    holds = "holds" if bool(np.all(check.holds)) else "FAILS"
    return titled(figure, "Matched at a pivot, the student's gain is smaller below it and larger above it: "
                  f"Theorem 4.1 {holds} at all {RATIOS.size} eigenvalues",
                  "Gradient flow in closed form; times in units of 1 / (the pivot's eigenvalue).",
                  legend_of(left, right))


def _gap(ax, check):
    gap, margin = np.exp(check.log_gap), np.exp(check.log_margin)
    shown = np.arange(RATIOS.size) != PIVOT  # the gap is zero at the pivot
    for side, name, color in ((RATIOS > 1, "student larger", "#009E73"), (RATIOS < 1, "student smaller", "#CC79A7")):
        ax.plot(RATIOS[shown & side], gap[shown & side], color=color, linewidth=2, label=f"gap, {name}")
    ax.plot(RATIOS[shown], np.where(margin > 0, margin, np.nan)[shown], color="black", linestyle=":", linewidth=1.8,
            label="certified lower bound")
    ax.axvline(RATIOS[PIVOT], color=plot.GUIDE, linewidth=1, linestyle=":")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylabel("|student's gain − teacher's gain|")
    ax.set_title("their gap and its certified bound")
