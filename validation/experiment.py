"""One run of one setting, top to bottom: data, teacher, student, analysis, record."""

import copy
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from eigenkd import deviation
from validation import teachers
from validation.data import DATASETS, generated
from validation.data.examples import draw
from validation.device import described
from validation.eigenspace import DECOMPOSED, draw_pairs, exaggerated_pairs, fit_shares
from validation.errors import UsageError
from validation.fitting import Fit, accuracy
from validation.inputs import Inputs, batches
from validation.layers import basis_of, is_fixed
from validation.provenance import provenance
from validation.registered import as_it_stands
from validation.seeding import local_default
from validation.settings import find
from validation.train import predict
from validation.trajectory import Recorder

SMOKE_PIXELS = 2**14  # of each channel, in the examples of a smoke run with images that are trained on as such


def run(setting, seed, folder, *, engine, data_dir, download, smoke, progress, renewed=None):
    """Trains teacher and student, analyses them, leaves a run folder, and returns its result.

    setting: as it is to be trained (`shortened` for a smoke run); folder: a `Folder`, whose unfinished run of the same
    configuration is resumed; engine: an `Engine`; progress: a `Progress`; renewed: where teachers are to be
    trained again too, the set of those that were. The result depends on the configuration, on the device, and on that
    which a teacher that is found was trained on (`taught_on`); no global state changes. Raises UsageError for what the
    user can mend.
    """
    group = engine.group

    # Data
    dataset = load(setting, data_dir, download, smoke, group)
    examples = draw(dataset, setting.data, seed)
    progress.note(f"{setting.name} seed {seed} on {engine.device}: {len(examples.train_labels)} training examples, "
                  f"{examples.mislabelled.sum()} of them mislabelled; data: {dataset.source.note}")

    # Networks, and the eigendirections of what the recorded layers take in, where they are fixed
    embed, networks = build(setting, seed)
    inputs = Inputs(examples, setting, embed, engine.device, seed=seed, channels_last=engine.channels_last)
    networks = {role: engine.placed(network) for role, network in networks.items()}
    bases = eigenbases(setting, inputs, networks["teacher"])
    untrained = logits_before(setting, examples, inputs, networks, engine)

    settled = configuration(setting, seed, smoke=smoke, source=dataset.source)
    made = provenance(described(engine.device), torch.get_num_threads()) | origin(dataset, examples)
    if group.first:
        folder.begin(settled)

    # One-hot labels: the teacher, and the student's own network where it is another one. Each is trained once for all.
    wanted, recipes = teachers.configurations(settled), {"teacher": setting.teacher, "one_hot": setting.student}
    taught = {role: teachers.folder_of(folder.out, wanted[role]) for role in wanted}
    fitted = {role: teachers.fit(taught[role], wanted[role], networks[role], recipes[role], inputs, label=role,
                                 seed=seed, recorder=Recorder(networks[role], bases if role == "teacher" else {},
                                                              setting.analysis.every),
                                 engine=engine, progress=progress, described=made, renewed=renewed) for role in wanted}

    # Student: the teacher's probabilities on the same examples. Its deeper layers are seen as the finished teacher's;
    # another network has no layer in common with it.
    with engine.exact():
        bases = {name: basis(fitted["teacher"].network) if callable(basis) else basis
                 for name, basis in bases.items() if setting.is_self_distillation}
    pairs = {name: draw_pairs(setting.analysis, seed, len(basis.values)) for name, basis in bases.items()}
    before = [entry | {"role": role} for role, training in fitted.items() for entry in training.log]
    fitted["student"] = Fit("student", networks["student"], setting.student, folder, inputs, seed=seed, engine=engine,
                            precision=setting.precision, progress=progress, before=before,
                            recorder=Recorder(networks["student"], bases, setting.analysis.every)
                            ).run(teacher=answers(fitted["teacher"], inputs, engine), distillation=setting.distillation)

    # Record
    by_direction = mislabelled(examples, inputs, fitted, untrained)
    result = {
        "setting": setting.name, "title": setting.title, "seed": seed, "smoke": smoke, **made,
        **analysis(inputs, fitted, pairs), "mislabelled": carried(setting, by_direction),
        "published": published(setting), "guesses": setting.guesses,
        "teachers": {role: where.name for role, where in taught.items()},
        "taught_on": group.on_first(lambda: {role: where.finished()["device"] for role, where in taught.items()}),
        "seconds": round(sum(training.seconds for training in fitted.values()), 3),
    }
    if group.first:
        folder.save_weights(fitted["student"].network)
        folder.save("outputs", **outputs(examples, inputs, fitted))
        if bases:
            folder.save("trajectory", **paths(setting, fitted, bases, pairs))
        if by_direction:
            folder.save("mislabelled", **by_direction)
        result = folder.finish(result)
    group.wait()
    return result


