"""Training of one network by several processes: `torchrun --nproc-per-node N -m validation.run ...`.

Every process has all examples and draws the same order of batches. Process r of n takes the examples r, r + n, r + 2n,
... of each batch. Losses are weighted so that the averaged gradient is that of the whole batch, and batch normalisation
uses the statistics of the whole batch. The result therefore equals that of one process up to the order of summation.
Training in float32 amplifies this difference where activations are near the kink of a ReLU; in float64 the results
agree. Each process draws its own dropout, so with dropout the results differ. Only the first process reads and writes
run folders.
"""

import json
import os
import time
from contextlib import contextmanager, suppress
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

from validation.errors import UsageError

STEPS_BETWEEN_AGREEMENTS = 10
PATIENCE = timedelta(hours=12)  # the other processes wait while the first one downloads data or waits for a teacher


class Single:
    """A single process, which does all the work."""

    rank, size = 0, 1
    first = True

    def wrap(self, network):
        """A module that computes the network's logits and averages its gradients over the processes."""
        return network

    def mine(self, indices):
        """This process's share of a batch."""
        return indices

    def scale(self, mine, batch):
        """The factor on the mean loss over `mine` of `batch` examples that makes the processes' average the batch mean.
        """
        return self.size * mine / batch

    def sum(self, tensor):
        """The sum over the processes; `tensor` is not changed."""
        return tensor

    def gather(self, rows, n):
        """The n rows of all processes, in the order of the indices before `mine`."""
        return rows

    def own(self, values):
        """This process's entry of `values`, which has one entry per process. If they come from another number of
        processes, the first process gets their sum and the others zero."""
        if len(values) == self.size:
            return values[self.rank]
        return values.sum() if self.first else torch.zeros_like(values[0])

    def agree(self, flag, step):
        """Whether the flag is set in any process; several processes exchange it only every few steps."""
        return flag

    def on_first(self, work):
        """The JSON result of work() in the first process, returned in all; a UsageError there is raised in each."""
        return work()

    def wait(self):
        """Returns once every process has called it."""


SINGLE = Single()


class Group(Single):
    """One of several processes, connected by torch.distributed."""

    def __init__(self, device):
        self.rank, self.size, self.device = dist.get_rank(), dist.get_world_size(), device
        self.first = self.rank == 0

    def wrap(self, network):
        synchronise_statistics(network)
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=devices, broadcast_buffers=False)

    def mine(self, indices):
        return indices[self.rank::self.size]

    def sum(self, tensor):
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    def gather(self, rows, n):
        longest = -(-n // self.size)
        padded = torch.cat([rows, rows.new_zeros(longest - len(rows), *rows.shape[1:])])
        pieces = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(pieces, padded)
        return torch.stack(pieces, dim=1).flatten(0, 1)[:n]

    def agree(self, flag, step):
        if step % STEPS_BETWEEN_AGREEMENTS:
            return False
        return bool(self.sum(torch.tensor(float(flag), device=self.device)))

    def on_first(self, work):
        message = None
        if self.first:
            try:
                message = {"value": work()}
            except UsageError as error:
                message = {"error": str(error)}
        message = self._from_first(message)
        if "error" in message:
            raise UsageError(message["error"])
        return message["value"]

    def wait(self):
        self.sum(torch.zeros(1, device=self.device))

    def _from_first(self, message):
        content = torch.tensor(list(json.dumps(message).encode()), dtype=torch.uint8, device=self.device)
        size = torch.tensor([len(content)], device=self.device)
        dist.broadcast(size, 0)
        if not self.first:
            content = torch.empty(int(size), dtype=torch.uint8, device=self.device)
        dist.broadcast(content, 0)
        return json.loads(bytes(content.tolist()))


def several():
    """Whether torchrun started several processes."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def processes(device):
    """Yields `SINGLE`, or the `Group` of this process, which is connected within the block."""
    if not several():
        yield SINGLE
        return
    meeting = _meeting()
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", **meeting, timeout=PATIENCE,
                            device_id=device if device.type == "cuda" else None)
    try:
        yield Group(device)
        _leave(meeting["store"], meeting["world_size"])
    finally:
        dist.destroy_process_group()


def _meeting():
    """The rendezvous of the processes. On one machine each restart of torchrun has its own key prefix; otherwise a
    process could find the address of a process that has died."""
    store, rank, size = next(dist.rendezvous("env://", timeout=PATIENCE))
    if os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]:
        store = dist.PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    return {"store": store, "rank": rank, "world_size": size}


def _leave(store, size):
    """Returns once every process has finished: leaving earlier could interrupt another process's last exchange."""
    store.add("leaving", 1)
    with suppress(RuntimeError):  # the process that owns the store has left, so all have finished
        while store.add("leaving", 0) < size:
            time.sleep(0.01)


def synchronise_statistics(network):
    """Makes batch normalisation use the statistics over all processes, in place."""
    for parent in list(network.modules()):
        for name, module in list(parent.named_children()):
            if isinstance(module, nn.BatchNorm2d):
                if module.weight.is_cuda:
                    setattr(parent, name, nn.SyncBatchNorm.convert_sync_batchnorm(module))
                else:
                    module.__class__ = SynchronisedBatchNorm  # same parameters, same names


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the examples of all processes on CPUs, which torch.nn.SyncBatchNorm does not support."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        from torch.distributed.nn.functional import all_reduce  # supports gradients

        count = all_reduce(x.new_tensor(x.numel() / x.shape[1]))
        mean = all_reduce(x.sum(dim=(0, 2, 3))) / count
        centred = x - mean[:, None, None]
        variance = all_reduce(centred.square().sum(dim=(0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean += self.momentum * (mean - self.running_mean)
            self.running_var += self.momentum * (variance * count / (count - 1) - self.running_var)
        return centred * (self.weight / torch.sqrt(variance + self.eps))[:, None, None] + self.bias[:, None, None]
