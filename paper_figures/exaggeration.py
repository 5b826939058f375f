"""Exaggeration of the paths of all recorded layers, by the paper's definition and by the theorem's."""

import numpy as np
from matplotlib.figure import Figure

from eigenkd.plot import GUIDE
from eigenkd.projection import sign_test
from eigenkd.table import NONE, Cells
from paper_figures.captions import caption, marked, notes_at_chance
from validation.record import DEFINITIONS
from validation.registered import command
from validation.runs import Unusable
from validation.settings import SETTINGS

STYLES = {"weights": ("#0072B2", "o"), "displacement": ("#D55E00", "s")}
NAMES = {"weights": "paper's definition, ‖W v‖", "displacement": "theorem's, ‖(W - W₀) v‖"}


def table(choice):
    """Share of the path below the teacher, exaggerated pairs and sign tests over seeds, for both definitions."""
    rows, notes = [], []
    for setting, layer, found in measured(choice):
        seeds, mine = next(iter(found.values())).seeds, choice.find(setting.partition("@")[0])
        notes += [note for note in notes_at_chance(mine) if note not in notes]
        rows.append((marked(setting, mine, "train", "teacher", "distilled"), layer, str(seeds),
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


def draw(choice):
    """One line per layer: the mean share with its interval over seeds, and each seed's share as a small point."""
    lines = measured(choice)
    figure = Figure(figsize=(9, 2.2 + 0.42 * len(lines)), layout="constrained")
    ax = figure.subplots()
    for y, (_, _, found) in enumerate(lines):
        for offset, name in zip((-0.17, 0.17), DEFINITIONS):
            color, marker = STYLES[name]
            one, means = found[name], found[f"{name} of each seed"]
            ax.plot(means, [y + offset] * len(means), marker, color=color, markersize=3.5, alpha=0.4, linewidth=0)
            ax.errorbar([one.share], [y + offset], xerr=[[one.share - one.low], [one.high - one.share]], color=color,
                        marker=marker, markersize=7, capsize=3, label=None if y else NAMES[name])
    ax.axvline(0.5, color=GUIDE, linestyle="--", linewidth=1)
    ax.set_yticks(range(len(lines)), [f"{setting}, {layer} ({found['weights'].seeds})"
                                      for setting, layer, found in lines], fontsize=9)
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.set_xlim(-0.03, 1.03)
    ax.set_xlabel("share of the path on which the student lies below its teacher")
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    caption(figure, "In brackets: number of seeds. The student exaggerates right of the dashed line. Large markers: "
                    "mean over pairs and seeds with Student's 95% interval over seeds; small markers: single seeds.")
    return figure


def measured(choice):
    """(setting, layer, found) of all recorded layers that have runs.

    found: a `projection.Significance` per definition, and each seed's mean share as "<definition> of each seed".
    Raises Unusable if there is none."""
    lines = [(mine[0].name, layer, _found(mine, layer)) for name, setting in SETTINGS.items()
             if setting.analysis.layers and setting.is_self_distillation and (mine := choice.find(name))
             for layer in setting.analysis.layers]
    if not lines:
        one = SETTINGS["rf_noisy_mnist"]
        raise Unusable(f"no finished run with recorded layers{'' if choice.seed is None else f' of seed {choice.seed}'}"
                       f"; make one with: {command(one, choice.where, choice.seed)}")
    return lines


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
