"""Layers by name, and their weights as matrices. App. D.3, D.7."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from eigenkd.torch.weights import FLOATS, used_weight

Convolution = nn.Conv1d | nn.Conv2d
KINDS = nn.Linear | nn.Embedding | Convolution
FORWARDS = (nn.Linear.forward, nn.Embedding.forward, nn.Conv1d.forward, nn.Conv2d.forward,
            nn.MultiheadAttention.forward)
PROJECTIONS = {"q_proj": "query", "k_proj": "key", "v_proj": "value"}  # in the order of in_proj_weight
NAMED = 12  # layers that a message has room for


@dataclass(frozen=True, eq=False)
class Layer:
    """A weight W (outputs, fan-in) that acts on each row of what comes in.

    module: that has the weight, under the name `tensor`, whose rows from `rows[0]` to `rows[1]` are this layer's.
    called: the module that is called with what the layer takes in; taken: (called, arguments, named) -> that.
    """

    name: str
    module: nn.Module
    called: nn.Module
    taken: Callable[..., torch.Tensor]
    acts_on: Literal["features", "patches", "tokens"] = "features"
    tensor: str = "weight"
    rows: tuple[int, int | None] = (0, None)  # begin and end
    transposed: bool = False

    def matrix(self) -> torch.Tensor:
        """W (outputs, fan-in) as the layer uses it, detached, a view where it can be; an embedding's acts on one-hot
        tokens."""
        weight = used_weight(self.module, self.tensor)
        return (weight.T if self.transposed else weight.flatten(1))[slice(*self.rows)]

    def check(self) -> None:
        """Raises ValueError for a weight that is not a matrix of real numbers in one place."""
        stored: Any = self.module._parameters.get(self.tensor)
        kind = _kind(self.module)
        if is_lazy(stored):
            raise ValueError(f"layers: expected layers whose size is known, got {self.name!r}, a {kind} that has not "
                             "seen an input; call the network on a batch first")
        weight = used_weight(self.module, self.tensor)
        wrapped = hasattr(type(weight), "__tensor_flatten__")  # sharded or quantised
        if wrapped or weight.dtype not in FLOATS or weight.layout != torch.strided or weight.is_meta or weight.ndim < 2:
            raise ValueError(f"layers: expected whole matrices of floating-point numbers of 16 to 64 bits, got {kind} "
                             f"{self.name!r}, whose {self.tensor} is a {type(weight).__name__} of {weight.dtype}, "
                             f"{weight.layout}, {tuple(weight.shape)}, on {weight.device}; record layers that are not "
                             "quantised, sharded or on the meta device")
        if type(self.module).forward not in FORWARDS and not _is_conv1d_of_gpt2(self.module):
            warnings.warn(f"layers: {self.name!r}, a {kind}, has a forward() of its own; its {self.tensor} is recorded "
                          "as stored. If forward() changes it before use, register that with "
                          "torch.nn.utils.parametrize", stacklevel=4)


def layer_names(network: nn.Module) -> tuple[str, ...]:
    """The names of the layers that can be recorded: linear layers, GPT-2's Conv1D, convolutions (Conv1d, Conv2d),
    embeddings, and the projections of `nn.MultiheadAttention` (<name>.q_proj, k_proj, v_proj, out_proj). Names are
    those inside of torch.compile, DataParallel and DistributedDataParallel."""
    return tuple(layer.name for layer in _layers(network))


def find(network: nn.Module, name: str) -> Layer:
    """The `Layer` of that name, in the network or in what is wrapped there.

    Raises ValueError, with those that there are, for another name, and for a weight that cannot be recorded.
    """
    layers = {layer.name: layer for layer in _layers(network)}
    found = layers.get(name) or layers.get(_inside(network, name))
    if found is None:
        modules = dict(_modules(network))
        got = f"{name!r}, a {_kind(modules[name])}" if name in modules else repr(name)
        names = ", ".join([*layers][:NAMED]) or "none"
        more = f" and {len(layers) - NAMED} more (see eigenkd.torch.layer_names)" if len(layers) > NAMED else ""
        raise ValueError("layers: expected linear layers, convolutions, embeddings or projections of attention, of "
                         f"which the network has {names}{more}, got {got}; pass names of these")
    found.check()
    return found


def unwrapped(network: nn.Module) -> nn.Module:
    """The network inside of torch.compile, DataParallel and DistributedDataParallel."""
    while (inner := _inner(network)) is not None:
        network = inner
    return network


def _inner(module):
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return module.module
    return getattr(module, "_orig_mod", None)


def _modules(network, prefix=""):
    """(name, module) of all, under each of their names, those inside of wrappers."""
    network = unwrapped(network)
    yield prefix, network
    for name, child in network._modules.items():
        if child is not None:
            yield from _modules(child, f"{prefix}.{name}" if prefix else name)


def _inside(network, name):
    """The name without the parts that stand for wrappers."""
    kept: list[str] = []
    module: Any = network
    for part in str(name).split("."):
        if part in ("module", "_orig_mod") and getattr(module, part, None) is (inner := _inner(module)) is not None:
            module = inner
        else:
            kept.append(part)
            module = getattr(unwrapped(module), "_modules", {}).get(part)  # pyrefly: ignore[bad-argument-type]
    return ".".join(kept)


def _layers(network):
    attentions = {}
    for name, module in _modules(network):
        parent, _, last = name.rpartition(".")
        if type(module).forward is nn.MultiheadAttention.forward:
            attentions[name] = module
            yield from _projections(name, module)
        elif last == "out_proj" and parent in attentions:
            yield Layer(name, module, called=attentions[parent], taken=_heads)
        elif isinstance(module, KINDS) or _is_conv1d_of_gpt2(module):
            yield Layer(name, module, called=module, taken=_first, acts_on=_acts_on(module),
                        transposed=not isinstance(module, nn.Linear | Convolution))


def _projections(name, attention):
    size = attention.embed_dim
    for i, (last, argument) in enumerate(PROJECTIONS.items()):
        joint = attention._qkv_same_embed_dim
        yield Layer(f"{name}.{last}" if name else last, attention, called=attention,
                    taken=partial(_argument, place=i, argument=argument),
                    tensor="in_proj_weight" if joint else f"{last}_weight",
                    rows=(i * size, (i + 1) * size) if joint else (0, None))


def _acts_on(module):
    return ("tokens" if isinstance(module, nn.Embedding) else "patches" if isinstance(module, Convolution)
            else "features")


def _first(_, arguments, named):
    return arguments[0] if arguments else next(iter(named.values()))


def _argument(_, arguments, named, *, place, argument):
    return arguments[place] if place < len(arguments) else named[argument]


def _heads(attention, arguments, named):
    """What the output projection takes in, heads side by side: attention computed with the identity in its place."""
    still, weight = object.__new__(type(attention)), used_weight(attention.out_proj)
    identity = torch.eye(len(weight), dtype=weight.dtype, device=weight.device)
    vars(still).update(vars(attention), out_proj=SimpleNamespace(weight=identity, bias=None))
    return type(attention).forward(still, *arguments, **named)[0]


def _is_conv1d_of_gpt2(module):
    """Whether it is the linear layer of Hugging Face's GPT-2: y = x W + b with W (inputs, outputs)."""
    return any(kind.__name__ == "Conv1D" for kind in type(module).__mro__) and hasattr(module, "nf")


def _kind(module):
    kind = type(module)
    return ("" if kind.__module__.startswith("torch.nn.modules.") else f"{kind.__module__}.") + kind.__qualname__
