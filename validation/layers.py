"""Layers by name: their weights as matrices, and the eigendirections of what they take in. App. D.3, D.7."""

import numpy as np
import torch
from torch import nn

from eigenkd import projection
from eigenkd.projection import Eigenbasis
from validation.errors import UsageError

Convolution = nn.Conv1d | nn.Conv2d
KINDS = nn.Linear | nn.Embedding | Convolution  # a weight W (outputs, fan-in) that acts on each row of what comes in
PATCHED = 4096  # training images, at most, that patches are drawn from


class _Seen(Exception):
    """What a layer takes in was seen: the rest of the network need not be run."""


def find(network, name):
    """The module of that name: a linear layer, a convolution (Conv1d, Conv2d) or an embedding.

    Raises UsageError, with those that there are, for another name.
    """
    modules = {known: module for known, module in network.named_modules() if isinstance(module, KINDS)}
    if name not in modules:
        there = dict(network.named_modules()).get(name)
        got = repr(name) if there is None else f"{name!r}, a {type(there).__name__}"
        raise UsageError(f"layers: expected linear layers, convolutions or embeddings, of which the network has "
                         f"{', '.join(modules) or 'none'}, got {got}; pass names of these (--analysis.layers; alone it "
                         "records none)")
    return modules[name]


def matrix(module):
    """The module's weight as W (outputs, fan-in), detached; an embedding's acts on one-hot tokens."""
    weight = module.weight.detach()
    return weight.T if isinstance(module, nn.Embedding) else weight.flatten(1)


@torch.no_grad()
def basis_of(network, name, batches, directions=None):
    """The eigenbasis of what a layer takes in as the network stands, in evaluation mode: uncentred, worked out in
    double precision, its vectors on the network's device and of its precision.

    batches: iterable of what the network takes in. Of a convolution, random patches of the first `PATCHED` images,
    padded only where these are smaller than its kernel; of an embedding, one-hot tokens; else features, all axes but
    the last one being examples. Of a layer that is called more than once, its first call. directions: how many to keep,
    those of the largest eigenvalues; without it all.

    Raises UsageError for a layer that is not there, is not called, or takes in something else, for no batch, and for
    directions below 1.
    """
    module, seen = find(network, name), []
    if directions is not None and directions < 1:
        raise UsageError(f"directions: expected 1 or more, got {directions}; leave it out for all")
    if isinstance(batches, torch.Tensor):
        raise UsageError(f"batches: expected an iterable of what the network takes in, got one tensor of shape "
                         f"{tuple(batches.shape)}; pass [it], or a loader without labels")
    for x in _taken_in(network, name, batches):
        seen.append(x.cpu())
        if isinstance(module, Convolution) and sum(map(len, seen)) >= PATCHED:
            break
    if not seen:
        raise UsageError("batches: expected one or more, got none; pass some of the training inputs")
    if isinstance(module, Convolution) and seen[0].ndim != (expected := 2 + len(module.kernel_size)):
        raise UsageError(f"batches: expected {name!r} to take in {expected} dimensions, examples first, got shape "
                         f"{tuple(seen[0].shape)}; pass batches, not single examples")
    basis = _basis(module, seen)
    values, vectors = (torch.from_numpy(np.ascontiguousarray(array[..., :directions]))
                       for array in (basis.values, basis.vectors))
    return Eigenbasis(values=values, vectors=vectors.to(module.weight))


@torch.enable_grad()
def is_fixed(network, name, batch):
    """Whether what the layer takes in stays as it is while the network is trained: no trained parameter feeds it."""
    return not next(_taken_in(network, name, [batch])).requires_grad


def _taken_in(network, name, batches):
    """What the layer takes in of each batch when it is called first; the rest of the network is not run."""
    seen, was_training = [], network.training

    def see(_, arguments, named):
        seen.append(arguments[0] if arguments else next(iter(named.values())))
        raise _Seen

    handle = find(network, name).register_forward_pre_hook(see, with_kwargs=True)
    network.eval()
    try:
        for batch in batches:
            try:
                network(batch)
            except _Seen:
                yield seen.pop()
            else:
                raise UsageError(f"layers: expected layers that the network calls as modules, got {name!r}, which it "
                                 "does not, though it may use its weight; name another")
    finally:
        handle.remove()
        network.train(was_training)


def _basis(module, seen):
    if isinstance(module, nn.Embedding):
        return projection.token_eigenbasis(torch.cat([x.flatten() for x in seen]).numpy(), module.num_embeddings)
    if isinstance(module, Convolution):
        images, shape = torch.cat(seen)[:PATCHED], {"kernel_size": module.kernel_size, "dilation": module.dilation}
        spans = [(size - 1) * step + 1 for size, step in zip(*shape.values())]
        if any(span > side for span, side in zip(spans, images.shape[2:])):
            images = nn.functional.pad(images, _padding(module))
        if isinstance(module, nn.Conv1d):
            images, shape = images[:, :, None], {key: (1, *size) for key, size in shape.items()}
        images = images.double().numpy()
        return projection.patch_eigenbasis(images, **shape, groups=module.groups)
    return projection.eigenbasis(torch.cat([x.reshape(-1, x.shape[-1]) for x in seen]).double().numpy())


def _padding(convolution):
    """The zeros around what a convolution takes in, as torch's pad has them: both sides of the last axis first."""
    sides = convolution.padding
    if isinstance(sides, str):
        sides = [step * (size - 1) // 2 * (sides == "same")
                 for size, step in zip(convolution.kernel_size, convolution.dilation)]
    return [side for side in reversed(sides) for _ in range(2)]
