"""python -m paper_figures.demo: the paper's main claim on real digits, in theory and in training.

Checks Theorem 4.1 on the digits' spectrum, trains `rf_noisy_mnist` and `mlp_mnist` (or reuses finished runs), draws the
figures, and prints a short table.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from eigenkd import projection, theorem
from eigenkd.table import Cells, written
from paper_figures import __main__ as figures
from validation import run, runs
from validation.data import MNIST
from validation.data.examples import draw
from validation.report import interval
from validation.settings import SETTINGS

DATA = "data"  # the default of validation.run
NAMES = ("rf_noisy_mnist", "mlp_mnist")
SHOWN = ("theory", "schedules", "fig1b", "fig17", "fig18", "fig19", "fig20", "fig22")


def main(arguments=None):
    """Returns the exit code of the first step that fails, else 0."""
    parser = argparse.ArgumentParser(prog="python -m paper_figures.demo",
                                     description="Show the paper's main claim on real digits.")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where runs are saved (default: runs)")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="where figures are saved (default: figures)")
    options = parser.parse_args(arguments)

    holds, sentence = check_theorem()
    print(sentence, flush=True)
    if code := run.main([*NAMES, "--out", str(options.runs)]):
        return code
    source = MNIST().locate(DATA, None).name  # the data that the runs used
    if code := figures.main([*SHOWN, "--runs", str(options.runs), "--out", str(options.out), "--seed", "0", "--where",
                             f"{runs.SOURCE}={source}"]):
        return code
    shown = [runs.require(name, {runs.SOURCE: source}, 0, options.runs)[0].result for name in NAMES]
    print("\n" + written(table(shown)))
    print(f"\nTheorem 4.1 {'holds' if holds else 'DOES NOT HOLD'} on the digits' spectrum. Figures: {options.out}/")
    return 0 if holds else 1


def check_theorem(data_dir=DATA):
    """Whether Theorem 4.1 holds on the spectrum of seed 0's training digits, and a sentence that says so.

    Teacher and student are matched at the top direction, for times from 0.1 to 100 over the largest eigenvalue.
    """
    dataset = MNIST().load(data_dir, download=None)
    images = draw(dataset, SETTINGS["mlp_mnist"].data, seed=0).train_inputs
    lam = projection.eigenbasis(images.reshape(len(images), -1) / 255).values
    times = np.geomspace(0.1, 100, 7) / lam[0]
    check = theorem.check(lam, student_time=times[:, None], teacher_time=times, pivot=0)
    below = (check.direction < 0) & (lam > 0)
    gaps, holds = check.log_gap[..., below], check.holds[..., below]
    return bool(holds.all()), (
        f"Theorem 4.1 on {len(images)} digits ({dataset.source.name}): the student's gain is below its teacher's in "
        f"{int(holds.sum()):,} of {holds.size:,} cases ({below.sum()} directions, {times.size} x {times.size} times); "
        f"gaps from {np.exp(gaps.min()):.1e} to {np.exp(gaps.max()):.2f}")


def table(results):
    """The `Cells` that compare the runs."""
    rows = []
    for result in results:
        space, train = next(iter(result["eigenspace"].values()))["weights"], result["deviation"]["train"]
        accuracies = (result["accuracy"][split] for split in ("train", "test"))
        rows.append((result["setting"], f"{space['exaggerated']} of {space['pairs']}",
                     interval(train["slope_low"]["0.25"]), f"{train['underfit']:.2f}",
                     *(f"{a['teacher']:.3f} -> {a['distilled']:.3f}" for a in accuracies),
                     f"{result['seconds']:.1f} s"))
    return Cells(
        ("", "pairs exaggerated", "low slope [95%]", "underfit", "train accuracy", "test accuracy", "time"),
        tuple(rows),
        ("Slope and underfit: student against teacher confidence, on the teacher's least confident quarter of the "
         "training set.",
         "Accuracies: teacher -> student; training accuracy is against the training labels, including flipped ones."))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ninterrupted: finished runs are kept, and the same command resumes", file=sys.stderr)
        sys.exit(130)
