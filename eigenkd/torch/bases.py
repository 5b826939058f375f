"""The eigendirections of a layer's inputs. App. D.3, D.7."""

import inspect
import sys
from collections.abc import Iterable, Mapping
from contextlib import contextmanager, nullcontext
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from eigenkd import projection
from eigenkd.projection import Eigenbasis
from eigenkd.torch.layers import find, unwrapped
from eigenkd.torch.random_states import preserved

PATCHED = 4096  # training images, at most, that patches are drawn from
LABELS = {"label", "labels", "target", "targets", "y"}  # entries of a batch that are no inputs


class _Seen(BaseException):
    """Ends a forward pass once the layer's input has been seen. No `except Exception` stops it."""


@torch.no_grad()
def basis_of(network: nn.Module, name: str, batches: Iterable, directions: int | None = None,
             inputs: Any | None = None) -> Eigenbasis:
    """The eigenbasis of a layer's inputs for the network as it is, in evaluation mode: uncentred, computed in double
    precision, its vectors on the layer's device, in its precision but at least float32.

    batches: an iterable, such as a DataLoader, of tensors, of (inputs, labels), or of dictionaries. inputs: what to
    take from a batch: a key, or a function of the batch that returns a tensor, a tuple of arguments or a dictionary of
    keyword arguments. Of a convolution, random patches of the first `PATCHED` images, padded only where these are
    smaller than its kernel; of an embedding, one-hot tokens; else features, all axes but the last one being examples.
    Of a layer that is called more than once, its first call. directions: how many to keep, those of the largest
    eigenvalues; without it all. Modes, buffers and random states are the same afterwards.

    Raises ValueError for a layer that is not there, cannot be recorded, is not called, or takes in something else, for
    no batch, for batches whose inputs are not clear, and for directions below 1.
    """
    layer, seen = find(network, name), []
    if directions is not None and not (isinstance(directions, Integral) and directions >= 1):
        raise ValueError(f"directions: expected a whole number, 1 or more, got {directions!r}; leave it out for all")
    if isinstance(batches, torch.Tensor | Mapping):
        got = f"one tensor of shape {tuple(batches.shape)}" if isinstance(batches, torch.Tensor) else "one dictionary"
        raise ValueError(f"batches: expected an iterable of what the network takes in, got {got}; pass [it], or a "
                         "DataLoader")
    with preserved(network, batches):
        for x in _taken_in(network, layer, batches, inputs):
            seen.append(x.cpu())
            if layer.acts_on == "patches" and sum(map(len, seen)) >= PATCHED:
                break
    if not seen:
        raise ValueError("batches: expected one or more, got none; pass some of the training inputs")
    basis, weight = _basis(layer, seen), layer.matrix()
    values, vectors = (torch.from_numpy(np.ascontiguousarray(array[..., :directions]))
                       for array in (basis.values, basis.vectors))
    precision = torch.promote_types(weight.dtype, torch.float32)
    return Eigenbasis(values=values, vectors=vectors.to(weight.device, precision))


@torch.enable_grad()
def is_fixed(network: nn.Module, name: str, batch: Any, inputs: Any | None = None) -> bool:
    """Whether the layer's inputs stay the same while the network is trained: no trained parameter feeds it.

    batch, inputs: one of `basis_of`. Raises ValueError as it does.
    """
    with preserved(network):
        (x,) = _taken_in(network, find(network, name), [batch], inputs)
    return not x.requires_grad


def _taken_in(network, layer, batches, inputs):
    """The layer's input in its first call on each batch; the rest of the network is not run."""
    if any(is_lazy(tensor) for tensor in network.parameters()):
        raise ValueError("network: expected layers whose sizes are known, got some that have not seen an input; call "
                         "the network on a batch first")
    network, seen = unwrapped(network), []

    def see(called, arguments, named):
        seen.append(layer.taken(called, arguments, named))
        raise _Seen

    handle = layer.called.register_forward_pre_hook(see, with_kwargs=True)
    try:
        with _evaluated(network):
            for batch in batches:
                arguments, named = _arguments(network, batch, inputs)
                try:
                    network(*arguments, **named)
                except _Seen:
                    yield seen.pop()
                else:
                    raise ValueError(f"layers: expected layers that the network calls as modules, got {layer.name!r}, "
                                     "which it does not, though it may use its weight; name another")
    finally:
        handle.remove()


