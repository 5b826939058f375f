"""Plots of what the other modules compute: Axes in, Axes out; nothing is shown.

The teacher is blue and solid, the student vermillion and dashed, so that they differ without colour and for
colour-blind readers (the palette is Okabe and Ito's). Matplotlib is imported when an Axes has to be made.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from eigenkd._arrays import to_numpy
from eigenkd.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from eigenkd.deviation import Deviation, Slope

TEACHER: dict[str, Any] = {"color": "#0072B2", "linestyle": "-"}
STUDENT: dict[str, Any] = {"color": "#D55E00", "linestyle": "--"}
POINTS, GUIDE = "#0072B2", "#555555"
MARKED = (("#E69F00", "^"), ("#009E73", "D"), ("#D55E00", "s"), ("#CC79A7", "P"), ("#56B4E9", "X"))

Highlight: TypeAlias = ArrayLike | tuple[ArrayLike, str] | Mapping[str, ArrayLike] | None


def confidence(deviation: "Deviation", ax: "Axes | None" = None, fraction: float = 0.25, highlight: Highlight = None,
               label: str = "points", sides: Sequence[str] = ("low",)) -> "Axes":
    """The scatter of student (y) on teacher confidence (x), with the line y = x and the fit over the low side.

    deviation: an `eigenkd.deviation.Deviation`. fraction: of the points, what a fit covers; no line where the slope
    is NaN. highlight: a mask (n,) of points to set apart, a pair (mask, name) to name them in the legend, or a mapping
    of names to masks, such as `deviation.masks`. label: what the others are called. sides: where to fit, of "low" and
    "high". Below the line the student is less confident than its teacher. Figs. 1a, 4 and 18.
    """
    ax = view(deviation, "confidence", ax, highlight, label)
    x, y, *_ = deviation.view("confidence")
    for side in sides:
        slope = deviation.slope(side, fraction)
        if np.isfinite(slope.value):
            ends, heights = fitted(x, y, slope, side)
            which, style = ("least", "-") if side == "low" else ("most", ":")
            text = f"slope {slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}], {which} confident {fraction:.0%}"
            ax.plot(ends, heights, color="black", linewidth=2, linestyle=style, label=text)
    ax.legend(fontsize="small", loc="upper left")
    return ax


def view(deviation: "Deviation", name: str, ax: "Axes | None" = None, highlight: Highlight = None,
         label: str = "points") -> "Axes":
    """The scatter of one pair of axes of Fig. 16, with the line y = x where both measure the same.

    deviation, highlight, label: as for `confidence`. name: one of `eigenkd.deviation.VIEWS`. Raises ValueError for
    another name, and for a mask of other points. Points with an infinite coordinate are counted in the legend.
    """
    x, y, xlabel, ylabel = deviation.view(name)
    masks = _masks(highlight, x.shape)
    ax = _axes(ax)
    shown = np.isfinite(x) & np.isfinite(y)
    masks = {called: mask & shown for called, mask in masks.items()}
    others = shown & ~np.any([np.zeros(x.shape, dtype=bool), *masks.values()], axis=0)
    size = float(np.clip(4000 / x.size, 3, 24))
    ax.scatter(x[others], y[others], s=size, color=POINTS, alpha=0.55, linewidths=0, label=label)
    for k, (called, mask) in enumerate(masks.items()):
        color, marker = MARKED[k % len(MARKED)]
        if mask.any():
            ax.scatter(x[mask], y[mask], s=1.5 * size, color=color, marker=marker, edgecolors="black", linewidths=0.4,
                       label=called)
    if hidden := int((~shown).sum()):
        ax.plot([], [], linestyle="none", label=f"not drawn: {hidden:,} infinite")
    if not name.endswith("-kl"):
        ax.axline((0, 0), slope=1, color=GUIDE, linestyle="--", linewidth=1, label="student = teacher")
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.legend(fontsize="small")
    return ax


def trajectories(teacher_path: ArrayLike, student_path: ArrayLike, pair: tuple[int, int], ax: "Axes | None" = None,
                 legend: bool = True, matrix: str = "W") -> "Axes":
    """Two paths in the plane of a pair of eigendirections: the top component along x, the bottom one along y.

    teacher_path, student_path: (records, k) components; pair: (top, bottom). A circle marks the start, a star each
    end. matrix: what the axes call the weights, in mathtext, such as "(W-W_0)" for paths of their displacement. A path
    biased to the top direction runs along x first and turns up late. Figs. 1b and 19-23, App. D.3.
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
    ax.set_xlabel(f"top: $\\|{matrix} v_{{{top}}}\\|$")
    ax.set_ylabel(f"bottom: $\\|{matrix} v_{{{bottom}}}\\|$")
    return ax


def gains(eigenvalues: ArrayLike, teacher_gain: ArrayLike, student_gain: ArrayLike, ax: "Axes | None" = None,
          pivot: int | None = None, labels: tuple[str, str] = ("teacher", "student")) -> "Axes":
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


def _masks(highlight, shape):
    """name -> NumPy mask, from what `confidence` takes as highlight."""
    if highlight is None:
        return {}
    if not isinstance(highlight, Mapping):
        mask, name = highlight if isinstance(highlight, tuple) else (highlight, "highlighted")
        highlight = {name: mask}
    masks = {name: to_numpy(mask).astype(bool) for name, mask in highlight.items()}
    for mask in masks.values():
        if mask.shape != shape:
            raise ValueError(f"highlight: expected one truth value a point, {shape}, got shape {mask.shape}; "
                             "pass the mask of the same points")
    return masks


def fitted(x: np.ndarray, y: np.ndarray, slope: 'Slope', side: str) -> tuple[np.ndarray, np.ndarray]:
    """(x, y), two each: the ends of the line of a `Slope` over the low or high side of the points x, y (n,).

    It passes through the mean of the points that the slope was taken over.
    """
    order = np.argsort(x, kind="stable")
    under = order[: slope.points] if side == "low" else order[-slope.points :]
    ends = np.array([x[under].min(), x[under].max()], dtype=float)
    return ends, y[under].mean() + slope.value * (ends - x[under].mean())


def _axes(ax):
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("plot: expected Matplotlib, which is missing; pip install 'eigenkd[figures]'") from error
    return plt.subplots(layout="constrained")[1]
