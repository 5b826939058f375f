"""One run of one setting, top to bottom: assemble, train each role, record, find."""

import numpy as np
import torch

from eigenkd.torch import Recorder
from validation import findings, teachers
from validation.assembly import answers, assemble
from validation.device import described
from validation.eigenspace import DECOMPOSED, draw_pairs, fit_shares
from validation.inputs import batches
from validation.provenance import provenance
from validation.train import predict
from validation.trainer import Trainer


def run(plan, *, engine, progress, renewed=None):
    """Trains the networks of a plan, leaves a run folder, and returns its result.

    engine: an `Engine`; progress: a `Progress`; renewed: where teachers are to be trained again too, the set of those
    that were. An unfinished run of the same configuration is resumed. The result depends on the configuration, on the
    device, and on the device that a reused teacher was trained on (`taught_on`); no global state changes. Raises
    UsageError for what the user can fix.
    """
    setting, seed, folder, group = plan.setting, plan.seed, plan.folder, engine.group
    made = assemble(plan, engine)
    examples, inputs, networks = made.examples, made.inputs, made.networks
    progress.note(f"{setting.name} seed {seed} on {engine.device}: {len(examples.train_labels)} training examples, "
                  f"{examples.mislabelled.sum()} of them mislabelled; data: {made.splits.source.note}")
    untrained = logits_before(setting, made, engine)
    origin = provenance(described(engine.device), torch.get_num_threads()) | data_of(made)
    if group.first:
        folder.begin(plan.configuration)

    # Trained on labels: the teacher, and the student's own network where it is another one. Each is trained once.
    wanted = teachers.configurations(plan.configuration)
    trained = {name: teachers.fit(folder.out, wanted[name], made.roles[name], networks[name], made.inputs_of[name],
                                  seed=seed, recorder=Recorder(networks[name], made.bases if name == "teacher"
                                                               else {}, setting.analysis.every),
                                  engine=engine, progress=progress, described=origin, renewed=renewed)
               for name in wanted}

    # Trained on the teacher: the student. Its deeper layers are measured in the trained teacher's eigenbases; a
    # student that is another network has no layer in common with it.
    with engine.exact():
        bases = {name: basis(trained["teacher"].network) if callable(basis) else basis
                 for name, basis in made.bases.items() if setting.is_self_distillation}
    pairs = {name: draw_pairs(setting.analysis, seed, len(basis.values)) for name, basis in bases.items()}
    mine = made.inputs_of["student"]
    before = [entry | {"role": name} for name, training in trained.items() for entry in training.log]
    trained["student"] = Trainer(made.roles["student"], networks["student"], folder, mine, seed=seed, engine=engine,
                                 precision=setting.precision, progress=progress, before=before,
                                 snapshots=setting.evaluation.snapshots,
                                 recorder=Recorder(networks["student"], bases, setting.analysis.every)
                                 ).run(teacher=answers(trained["teacher"], inputs, engine))

    # Recorded, and what the saved arrays show
    if group.first:
        folder.save_weights(trained["student"].network)
        folder.save("outputs", **outputs(examples, inputs, trained))
        if trained["student"].snapshots:
            folder.save("snapshots", **snapshots(trained))
        if bases:
            folder.save("trajectory", **paths(setting, trained, bases, pairs))
        if untrained:
            folder.save("mislabelled", **mislabelled(made, trained, untrained))
        result = folder.finish({
            "setting": setting.name, "title": setting.title, "seed": seed, "smoke": plan.smoke, **origin,
            **findings.of(folder), "published": published(setting), "guesses": setting.guesses,
            "teachers": {name: trained[name].folder for name in wanted},
            "taught_on": {name: trained[name].device for name in wanted},
            "seconds": round(sum(training.seconds for training in trained.values()), 3)})
    return group.on_first(lambda: result)


def logits_before(setting, made, engine):
    """The untrained logits of teacher and student on the training examples, if it is measured which directions fit
    mislabelled examples; otherwise empty."""
    wrong, train = made.examples.mislabelled, made.inputs.train
    if not (setting.analysis.layers and 0 < wrong.sum() < len(wrong)):
        return {}
    if not len(made.inputs.saved) == len(train) <= DECOMPOSED or train.lengths is not None:
        return {}  # texts have no Gram matrix
    with engine.exact():
        return {role: predict(made.networks[role], made.inputs_of[role].train, group=engine.group).cpu()
                for role in ("teacher", "student")}


def mislabelled(made, trained, untrained):
    """The arrays of mislabelled.npz, see `eigenspace.fit_shares`, by the Gram matrix of what the networks take in."""
    rows = torch.cat([batch.flatten(1).double().cpu() for batch in batches(made.inputs.train)]).numpy()
    return fit_shares(rows, made.examples.mislabelled, made.examples.train_labels, {
        role: (before.double().numpy(), trained[role].train.double().numpy()) for role, before in untrained.items()})


def published(setting):
    """The paper's accuracies for this setting as shares, next to which ours stand; None where it gives none."""
    if setting.published is None:
        return None
    return {"accuracy": {split: dict(zip(("teacher", "one_hot", "distilled"),
                                         (round(value / 100, 6) for value in getattr(setting.published, split))))
                         for split in ("train", "test")}}


def data_of(made):
    """What was trained on: the result's `data` with the origin of pretrained networks by role, and a note on what its
    training accuracies mean."""
    wrong, source = made.examples.mislabelled, made.splits.source
    note = f"against the labels trained on, {wrong.sum()} of {len(wrong)} of them flipped"
    pretrained = {role: network.origin for role, network in made.networks.items() if hasattr(network, "origin")}
    return {"data": {"source": source.name, "note": source.note, "sha256": made.examples.sha256(),
                     "pretrained": pretrained},
            "notes": {"accuracy.train": note}}


def outputs(examples, inputs, trained):
    """The arrays of outputs.npz: logits, the labels trained on and the true ones, and where they differ; train_indices:
    which training examples these are, where not all are saved; taught: those that the teacher was trained on, where it
    was not on all."""
    logits = {f"{role}_{split}": getattr(training, split).numpy()
              for role, training in trained.items() for split in ("train", "test")}
    saved = inputs.saved.cpu().numpy()
    some = {} if len(saved) == len(inputs.train) else {"train_indices": saved}
    if inputs.taught_mask is not None:
        some["taught"] = inputs.taught_mask[saved]
    return logits | some | {
        "train_labels": examples.train_labels[saved], "train_true_labels": examples.train_true_labels[saved],
        "test_labels": examples.test_labels, "mislabelled": examples.mislabelled[saved]}


def snapshots(trained):
    """The arrays of snapshots.npz: epochs (k,), the student's logits after each of them (k, n, classes) and the
    teacher's final ones (n, classes) on the training examples whose logits are saved, in half precision."""
    student, epochs = trained["student"].snapshots, sorted(trained["student"].snapshots)
    return {"epochs": np.array(epochs), "student": np.stack([student[epoch].half().numpy() for epoch in epochs]),
            "teacher": trained["teacher"].train.half().numpy()}


def paths(setting, trained, bases, pairs):
    """The arrays of trajectory.npz: every, the steps between two records, and of each layer <layer>/teacher and
    <layer>/student (records, 2, k), see `Recorder.paths`, /eigenvalues (k,) and /pairs."""
    found = {"every": np.array(setting.analysis.every)}
    for name, basis in bases.items():
        found |= {f"{name}/{role}": trained[role].paths[name] for role in ("teacher", "student")}
        found |= {f"{name}/eigenvalues": basis.values.numpy(), f"{name}/pairs": pairs[name]}
    return found
