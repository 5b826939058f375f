"""Weights rounded to few bits: to the nearest multiple of a scale that each block of 32 has for itself."""

import copy

import torch

BLOCK = 32
FORMATS = {"Q8_0": (127, 127), "Q4_0": (8, 7), "3 bits": (4, 3)}  # name -> steps, highest; llama.cpp's names


def rounded(weights, steps, highest=None, block=BLOCK):
    """Weights (..., m) as multiples of a scale, one for each `block` of a row: with x = the block's weight of the
    largest absolute value,

        w -> s min(round(w / s), highest),  s = -x / steps,

    so that x is -steps times the scale, and multiples run from -steps to `highest` (default: steps). The scale is kept
    in half precision. steps 127 is llama.cpp's Q8_0; steps 8 with highest 7 is its Q4_0, and 4 with 3 the same with 3
    bits; other steps, whole or not, are grids between these. Raises ValueError where m is no multiple of `block`.
    """
    if weights.shape[-1] % block:
        raise ValueError(f"weights: expected rows of a multiple of {block}, got shape {tuple(weights.shape)}; pass "
                         "another block")
    blocks = weights.reshape(-1, block)
    largest = blocks.gather(1, blocks.abs().argmax(dim=1, keepdim=True))
    scale = -largest / steps
    multiples = torch.floor(blocks / torch.where(scale == 0, 1, scale) + 0.5)
    kept = scale.half().to(weights.dtype)
    return (multiples.clamp(max=steps if highest is None else highest) * kept).reshape(weights.shape)


@torch.no_grad()
def quantised(network, steps, highest=None):
    """A copy of a network whose matrices are `rounded`, the embeddings too; vectors, the norms' gains, stay."""
    network = copy.deepcopy(network)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.copy_(rounded(parameter, steps, highest))
    return network


def matched(network, divergence, target, rounds=16):
    """The steps (a real number from 1 to 127) at which the divergence of the `quantised` network is nearest `target`,
    of those that a bisection of log(steps) tries; divergence: network -> a number that falls with more steps."""
    low, high, tried = 1.0, 127.0, {}
    for _ in range(rounds):
        steps = (low * high) ** 0.5
        tried[steps] = divergence(quantised(network, steps))
        low, high = (steps, high) if tried[steps] > target else (low, steps)
    return min(tried, key=lambda steps: abs(tried[steps] - target))
