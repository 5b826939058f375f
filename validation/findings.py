"""What a run shows, computed from the arrays that it saved: `python -m validation.findings RUN [RUN ...]`.

A run folder's findings can be computed again without training, after a measurement has been fixed or added.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import binom

from eigenkd import deviation
from validation.address import changes
from validation.eigenspace import exaggerated_pairs
from validation.errors import UsageError, exit_code
from validation.record import Folder
from validation.underfit import by_label, mislabelled_points

SPLITS = ("train", "test")
AT_CHANCE = 1e-3  # significance level of the test against guessing


def of(folder):
    """The findings of a run `Folder` as result.json has them:

        accuracy      of each network on each split, against the labels trained on and the test labels
        at_chance     by split, the networks whose predictions are no better than guesses
        epochs        the last epoch of each training, and the first with its best test accuracy
        eigenspace    of each recorded layer, how exaggerated the student's path is; `eigenspace.exaggerated_pairs`
        deviation     of each split, the summary of `eigenkd.deviation.compare`
        halves        of each network, the accuracy on the test images of even and of odd index: a strength that is
                      chosen on one half is measured on the other
        by_label      of each split, `underfit.by_label`
        mislabelled_points  `underfit.mislabelled_points` of the training set
        mislabelled   shares of the fit that top and bottom directions carry; empty where nothing is mislabelled
    """
    analysis, saved = folder.configuration()["analysis"], folder.arrays("outputs")
    names = {"teacher": "teacher", "one_hot": "one_hot" if "one_hot_test" in saved else "teacher",
             "distilled": "student"}
    logits = {split: {name: saved[f"{role}_{split}"] for name, role in names.items()} for split in SPLITS}
    labels = {split: saved[f"{split}_labels"] for split in SPLITS}
    log = folder.read_log()
    return {
        "accuracy": {split: {name: accuracy(logits[split][name], labels[split]) for name in names} for split in SPLITS},
        "at_chance": {split: [name for name in names if is_at_chance(logits[split][name], labels[split])]
                      for split in SPLITS},
        "epochs": {name: ends([entry for entry in log if entry["role"] == role]) for name, role in names.items()},
        "eigenspace": layers(folder.arrays("trajectory")) if folder.has("trajectory.npz") else {},
        "deviation": {split: deviation.compare(logits[split]["teacher"], logits[split]["distilled"], labels[split],
                                               inputs="logits", masked="keep").summary() for split in SPLITS},
        "halves": {half: {name: accuracy(logits["test"][name][first::2], labels["test"][first::2]) for name in names}
                   for first, half in enumerate(("even", "odd"))},
        "by_label": {split: by_label(logits[split]["teacher"], logits[split]["distilled"], labels[split])
                     for split in SPLITS},
        "mislabelled_points": mislabelled_points(logits["train"]["teacher"], logits["train"]["distilled"],
                                                 labels["train"], saved["mislabelled"]),
        "mislabelled": carried(analysis, folder.arrays("mislabelled")) if folder.has("mislabelled.npz") else {},
    }


def accuracy(logits, labels):
    """The share of examples whose largest logit is the label's."""
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def is_at_chance(logits, labels):
    """Whether predictions are right no more often than if they were shuffled over the examples.

    Then an example is right with probability c = sum_k q_k p_k, of q_k, the share of class k in the predictions, and
    p_k, its share in the labels. A network is at chance if Binomial(n, c) is right as often as it is with a probability
    above `AT_CHANCE`; one that predicts one class throughout always is. logits: (n, classes); labels: (n,).
    """
    n, classes = logits.shape
    predicted = np.argmax(logits, axis=1)
    q, p = (np.bincount(classified, minlength=classes) / n for classified in (predicted, labels))
    return bool(binom.sf(np.count_nonzero(predicted == labels) - 1, n, min(1.0, float(q @ p))) > AT_CHANCE)


def ends(log):
    """Of one training: its last epoch, and the first of those with its best test accuracy."""
    keep = ("epoch", "step", "loss", "train_accuracy", "test_accuracy")
    best = max(log, key=lambda entry: entry["test_accuracy"])
    return {name: {key: entry[key] for key in keep} for name, entry in (("last", log[-1]), ("best", best))}


def layers(trajectory):
    """`exaggerated_pairs` of each layer of the arrays of trajectory.npz."""
    names = [key.removesuffix("/pairs") for key in trajectory if key.endswith("/pairs")]
    return {name: exaggerated_pairs(*(trajectory[f"{name}/{part}"] for part in ("teacher", "student", "pairs")))
            for name in names}


def carried(analysis, shares):
    """The shares of the fit that ranges of directions carry: `top`, and `rest`, all from where `bottom` begins."""
    (_, top), (rest, _) = analysis["top"], analysis["bottom"]
    return {name: {"top": float(values[:top].sum()), "rest": float(values[rest:].sum())}
            for name, values in shares.items() if name != "eigenvalues"}


def renew(folder):
    """Computes the findings of a finished run again and writes them into its result; returns the names of the values
    that changed."""
    result = folder.finished()
    if result is None:
        raise UsageError(f"RUN: expected the folder of a finished run, got {folder.path}; finish it with python -m "
                         "validation.run, or name another")
    if not folder.has("outputs.npz"):
        raise UsageError(f"RUN: expected a run with its arrays, got {folder.path} without outputs.npz; compact records "
                         "have arrays for their lowest seed at most, and runs of function_space have none")
    folder.verify(complete=False)
    found = of(folder)
    changed = changes(found, {name: result[name] for name in found if name in result})
    if changed:
        folder.finish(result | found)
    return [".".join(map(str, path)) for path in changed]


def main(arguments=None):
    """Returns the exit code: 0, or 2 for what the user can fix."""
    parser = argparse.ArgumentParser(prog="python -m validation.findings",
                                     description="Compute findings again from the arrays that runs saved.")
    parser.add_argument("runs", nargs="+", metavar="RUN", type=Path, help="run folders, such as runs/mlp_mnist/seed0")
    parser.add_argument("--json", action="store_true", help="print what changed as a JSON object")
    options = parser.parse_args(arguments)
    changed, failed = {}, []

    def work():
        for run in options.runs:
            try:
                changed[str(run)] = renew(Folder.at(run))
            except UsageError as error:
                failed.append(str(run))
                print(f"error: {error}", file=sys.stderr)
                continue
            if not options.json:
                print(f"{run}: {'changed' if changed[str(run)] else 'unchanged'}", *changed[str(run)], sep="\n  ")
        if options.json:
            print(json.dumps(changed, indent=1))
        return 2 if failed else 0

    return exit_code(work, "interrupted: the runs listed above are done")


if __name__ == "__main__":
    sys.exit(main())
