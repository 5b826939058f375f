"""The only training loop: a teacher on its labels, a student on its teacher."""

import math

import torch
import torch.nn.functional as F

from validation.errors import UsageError
from validation.seeding import generator

OPTIMISERS = {"adam": lambda parameters, lr: torch.optim.Adam(parameters, lr=lr, fused=True)}


def objective(logits, labels, teacher_logits=None, temperature=1.0, weight=0.0):
    """The mean over a batch of what is minimised:

        weight * temperature^2 * KL(softmax(teacher_logits / temperature) || softmax(logits / temperature))
            + (1 - weight) * cross-entropy(logits, labels)

    Its gradient is that of the distillation loss of Eq. (2): the two differ by the teacher's entropy. Without a
    teacher it is the cross-entropy of Eq. (1). logits, teacher_logits: (batch, classes); labels: (batch,).
    """
    one_hot = F.cross_entropy(logits, labels)
    if teacher_logits is None:
        return one_hot
    student, teacher = (F.log_softmax(f / temperature, dim=1) for f in (logits, teacher_logits))
    distilled = temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return weight * distilled + (1 - weight) * one_hot


def train(network, inputs, labels, recipe, *, seed, role, teacher_logits=None, distillation=None,
          on_step=lambda step: None, on_epoch=lambda epoch, step, loss: None):
    """Trains `network` in place by minibatch steps and returns the number of steps.

    inputs: (n, ...), labels: (n,), teacher_logits: (n, classes), computed once, all on the network's device. recipe: a
    settings `Training`; distillation: a settings `Distillation`, used where there are teacher_logits. The order of the
    batches depends on (seed, role, epoch) alone; the last batch of an epoch may be smaller. on_step(step) is called
    before the first step, with 0, and after each; on_epoch(epoch, step, loss) after each epoch, counted from 1, with
    the mean loss over its examples.

    Raises UsageError where the loss is no longer finite.
    """
    optimiser = OPTIMISERS[recipe.optimiser](network.parameters(), lr=recipe.learning_rate)
    step = 0
    on_step(step)
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        total = torch.zeros((), device=inputs.device)
        order = torch.randperm(len(inputs), generator=generator(seed, "batches", role, epoch)).to(inputs.device)
        for batch in order.split(recipe.batch_size):
            logits = network(inputs[batch])
            if teacher_logits is None:
                loss = objective(logits, labels[batch])
            else:
                loss = objective(logits, labels[batch], teacher_logits[batch],
                                 distillation.temperature, distillation.weight)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            step += 1
            total += loss.detach() * len(batch)
            on_step(step)
        mean_loss = total.item() / len(inputs)
        if not math.isfinite(mean_loss):
            raise UsageError(f"--{role}.learning-rate: expected a finite loss, got {mean_loss} in epoch {epoch}; "
                             f"try a value smaller than {recipe.learning_rate}")
        on_epoch(epoch, step, mean_loss)
    return step


@torch.no_grad()
def predict(network, inputs, batch_size=4096):
    """The logits (n, classes) of the network, in evaluation mode."""
    network.eval()
    return torch.cat([network(batch) for batch in inputs.split(batch_size)])
