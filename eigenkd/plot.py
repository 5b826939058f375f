"""Pictures of what the other modules compute: Axes in, Axes out, and nothing is ever shown.

The teacher is blue and solid, the student vermillion and dashed: told apart without colour, and by a colour-blind
reader (the palette is Okabe and Ito's). Matplotlib is imported when an Axes has to be made.
"""

import numpy as np

from eigenkd.arrays import to_numpy

TEACHER = {"color": "#0072B2", "linestyle": "-"}
STUDENT = {"color": "#D55E00", "linestyle": "--"}
POINTS, MARKED, GUIDE = "#0072B2", "#E69F00", "#555555"


def confidence(deviation, ax=None, fraction=0.25, highlight=None, label="points"):
    """The scatter of student (y) on teacher confidence (x), with the line y = x and the fit over the low side.

    deviation: an `eigenkd.deviation.Deviation`. fraction: of the points, what the fit covers; no line where the slope
    is NaN. highlight: a mask (n,) of points to set apart, a pair (mask, name) to name them in the legend. label: what
    the others are called. Below the line the student is less confident than its teacher. Figs. 1a, 4 and 18.
    """
    ax = _axes(ax)
    x, y = to_numpy(deviation.teacher_confidence), to_numpy(deviation.student_confidence)
    mask, name = highlight if isinstance(highlight, tuple) else (highlight, "highlighted")
    mask = np.zeros(x.shape, dtype=bool) if mask is None else to_numpy(mask).astype(bool)
    if mask.shape != x.shape:
        raise ValueError(f"highlight: expected one truth value a point, {x.shape}, got shape {mask.shape}; "
                         "pass the mask of the same points")
    size = float(np.clip(4000 / x.size, 3, 24))
    ax.scatter(x[~mask], y[~mask], s=size, color=POINTS, alpha=0.55, linewidths=0, label=label)
    if mask.any():
        ax.scatter(x[mask], y[mask], s=1.5 * size, color=MARKED, marker="^", edgecolors="black", linewidths=0.4,
                   label=name)
    ax.axline((0, 0), slope=1, color=GUIDE, linestyle="--", linewidth=1, label="student = teacher")
    slope = deviation.slope("low", fraction)
    if np.isfinite(slope.value):
        ends, heights = _fit(x, y, slope)
        text = f"slope {slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}], least confident {fraction:.0%}"
        ax.plot(ends, heights, color="black", linewidth=2, label=text)
    ax.set_xlabel("teacher's confidence (log-odds, nats)")
    ax.set_ylabel("student's confidence (log-odds, nats)")
    ax.legend(fontsize="small", loc="upper left")
    return ax


def trajectories(teacher_path, student_path, pair, ax=None, legend=True):
    """Two paths in the plane of a pair of eigendirections: the top component along x, the bottom one along y.

    teacher_path, student_path: (records, k) components; pair: (top, bottom). A circle marks the start, a star each
    end. A path biased to the top direction runs along x first and turns up late. Figs. 1b and 19-21, App. D.3.
    """
    ax = _axes(ax)
    top, bottom = (int(index) for index in pair)
    for path, style, label in ((teacher_path, TEACHER, "teacher"), (student_path, STUDENT, "student")):
        x, y = to_numpy(path)[:, [top, bottom]].T
        ax.plot(x, y, linewidth=1.8, label=label, **style)
        ax.plot(x[-1:], y[-1:], marker="*", markersize=11, color=style["color"], markeredgecolor="black",
                markeredgewidth=0.5, linestyle="none", zorder=4)
        ax.plot(x[:1], y[:1], marker="o", markersize=5, color="black", linestyle="none", zorder=5)
    if legend:
        ax.legend(fontsize="small")
    ax.set_xlabel(f"top: $\\|W v_{{{top}}}\\|$")
    ax.set_ylabel(f"bottom: $\\|W v_{{{bottom}}}\\|$")
    return ax


def gains(eigenvalues, teacher_gain, student_gain, ax=None, pivot=None, labels=("teacher", "student")):
    """The gains of teacher and student over the eigenvalue, on a logarithmic axis.

    eigenvalues, teacher_gain, student_gain: (k,), eigenvalues positive (null ones are left out). pivot: the index of
    the eigenvalue at which the two are matched, marked; or None. labels: what the legend calls them. Theorem 4.1.
    """
    ax = _axes(ax)
    lam, teacher, student = (to_numpy(values) for values in (eigenvalues, teacher_gain, student_gain))
    shown = np.flatnonzero(lam > 0)
    shown = shown[np.argsort(lam[shown])]
    ax.plot(lam[shown], teacher[shown], linewidth=2, label=labels[0], **TEACHER)
    ax.plot(lam[shown], student[shown], linewidth=2, label=labels[1], **STUDENT)
    if pivot is not None:
        ax.axvline(lam[pivot], color=GUIDE, linewidth=1, linestyle=":")
        ax.plot(lam[[pivot]], teacher[[pivot]], marker="o", color="black", linestyle="none", zorder=4,
                label="matched here")
    ax.set_xscale("log")
    ax.set_xlabel("eigenvalue λ")
    ax.set_ylabel("gain (share of the target learned)")
    ax.legend(fontsize="small", loc="upper left")
    return ax


def _fit(x, y, slope):
    """The ends of the fitted line: it passes through the mean of the points that the slope was taken over."""
    low = np.argsort(x, kind="stable")[: slope.points]
    ends = np.array([x[low].min(), x[low].max()], dtype=float)
    return ends, y[low].mean() + slope.value * (ends - x[low].mean())


def _axes(ax):
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("plot: expected Matplotlib, which is missing; pip install 'eigenkd[figures]'") from error
    return plt.subplots(layout="constrained")[1]