def eigenbases(setting, inputs, network):
    """The recorded layers' eigenbases, by name; where what a layer takes in changes while the network is trained, a
    function of the trained network that returns it. Raises UsageError for a layer that the network does not have."""
    first = inputs.train.plain(torch.arange(min(2, len(inputs.train)), device=inputs.train.device))

    def of(name, network):
        return basis_of(network, name, batches(inputs.train), directions=setting.analysis.bottom[1])

    return {name: of(name, network) if is_fixed(network, name, first) else partial(of, name)
            for name in setting.analysis.layers}


def logits_before(setting, examples, inputs, networks, engine):
    """The untrained logits of teacher and student on the training examples, where it is looked at which directions fit
    the mislabelled ones of them; else nothing."""
    both_kinds = 0 < examples.mislabelled.sum() < len(examples.mislabelled)
    if not (setting.analysis.layers and both_kinds) or not len(inputs.kept) == len(inputs.train) <= DECOMPOSED:
        return {}
    with engine.exact():
        return {role: predict(networks[role], inputs.train, group=engine.group).cpu()
                for role in ("teacher", "student")}


def mislabelled(examples, inputs, fitted, untrained):
    """The arrays of mislabelled.npz, see `eigenspace.fit_shares`, by the Gram matrix of what the networks take in."""
    if not untrained:
        return {}
    rows = torch.cat([batch.flatten(1).double().cpu() for batch in batches(inputs.train)]).numpy()
    return fit_shares(rows, examples.mislabelled, examples.train_labels, {
        role: (before.double().numpy(), fitted[role].train.double().numpy()) for role, before in untrained.items()})


def carried(setting, by_direction):
    """The result's `mislabelled`: the shares of the fit that the ranges of the analysis carry, `top`, and `rest`, all
    from where `bottom` begins; empty where nothing is mislabelled."""
    (_, top), (rest, _) = setting.analysis.top, setting.analysis.bottom
    return {name: {"top": float(shares[:top].sum()), "rest": float(shares[rest:].sum())}
            for name, shares in by_direction.items() if name != "eigenvalues"}


def load(setting, data_dir, download, smoke, group):
    """The setting's `Dataset`, or one made up for a smoke run; the first process alone fetches it."""
    kind = DATASETS[setting.data.name]
    if smoke:
        return generated.load(kind.SHAPE, kind.CLASSES, *smoke_examples(setting))
    with redirect_stdout(sys.stderr):  # what a download says must not mix with the result
        if group.size > 1:
            group.on_first(lambda: kind.load(data_dir, download) and None)
        return kind.load(data_dir, download)


def build(setting, seed):
    """The teacher's embedding, and the networks, untrained, on the CPU: "teacher", "student", and "one_hot" where the
    student has a network of its own. A student that shares its initialisation does so with the latter, or its teacher.

    Raises UsageError where teacher and student take in other things.
    """
    kind, named = DATASETS[setting.data.name], {"teacher": setting.model}
    if not setting.is_self_distillation:
        named["one_hot"] = setting.student_model
    networks, embeddings = {}, []
    for role, model in named.items():
        with local_default(seed, "initialisation"):
            embed, networks[role] = model.build(kind.SHAPE, kind.CLASSES)
        embeddings.append(embed)
    if len({str(embed) for embed in embeddings}) > 1 or (len(embeddings) > 1 and list(embeddings[0].parameters())):
        raise UsageError("--student-model: expected a network on what the teacher's takes in, got one on "
                         f"{embeddings[-1]} beside {embeddings[0]}; pass another")
    last = networks["teacher" if setting.is_self_distillation else "one_hot"]
    networks["student"] = copy.deepcopy(last)
    if not setting.distillation.share_initialisation:
        with local_default(seed, "student initialisation"):
            _, networks["student"] = (setting.student_model or setting.model).build(kind.SHAPE, kind.CLASSES)
    return embeddings[0], networks


def answers(teacher, inputs, engine):
    """teacher(inputs, indices) -> logits: looked up where each example always looks the same, else computed on the very
    view of it that the student is trained on."""
    if not inputs.train.augmented and len(inputs.kept) == len(inputs.train):
        logits = teacher.train.to(engine.device)
        return lambda _, indices: logits[indices]
    network = teacher.network.eval().requires_grad_(False)
    forward = engine.forward(network, trained=False)

    @torch.no_grad()
    def answer(views, _):
        return forward(views)

    return answer


