"""Language models, token by token: a distilled student and rounded weights against their teacher, at equal KL."""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from eigenkd._intervals import t_interval
from eigenkd.table import Cells
from paper_figures.captions import drawn, titled
from paper_figures.style import WIDTH

FILE = "densities.npz"
SHOWN = {"student": "distilled student", "equal KL": "rounded weights, equal KL"}
CURVES = {"student": ("distilled student", "o", "C0"), "one_hot": ("same network on the text alone", "s", "C1"),
          "equal KL": ("rounded weights, equal KL", "^", "C3"), "Q4_0": ("Q4_0", "v", "C2")}
ROWS = CURVES | {"3 bits": ("3 bits", "", ""), "Q8_0": ("Q8_0", "", "")}
COLUMNS = {  # title -> where in a comparison, digits
    "KL (nats)": (("kl",), 4), "change of confidence (nats)": (("change",), 3),
    "slope, least sure quarter": (("slope", "low"), 3), "less sure there": (("underfit",), 3),
    "slope, surest quarter": (("slope", "high"), 3), "surer there": (("overfit",), 3),
    "change of entropy (nats)": (("entropy_change",), 3), "another top token": (("flipped",), 3),
    "ln(PPL ratio)": (("log_perplexity_ratio",), 4)}


def values(runs, model, *path, split="test"):
    """(seeds,) a number of a model's comparison with its teacher; of a mean, a slope or a share its value."""
    found = []
    for run in runs:
        value = run.field("measured", split, model, *path)
        found.append(value[0] if isinstance(value, list) else value)
    return np.array(found)


def over_seeds(found):
    """(mean, low, high): the 95% t interval over seeds; of one seed, infinite."""
    return t_interval(found.tolist()) if len(found) > 1 else (float(found[0]), -np.inf, np.inf)


def draw(found):
    """Two densities of the lowest seed, and the change of confidence along the teacher's over all seeds."""
    (_, runs), = found.runs
    densities = dict(zip(("edges", *SHOWN), runs[0].arrays(FILE, "edges", *SHOWN)))
    edges = densities.pop("edges")
    figure = Figure(figsize=(WIDTH, 4.3), layout="constrained")
    *panels, curves = figure.subplots(1, 3)
    most = max(density.max() for density in densities.values())
    for ax, (model, density) in zip(panels, densities.items()):
        ax.pcolormesh(edges, edges, np.ma.masked_equal(density, 0).T, cmap="viridis", norm=LogNorm(1, most),
                      rasterized=True)
        ax.axline((0, 0), slope=1, color="black", linestyle="--", linewidth=0.8)
        ax.set(title=SHOWN[model], xlabel="teacher's confidence (log-odds, nats)", aspect="equal")
    panels[0].set_ylabel("the model's confidence")
    for model, (label, marker, colour) in CURVES.items():
        _curve(curves, runs, model, label, marker, colour)
    curves.axhline(0, color="black", linestyle="--", linewidth=0.8)
    curves.set(xlabel="tenth of tokens, by the teacher's confidence", ylabel="change of confidence (nats)",
               xticks=range(1, 11), title="model less teacher")
    handles, labels = curves.get_legend_handles_labels()
    return titled(figure, finding(runs), f"Held-out tokens; densities of seed {runs[0].seed}, darker is fewer; "
                  f"bars: 95 % over seeds. {drawn(found.all)}", handles, labels)


def _curve(ax, runs, model, label, marker, colour):
    changes = np.array([[part["change"][0] for part in run.field("measured", "test", model, "by_confidence")]
                        for run in runs])
    spread = np.array([over_seeds(column) for column in changes.T])
    bars = np.abs(spread[:, 1:] - spread[:, :1]).T if len(runs) > 1 else None
    ax.errorbar(np.arange(1, changes.shape[1] + 1), spread[:, 0], bars, label=label, color=colour, marker=marker,
                markersize=4, linewidth=1, elinewidth=0.8)


def finding(runs):
    """Volume and direction of the student and of rounded weights, in a sentence."""
    (kl, rounded_kl), (student, rounded) = ([over_seeds(values(runs, model, name)) for model in SHOWN]
                                            for name in ("kl", "change"))
    return (f"At about equal KL ({kl[0]:.3f} and {rounded_kl[0]:.3f} nats) the student's confidence changes by "
            f"{_in_words(student)} nats, that of rounded weights by {_in_words(rounded)}")


def _in_words(found, digits=2):
    mean, low, high = found
    return f"{mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]" if np.isfinite(low) else f"{mean:+.{digits}f}"


def table(found):
    """A row a model, on held-out and on training text: means over seeds with their 95% intervals."""
    (_, runs), = found.runs
    rows = [(text, label, *(_in_words(over_seeds(values(runs, model, *path, split=split)), digits).replace("+", "")
                            for path, digits in COLUMNS.values()))
            for split, text in (("test", "held out"), ("train", "training")) for model, (label, *_) in ROWS.items()]
    return Cells(("text", "model", *COLUMNS), tuple(rows), align="ll",
                 notes=(f"Means over {len(runs)} seeds and 95% intervals over them. {drawn(found.all)}",))
