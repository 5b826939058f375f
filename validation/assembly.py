"""Prepares everything that a plan's training runs need: examples, inputs, networks and eigenbases on the device."""

import copy
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial

import torch

from eigenkd.torch import basis_of, is_fixed
from validation.data import generated
from validation.data.dataset import Splits
from validation.data.examples import Examples, draw
from validation.errors import UsageError, blaming
from validation.inputs import Inputs, batches
from validation.roles import roles
from validation.seeding import local_default
from validation.settings import effect
from validation.smoke import smoke_examples

LAYERS = "--analysis.layers; without a value it records none"


@dataclass(frozen=True, eq=False)
class Assembly:
    """roles: by name, in the order of training; networks: untrained, by role; bases: layer name -> eigenbasis, or a
    function of the trained network that returns it, if the inputs of the layer change during training."""

    splits: Splits
    examples: Examples
    inputs: Inputs
    roles: dict
    networks: dict
    bases: dict


def assemble(plan, engine):
    """The `Assembly` of a plan. Raises UsageError for what the user can fix."""
    setting, seed, dtype = plan.setting, plan.seed, engine.dtype(plan.setting.precision)
    splits = load(plan, engine.group)
    if not plan.smoke:
        effect.check(setting, len(splits.train_labels))
    examples = draw(splits, setting.data, seed)
    embed, networks = build(setting, seed)
    inputs = Inputs(examples, setting, embed, engine.device, seed=seed, channels_last=engine.channels_last, dtype=dtype)
    networks = {role: engine.placed(network.to(dtype)) for role, network in networks.items()}
    bases = eigenbases(setting, inputs, networks["teacher"])
    return Assembly(splits, examples, inputs, roles(setting), networks, bases)


def load(plan, group):
    """The plan's `Splits`, synthetic for a smoke run; only the first process downloads data."""
    dataset = plan.setting.data.set
    if plan.smoke:
        return generated.load(dataset.shape, dataset.classes, *smoke_examples(plan.setting))
    with redirect_stdout(sys.stderr):  # messages of a download must not mix with the result
        if group.size > 1:
            group.on_first(lambda: dataset.load(plan.data_dir, plan.download) and None)
        return dataset.load(plan.data_dir, plan.download)


def build(setting, seed):
    """The teacher's embedding, and the untrained networks by role, on the CPU.

    With a shared initialisation, the student starts like the one-hot training of its own architecture. Raises
    UsageError if teacher and student need different inputs.
    """
    dataset, networks, embeddings = setting.data.set, {}, []
    for role in roles(setting).values():
        if not role.is_student:
            with local_default(seed, "initialisation"):
                embed, networks[role.name] = role.model.build(dataset.shape, dataset.classes)
            embeddings.append(embed)
        elif setting.share_initialisation:
            networks[role.name] = copy.deepcopy(networks.get("one_hot", networks["teacher"]))
        else:
            with local_default(seed, "student initialisation"):
                _, networks[role.name] = role.model.build(dataset.shape, dataset.classes)
    if len({str(embed) for embed in embeddings}) > 1 or (len(embeddings) > 1 and list(embeddings[0].parameters())):
        raise UsageError("--student-model: expected a network with the same inputs as the teacher, got one on "
                         f"{embeddings[-1]} and a teacher on {embeddings[0]}; pass another")
    return embeddings[0], networks


def eigenbases(setting, inputs, network):
    """`Assembly.bases`. Raises UsageError for a layer that the network does not have."""
    first = inputs.train.plain(torch.arange(min(2, len(inputs.train)), device=inputs.train.device))

    def of(name, network):
        with blaming(LAYERS):
            return basis_of(network, name, batches(inputs.train), directions=setting.analysis.bottom[1])

    with blaming(LAYERS):
        fixed = {name: is_fixed(network, name, first) for name in setting.analysis.layers}
    return {name: of(name, network) if fixed[name] else partial(of, name) for name in fixed}


def answers(teacher, inputs, engine):
    """A function teacher(inputs, indices) -> logits.

    Without augmentation the logits are looked up; otherwise they are computed on the student's view of each example."""
    if not inputs.train.augmented and len(inputs.saved) == len(inputs.train):
        logits = teacher.train.to(engine.device)
        return lambda _, indices: logits[indices]
    forward = engine.forward(teacher.network.eval().requires_grad_(False), trained=False)

    @torch.no_grad()
    def answer(views, indices):
        return forward(views)

    return answer
