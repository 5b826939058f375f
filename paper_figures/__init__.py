"""The paper's figures, tables and the theory's, from run folders alone. A new one is a module and a line below."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from paper_figures import confidence, gains, images, schedules, tables, theory, trajectories


@dataclass(frozen=True)
class Entry:
    """What a figure or table shows, and draw(runs, seed) -> Figure, or draw(runs) -> `eigenkd.table.Cells` for a
    table; without its runs it raises `records.Unusable`, without some of them it names these."""

    shows: str
    draw: Callable


FIGURES = {
    "theory": Entry("gains of teacher and student matched at a pivot, the gap certified (Theorem 4.1)", theory.draw),
    "schedules": Entry("what generations, loss switches and other schedules learn of a direction", schedules.draw),
    "rf_noisy_mnist": Entry("fifteen trajectories, random features on noisy MNIST (Fig. 19)",
                            partial(trajectories.draw, "rf_noisy_mnist")),
    "mlp_mnist": Entry("fifteen trajectories, MLP on MNIST (Fig. 20)", partial(trajectories.draw, "mlp_mnist")),
    "confidence": Entry("student against teacher confidence, both settings' training data (Fig. 18)", confidence.draw),
} | {f"confidence_{dataset}": Entry(f"the same, train and test, every setting on {dataset}" + (
    " (Figs. 1a, 2, 5-9)" if any(setting.published for setting in images.of(dataset)) else ""),
                                    partial(images.draw, dataset)) for dataset in images.DATASETS} | {
    "gains": Entry("predicted against measured gains of networks, by width", gains.draw),
}

TABLES = {
    "table2": Entry("accuracies of the image settings beside the paper's (Table 2)", tables.accuracies),
    "table3": Entry("slopes of the confidence scatter, self-distillation (Table 3)", partial(tables.slopes, True)),
    "table4": Entry("slopes of the confidence scatter, across architectures (Table 4)", partial(tables.slopes, False)),
}
