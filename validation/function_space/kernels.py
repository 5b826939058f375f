"""Kernels between training inputs: of the inputs, of a network's last hidden layer, and its tangent kernel."""

import copy

import numpy as np
import torch
from torch import nn


def tangent_kernel(network, inputs, memory=2**31):
    """(n C, n C): <d f_c(x_i), d f_c'(x_j)> over all parameters, of outputs f (n, C) flattened row by row.

    In double precision, so that it is positive semi-definite as far as that tells. network: any module whose outputs
    of one example do not depend on the others. Where all its parameters are those of linear layers, each called once on
    (n, features), no derivative by a weight is ever formed; else memory is the bytes of them that are held at a time,
    twice: what is more is made again.
    """
    network, inputs = copy.deepcopy(network).double(), inputs.double()
    layers = _linear_layers(network, inputs)
    if layers is None:
        return _by_derivatives(network, inputs, memory)
    outputs, taken_in, given_out, scales = layers
    n, classes = outputs.shape
    slopes = [torch.autograd.grad(outputs[:, c].sum(), given_out, retain_graph=True) for c in range(classes)]
    kernel = torch.zeros(n, classes, n, classes, dtype=inputs.dtype, device=inputs.device)
    for x, (scale, bias), slope in zip(taken_in, scales, zip(*slopes)):
        d = torch.stack(slope, dim=1).flatten(0, 1)  # (n C, outputs of the layer)
        shared = scale**2 * (x @ x.T) + bias
        kernel += (d @ d.T).reshape(kernel.shape) * shared[:, None, :, None]
    return kernel.reshape(n * classes, n * classes)


def gram(rows):
    """(n, n): <x_i, x_j>, in double precision, NumPy."""
    rows = rows.detach().flatten(1).double().cpu().numpy()
    return rows @ rows.T


@torch.no_grad()
def last_hidden(network, inputs):
    """(n, features): what the network's last linear layer takes in."""
    seen = {}
    modules = [module for module in network.modules() if isinstance(module, nn.Linear)]
    handle = modules[-1].register_forward_pre_hook(lambda _, arguments: seen.update(x=arguments[0]))
    try:
        network(inputs)
    finally:
        handle.remove()
    return seen["x"]


def change(before, after):
    """||after - before|| / ||before||, of two kernels."""
    return float(np.linalg.norm(after - before) / np.linalg.norm(before))


def _linear_layers(network, inputs):
    """The outputs, what each linear layer takes in and gives out, and (factor before its weight, whether it has a
    bias); None where the network has other parameters, or calls a layer otherwise than once on (n, features)."""
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if sum(p.numel() for layer in layers for p in layer.parameters()) != sum(p.numel() for p in network.parameters()):
        return None
    calls = {layer: [] for layer in layers}
    handles = [layer.register_forward_hook(lambda layer, arguments, out: calls[layer].append((arguments[0], out)))
               for layer in layers]
    try:
        with torch.enable_grad():
            outputs = network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    if any(len(found) != 1 or found[0][0].ndim != 2 for found in calls.values()):
        return None
    taken_in, given_out = zip(*(found[0] for found in calls.values()))
    scales = [(getattr(layer, "scale", 1.0), float(layer.bias is not None)) for layer in layers]
    return outputs, [x.detach() for x in taken_in], given_out, scales


def _by_derivatives(network, inputs, memory):
    parameters = {name: value.detach() for name, value in network.named_parameters()}

    def outputs(parameters, x):
        return torch.func.functional_call(network, parameters, (x[None],))[0]

    rows = torch.func.vmap(torch.func.jacrev(outputs), in_dims=(None, 0))
    count = sum(value.numel() for value in parameters.values())
    with torch.no_grad():
        classes = network(inputs[:1]).shape[1]
    parts = inputs.split(max(1, memory // (8 * count * classes)))

    def derivatives(part):
        return torch.cat([d.reshape(len(part) * classes, -1) for d in rows(parameters, part).values()], dim=1)

    blocks = [[None] * len(parts) for _ in parts]
    for i, part in enumerate(parts):
        mine = derivatives(part)
        for j in range(i + 1):
            blocks[i][j] = mine @ (mine if i == j else derivatives(parts[j])).T
            blocks[j][i] = blocks[i][j].T
    return torch.cat([torch.cat(row, dim=1) for row in blocks])
