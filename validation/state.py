"""How far a training is: all that decides how it is resumed."""

from functools import partial

import torch

from validation.distributed import SINGLE
from validation.optimisation import optimiser


class TrainingState:
    """The network, its optimiser, the counters and the random states, as a checkpoint keeps them.

    epoch: finished epochs; batch: finished batches of the current one; step: finished optimiser steps; total: the sum
    of the current epoch's losses so far, over its examples. The optimiser is made here, in its first state. group: the
    processes that share the work; each has its own total and its own random state, which dropout draws from.
    """

    COUNTERS = ("epoch", "batch", "step")

    def __init__(self, network, recipe, group=SINGLE):
        self.network, self.optimiser, self.group = network, optimiser(network, recipe), group
        self.epoch = self.batch = self.step = 0
        self.device = next(network.parameters()).device
        self.total = self._zero()

    def end_epoch(self):
        """Counts an epoch that is over."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.total = self._zero()

    def _zero(self):
        return next(self.network.parameters()).new_zeros(())

    def counters(self):
        return {name: getattr(self, name) for name in self.COUNTERS}

    def tensors(self):
        """Named tensors, in every process those of all; those of the network and the optimiser are its own, not copies.
        """
        named = {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()}
        for index, entries in self.optimiser.state_dict()["state"].items():
            named |= {f"optimiser/{index}/{key}": value for key, value in entries.items()
                      if isinstance(value, torch.Tensor)}
        own = {"total": self.total} | {name: read() for name, (read, _) in self._generators().items()}
        return named | {name: self.group.gather(tensor[None].to(self.device), self.group.size)
                        for name, tensor in own.items()}

    def restore(self, tensors, counters):
        """Restores what `tensors` and `counters` hold; the next step is bit-identical with as many processes. If there
        are more than before, the others keep their random states, which nothing has been drawn from."""
        for name in self.COUNTERS:
            setattr(self, name, counters[name])
        of_network = {name.removeprefix("network/"): tensor for name, tensor in tensors.items()
                      if name.startswith("network/")}
        self.network.load_state_dict(of_network)
        self._restore_optimiser(tensors)
        self.total = self.group.own(tensors["total"]).to(self.device)
        for name, (read, write) in self._generators().items():
            if name in tensors and self.group.rank < len(states := tensors[name].reshape(-1, *read().shape)):
                write(states[self.group.rank].clone())  # PyTorch reads one that is a part of another tensor wrongly

    def _generators(self):
        """Name -> (read, write) of the state of each of PyTorch's default generators that the training draws from."""
        found = {"random/cpu": (torch.get_rng_state, torch.set_rng_state)}
        if self.device.type == "cuda":
            found["random/cuda"] = (partial(torch.cuda.get_rng_state, self.device),
                                    partial(torch.cuda.set_rng_state, device=self.device))
        return found

    def _restore_optimiser(self, tensors):
        entries = {}
        for index, parameter in enumerate(self.network.parameters()):
            prefix = f"optimiser/{index}/"
            named = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            if named:  # as the parameter lies in memory, channels last for instance: other strides, other rounding
                entries[index] = {key: torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape
                                  else value for key, value in named.items()}
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": entries, "param_groups": groups})
