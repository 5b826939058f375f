"""Figs. 1b and 19 to 23: random two-dimensional slices of weight trajectories."""

from dataclasses import dataclass

from matplotlib.figure import Figure

from eigenkd import plot, projection
from paper_figures.captions import drawn, wrapped
from validation.record import DEFINITIONS

COLUMNS = 5
BOLD_PER_INCH = 9  # characters of the title per inch
MATRIX = {"weights": "W", "displacement": "(W-W_0)"}
MEANING = {"weights": "‖W\u00a0v‖", "displacement": "‖(W\u00a0-\u00a0W₀)\u00a0v‖"}


@dataclass(frozen=True)
class Slices:
    """The pairs of a layer from `first` up to but not including `end`, in weights or displacement."""

    layer: str
    definition: str = "weights"
    first: int = 0
    end: int = COLUMNS


def grid(layer):
    """All fifteen pairs of a layer, in three rows."""
    return tuple(Slices(layer, "weights", first, first + COLUMNS) for first in range(0, 15, COLUMNS))


def draw(setting, rows, choice):
    """One row of panels for each of `rows`; each title has the share of the path on which the student lies below."""
    run, columns = choice.require(setting)[0], max(row.end - row.first for row in rows)
    figure = Figure(figsize=(2.2 + 2.25 * columns, 2.5 * len(rows) + (1.5 if columns > 2 else 2.1)),
                    layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    of = {row.layer: _measured(run, row.layer) for row in rows}
    alike = len({(row.layer, row.definition) for row in rows}) == 1
    for row, panels in zip(rows, axes):
        teacher, student, pairs, shares = of[row.layer]
        index = DEFINITIONS.index(row.definition)
        shown = range(row.first, min(row.end, len(pairs)))
        for ax, k in zip(panels, shown):
            plot.trajectories(teacher[:, index], student[:, index], pairs[k], ax=ax, legend=False,
                              matrix=MATRIX[row.definition])
            ax.set_title(_verdict(shares[row.definition][k]), fontsize=9)
            ax.tick_params(labelsize=7)
            ax.locator_params(nbins=4)
            ax.margins(0.08)
        for ax in panels[len(shown):]:
            ax.set_axis_off()
        if not alike:
            panels[0].set_ylabel(f"{row.layer}\n{panels[0].get_ylabel()}")
    counts = [_counted(layer, definition, of[layer][3][definition])
              for layer, definition in dict.fromkeys((row.layer, row.definition) for row in rows)]
    figure.suptitle("\n".join(wrapped(figure, count, BOLD_PER_INCH) for count in counts), fontweight="bold",
                    fontsize=13 if alike and columns > 2 else 11)
    lines = axes[0, 0].get_lines()
    teacher, teacher_end, start, student, student_end, _ = lines
    figure.legend([teacher, student, start, teacher_end, student_end],
                  ["teacher", "student", "shared start", "teacher's end", "student's end"],
                  title=wrapped(figure, _caption(run, rows)), title_fontsize=9,
                  loc="outside lower center", ncols=5 if columns > 2 else 3, frameon=False)
    return figure


def _measured(run, layer):
    """teacher, student (records, 2, k), pairs (m, 2), and the shares by definition of one layer."""
    teacher, student, pairs = run.arrays("trajectory.npz", *(f"{layer}/{name}" for name in ("teacher", "student",
                                                                                              "pairs")))
    per_pair = run.field("eigenspace", layer, "per_pair")
    return teacher, student, pairs, {name: [pair[name] for pair in per_pair] for name in DEFINITIONS}


def _counted(layer, definition, shares):
    known = [share for share in shares if share is not None]
    count = int(projection.is_exaggerated(known).sum())
    return f"{layer}, {definition}: the student lies below on most of the path in {count} of {len(known)} pairs"


def _verdict(share):
    if share is None:
        return "no common range"
    return f"{share:.0%} below" + ("" if projection.is_exaggerated(share) else ", not exaggerated")


def _caption(run, rows):
    deeper = any(run.field("eigenspace") and row.layer != next(iter(run.field("eigenspace"))) for row in rows)
    what = " and ".join(MEANING[name] for name in dict.fromkeys(row.definition for row in rows))
    return (f"{drawn(run)} Each panel: {what} along a top (x) and a bottom (y) eigendirection of the layer's "
            f"inputs{' (for deeper layers in the trained teacher)' if deeper else ''}, numbered from 0, dimensionless. "
            "Percentages: the share of the path on which the student lies below its teacher.")
