"""The paper's figures and the theory's, drawn from run folders alone. A new one is one module and one line below."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from paper_figures import confidence, schedules, theory, trajectories


@dataclass(frozen=True)
class Entry:
    """What a figure shows, and draw(runs, seed) -> Figure, which raises `records.Unusable` without its runs."""

    shows: str
    draw: Callable


FIGURES = {
    "theory": Entry("gains of teacher and student matched at a pivot, the gap certified (Theorem 4.1)", theory.draw),
    "schedules": Entry("what generations, loss switches and other schedules learn of a direction", schedules.draw),
    "rf_noisy_mnist": Entry("fifteen trajectories, random features on noisy MNIST (Fig. 19)",
                            partial(trajectories.draw, "rf_noisy_mnist")),
    "mlp_mnist": Entry("fifteen trajectories, MLP on MNIST (Fig. 20)", partial(trajectories.draw, "mlp_mnist")),
    "confidence": Entry("student against teacher confidence, both settings' training data (Fig. 18)", confidence.draw),
}
