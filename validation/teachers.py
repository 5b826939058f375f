"""One-hot trainings, each done once: `<out>/teachers/<hash>/`, found again by all that decides their numbers.

A teacher serves every student that has the same one: the student's own network trained on one-hot labels, with which a
cross-architecture student is compared, is another setting's teacher.
"""

import hashlib
import json
from contextlib import nullcontext

import torch

from validation.findings import accuracy, ends
from validation.record import SCHEMA, Folder
from validation.settings.loss import ONE_HOT
from validation.trainer import Trained, Trainer

NOTHING = {"layers": [], "every": 1, "directions": 0}  # recorded
PARTS = ("data", "evaluation", "precision", "seed", "smoke", "data_source")


def configurations(configuration):
    """The one-hot trainings that a run of this configuration rests on, by role: "teacher", and "one_hot" where the
    student has a network of its own. Each mapping decides its training's numbers, and holds nothing else."""
    shared, analysis = {part: configuration[part] for part in PARTS}, configuration["analysis"]
    recorded = {"layers": analysis["layers"], "every": analysis["every"], "directions": analysis["bottom"][1]}
    teacher = {"model": configuration["model"], "training": configuration["teacher"], "recorded": recorded}
    if configuration["student_model"] is None:
        return {"teacher": shared | teacher}
    student = {"model": configuration["student_model"], "training": configuration["student"] | {"loss": vars(ONE_HOT)},
               "recorded": NOTHING, "data": configuration["data"] | {"teacher_fraction": 1.0}}
    return {"teacher": shared | teacher, "one_hot": shared | student}


def folder_of(out, configuration):
    """The `Folder` of the one-hot training of this configuration."""
    text = json.dumps(_deciding(configuration), sort_keys=True)
    return Folder(out, f"teachers/{hashlib.sha256(text.encode()).hexdigest()[:16]}")


def fit(folder, configuration, role, network, inputs, *, seed, recorder, engine, progress, described, renewed=None):
    """The `Trained` network of a one-hot training: the one that is in its folder, or resumed there, or trained now.

    role: a `Role`; described: provenance for its result; renewed: a set of names, to which this folder's is added: one
    that is there and not in the set is moved aside and trained again. Where another process is at work on it, that one
    is waited for.
    """
    group, anew = engine.group, renewed is not None and folder.name not in renewed
    with folder.lock(progress.note, wait=True) if group.first else nullcontext():
        if group.on_first(lambda: _usable(folder, configuration, progress.note, anew)):
            progress.note(f"  {role.name}: found trained in {folder.path}, on {folder.finished()['device']}")
            return _read(folder, engine.placed(network), configuration["recorded"]["layers"])
        if group.first:
            folder.begin(configuration)
        group.wait()
        trained = Trainer(role, network, folder, inputs, seed=seed, engine=engine, precision=configuration["precision"],
                          progress=progress, recorder=recorder).run()
        if renewed is not None:
            renewed.add(folder.name)
        if group.first:
            _record(folder, configuration, trained, inputs, described)
        group.wait()
    return trained


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
    paths = {layer: paths[layer] for layer in layers}
    return Trained(network, paths, train, test, folder.read_log(), result["seconds"])


def _record(folder, configuration, trained, inputs, described):
    folder.save_weights(trained.network)
    folder.save("outputs", train=trained.train.numpy(), test=trained.test.numpy())
    if trained.paths:
        folder.save("trajectory", **trained.paths)
    folder.finish({
        "kind": "one-hot training", "seed": configuration["seed"], "smoke": configuration["smoke"], **described,
        "accuracy": {"train": accuracy(trained.train.numpy(), inputs.saved_labels("train").numpy()),
                     "test": accuracy(trained.test.numpy(), inputs.saved_labels("test").numpy())},
        "epochs": ends(trained.log), "recorded": bool(trained.paths), "seconds": round(trained.seconds, 3),
        "files": folder.digests(),
    })
