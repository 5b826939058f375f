"""Steps: the optimisers, and what the learning rate is at each of them. Table 1."""

import math

import torch

OPTIMISERS = {
    "adam": lambda parameters, recipe: torch.optim.Adam(
        parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True),
    "sgd": lambda parameters, recipe: torch.optim.SGD(
        parameters, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay, fused=True),
}


def optimiser(network, recipe):
    """The recipe's optimiser over all parameters; weight decay is that of the loss's (weight_decay / 2) ||w||^2."""
    return OPTIMISERS[recipe.optimiser](network.parameters(), recipe)


def steps_per_epoch(examples, recipe):
    """How many batches an epoch has: the last one, where it is smaller, is dropped if the recipe says so."""
    return examples // recipe.batch_size if recipe.drop_last else math.ceil(examples / recipe.batch_size)


def learning_rate(recipe, step, per_epoch):
    """The learning rate of the step after `step` steps of a training with `per_epoch` steps an epoch.

    Over the first W = warmup_epochs * per_epoch steps it rises linearly, (step + 1) / W of the peak; then it is
    the peak times

        constant    1
        steps       decay_factor ^ (how many of decay_epochs have passed)
        cosine      (1 + cos(pi (step - W) / (epochs * per_epoch - W))) / 2
    """
    warmup = recipe.warmup_epochs * per_epoch
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    if recipe.schedule == "steps":
        passed = sum(step >= epoch * per_epoch for epoch in recipe.decay_epochs)
        return recipe.learning_rate * recipe.decay_factor**passed
    if recipe.schedule == "cosine":
        done = (step - warmup) / (recipe.epochs * per_epoch - warmup)
        return recipe.learning_rate * (1 + math.cos(math.pi * done)) / 2
    return recipe.learning_rate
