"""One-hot trainings, each done once: `<out>/teachers/<hash>/`, found again by all that decides their numbers.

A teacher serves every student that has the same one: the student's own network trained on one-hot labels, with which a
cross-architecture student is compared, is another setting's teacher.
"""

import hashlib
import json
from contextlib import nullcontext

import torch

from validation.fitting import Fit, Fitted, accuracy
from validation.record import SCHEMA, Folder

NOTHING = {"layers": [], "every": 1, "directions": 0}  # recorded
PARTS = ("data", "evaluation", "precision", "seed", "smoke", "data_source")


def configurations(configuration):
    """The one-hot trainings that a run of this configuration rests on, by role: "teacher", and "one_hot" where the
    student has a network of its own. Each mapping decides its training's numbers, and holds nothing else."""
    shared, analysis = {part: configuration[part] for part in PARTS}, configuration["analysis"]
    recorded = {"layers": analysis["layers"], "every": analysis["every"], "directions": analysis["bottom"][1]}
    teacher = {"model": configuration["model"], "training": configuration["teacher"], "recorded": recorded}
    if configuration["student_model"] is None:
        return {"teacher": teacher | shared}
    student = {"model": configuration["student_model"], "training": configuration["student"], "recorded": NOTHING}
    return {"teacher": teacher | shared, "one_hot": student | shared}


def folder_of(out, configuration):
    """The `Folder` of the one-hot training of this configuration."""
    text = json.dumps(_deciding(configuration), sort_keys=True)
    return Folder(out, f"teachers/{hashlib.sha256(text.encode()).hexdigest()[:16]}")


def fit(folder, configuration, network, recipe, inputs, *, label, seed, recorder, engine, progress, described,
        renewed=None):
    """The `Fitted` one-hot training of `network`: the one that is in its folder, or gone on with there, or done now.

    label: what a person sees it called; described: provenance for its result; renewed: a set of names, to which this
    folder's is added: one that is there and not in the set is moved aside and done again. Where another process is at
    work on it, that one is waited for.
    """
    group, anew = engine.group, renewed is not None and folder.name not in renewed
    with folder.alone(progress.note, wait=True) if group.first else nullcontext():
        if group.on_first(lambda: _usable(folder, configuration, progress.note, anew)):
            progress.note(f"  {label}: found trained in {folder.path}, on {folder.finished()['device']}")
            return _read(folder, engine.placed(network), configuration["recorded"]["layers"])
        if group.first:
            folder.begin(configuration)
        group.wait()
        fitted = Fit("teacher", network, recipe, folder, inputs, label=label, seed=seed, engine=engine,
                     precision=configuration["precision"], progress=progress, recorder=recorder).run()
        if renewed is not None:
            renewed.add(folder.name)
        if group.first:
            _record(folder, configuration, fitted, inputs, described)
        group.wait()
    return fitted


def ends(log):
    """The result's `epochs` of one training: its last epoch, and the first of those with its best test accuracy."""
    keep = ("epoch", "step", "loss", "train_accuracy", "test_accuracy")
    best = max(log, key=lambda entry: entry["test_accuracy"])
    return {name: {key: entry[key] for key in keep} for name, entry in (("last", log[-1]), ("best", best))}


def _deciding(configuration):
    """What decides a training's numbers: what is recorded of it does not."""
    return {key: value for key, value in configuration.items() if key != "recorded"}


def _covers(there, wanted):
    """Whether what was recorded holds what is wanted."""
    same = all(there[key] == wanted[key] for key in ("every", "directions"))
    return not wanted["layers"] or (same and set(wanted["layers"]) <= set(there["layers"]))


def _usable(folder, configuration, note, anew):
    """Whether the finished training is there, whole; what is not to be used is moved aside, aloud."""
    if anew and (folder.is_finished() or folder.has_checkpoints()):
        note(f"  teacher: the one in {folder.path} moves to {folder.set_aside()}")
    if not folder.is_finished():
        return False
    if (schema := folder.finished().get("schema", 1)) != SCHEMA:
        note(f"  teacher: the one in {folder.path} is of another version of eigenkd (schema {schema}, this one reads "
             f"{SCHEMA}): it moves to {folder.set_aside()}, and is trained again")
        return False
    digests, there = folder.finished()["files"], folder.configuration()
    if digests == folder.digests() and _deciding(there) == _deciding(configuration):
        if not _covers(there["recorded"], configuration["recorded"]):
            note(f"  teacher: of the one in {folder.path} other layers were recorded than are asked for: it moves to "
                 f"{folder.set_aside()}, and is trained again")
            return False
        folder.checkpoints(note).clear()  # of a training that died between its result and this
        return True
    harmed = sorted(name for name in digests if digests[name] != folder.digests().get(name)) or ["config.json"]
    note(f"WARNING: {', '.join(harmed)} of the teacher in {folder.path} changed since it was written: that one moves "
         f"to {folder.set_aside()}, and it is trained again")
    return False


def _read(folder, network, layers):
    folder.load_weights(network)
    logits, result = folder.arrays("outputs"), folder.finished()
    paths = folder.arrays("trajectory") if layers else {}
    train, test = (torch.from_numpy(logits[split]) for split in ("train", "test"))
    return Fitted(network, {layer: paths[layer] for layer in layers}, train, test, folder.read_log(), result["seconds"])


def _record(folder, configuration, fitted, inputs, described):
    folder.save_weights(fitted.network)
    folder.save("outputs", train=fitted.train.numpy(), test=fitted.test.numpy())
    if fitted.paths:
        folder.save("trajectory", **fitted.paths)
    folder.finish({
        "kind": "one-hot training", "seed": configuration["seed"], "smoke": configuration["smoke"], **described,
        "accuracy": {"train": accuracy(fitted.train, inputs.kept_labels("train")),
                     "test": accuracy(fitted.test, inputs.kept_labels("test"))},
        "epochs": ends(fitted.log), "recorded": bool(fitted.paths), "seconds": round(fitted.seconds, 3),
        "files": folder.digests(),
    })
