"""Made-up runs of the studies of when distillation helps, with all that their figures and tables read."""

import numpy as np

from validation.address import address
from validation.closed_form.setting import CLOSED_FORM
from validation.record import Folder
from validation.registered import as_it_stands
from validation.settings import find
from validation.studies import STUDIES

CNN = "cnn_fashion_mnist_noisy"
DATA = {"source": "fashion_mnist", "note": "made up"}


def write_variant(runs, variant, seed, gain, fits=(0.9, 0.8), teacher=0.75, snapshots=(), underfit=0.6):
    """A run of a variant whose student is better by `gain` points; snapshots: the epochs whose logits it kept."""
    name = variant.setting
    configuration = as_it_stands(find(name)) | variant.apply().configuration()
    folder = Folder(runs, address(name, configuration, as_it_stands(find(name)), seed))
    folder.begin(configuration | {"seed": seed})
    student, rng = teacher + gain / 100, np.random.default_rng(seed)
    logits, wrong = 2 * rng.normal(size=(50, 10)), np.arange(50) < 50 * configuration["data"]["label_noise"]
    labels = (logits.argmax(1) + (np.arange(50) % 2)) % 10
    folder.save("outputs", mislabelled=wrong, **{
        f"{what}_{split}": array for split in ("train", "test")
        for what, array in (("teacher", logits), ("student", 1.4 * logits))}, train_labels=labels, test_labels=labels)
    if snapshots:
        kept = np.linspace(0.6, 1.4, len(snapshots))[:, None, None] * logits
        folder.save("snapshots", epochs=np.array(snapshots), student=kept, teacher=logits)
    folder.write_log([{"role": role, "epoch": epoch, "test_accuracy": last - (3 - epoch) / 10}
                      for role, last in (("teacher", teacher), ("student", student)) for epoch in (1, 2, 3)])
    points = {"points": 25, "confidence": 1.0, "low": 0.5, "underfit_low": 0.75, "underfit": 0.5, "fitted": 0.9,
              "underfit_fitted": 0.7}
    ends = {"last": {"test_accuracy": student}, "best": {"test_accuracy": student + 0.01}}
    slope = {"0.25": {"value": 1.1, "low": 1.0, "high": 1.2}}
    folder.finish({
        "setting": name, "seed": seed, "smoke": False, "data": DATA,
        "accuracy": {"train": {"teacher": fits[0], "one_hot": fits[0], "distilled": fits[1]},
                     "test": {"teacher": teacher, "one_hot": teacher, "distilled": student}},
        "at_chance": {"train": [], "test": []}, "teachers": {"teacher": "it"},
        "epochs": dict.fromkeys(("teacher", "one_hot", "distilled"), ends), "eigenspace": {},
        "deviation": {split: {"slope_low": slope, "slope_high": slope, "underfit": underfit, "overfit": 0.1}
                      for split in ("train", "test")},
        "by_label": {split: {"slope_low": slope, "underfit": 0.4, "either_wrong": {
            "of_underfit": 0.25, "are_underfit": 0.5, "overlap": 0.2}} for split in ("train", "test")},
        "halves": {half: {"teacher": teacher, "distilled": student + (half == "odd") / 100}
                   for half in ("even", "odd")},
        "mislabelled_points": {"separation": 0.9, "mislabelled": points, "clean": points} if wrong.any() else {}})
    return folder.path


def write_closed_form(runs, seed):
    """A closed form whose student gains two points less four times the share of labels that its teacher gets wrong."""
    configuration = as_it_stands(CLOSED_FORM)
    folder = Folder(runs, address(CLOSED_FORM.name, configuration, configuration, seed))
    folder.begin(configuration | {"seed": seed})
    fits, test = np.linspace(0.5, 1, 6), np.full(6, 0.7)
    student = 0.72 - 0.04 * (1 - fits[:, None]) * 10 + 0 * fits
    diagrams = [{"label_noise": rate, "teacher_fraction": fraction, "times": list(range(6)), "mislabelled": 0,
                 "teacher": {"train": fits.tolist(), "test": test.tolist(), "risk": test.tolist()},
                 "student": {"train": (fits[None] * fits[:, None]).tolist(), "test": student.tolist(),
                             "risk": student.tolist()},
                 "switched": {f"{way} at {share}%": test.tolist() for share in (25, 50, 75, 95)
                              for way in ("distilled to one_hot", "one_hot to distilled")}}
                for rate in CLOSED_FORM.label_noise for fraction in CLOSED_FORM.teacher_fractions]
    folder.finish({"setting": CLOSED_FORM.name, "seed": seed, "smoke": False, "data": DATA, "diagrams": diagrams})


def write_studies(runs, seeds=(0, 1), gain=lambda variant, seed: 1.0 + seed,
                  names=("noisy_labels", "teacher_fit", "loss_switching",
                         "intervention")):
    """All runs of these studies and the closed form's."""
    for seed in seeds:
        for name in names:
            for variant in STUDIES[name].variants():
                write_variant(runs, variant, seed, gain(variant, seed))
        write_closed_form(runs, seed)