@contextmanager
def _evaluated(network):
    """In evaluation mode, each module called as such: not compiled, and attention not on its fused path."""
    modes = [(module, module.training) for module in network.modules()]
    fused, compiled = torch.backends.mha.get_fastpath_enabled(), "torch._dynamo" in sys.modules
    network.eval()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for module, training in modes:
            module.training = training


def _arguments(network, batch, inputs):
    """(arguments, keyword arguments) that the network is called with, on its device."""
    if callable(inputs):
        chosen = inputs(batch)
    elif inputs is None:
        chosen = _only_inputs(batch)
    else:
        try:
            chosen = batch[inputs]
        except (LookupError, TypeError) as error:
            raise ValueError(f"inputs: expected a key of the batches, got {inputs!r} for {_described(batch)}; pass one "
                             "of its keys, or a function of the batch") from error
    device = next((tensor.device for tensor in network.parameters()), None)
    arguments = () if isinstance(chosen, Mapping) else chosen if isinstance(chosen, tuple) else (chosen,)
    named = dict(chosen) if isinstance(chosen, Mapping) else {}
    arguments, named = [_on(device, value) for value in arguments], {key: _on(device, named[key]) for key in named}
    try:
        inspect.signature(network.forward).bind(*arguments, **named)
    except TypeError as error:
        raise ValueError(f"inputs: expected all that the network takes in ({error}), got {len(arguments)} arguments "
                         f"and the keywords {list(named)} from {_described(batch)}; pass a function of the batch that "
                         "returns a tuple of arguments or a dictionary of keyword arguments") from error
    return arguments, named


def _only_inputs(batch):
    """The one entry of the batch that is no label."""
    if isinstance(batch, torch.Tensor):
        return batch
    keyed = isinstance(batch, Mapping)
    if keyed and len(rest := [key for key in batch if key not in LABELS]) == 1:
        return batch[rest[0]]
    if isinstance(batch, tuple | list) and len(batch) in (1, 2):
        return _only_inputs(batch[0])
    raise ValueError(f"batches: expected tensors, (inputs, labels), or dictionaries with one entry next to labels, got "
                     f"{_described(batch)}; pass inputs=, a key such as {next(iter(batch), 0) if keyed else 0!r}, or a "
                     "function of the batch that returns a tensor, a tuple of arguments or a dictionary of keyword "
                     "arguments")


def _described(batch):
    if isinstance(batch, Mapping):
        return f"a dictionary with {', '.join(map(repr, batch))}"
    if isinstance(batch, tuple | list):
        return f"a {type(batch).__name__} of {len(batch)}"
    return f"a {type(batch).__name__}"


def _on(device, value):
    return value.to(device) if isinstance(value, torch.Tensor) and device is not None else value


def _basis(layer, seen):
    module = layer.module
    if layer.acts_on == "tokens":
        return projection.token_eigenbasis(torch.cat([x.flatten() for x in seen]).numpy(), module.num_embeddings)
    if layer.acts_on == "features":
        return projection.eigenbasis(torch.cat([x.reshape(-1, x.shape[-1]) for x in seen]).double().numpy())
    if seen[0].ndim != (expected := 2 + len(module.kernel_size)):
        raise ValueError(f"batches: expected {layer.name!r} to take in {expected} dimensions, examples first, got "
                         f"shape {tuple(seen[0].shape)}; pass batches, not single examples")
    images = torch.cat(seen)[:PATCHED]
    shape: dict[str, Any] = {"kernel_size": module.kernel_size, "dilation": module.dilation}
    spans = [(size - 1) * step + 1 for size, step in zip(*shape.values())]
    if any(span > side for span, side in zip(spans, images.shape[2:])):
        images = nn.functional.pad(images, _padding(module))
    if isinstance(module, nn.Conv1d):
        images, shape = images[:, :, None], {key: (1, *size) for key, size in shape.items()}
    return projection.patch_eigenbasis(images.double().numpy(), shape["kernel_size"], dilation=shape["dilation"],
                                       groups=module.groups)


def _padding(convolution):
    """The zeros around what a convolution takes in, as torch's pad has them: both sides of the last axis first."""
    sides = convolution.padding
    if isinstance(sides, str):
        sides = [step * (size - 1) // 2 * (sides == "same")
                 for size, step in zip(convolution.kernel_size, convolution.dilation)]
    return [side for side in reversed(sides) for _ in range(2)]
