"""Where a layer's weights stand in the eigenspace of its input, step by step. Sec. 4.1, App. D.3."""

from dataclasses import replace

import numpy as np
import torch

from eigenkd import projection
from validation.errors import UsageError
from validation.seeding import generator

PATCHED = 4096  # training images, at most, that patches are drawn from


def basis_for(network, layer, split):
    """The eigenbasis of what `layer` of the network takes in: the examples, or patches of them for a convolution.

    split: of validation.inputs. Raises UsageError where the network has no such layer.
    """
    kernel = _weight(network, layer).shape[2:]
    indices = torch.arange(len(split), device=split.device)
    if not kernel:
        return input_basis(torch.cat([split.plain(batch) for batch in indices.split(split.evaluation_batch)]))
    images = split.plain(indices[:PATCHED])
    basis = projection.patch_eigenbasis(images.double().cpu().numpy(), tuple(kernel))
    return replace(basis, values=torch.from_numpy(basis.values), vectors=torch.from_numpy(basis.vectors).to(images))


def input_basis(inputs):
    """The eigenbasis of a layer's training inputs (n, features), uncentred, worked out in double precision."""
    basis = projection.eigenbasis(inputs.flatten(1).double().cpu())
    return replace(basis, vectors=basis.vectors.to(inputs))


def _weight(network, layer):
    modules = {name: module for name, module in network.named_modules() if hasattr(module, "weight")}
    if layer not in modules:
        raise UsageError(f"--analysis.layer: expected one of {', '.join(modules)}, got {layer!r}; see these")
    return modules[layer].weight


class Recorder:
    """Notes the components ||W v_k|| of one layer's weight W whenever it is called, or every so many steps."""

    def __init__(self, network, layer, basis, every=1):
        self.weight, self.basis, self.every, self.rows = _weight(network, layer), basis, every, []
        features = self.weight[0].numel()
        if features != len(basis.vectors):
            raise UsageError(f"--analysis.layer: expected a layer on the network's {len(basis.vectors)} inputs, "
                             f"got {layer!r} on {features}; pass another layer")

    def __call__(self, step):
        if step % self.every:
            return
        try:
            self.rows.append(projection.components(self.weight.detach(), self.basis).cpu())
        except ValueError as error:  # the shapes are right: the weights are no longer finite
            raise UsageError(f"learning rate: expected finite weights, got others after step {step}; try a smaller "
                             "--teacher.learning-rate or --student.learning-rate") from error

    def path(self):
        """(records, k): row i after i * every optimiser steps."""
        return torch.stack(self.rows).numpy()


def draw_pairs(analysis, seed, directions):
    """(pairs, 2): rows (top, bottom) of indices of eigendirections, each drawn without replacement. App. D, Table 7.

    Raises UsageError where the ranges go beyond the `directions` that the training data has.
    """
    columns = []
    for side in ("top", "bottom"):
        first, end = getattr(analysis, side)
        if end > directions:
            raise UsageError(f"--analysis.{side}: expected a range within the {directions} eigendirections of the "
                             f"training data, got {first} {end}; lower it, or train on more examples")
        order = torch.randperm(end - first, generator=generator(seed, "pairs", side))
        columns.append(first + order[:analysis.pairs].numpy())
    return np.stack(columns, axis=1)


def exaggerated_pairs(teacher_path, student_path, pairs):
    """The result's `eigenspace`: per pair the share of `projection.exaggeration`, null where it is undetermined."""
    shares = projection.exaggeration(teacher_path, student_path, pairs)
    verdicts = projection.is_exaggerated(shares)
    per_pair = [
        {"top": int(top), "bottom": int(bottom), "share": None if np.isnan(share) else float(share),
         "exaggerated": bool(verdict)}
        for (top, bottom), share, verdict in zip(pairs, shares, verdicts)
    ]
    return {"pairs": len(per_pair), "exaggerated": int(verdicts.sum()), "per_pair": per_pair}
