"""Prepares everything that a plan's training runs need: examples, inputs, networks and eigenbases on the device."""

import copy
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial

import torch

from eigenkd.torch import basis_of, is_fixed
from validation.data.examples import Examples, draw
from validation.data.splits import Splits
from validation.errors import UsageError, blaming
from validation.inputs import Inputs, batches
from validation.roles import roles
from validation.seeding import local_default
from validation.settings import effect
from validation.smoke import smoke_examples

LAYERS = "--analysis.layers; without a value it records none"


@dataclass(frozen=True, eq=False)
class Assembly:
    """inputs: the teacher's; inputs_of: by role; roles: by name, in the order of training; networks: untrained, by
    role; bases: layer name -> eigenbasis, or a function of the trained network that returns it, if the inputs of the
    layer change during training."""

    splits: Splits
    examples: Examples
    inputs: Inputs
    inputs_of: dict
    roles: dict
    networks: dict
    bases: dict


def assemble(plan, engine):
    """The `Assembly` of a plan. Raises UsageError for what the user can fix."""
    setting, seed, dtype = plan.setting, plan.seed, engine.dtype(plan.setting.precision)
    locate(plan, engine.group)
    splits = load(plan, engine.group)
    if not plan.smoke:
        effect.check(setting, len(splits.train_labels))
    examples = draw(splits, setting.data, seed)
    embeddings, networks = build(setting, seed, plan.data_dir, plan.download)
    inputs = inputs_of(embeddings, examples, setting, engine, seed=seed, dtype=dtype)
    networks = {role: engine.placed(network.to(dtype)) for role, network in networks.items()}
    bases = eigenbases(setting, inputs["teacher"], networks["teacher"])
    return Assembly(splits, examples, inputs["teacher"], inputs, roles(setting), networks, bases)


def locate(plan, group):
    """Makes sure that the files of the networks are there, before anything is loaded; only the first process downloads
    them."""
    for model in dict.fromkeys(role.model for role in roles(plan.setting).values()):
        with redirect_stdout(sys.stderr):
            group.on_first(lambda model=model: model.located(plan.data_dir, plan.download) and None)


def load(plan, group):
    """The plan's `Splits`, synthetic for a smoke run; only the first process downloads data."""
    dataset = plan.setting.data.set
    if plan.smoke:
        return dataset.generate(*smoke_examples(plan.setting))
    with redirect_stdout(sys.stderr):  # messages of a download must not mix with the result
        if group.size > 1:
            group.on_first(lambda: dataset.load(plan.data_dir, plan.download) and None)
        return dataset.load(plan.data_dir, plan.download)


def build(setting, seed, data_dir="data", download=None):
    """The embeddings and the untrained networks, both by role, on the CPU. Networks with the same inputs share their
    embedding.

    With a shared initialisation, the student starts like the one-hot training of its own architecture.
    """
    dataset, networks, embeddings = setting.data.set, {}, {}
    for role in roles(setting).values():
        model = role.model.located(data_dir, download)
        if not role.is_student:
            with local_default(seed, "initialisation"):
                embeddings[role.name], networks[role.name] = model.build(dataset.shape, dataset.classes)
        elif setting.share_initialisation:
            networks[role.name] = copy.deepcopy(networks.get("one_hot", networks["teacher"]))
        else:
            with local_default(seed, "student initialisation"):
                _, networks[role.name] = model.build(dataset.shape, dataset.classes)
    if "one_hot" in embeddings and _are_same(embeddings["one_hot"], embeddings["teacher"]):
        embeddings["one_hot"] = embeddings["teacher"]
    return embeddings | {"student": embeddings.get("one_hot", embeddings["teacher"])}, networks


def _are_same(one, other):
    """Whether two embeddings compute the same: they say the same of themselves and have no parameters."""
    return str(one) == str(other) and not list(one.parameters())


def inputs_of(embeddings, examples, setting, engine, *, seed, dtype):
    """The `Inputs` by role, one for each embedding. Raises UsageError for a student with other inputs than a teacher
    whose answers cannot be looked up."""
    made = {embed: Inputs(examples, setting, embed, engine.device, seed=seed, channels_last=engine.channels_last,
                          dtype=dtype)
            for embed in dict.fromkeys(embeddings.values())}
    if len(made) > 1 and not are_looked_up(made[embeddings["teacher"]]):
        raise UsageError("--student-model: expected a network with the same inputs as the teacher, as examples are "
                         "augmented or not all logits are saved, got one on "
                         f"{embeddings['student']} and a teacher on {embeddings['teacher']}; pass another, or a view "
                         "without augmentation and no --evaluation.saved-logits")
    return {role: made[embed] for role, embed in embeddings.items()}


def eigenbases(setting, inputs, network):
    """`Assembly.bases`. Raises UsageError for a layer that the network does not have."""
    first = inputs.train.plain(torch.arange(min(2, len(inputs.train)), device=inputs.train.device))

    def of(name, network):
        with blaming(LAYERS):
            return basis_of(network, name, batches(inputs.train), directions=setting.analysis.bottom[1])

    with blaming(LAYERS):
        fixed = {name: is_fixed(network, name, first) for name in setting.analysis.layers}
    return {name: of(name, network) if fixed[name] else partial(of, name) for name in fixed}


def are_looked_up(inputs):
    """Whether the teacher's answers are its saved logits: no example is augmented, and all logits are saved."""
    return not inputs.train.augmented and len(inputs.saved) == len(inputs.train)


def answers(teacher, inputs, engine):
    """A function teacher(inputs, indices) -> logits.

    Without augmentation the logits are looked up; otherwise they are computed on the student's view of each example."""
    if are_looked_up(inputs):
        logits = teacher.train.to(engine.device)
        return lambda _, indices: logits[indices]
    forward = engine.forward(teacher.network.eval().requires_grad_(False), trained=False)

    @torch.no_grad()
    def answer(views, indices):
        return forward(views)

    return answer
