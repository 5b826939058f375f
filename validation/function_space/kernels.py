"""Kernels between training inputs, and how much they change."""

import numpy as np


def gram(rows):
    """(n, n): <x_i, x_j>, in double precision, NumPy."""
    rows = rows.detach().flatten(1).double().cpu().numpy()
    return rows @ rows.T


def change(before, after):
    """||after - before|| / ||before||, of two kernels."""
    return float(np.linalg.norm(after - before) / np.linalg.norm(before))
