"""Random numbers: every purpose has its own stream, so adding a draw does not change the others."""

import hashlib
from contextlib import contextmanager

import torch


def number(seed, *purpose):
    """A 63-bit integer that depends only on the seed and the purpose, and is the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, (seed, *purpose))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed, *purpose):
    """A CPU generator for one purpose, such as generator(seed, "batches", "teacher", epoch)."""
    return torch.Generator().manual_seed(number(seed, *purpose))


@contextmanager
def local_default(seed, *purpose, device=None):
    """Seeds PyTorch's default generators for this purpose within the block, and restores their state afterwards.

    It is for code that accepts no generator, such as the default initialisation of torch.nn.Linear. device: a
    torch.device whose generator is seeded as well as that of the CPU, where networks are built.
    """
    devices = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(number(seed, *purpose))
        for each in devices:
            with torch.cuda.device(each):
                torch.cuda.manual_seed(number(seed, *purpose))
        yield
