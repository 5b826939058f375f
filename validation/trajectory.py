"""Where layers stand in the eigenspace of what they take in, step by step. Sec. 4.1, App. D.3, D.7."""

from itertools import count

import torch

from validation.errors import UsageError
from validation.layers import find, matrix


class Recorder:
    """Notes where layers of any torch module stand whenever it is called, or every so many steps.

        basis = basis_of(network, "features.0", batches)             # of validation.layers
        recorder = Recorder(network, {"features.0": basis}, every=10)
        recorder(0); ...; recorder(step)                             # or: recorder.follow(optimiser)
        recorder.paths()["features.0"]                               # (records, 2, k)

    bases: the layer's name -> the `Eigenbasis` that it is looked at in, or, where that is not known before the network
    is trained, a function of the trained network that returns it: until then the weights themselves are kept, each
    record as large as the layer. It reads weights and draws nothing at random: training has the same bits with and
    without it.

    Raises UsageError for a layer that is not there or does not fit its basis, for every below 1, and, when called, for
    weights that are not finite.
    """

    def __init__(self, network, bases, every=1):
        if every < 1:
            raise UsageError(f"every: expected 1 step or more between records, got {every}; pass 1 for each step")
        self.network, self.every = network, every
        self.layers = {name: find(network, name) for name in bases}
        self.start = {name: matrix(module).clone() for name, module in self.layers.items()}
        self.late = {name: basis for name, basis in bases.items() if callable(basis)}
        self.rows, self.seen_in = {name: [] for name in bases}, {}
        for name in bases.keys() - self.late.keys():
            self._look_in(name, bases[name])

    def __call__(self, step):
        if step % self.every:
            return
        for name, module in self.layers.items():
            row = matrix(module).clone() if name in self.late else self._row(name, matrix(module))
            if not bool(row.isfinite().all()):
                raise UsageError(f"learning rate: expected finite weights, got others in {name} after step {step}; try "
                                 "a smaller one (--teacher.learning-rate, --student.learning-rate)")
            self.rows[name].append(row.cpu())

    def follow(self, optimiser):
        """Has itself called now and after each step of a torch optimiser; the handle returned has remove()."""
        steps = count(1)
        self(0)
        return optimiser.register_step_post_hook(lambda *_: self(next(steps)))

    def paths(self):
        """name -> (records, 2, k), NumPy: ||W v_k|| of the weights, and of their displacement from the start, in row i
        after i * every steps. Eq. (62). Nothing of layers that were never noted. Bases that were not
        known are made of the network as it is now."""
        for name, basis in self.late.items():
            self._look_in(name, basis(self.network))
            self.rows[name] = [self._row(name, weight.to(self.start[name])).cpu() for weight in self.rows[name]]
        self.late = {}
        return {name: torch.stack(rows).numpy() for name, rows in self.rows.items() if rows}

    def tensors(self):
        """All that was noted, as a checkpoint keeps it."""
        return {name: torch.stack(rows) for name, rows in self.rows.items() if rows}

    def restore(self, tensors):
        """Goes on from what `tensors` told."""
        self.rows = {name: list(tensors.get(name, ())) for name in self.rows}

    def _look_in(self, name, basis):
        start = self.start[name]
        if start.shape[1] != len(basis.vectors):
            raise UsageError(f"bases: expected a layer on the basis's {len(basis.vectors)} inputs, got {name!r} on "
                             f"{start.shape[1]}; pass the basis of what this layer takes in")
        vectors = basis.vectors.to(start)
        self.seen_in[name] = vectors, start @ vectors

    def _row(self, name, weight):
        # The weights from their displacement, not the other way round: early on that one is the difference of numbers
        # that are nearly the same.
        vectors, started = self.seen_in[name]
        moved = (weight - self.start[name]) @ vectors
        return torch.stack([(started + moved).norm(dim=0), moved.norm(dim=0)])
