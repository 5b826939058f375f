"""What a run says of its layers in the eigenspace of what they take in: which pairs of directions are exaggerated, and
which directions fit the mislabelled examples. App. D.2, D.3."""

from dataclasses import asdict
from math import isfinite

import numpy as np
import torch

from eigenkd import projection
from validation.errors import UsageError
from validation.record import DEFINITIONS
from validation.seeding import generator

DECOMPOSED = 4096  # training examples, at most, whose kernel is decomposed


def draw_pairs(analysis, seed, directions):
    """(pairs, 2): rows (top, bottom) of indices of eigendirections, each drawn without replacement. App. D, Table 7.

    Where a layer has fewer directions than `bottom` ends at, both ranges shrink in proportion, and pairs become as many
    as they have room for. Raises UsageError where nothing is left of a range.
    """
    shrunk = min(1.0, directions / analysis.bottom[1])
    (first, end), (start, stop) = ([int(index * shrunk) for index in side] for side in (analysis.top, analysis.bottom))
    end = max(end, first + 1)
    ranges = {"top": (first, end), "bottom": (max(start, end) if shrunk < 1 else start, stop)}
    room = min(stop - start for start, stop in ranges.values())
    if room < 1:
        raise UsageError(f"--analysis.layers: expected layers with two eigendirections or more, got one with "
                         f"{directions}; leave it out, or train on more examples")
    columns = []
    for side, (start, stop) in ranges.items():
        order = torch.randperm(stop - start, generator=generator(seed, "pairs", side))
        columns.append(start + order[:min(room, analysis.pairs)].numpy())
    return np.stack(columns, axis=1)


def exaggerated_pairs(teacher, student, pairs):
    """The result's `eigenspace` of one layer: per pair the share of `projection.exaggeration`, null where it is
    undetermined, and what they come to, under both definitions.

    teacher, student: (records, 2, k) paths of a `Recorder`. `weights` is the paper's definition, ||W v_k||;
    `displacement` the theorem's, ||(W - W_0) v_k||, which starts where the theorem does, from zero.
    """
    shares = {name: projection.exaggeration(teacher[:, i], student[:, i], pairs)
              for i, name in enumerate(DEFINITIONS)}
    per_pair = [{"top": int(top), "bottom": int(bottom)} | {name: _plain(shares[name][i]) for name in DEFINITIONS}
                for i, (top, bottom) in enumerate(pairs)]
    return {name: {key: _plain(value) for key, value in asdict(projection.sign_test(shares[name])).items()
                   if not key.endswith("seeds")} for name in DEFINITIONS} | {"per_pair": per_pair}


def fit_shares(rows, mislabelled, labels, logits):
    """The share of their fit that each direction carries, of clean examples and of mislabelled ones.

    rows: (n, features), what the networks take in, whose Gram matrix gives the directions; mislabelled: (n,); labels:
    (n,), those trained on; logits: name -> those before training and those after it, (n, classes) each. Returns
    eigenvalues (n,) and <name>_clean, <name>_mislabelled (n,): sums of Eq. (65) over such examples, divided by their
    sum over directions.
    """
    lam, U = (found[..., ::-1] for found in np.linalg.eigh(rows @ rows.T))
    groups, shares = {"clean": ~mislabelled, "mislabelled": mislabelled}, {"eigenvalues": np.maximum(lam, 0.0)}
    for name, (before, after) in logits.items():
        m = projection.contributions(after, labels, U, before)
        shares |= {f"{name}_{group}": m[mask].sum(axis=0) / m[mask].sum() for group, mask in groups.items()}
    return shares


def _plain(value):
    """As JSON has it: null for what is not finite."""
    return value if isinstance(value, int) else float(value) if isfinite(value) else None
