"""Results about layers in the eigenspace of their inputs: which pairs of directions are exaggerated, and which
directions fit mislabelled examples. App. D.2, D.3."""

from dataclasses import asdict
from math import isfinite

import numpy as np

from eigenkd import projection
from validation.errors import UsageError
from validation.record import DEFINITIONS

DECOMPOSED = 4096  # the largest number of training examples whose kernel is decomposed


def draw_pairs(analysis, seed, directions):
    """(pairs, 2): rows (top, bottom) of indices of eigendirections, each drawn without replacement. App. D, Table 7.

    If a layer has fewer directions than the end of `bottom`, both ranges are scaled down, and the number of pairs is
    limited by their size. Raises UsageError if a range becomes empty.
    """
    import torch  # findings from saved arrays do without

    from validation.seeding import generator

    shrunk = min(1.0, directions / analysis.bottom[1])
    (first, end), (start, stop) = ([int(index * shrunk) for index in side] for side in (analysis.top, analysis.bottom))
    end = max(end, first + 1)
    ranges = {"top": (first, end), "bottom": (max(start, end) if shrunk < 1 else start, stop)}
    room = min(stop - start for start, stop in ranges.values())
    if room < 1:
        raise UsageError(f"--analysis.layers: expected layers with at least two eigendirections, got one with "
                         f"{directions}; omit it, or train on more examples")
    columns = []
    for side, (start, stop) in ranges.items():
        order = torch.randperm(stop - start, generator=generator(seed, "pairs", side))
        columns.append(start + order[:min(room, analysis.pairs)].numpy())
    return np.stack(columns, axis=1)


def exaggerated_pairs(teacher, student, pairs):
    """The field `eigenspace` of one layer: the share of `projection.exaggeration` of each pair (null if undetermined)
    and a summary, under both definitions.

    teacher, student: (records, 2, k) paths of a `Recorder`. `weights` is the paper's definition, ||W v_k||;
    `displacement` is the theorem's, ||(W - W_0) v_k||, which starts from zero like the theorem.
    """
    shares = {name: projection.exaggeration(teacher[:, i], student[:, i], pairs)
              for i, name in enumerate(DEFINITIONS)}
    per_pair = [{"top": int(top), "bottom": int(bottom)} | {name: _plain(shares[name][i]) for name in DEFINITIONS}
                for i, (top, bottom) in enumerate(pairs)]
    return {name: {key: _plain(value) for key, value in asdict(projection.sign_test(shares[name])).items()
                   if not key.endswith("seeds")} for name in DEFINITIONS} | {"per_pair": per_pair}


def fit_shares(rows, mislabelled, labels, logits):
    """The share of the fit of clean and of mislabelled examples that each direction carries.

    rows: (n, features), the inputs of the networks; the eigenvectors of their Gram matrix are the directions.
    mislabelled: (n,); labels: (n,) training labels; logits: name -> (logits before, logits after training), (n,
    classes) each. Returns eigenvalues (n,) and <name>_clean, <name>_mislabelled (n,): sums of Eq. (65) over these
    examples, divided by their sum over directions.
    """
    lam, U = (found[..., ::-1] for found in np.linalg.eigh(rows @ rows.T))
    groups, shares = {"clean": ~mislabelled, "mislabelled": mislabelled}, {"eigenvalues": np.maximum(lam, 0.0)}
    for name, (before, after) in logits.items():
        m = projection.contributions(after, labels, U, before)
        shares |= {f"{name}_{group}": m[mask].sum(axis=0) / m[mask].sum() for group, mask in groups.items()}
    return shares


def _plain(value):
    """The value for JSON: None (null) if it is not finite."""
    return value if isinstance(value, int) else float(value) if isfinite(value) else None
