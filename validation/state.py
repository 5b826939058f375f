"""How far a training is: all that decides how it is resumed."""

import torch

from validation.optimisation import optimiser


class TrainingState:
    """The network, its optimiser, the counters and the random state, as a checkpoint keeps them.

    epoch: finished epochs; batch: finished batches of the current one; step: finished optimiser steps; total: the sum
    of the current epoch's losses so far, over its examples. The optimiser is made here, in its first state.
    """

    COUNTERS = ("epoch", "batch", "step")

    def __init__(self, network, recipe):
        self.network, self.optimiser = network, optimiser(network, recipe)
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
        """Named tensors; those of the network and the optimiser are its own, not copies."""
        named = {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()}
        for index, entries in self.optimiser.state_dict()["state"].items():
            named |= {f"optimiser/{index}/{key}": value for key, value in entries.items()
                      if isinstance(value, torch.Tensor)}
        named |= {"total": self.total, "random/cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            named["random/cuda"] = torch.cuda.get_rng_state(self.device)
        return named

    def restore(self, tensors, counters):
        """Restores what `tensors` and `counters` hold; the next step is bit-identical."""
        for name in self.COUNTERS:
            setattr(self, name, counters[name])
        of_network = {name.removeprefix("network/"): tensor for name, tensor in tensors.items()
                      if name.startswith("network/")}
        self.network.load_state_dict(of_network)
        self._restore_optimiser(tensors)
        self.total = tensors["total"].to(self.device)
        torch.set_rng_state(tensors["random/cpu"])
        if self.device.type == "cuda" and "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"], self.device)

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
