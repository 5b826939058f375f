"""The device and CPU threads that a run uses."""

from contextlib import contextmanager

import torch

from validation.errors import UsageError


def choose(name):
    """The torch.device of that name; "auto" is CUDA, else MPS, else the CPU. Raises UsageError if it is unavailable."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    known = [kind for kind, there in available.items() if there]
    if name == "auto":
        return torch.device(known[0])
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # PyTorch accepts names of devices that do not exist
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"--device: expected auto or a device of this machine ({', '.join(known)}), got {name!r}; "
                         "pass one of these") from error
    return device


def described(device):
    """The name of the device, as saved in results."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


@contextmanager
def threads(count):
    """Limits PyTorch to `count` CPU threads within the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
