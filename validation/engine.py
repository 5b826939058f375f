"""How a run is executed: device, checkpoint interval, processes. These are not part of its configuration."""

import time
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch

from validation.checkpoint import Interval
from validation.distributed import SINGLE, Single
from validation.errors import UsageError
from validation.interrupts import Interrupts

EVERY_MINUTE = Interval("60s")


@dataclass(frozen=True)
class Engine:
    """interval: time between checkpoints; compiled: whether networks use torch.compile, which rounds differently;
    interrupts: the received signals; group: the processes that share the work."""

    device: torch.device
    interval: Interval = EVERY_MINUTE
    compiled: bool = False
    interrupts: Interrupts = field(default_factory=Interrupts)
    group: Single = SINGLE

    def dtype(self, precision):
        """The type of weights, inputs and logits for a precision. Raises UsageError if the device has no float64."""
        if precision == "fp64" and self.device.type == "mps":
            raise UsageError("--precision: expected auto, fp32 or bf16 on mps, which has no float64, got fp64; pass "
                             "one of these or --device cpu")
        return torch.float64 if precision == "fp64" else torch.float32

    def precision(self, name):
        """A function that creates the context in which networks compute: bfloat16 autocast if the precision asks for
        it, else none."""
        if name == "bf16" or (name == "auto" and self.device.type == "cuda"):
            return lambda: torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext

    @property
    def channels_last(self):
        """Whether images are stored with channels last, the fastest format for convolutions."""
        return self.device.type in ("cuda", "cpu")

    def placed(self, network):
        """The network on the device."""
        network.to(self.device)
        return network.to(memory_format=torch.channels_last) if self.channels_last else network

    def forward(self, network, *, trained=True):
        """A callable that computes the network's logits: compiled if asked, and wrapped by the group for training."""
        network = self.group.wrap(network) if trained else network
        return torch.compile(network) if self.compiled else network

    def repeatable(self):
        """A context in which convolutions on a GPU are deterministic."""
        return self._convolutions(allow_tf32=True)

    def exact(self):
        """A context in which convolutions on a GPU round like float32."""
        return self._convolutions(allow_tf32=False)

    def _convolutions(self, **flags):
        if self.device.type != "cuda":
            return nullcontext()
        return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, **flags)


class Clock:
    """Seconds of work, including those before an interruption."""

    def __init__(self, before=0.0):
        self.before, self.started = before, time.perf_counter()

    def seconds(self):
        return self.before + time.perf_counter() - self.started
