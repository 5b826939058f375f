"""One-hot trainings, each done once: `<out>/teachers/<hash>-<hash of what is recorded>/`, addressed by their
configuration.

A teacher serves every student that has the same one: the student's own network trained on one-hot labels, with which a
cross-architecture student is compared, is another setting's teacher.
"""

from contextlib import nullcontext

import torch

from validation import sealed
from validation.findings import accuracy, ends
from validation.record import CONFIGURATION, RESULT, Damaged, Folder
from validation.settings.loss import ONE_HOT
from validation.trainer import Trained, Trainer

NOTHING = {"layers": [], "every": 1, "directions": 0}  # recorded
PARTS = ("data", "evaluation", "precision", "seed", "smoke", "data_source")


def configurations(configuration):
    """The one-hot trainings that a run of this configuration rests on, by role: "teacher", and "one_hot" where the
    student has a network of its own. Each mapping decides its training's numbers, and holds nothing else."""
    shared, analysis = {part: configuration[part] for part in PARTS}, configuration["analysis"]
    shared["evaluation"] = {key: value for key, value in shared["evaluation"].items() if key != "snapshots"}
    recorded = {"layers": analysis["layers"], "every": analysis["every"], "directions": analysis["bottom"][1]}
    teacher = {"model": configuration["model"], "training": configuration["teacher"], "recorded": recorded}
    if configuration["student_model"] is None:
        return {"teacher": shared | teacher}
    student = {"model": configuration["student_model"], "training": configuration["student"] | {"loss": vars(ONE_HOT)},
               "recorded": NOTHING, "data": configuration["data"] | {"teacher_fraction": 1.0}}
    return {"teacher": shared | teacher, "one_hot": shared | student}


def folder_of(out, configuration):
    """The `Folder` of the one-hot training of this configuration: what decides its numbers, and what is recorded."""
    return Folder(out, f"{_family(configuration)}-{sealed.digest(configuration['recorded'])[:8]}")


def fit(out, configuration, role, network, inputs, *, seed, recorder, engine, progress, described, renewed=None):
    """The `Trained` network of a one-hot training: found finished, resumed, or trained now.

    role: a `Role`; described: provenance for its result; renewed: with --no-resume, the folders that this
    command has trained already, to which this one is added; else None. Waits for another process that trains it. A
    training with more recorded layers serves too. Nothing is read from its folder after this returns.
    """
    group, mine = engine.group, folder_of(out, configuration)

    def held(folder):
        return folder.lock(progress.note, wait=True) if group.first else nullcontext()

    def found(folder):
        """The training that is finished in a folder, else None."""
        if not group.on_first(lambda: _is_usable(folder, configuration, progress.note, renewed)):
            return None
        progress.note(f"  {role.name}: found trained in {folder.path}, on {folder.finished()['device']}")
        return _read(folder, engine.placed(network), configuration["recorded"]["layers"])

    for name in group.on_first(lambda: _covering(mine, configuration, renewed)):
        with held(other := Folder(out, name)):
            if (trained := found(other)) is not None:
                return trained
    with held(mine):
        if (trained := found(mine)) is not None:
            return trained
        if group.first:
            mine.begin(configuration)
        group.wait()
        trained = Trainer(role, network, mine, inputs, seed=seed, engine=engine, progress=progress,
                          precision=configuration["precision"], recorder=recorder).run()
        if renewed is not None:
            renewed.add(mine.name)
        if group.first:
            _record(mine, configuration, trained, inputs, described)
        group.wait()
    return trained


def _family(configuration):
    """The beginning of the names of all folders with a training of these numbers."""
    return f"teachers/{sealed.digest(_deciding(configuration))[:16]}"


def _deciding(configuration):
    """What decides a training's numbers: what is recorded of it does not."""
    return {key: value for key, value in configuration.items() if key != "recorded"}


def _covers(there, wanted):
    """Whether what was recorded holds what is wanted."""
    same = all(there[key] == wanted[key] for key in ("every", "directions"))
    return not wanted["layers"] or (same and set(wanted["layers"]) <= set(there["layers"]))


def _covering(mine, configuration, renewed):
    """The names of other folders with a finished training of these numbers, of which as much or more is recorded."""
    others = [Folder(mine.out, f"teachers/{path.parent.name}")
              for path in sorted(mine.out.glob(f"{_family(configuration)}-*/{RESULT}"))]
    return [folder.name for folder in others if folder.name != mine.name and (renewed is None or folder.name in renewed)
            and _is_covering(folder, configuration)]


def _is_covering(folder, configuration):
    try:
        return _covers(folder.configuration()["recorded"], configuration["recorded"])
    except (Damaged, TypeError):  # damaged or absent
        return False


def _is_usable(folder, configuration, note, renewed):
    """Whether the finished training is there, whole. What cannot be used, or is to be repeated, is moved aside."""
    if renewed is not None and folder.name not in renewed and (folder.is_finished() or folder.has_checkpoints()):
        note(f"  the network in {folder.path} moves to {folder.set_aside()}")
    if not folder.is_finished():
        return False
    try:
        folder.verify()
        if _deciding(folder.configuration()) == _deciding(configuration):
            folder.clear_checkpoints()  # of a training that died between its result and this
            return True
        why = f"its {CONFIGURATION} is that of another training"
    except Damaged as error:
        why = error.reason
    note(f"WARNING: the network in {folder.path} cannot be used: {why}; it moves to {folder.set_aside()}, and is "
         "trained again")
    return False


def _read(folder, network, layers):
    folder.load_weights(network)
    logits, result = folder.arrays("outputs"), folder.finished()
    paths = folder.arrays("trajectory") if layers else {}
    train, test = (torch.from_numpy(logits[split]) for split in ("train", "test"))
    paths = {layer: paths[layer] for layer in layers}
    return Trained(network, paths, train, test, folder.read_log(), result["seconds"], folder.name, result["device"])


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
    })
