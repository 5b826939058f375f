"""Kernels between training inputs, and their relative change."""

import numpy as np


def gram(rows):
    """The Gram matrix (n, n) of <x_i, x_j>, a NumPy array in double precision."""
    rows = rows.detach().flatten(1).double().cpu().numpy()
    return rows @ rows.T


def change(before, after):
    """The relative change ||after - before|| / ||before|| of a kernel."""
    return float(np.linalg.norm(after - before) / np.linalg.norm(before))
