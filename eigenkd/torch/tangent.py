"""A network's tangent kernel between inputs, and the inputs of its last linear layer."""

from typing import Any

import torch
from torch import nn

from eigenkd.torch.layers import unwrapped
from eigenkd.torch.weights import copied


def tangent_kernel(network: nn.Module, inputs: torch.Tensor, memory: int = 2**31) -> torch.Tensor:
    """(n C, n C): <d f_c(x_i), d f_c'(x_j)> over all parameters, of outputs f (n, C) flattened row by row.

    In double precision, so that it is positive semi-definite up to rounding. network: any module whose outputs for one
    example do not depend on the others, in the mode it is in. Where all its parameters are weights and biases of linear
    layers, each called once on (n, features), no derivative by a weight is formed; else memory is the bytes of such
    derivatives that are held at a time, twice: what exceeds it is computed again.

    Raises ValueError for a network without parameters or with outputs of another shape.
    """
    network = copied(unwrapped(network)).double().requires_grad_(True)
    inputs = inputs.double() if inputs.is_floating_point() else inputs
    if next(network.parameters(), None) is None:
        raise ValueError("network: expected one with parameters, got one without; pass the network that is trained")
    layers = _linear_layers(network, inputs)
    if layers is None:
        return _by_derivatives(network, inputs, memory)
    outputs, taken_in, given_out, scales = layers
    n, classes = outputs.shape
    slopes = [torch.autograd.grad(outputs[:, c].sum(), given_out, retain_graph=True) for c in range(classes)]
    kernel = torch.zeros(n, classes, n, classes, dtype=outputs.dtype, device=outputs.device)
    for x, (scale, bias), slope in zip(taken_in, scales, zip(*slopes)):
        d = torch.stack(slope, dim=1).flatten(0, 1)  # (n C, outputs of the layer)
        shared = scale**2 * (x @ x.T) + bias
        kernel += (d @ d.T).reshape(kernel.shape) * shared[:, None, :, None]
    return kernel.reshape(n * classes, n * classes)


@torch.no_grad()
def last_hidden(network: nn.Module, inputs: Any) -> torch.Tensor:
    """(n, features): the input of the network's last linear layer.

    Raises ValueError where it has no linear layer, or does not call the last one as a module.
    """
    network, seen = unwrapped(network), {}
    modules = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not modules:
        raise ValueError("network: expected a linear layer in it, got none; pass a network that ends in one")
    handle = modules[-1].register_forward_pre_hook(lambda _, arguments: seen.update(x=arguments[0]))
    try:
        network(inputs)
    finally:
        handle.remove()
    if not seen:
        raise ValueError("network: expected one that calls its last linear layer as a module, got one that does not; "
                         "pass a network whose head is called")
    return seen["x"]


def _linear_layers(network, inputs):
    """The outputs, what each linear layer takes in and gives out, and (factor before its weight, whether it has a
    bias); None where the network has other parameters, or uses some otherwise than by one call on (n, features)."""
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    own = sum(p.numel() for layer in layers for name, p in layer.named_parameters() if name in ("weight", "bias"))
    if own != sum(p.numel() for p in network.parameters()):
        return None
    calls = {layer: [] for layer in layers}
    handles = [layer.register_forward_hook(lambda layer, arguments, out: calls[layer].append((arguments, out)))
               for layer in layers]
    try:
        with torch.enable_grad():
            outputs = _checked(network(inputs), len(inputs))
    finally:
        for handle in handles:
            handle.remove()
    if any(len(found) != 1 or not found[0][0] or found[0][0][0].ndim != 2 for found in calls.values()):
        return None
    taken_in, given_out = zip(*((found[0][0][0].detach(), found[0][1]) for found in calls.values()))
    scales = [(getattr(layer, "scale", 1.0), float(layer.bias is not None)) for layer in layers]
    found = outputs, taken_in, given_out, scales
    return found if _is_factored(layers, *found) else None


def _is_factored(layers, outputs, taken_in, given_out, scales):
    """Whether the derivative of a random combination of outputs by each weight is scale * (that by what the layer gives
    out)^T (what it takes in): not so where a weight is used elsewhere too, or in another way."""
    generator = torch.Generator(outputs.device).manual_seed(0)
    combined = (outputs * torch.randn(outputs.shape, generator=generator, dtype=outputs.dtype,
                                      device=outputs.device)).sum()
    slopes = torch.autograd.grad(combined, given_out, retain_graph=True, materialize_grads=True)
    for layer, x, d, (scale, _) in zip(layers, taken_in, slopes, scales):
        expected = {"weight": scale * d.T @ x, "bias": d.sum(0)}
        for name, parameter in layer.named_parameters(recurse=False):
            (found,) = torch.autograd.grad(combined, parameter, retain_graph=True, materialize_grads=True)
            if (found - expected[name]).norm() > 1e-9 * (found.norm() + expected[name].norm()):
                return False
    return True


def _checked(outputs, n):
    if not isinstance(outputs, torch.Tensor) or outputs.ndim != 2 or len(outputs) != n:
        got = f"shape {tuple(outputs.shape)}" if isinstance(outputs, torch.Tensor) else f"a {type(outputs).__name__}"
        raise ValueError(f"network: expected outputs (n, C) of the {n} inputs, got {got}; wrap it in a module that "
                         "returns them")
    return outputs


def _by_derivatives(network, inputs, memory):
    parameters = {name: value.detach() for name, value in network.named_parameters()}

    def outputs(parameters, x):
        return torch.func.functional_call(network, parameters, (x[None],))[0]

    rows = torch.func.vmap(torch.func.jacrev(outputs), in_dims=(None, 0))
    count = sum(value.numel() for value in parameters.values())
    with torch.no_grad():
        classes = _checked(network(inputs[:1]), 1).shape[1]
    parts = inputs.split(max(1, memory // (8 * count * classes)))

    def derivatives(part):
        return torch.cat([d.reshape(len(part) * classes, -1) for d in rows(parameters, part).values()], dim=1)

    blocks: list[list[Any]] = [[None] * len(parts) for _ in parts]
    for i, part in enumerate(parts):
        mine = derivatives(part)
        for j in range(i + 1):
            blocks[i][j] = mine @ (mine if i == j else derivatives(parts[j])).T
            blocks[j][i] = blocks[i][j].T
    return torch.cat([torch.cat(row, dim=1) for row in blocks])
