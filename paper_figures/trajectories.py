"""Figs. 1b and 19 to 23: random two-dimensional slices of weight trajectories."""

from dataclasses import dataclass, replace

from matplotlib.figure import Figure

from eigenkd import plot, projection
from paper_figures.captions import drawn, titled
from paper_figures.style import WIDTH
from validation.record import DEFINITIONS

COLUMNS = 5
AGAINST = "#B00020"  # of the title of a pair that is not exaggerated
MATRIX = {"weights": "W", "displacement": "(W-W_0)"}


@dataclass(frozen=True)
class Slices:
    """The pairs of a layer from `first` up to but not including `end`, in weights or displacement."""

    layer: str
    definition: str = "weights"
    first: int = 0
    end: int = COLUMNS


def grid(layer):
    """All fifteen pairs of a layer."""
    return (Slices(layer, end=15),)


def draw(found, rows):
    """A panel a pair, in as many rows as needed; each title has the share of the path on which the student lies below.
    """
    [(_, mine)] = found.runs
    run = mine[0]
    of = {row.layer: _measured(run, row.layer) for row in rows}
    most = max(min(row.end, len(of[row.layer][2])) - row.first for row in rows)
    columns = -(-most // -(-most // COLUMNS))
    rows = [replace(row, first=first, end=min(first + columns, row.end, len(of[row.layer][2]))) for row in rows
            for first in range(row.first, min(row.end, len(of[row.layer][2])), columns)]
    figure = Figure(figsize=(max(7.0, WIDTH * columns / COLUMNS), (2.0 if columns > 2 else 3.0) * len(rows) + 1.1),
                    layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    alike = len({(row.layer, row.definition) for row in rows}) == 1
    for row, panels in zip(rows, axes):
        teacher, student, pairs, shares = of[row.layer]
        index = DEFINITIONS.index(row.definition)
        shown = range(row.first, row.end)
        for ax, k in zip(panels, shown):
            plot.trajectories(teacher[:, index], student[:, index], pairs[k], ax=ax, legend=False,
                              matrix=MATRIX[row.definition])
            ax.set_title(_verdict(shares[row.definition][k]), fontsize=9, color=_color(shares[row.definition][k]))
            ax.locator_params(nbins=4)
            ax.margins(0.08)
        for ax in panels[len(shown):]:
            ax.set_axis_off()
        if not alike:
            panels[0].set_ylabel(f"{row.layer}\n{panels[0].get_ylabel()}")
    counts = [_counted(mine, layer, definition)
              for layer, definition in dict.fromkeys((row.layer, row.definition) for row in rows)]
    lines = axes[0, 0].get_lines()
    teacher, teacher_end, start, student, student_end, _ = lines
    return titled(figure, f"The student's path lies below its teacher's in {', '.join(counts)}"
                  + (f" over {len(mine)} seeds" if len(mine) > 1 else ""), _caption(found, rows),
                  [teacher, student, start, teacher_end, student_end],
                  ["teacher", "student", "shared start", "teacher's end", "student's end"])


def _measured(run, layer):
    """teacher, student (records, 2, k), pairs (m, 2), and the shares by definition of one layer."""
    teacher, student, pairs = run.arrays("trajectory.npz", *(f"{layer}/{name}" for name in ("teacher", "student",
                                                                                              "pairs")))
    per_pair = run.field("eigenspace", layer, "per_pair")
    return teacher, student, pairs, {name: [pair[name] for pair in per_pair] for name in DEFINITIONS}


def _counted(mine, layer, definition):
    """How many pairs of all runs are exaggerated, in words."""
    known = [pair[definition] for run in mine for pair in run.field("eigenspace", layer, "per_pair")
             if pair[definition] is not None]
    return f"{int(projection.is_exaggerated(known).sum())} of {len(known)} pairs ({layer}, {definition})"


def _verdict(share):
    if share is None:
        return "no common range"
    return f"{share:.0%} below" if projection.is_exaggerated(share) else f"only {share:.0%} below"


def _color(share):
    return "black" if share is None or projection.is_exaggerated(share) else AGAINST


def _caption(found, rows):
    [(_, run)] = found.first
    deeper = any(row.layer != next(iter(run.field("eigenspace"))) for row in rows)
    of = "the layer's inputs in the trained teacher" if deeper else "the layer's inputs"
    return (f"Eigendirections of {of}. Above each panel: the share of the path on which the student lies below. Drawn: "
            f"seed {run.seed}. {drawn(found.all)}")
