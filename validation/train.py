"""The training loop of all networks: teachers on labels, students on their teachers."""

import math
from contextlib import nullcontext

import torch

from validation.distributed import SINGLE
from validation.errors import UsageError
from validation.losses import needs_teacher, objective
from validation.schedules import learning_rate, steps_per_epoch
from validation.seeding import generator
from validation.state import TrainingState

WINDOW = 50  # batches whose examples are sorted by length together


def train(network, examples, role, *, seed, teacher=None, state=None, forward=None, precision=nullcontext, group=SINGLE,
          on_step=lambda step: None, on_epoch=lambda epoch, step, loss: None):
    """Trains `network` in place by minibatch steps and returns the number of steps.

    examples: a split of validation.inputs, on the network's device. role: the `validation.roles.Role` with the recipe.
    teacher: (inputs, indices) -> logits (batch, classes), called in the steps whose loss needs it. state: a
    `TrainingState` to resume from. forward: computes the network's logits, for example a compiled network. precision:
    creates the context in which networks compute; losses are float32 or better. group: the processes that share the
    work.

    The order of batches depends only on (seed, the role's stream, epoch) and on the examples' lengths, if they have
    any; the augmentation of an example depends only on (seed, stream, epoch, index). A smaller last batch of an epoch
    is dropped if the recipe says so. on_step(step) is called with 0 before the first step and after each step;
    on_epoch(epoch, step, loss) is called after each epoch, counted from 1, with the mean loss over its examples.

    Raises UsageError if the loss is no longer finite.
    """
    recipe, terms = role.recipe, role.recipe.loss.schedule
    state, forward = state or TrainingState(network, recipe), forward or network
    per_epoch = steps_per_epoch(len(examples), recipe)
    seen = min(per_epoch * recipe.batch_size, len(examples))
    if state.step == 0:
        on_step(0)
    while state.epoch < recipe.epochs:
        epoch = state.epoch + 1
        network.train()
        random = generator(seed, "batches", role.stream, epoch)
        order = torch.randperm(len(examples), generator=random)[:seen].to(examples.device)
        order = by_length(order, examples.lengths, recipe.batch_size, random)
        for batch in order.split(recipe.batch_size)[state.batch:]:
            mine, weights = group.mine(batch), terms.weights(state.step, per_epoch, recipe.epochs)
            with precision():
                inputs = examples.view(mine, seed=seed, stream=role.stream, epoch=epoch)
                logits = _exact(forward(inputs))
                target = _exact(teacher(inputs, mine)) if needs_teacher(weights) else None
            loss = objective(recipe.loss, weights, logits, examples.labels[mine], target)
            for parameters in state.optimiser.param_groups:
                parameters["lr"] = learning_rate(recipe, state.step, per_epoch)
            state.optimiser.zero_grad(set_to_none=True)
            (loss * group.scale(len(mine), len(batch))).backward()
            state.optimiser.step()
            state.step, state.batch = state.step + 1, state.batch + 1
            state.total += loss.detach() * len(mine)
            on_step(state.step)
        mean_loss = group.sum(state.total).item() / seen
        if not math.isfinite(mean_loss):
            raise UsageError(f"{role.flag}.learning-rate: expected a finite loss, got {mean_loss} in epoch {epoch}; "
                             f"try a value smaller than {recipe.learning_rate}")
        on_epoch(epoch, state.step, mean_loss)
        state.end_epoch()
    return state.step


def by_length(order, lengths, batch_size, random):
    """The indices `order` (n,) with batches of similar length; unchanged where examples have no lengths (None).

    Within each `WINDOW` batches the examples are sorted by length, and the batches are then put in random order; a
    smaller last batch stays the last one. lengths: of all examples; random: a torch.Generator.
    """
    if lengths is None:
        return order
    found = []
    for window in order.split(WINDOW * batch_size):
        batches = window[lengths[window].argsort(stable=True)].split(batch_size)
        whole = len(window) // batch_size
        found += [batches[i] for i in torch.randperm(whole, generator=random).tolist()] + list(batches[whole:])
    return torch.cat(found)


@torch.no_grad()
def predict(network, examples, indices=None, *, precision=nullcontext, group=SINGLE, check=lambda: None):
    """The logits (n, classes) of the network on `examples` without augmentation, in evaluation mode.

    indices: the examples, all by default; check() is called before each batch and may raise to stop.
    """
    network.eval()
    if indices is None:
        indices = torch.arange(len(examples), device=examples.device)
    mine, logits = group.mine(indices), []
    order = slice(None) if examples.lengths is None else examples.lengths[mine].argsort(stable=True)
    for batch in mine[order].split(examples.evaluation_batch):
        check()
        with precision():
            logits.append(_exact(network(examples.plain(batch))))
    found = torch.cat(logits)
    found[order] = found.clone()
    return group.gather(found, len(indices))


def _exact(logits):
    """The logits in float32 or better."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
