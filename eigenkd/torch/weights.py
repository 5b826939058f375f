"""The weight that a layer uses, read without changing anything that training depends on."""

import copy
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from eigenkd.torch.random_states import drawn, preserved

Module = TypeVar("Module", bound=nn.Module)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@torch.no_grad()
def used_weight(module: nn.Module, tensor: str = "weight") -> torch.Tensor:
    """The weight that the module would use if it were called now, detached.

    Parametrizations (`torch.nn.utils.parametrizations`, custom ones) and the hooks of the old `weight_norm`,
    `spectral_norm` and `prune` are evaluated on copies of their state, in the module's own mode: a spectral norm's
    power iteration goes one step further on the copy, as it will in the next pass. Where that draws random numbers, the
    weight is the one of evaluation mode.

    Raises ValueError where that one is random too, or where the weight is computed in another way.
    """
    if parametrize.is_parametrized(module, tensor):
        parametrizations: Any = module.parametrizations
        return _of_parametrization(parametrizations[tensor], tensor)
    if tensor in module._parameters or tensor in module._buffers:
        return getattr(module, tensor).detach()
    still = object.__new__(type(module))  # it shares the parameters; what is set on it does not show in the module
    vars(still).update(vars(module))
    still._buffers = {name: buffer if buffer is None else buffer.clone() for name, buffer in module._buffers.items()}
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, (WeightNorm, SpectralNorm, BasePruningMethod)):
            hook(still, None)
    weight = getattr(still, tensor)
    if weight is vars(module).get(tensor):
        raise ValueError(f"layers: expected weights that are parameters, parametrizations, or made by torch's "
                         f"weight_norm, spectral_norm or prune, got {type(module).__name__}.{tensor}, a plain tensor "
                         "that is made elsewhere; register what makes it with torch.nn.utils.parametrize")
    return weight.detach()


def copied(network: Module) -> Module:
    """A deep copy, of modules too that hold tensors that are not leaves, as the old `weight_norm` makes them."""
    memo = {id(value): value.detach().clone() for module in network.modules() for value in vars(module).values()
            if isinstance(value, torch.Tensor)}
    return copy.deepcopy(network, memo)


def _of_parametrization(parametrization, tensor):
    still = copied(parametrization)
    with preserved(still):
        for _ in ("in its own mode", "in evaluation mode"):
            before, weight = drawn(still), still()
            if drawn(still) == before:
                return weight.detach()
            still.eval()
    names = ", ".join(type(part).__name__ for part in parametrization)
    raise ValueError(f"layers: expected a {tensor} that is a function of parameters, got one whose parametrization "
                     f"({names}) draws random numbers in evaluation mode too; draw them in training mode only")
