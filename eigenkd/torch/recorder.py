"""Components of layers in the eigenspace of their inputs, step by step. Sec. 4.1, App. D.3, D.7."""

from collections.abc import Callable, Mapping
from itertools import count
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from eigenkd.projection import Eigenbasis
from eigenkd.torch.layers import find

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle


class Recorder:
    """Records components of layers of any torch module at each call, or every so many steps.

        basis = basis_of(network, "features.0", batches)
        recorder = Recorder(network, {"features.0": basis}, every=10)
        recorder(0); ...; recorder(step)                             # or: recorder.follow(optimiser)
        recorder.paths()["features.0"]                               # (records, 2, k)

    bases: the layer's name -> its `Eigenbasis`, or, where that is not known before the network is trained, a function
    of the trained network that returns it: until then the weights themselves are kept, each record as large as the
    layer. W is the weight that the layer's next call uses, whatever it is computed from (`weight_norm`,
    `spectral_norm`, other parametrizations, pruning), projected in float32 at least.

    Training is bit-identical with and without it: it reads weights, and changes neither buffers nor random states.

    Raises ValueError for a layer that is not there, cannot be recorded or does not fit its basis, for every below 1,
    and, when called, for weights that are not finite.
    """

    def __init__(self, network: nn.Module, bases: Mapping[str, Eigenbasis | Callable[[nn.Module], Eigenbasis]],
                 every: int = 1) -> None:
        if not isinstance(every, Integral) or every < 1:
            raise ValueError(f"every: expected 1 step or more between records, got {every!r}; pass 1 for each step")
        if not isinstance(bases, Mapping):
            raise ValueError(f"bases: expected a dictionary, layer's name -> Eigenbasis, got a {type(bases).__name__}; "
                             "pass {name: basis_of(network, name, batches)}")
        self.network, self.every = network, every
        self.layers = {name: find(network, name) for name in bases}
        self.start = {name: _precise(layer.matrix()) for name, layer in self.layers.items()}
        self.late = {name: basis for name, basis in bases.items() if callable(basis)}
        self.rows, self.seen_in = {name: [] for name in bases}, {}
        for name in bases.keys() - self.late.keys():
            self._look_in(name, bases[name])

    def __call__(self, step: int) -> None:
        if step % self.every:
            return
        for name, layer in self.layers.items():
            row = layer.matrix().clone() if name in self.late else self._row(name, layer.matrix())
            if not bool(row.isfinite().all()):
                raise ValueError(f"learning rate: expected finite weights, got others in {name} after step {step}; try "
                                 "a smaller one")
            self.rows[name].append(row.cpu())

    def follow(self, optimiser: torch.optim.Optimizer) -> "RemovableHandle":
        """Records now and after each step of a torch optimiser; the handle returned has remove()."""
        steps = count(1)
        self(0)
        return optimiser.register_step_post_hook(lambda *_: self(next(steps)))

    def paths(self) -> dict[str, np.ndarray]:
        """name -> (records, 2, k), NumPy: ||W v_k|| of the weights, and of their displacement from the start, in row i
        after i * every steps. Eq. (62). Layers that were never recorded are left out. Bases that were not known are
        computed from the network as it is now."""
        for name, basis in list(self.late.items()):
            self._look_in(name, basis(self.network))
            self.rows[name] = [self._row(name, weight).cpu() for weight in self.rows[name]]
            del self.late[name]
        return {name: torch.stack(rows).numpy() for name, rows in self.rows.items() if rows}

    def tensors(self) -> dict[str, torch.Tensor]:
        """All records, as tensors for a checkpoint."""
        return {name: torch.stack(rows) for name, rows in self.rows.items() if rows}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Resumes from what `tensors` returned."""
        self.rows = {name: list(tensors.get(name, ())) for name in self.rows}

    def _look_in(self, name, basis):
        start = self.start[name]
        if not isinstance(basis, Eigenbasis):
            raise ValueError(f"bases: expected an Eigenbasis for {name!r}, or a function of the trained network that "
                             f"returns one, got a {type(basis).__name__}; pass basis_of(network, {name!r}, batches)")
        if start.shape[1] != len(basis.vectors):
            raise ValueError(f"bases: expected a layer on the basis's {len(basis.vectors)} inputs, got {name!r} on "
                             f"{start.shape[1]}; pass the basis of what this layer takes in")
        vectors = torch.as_tensor(basis.vectors).to(start)
        self.seen_in[name] = vectors, _product(start, vectors)

    def _row(self, name, weight):
        # The weights from their displacement, not the other way round: early on the displacement is a difference of
        # numbers that are nearly equal.
        start, (vectors, started) = self.start[name], self.seen_in[name]
        moved = _product(weight.to(start) - start, vectors)
        return torch.stack([(started + moved).norm(dim=0), moved.norm(dim=0)])


def _precise(weight):
    """A copy in float32, or in its own precision where that is more."""
    return weight.to(torch.promote_types(weight.dtype, torch.float32), copy=True)


@torch.no_grad()
def _product(weight, vectors):
    """In their own precision, inside of autocast too."""
    with torch.autocast(weight.device.type, enabled=False):
        return weight @ vectors
