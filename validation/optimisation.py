"""The optimisers. Table 1."""

import torch

OPTIMISERS = {
    "adam": lambda parameters, recipe: torch.optim.Adam(
        parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True),
    "sgd": lambda parameters, recipe: torch.optim.SGD(
        parameters, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay, fused=True),
}


def optimiser(network, recipe):
    """The recipe's optimiser for all parameters; weight decay adds (weight_decay / 2) ||w||^2 to the loss."""
    return OPTIMISERS[recipe.optimiser](network.parameters(), recipe)
