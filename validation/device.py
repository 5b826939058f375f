"""What a run computes on."""

from contextlib import contextmanager

import torch

from validation.errors import UsageError


def choose(name):
    """A torch.device; "auto" takes CUDA, then MPS, then the CPU. UsageError for one that is unknown or not there."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    known = [kind for kind, there in available.items() if there]
    if name == "auto":
        return torch.device(known[0])
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # a device may be known to PyTorch and yet not be there
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"--device: expected auto or what this machine has ({', '.join(known)}), got {name!r}; "
                         "pass one of these") from error
    return device


def described(device):
    """Its name for a result."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


@contextmanager
def threads(count):
    """Within the block PyTorch computes on `count` CPU threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