def analysis(inputs, fitted, pairs):
    """What the trained networks do differently: the result's `accuracy`, `epochs`, `eigenspace` and `deviation`."""
    teacher, student = fitted["teacher"], fitted["student"]
    named = {"teacher": teacher, "one_hot": fitted.get("one_hot", teacher), "distilled": student}
    labels = {split: inputs.kept_labels(split) for split in ("train", "test")}
    return {
        "accuracy": {split: {name: accuracy(getattr(training, split), y) for name, training in named.items()}
                     for split, y in labels.items()},
        "epochs": {name: teachers.ends(training.log) for name, training in named.items()},
        "eigenspace": {name: exaggerated_pairs(teacher.paths[name], student.paths[name], those)
                       for name, those in pairs.items()},
        "deviation": {split: deviation.compare(getattr(teacher, split), getattr(student, split), y, inputs="logits"
                                               ).summary() for split, y in labels.items()},
    }


def published(setting):
    """The paper's accuracies for this setting as shares, beside which ours stand; None where it gives none."""
    if setting.published is None:
        return None
    return {"accuracy": {split: dict(zip(("teacher", "one_hot", "distilled"),
                                         (round(value / 100, 6) for value in getattr(setting.published, split))))
                         for split in ("train", "test")}}


def origin(dataset, examples):
    """What was trained on: the result's `data`, and a note on what its training accuracies mean."""
    flipped, n = int(examples.mislabelled.sum()), len(examples.mislabelled)
    return {"data": {"source": dataset.source.name, "note": dataset.source.note, "sha256": examples.sha256()},
            "notes": {"accuracy.train": f"against the labels trained on, {flipped} of {n} of them flipped"}}


def outputs(examples, inputs, fitted):
    """The arrays of outputs.npz: logits, the labels trained on and the true ones, and where they differ; train_indices:
    which training examples these are, where not all are kept; taught: those that the teacher was trained on, where it
    was not on all."""
    logits = {f"{role}_{split}": getattr(training, split).numpy()
              for role, training in fitted.items() for split in ("train", "test")}
    kept = inputs.kept.cpu().numpy()
    some = {} if len(kept) == len(inputs.train) else {"train_indices": kept}
    if inputs.taught_mask is not None:
        some["taught"] = inputs.taught_mask[kept]
    return logits | some | {
        "train_labels": examples.train_labels[kept], "train_true_labels": examples.train_true_labels[kept],
        "test_labels": examples.test_labels, "mislabelled": examples.mislabelled[kept]}


def paths(setting, fitted, bases, pairs):
    """The arrays of trajectory.npz: every, the steps between two records, and of each layer <layer>/teacher and
    <layer>/student (records, 2, k), see `Recorder.paths`, /eigenvalues (k,) and /pairs."""
    found = {"every": np.array(setting.analysis.every)}
    for name, basis in bases.items():
        found |= {f"{name}/{role}": fitted[role].paths[name] for role in ("teacher", "student")}
        found |= {f"{name}/eigenvalues": basis.values.numpy(), f"{name}/pairs": pairs[name]}
    return found


def locate(setting, *, data_dir, download, smoke):
    """The `Source` that a run's data would come from; reads and fetches nothing."""
    return generated.SOURCE if smoke else DATASETS[setting.data.name].locate(data_dir, download)


def smoke_examples(setting):
    """How many training and test examples a smoke run has at most."""
    if not setting.data.normalise:
        return 256, 256
    _, height, width = DATASETS[setting.data.name].SHAPE
    count = max(4, min(64, SMOKE_PIXELS // (height * width)))
    return count, count


def shortened(setting):
    """The setting as a smoke run has it: one epoch each, on a few examples, in a few steps."""
    examples = min(128, smoke_examples(setting)[0], setting.data.train_examples or 128)

    def short(recipe):
        batch = min(recipe.batch_size, max(2, examples // 4)) if setting.data.normalise else recipe.batch_size
        return replace(recipe, epochs=1, batch_size=batch)

    distillation = setting.distillation
    if distillation.switch != "none":
        distillation = replace(distillation, switch_epoch=None, switch_step=1, switch_window=2)
    return replace(setting, data=replace(setting.data, train_examples=examples), teacher=short(setting.teacher),
                   student=short(setting.student), distillation=distillation,
                   analysis=replace(setting.analysis, every=1))


def configuration(setting, seed, *, smoke, source):
    """All that decides a run's numbers, JSON-able: two runs with the same configuration are the same run."""
    return setting.configuration() | {"seed": seed, "smoke": smoke, "data_source": source.name}


def registered(name, *, smoke):
    """The configuration of a setting as it stands, which addresses are relative to: of a smoke run shortened too."""
    setting = find(name)
    if not smoke:
        return as_it_stands(setting)
    return configuration(shortened(setting), seed=None, smoke=False, source=generated.SOURCE)
