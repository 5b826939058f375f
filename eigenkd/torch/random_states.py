"""Random states that are the same after a measurement as before it."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def preserved(network: nn.Module, loader: object = None) -> Iterator[None]:
    """Restores what Python, NumPy and torch draw from, on the CPU and on the network's GPUs, and the loader's own
    generators: iterating over a DataLoader draws from them even where it does not shuffle.
    """
    devices = {tensor.device for tensor in network.parameters() if tensor.is_cuda}
    generators = {id(own): own for source in (loader, getattr(loader, "sampler", None))
                  if isinstance(own := getattr(source, "generator", None), torch.Generator)}
    states = [(own, own.get_state()) for own in generators.values()]
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 (what a data set may draw from)
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002
            for own, state in states:
                own.set_state(state)


def drawn(network: nn.Module) -> list[bytes]:
    """The states of torch's generators, as bytes: equal ones before and after say that nothing was drawn."""
    devices = {tensor.device for tensor in network.parameters() if tensor.is_cuda}
    return [torch.get_rng_state().numpy().tobytes(),
            *(torch.cuda.get_rng_state(device).numpy().tobytes() for device in devices)]
