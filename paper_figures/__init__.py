"""Figures and tables of the paper and the theory, drawn from run folders alone.

To add one, write a module and add a line below."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from paper_figures import (
    confidence,
    exaggeration,
    gains,
    images,
    intervention,
    mislabelled,
    noisy,
    phase,
    schedules,
    switching,
    tables,
    theory,
    trajectories,
)
from paper_figures.trajectories import Slices, grid


@dataclass(frozen=True)
class Entry:
    """What a figure or table shows, and draw(choice), which returns a Figure, or `eigenkd.table.Cells` for a table.

    draw uses the runs that a `choice.Choice` selects. It raises `validation.runs.Unusable` if there are none, and names
    those that are missing if there are some."""

    shows: str
    draw: Callable


FIGURES = {
    "theory": Entry("gains of teacher and student matched at a pivot, the gap certified (Theorem 4.1)", theory.draw),
    "schedules": Entry("gains of generations, loss switches and other schedules", schedules.draw),
    "rf_noisy_mnist": Entry("fifteen trajectories, random features on noisy MNIST (Fig. 19)",
                            partial(trajectories.draw, "rf_noisy_mnist", grid("head"))),
    "mlp_mnist": Entry("fifteen trajectories, MLP on MNIST (Fig. 20)",
                       partial(trajectories.draw, "mlp_mnist", grid("linear1"))),
    "mlp_mnist_two": Entry("the first two trajectories of mlp_mnist (Fig. 1b)",
                           partial(trajectories.draw, "mlp_mnist", (Slices("linear1", end=2),))),
    "mlp_mnist_deeper": Entry("five trajectories of the MLP's second layer (Fig. 22), in weights and in displacement",
                              partial(trajectories.draw, "mlp_mnist", (
                                  Slices("linear2"), Slices("linear2", "displacement")))),
    "cnn_cifar10": Entry("fifteen trajectories, CNN on CIFAR-10 (Fig. 21)",
                         partial(trajectories.draw, "cnn_cifar10", grid("conv1"))),
    "cnn_cifar10_deeper": Entry("trajectories of the CNN's deeper layers (Fig. 23)",
                                partial(trajectories.draw, "cnn_cifar10", (Slices("conv2"), Slices("linear")))),
    "cnn_fashion_mnist": Entry("trajectories of all layers of the CNN on Fashion-MNIST (Figs. 21, 23)",
                               partial(trajectories.draw, "cnn_fashion_mnist", (
                                   Slices("conv1"), Slices("conv2"), Slices("linear")))),
    "exaggeration": Entry("exaggeration of all recorded layers, by the paper's definition and the theorem's",
                          exaggeration.draw),
    "mislabelled": Entry("which directions fit mislabelled examples, random features (Fig. 17)",
                         partial(mislabelled.draw, "rf_noisy_mnist")),
    "confidence": Entry("student against teacher confidence on the training data of rf_noisy_mnist and mlp_mnist "
                        "(Fig. 18)", confidence.draw),
} | {f"confidence_{dataset}": Entry(f"student against teacher confidence, train and test, all settings on {dataset}" + (
    " (Figs. 1a, 2, 5-9)" if any(setting.published for setting in images.of(dataset)) else ""),
                                    partial(images.draw, dataset)) for dataset in images.DATASETS} | {
    "noisy_labels": Entry("mislabelled images and the gain, by the share of flipped labels (Fig. 4a)", noisy.draw),
    "phase": Entry("when distillation helps: gains by label noise and the teacher's fit (Sec. 5.2, Fig. 4b)",
                   phase.draw),
    "loss_switching": Entry("students whose loss is switched, next to the closed form (Figs. 4b, 24)", switching.draw),
    "gains": Entry("predicted against measured gains of networks, by width", gains.draw),
    "gains_over_time": Entry("predicted against measured gains of a few directions during training", gains.over_time),
    "gains_away": Entry("predicted against measured gains outside the theorem's assumptions: steps, optimisers, losses",
                        gains.away),
}

TABLES = {
    "table2": Entry("accuracies of the image settings, compared with the paper's (Table 2)", tables.accuracies),
    "table3": Entry("slopes of the confidence scatter, self-distillation (Table 3)", partial(tables.slopes, True)),
    "table4": Entry("slopes of the confidence scatter, across architectures (Table 4)", partial(tables.slopes, False)),
    "table_eigenspace": Entry("exaggerated pairs of all recorded layers, two definitions, sign tests",
                              exaggeration.table),
    "table_phase": Entry("the same as numbers, next to the closed form's", phase.table),
    "table_intervention": Entry("examples treated by the teacher's confidence, strengths chosen apart (Sec. 7)",
                                intervention.table),
    "table_gains": Entry("drift of networks from the closed form: widths, steps, optimisers, losses", gains.table),
}
