"""Exaggeration of the paths of all recorded layers, by the paper's definition and by the theorem's."""

import numpy as np
from matplotlib.figure import Figure

from eigenkd.plot import GUIDE
from eigenkd.projection import sign_test
from eigenkd.table import NONE, Cells
from paper_figures.captions import legend_of, marked, notes_at_chance, titled
from paper_figures.style import WIDTH
from validation.record import DEFINITIONS
from validation.settings import SETTINGS

STYLES = {"weights": ("#0072B2", "o"), "displacement": ("#D55E00", "s")}
NAMES = {"weights": "paper's definition, ‖W v‖", "displacement": "theorem's, ‖(W - W₀) v‖"}


def wanted():
    """The names of the settings whose recorded layers can be compared."""
    return [name for name, setting in SETTINGS.items() if setting.analysis.layers and setting.is_self_distillation]


def table(runs):
    """Share of the path below the teacher, exaggerated pairs and sign tests over seeds, for both definitions."""
    rows, notes = [], []
    for mine, layer, found in measured(runs):
        notes += [note for note in notes_at_chance(mine) if note not in notes]
        rows.append((marked(mine[0].name, mine, "train", "teacher", "distilled"), layer, str(len(mine)),
                     *(cell for name in DEFINITIONS for cell in _cells(found[name]))))
    return Cells(
        header=("setting", "layer", "seeds", *(f"{name}: {what}" for name in DEFINITIONS
                                               for what in ("share [95%]", "pairs", "p"))),
        rows=tuple(rows), notes=(
            "share: fraction of the path on which the student lies below its teacher along the bottom direction, at "
            "equal progress along the top one; the interval is Student's over seeds (over pairs for a single seed). "
            "weights: ||W v||, the paper's definition; displacement: ||(W - W_0) v||, the theorem's.",
            "pairs: those with a share above one half, over all seeds. p: two-sided sign test over pairs, and after "
            "the slash over seeds. Pairs of one seed come from the same networks; if they are correlated, the first p "
            "is too small.",
            *notes))


def draw(runs):
    """One line per layer: the mean share with its interval over seeds, and each seed's share as a small point."""
    lines = measured(runs)
    half = -(-len(lines) // 2) if len(lines) > 12 else len(lines)
    parts = [part for part in (lines[:half], lines[half:]) if part]
    figure = Figure(figsize=(WIDTH, 2.2 + 0.27 * half), layout="constrained")
    axes = figure.subplots(1, len(parts), sharex=True, squeeze=False)[0]
    for ax, part in zip(axes, parts):
        _lines(ax, part, half)
    weights, displacement = (sum(found[name].low > 0.5 for *_, found in lines) for name in DEFINITIONS)
    return titled(figure, f"The student exaggerates in {weights} of {len(lines)} recorded layers by the paper's "
                  f"definition (weights), in {displacement} by the theorem's (displacement)",
                  "Exaggerates: the interval lies right of one half. Large: mean over pairs and seeds with the 95 % "
                  "interval over seeds. Small: seeds; their number stands in brackets.", legend_of(*axes))


def _lines(ax, lines, height):
    for y, (*_, found) in enumerate(lines):
        for offset, name in zip((-0.17, 0.17), DEFINITIONS):
            color, marker = STYLES[name]
            one, means = found[name], found[f"{name} of each seed"]
            ax.plot(means, [y + offset] * len(means), marker, color=color, markersize=2.5, alpha=0.4, linewidth=0)
            ax.errorbar([one.share], [y + offset], xerr=[[one.share - one.low], [one.high - one.share]], color=color,
                        marker=marker, markersize=5, capsize=2, linewidth=1.2, label=None if y else NAMES[name])
    ax.axvline(0.5, color=GUIDE, linestyle="--", linewidth=1)
    ax.set_yticks(range(len(lines)), [f"{mine[0].name}, {layer} ({len(mine)})" for mine, layer, found in lines],
                  fontsize=7.5)
    ax.set_ylim(height - 0.4, -0.6)
    ax.set_xlim(-0.03, 1.03)
    ax.set_xlabel("share of the path below the teacher's")


def measured(runs):
    """(the setting's runs, layer, found) of all recorded layers.

    found: a `projection.Significance` per definition, and each seed's mean share as "<definition> of each seed"."""
    return [(mine, layer, _found(mine, layer)) for variant, mine in runs.runs
            for layer in SETTINGS[variant.setting].analysis.layers]


def _found(mine, layer):
    found = {}
    for definition in DEFINITIONS:
        shares = _rectangle([[pair[definition] for pair in run.field("eigenspace", layer, "per_pair")] for run in mine])
        found[definition] = sign_test(shares)
        found[f"{definition} of each seed"] = [float(np.nanmean(row)) for row in shares if np.isfinite(row).any()]
    return found


def _rectangle(rows):
    return np.array([[np.nan if share is None else share for share in row] for row in rows])


def _cells(found):
    if not found.pairs:
        return NONE, NONE, NONE
    seeds = f" / {found.p_seeds:.2g}" if found.seeds > 1 else ""
    return (f"{found.share:.2f} [{found.low:.2f}, {found.high:.2f}]", f"{found.exaggerated} of {found.pairs}",
            f"{found.p_pairs:.1g}{seeds}")
