"""python -m validation.function_space --widths 64 256 1024 --seeds 0 1 2: the closed form compared with training."""

import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import tyro

from eigenkd.table import Cells, written
from validation.data import DATASETS
from validation.device import choose, threads
from validation.errors import UsageError, exit_code
from validation.function_space.setting import AWAY, ROLES, FunctionSpace
from validation.function_space.training import run

LOSSES, OPTIMISERS = ("squared", "cross_entropy"), ("sgd", "momentum", "adam")


@dataclass(frozen=True)
class FunctionSpaceOptions:
    """Measure and predict gains in function space, for all combinations of widths, other values and seeds."""

    widths: tuple[int, ...] = (64, 256, 1024)
    seeds: tuple[int, ...] = (0, 1, 2)
    learning_rates: tuple[float, ...] = (0.5,)
    """Learning rates times the largest eigenvalue of the tangent kernel; gradient descent diverges above 2."""
    losses: tuple[str, ...] = ("squared",)
    """squared, cross_entropy or both."""
    optimisers: tuple[str, ...] = ("sgd",)
    """One or more of sgd, momentum and adam."""
    away: bool = False
    """Run the studies of the figure gains_away instead: at width 1024, learning rates, losses and optimisers outside
    the assumptions, one at a time."""
    steps: int = 400
    examples: int = 128
    data: str = "mnist"
    device: str = "auto"
    threads: int = 1
    data_dir: Path = Path("data")
    out: Path = Path("runs")


def main(arguments=None):
    """Returns the exit code: 0, 2 for an error that the user can fix, 130 after Ctrl-C."""
    options = tyro.cli(FunctionSpaceOptions, prog="python -m validation.function_space", args=arguments)

    def work():
        device, wanted, results = choose(options.device), studies(options), []
        with threads(options.threads):
            for study in wanted:
                results.append(run(study, options.out, device=device, data_dir=options.data_dir,
                                   note=lambda text: print(text, file=sys.stderr)))
        print(written(table(wanted, results)))

    return exit_code(work)


def studies(options):
    """All requested `FunctionSpace` settings. Raises UsageError for invalid values."""
    for name, values, known in (("data", (options.data,), DATASETS), ("losses", options.losses, LOSSES),
                                ("optimisers", options.optimisers, OPTIMISERS)):
        if wrong := [value for value in values if value not in known]:
            raise UsageError(f"--{name}: expected one of {', '.join(known)}, got {wrong[0]!r}; pass one of these")
    lists = {name: getattr(options, name) for name in ("widths", "seeds", "learning_rates", "losses", "optimisers")}
    if empty := [name for name, values in lists.items() if not values]:
        raise UsageError(f"--{empty[0].replace('_', '-')}: expected at least one value, got none; omit it")
    positive = lists | {"steps": (options.steps,), "examples": (options.examples,)}
    for name in ("widths", "learning_rates", "steps", "examples", "seeds"):
        least = min(positive[name])
        if least < 0 or (least == 0 and name != "seeds"):
            wanted = "0 or more" if name == "seeds" else "positive numbers"
            raise UsageError(f"--{name.replace('_', '-')}: expected {wanted}, got {least}; omit the flag")
    shared = {"examples": options.examples, "data": options.data, "steps": options.steps}
    if options.away:
        if given := [name for name in lists if name != "seeds" and lists[name] != getattr(FunctionSpaceOptions, name)]:
            raise UsageError(f"--away: expected use without --{given[0].replace('_', '-')}, which it sets itself, got "
                             "both; omit one of them")
        return [FunctionSpace(seed=seed, learning_rate=one.learning_rate, loss=one.loss, optimiser=one.optimiser,
                              **shared)
                for one in AWAY for seed in options.seeds]
    return [FunctionSpace(width, seed, learning_rate=rate, loss=loss, optimiser=optimiser, **shared)
            for loss, optimiser, rate, width, seed in product(
                options.losses, options.optimisers, options.learning_rates, options.widths, options.seeds)]


def table(studies, results):
    """The `Cells` of drifts over seeds, one row per loss, optimiser, learning rate and width."""
    keys, rows = [(one.loss, one.optimiser, one.learning_rate, one.width) for one in studies], []
    for key in dict.fromkeys(keys):
        mine = [result for result, whose in zip(results, keys) if whose == key]
        found = [[one["drift"][role] for one in mine] for role in ROLES]
        rows.append((*map(str, key), *(f"{np.mean(v):.3f} ({min(v):.3f} to {max(v):.3f})" for v in found),
                     f"{np.mean([one['kernel_change'] for one in mine]):.3f}", str(len(mine))))
    return Cells(("loss", "optimiser", "learning rate", "width", *(f"drift of the {role}: mean (range)"
                                                                   for role in ROLES), "kernel change", "seeds"),
                 tuple(rows), align="ll")


if __name__ == "__main__":
    sys.exit(main())
