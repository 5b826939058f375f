"""A hundred times of teacher and student from one factorisation, beside eigh and a matrix exponential a time."""

import numpy as np
import scipy.linalg

from benchmarks.timing import machine, side_by_side
from eigenkd import kernel_flow, linear_flow

N, P, TARGETS, TIMES = 1000, 3000, 10, 100


def run():
    """The record: seconds of each way, the first being one default scipy.linalg.eigh of the same kernel."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(N, P)) / P**0.5, rng.normal(size=(N, TARGETS))
    K, times = X @ X.T, np.geomspace(1e-2, 1e2, TIMES)
    flow = kernel_flow(K, y)
    seconds = side_by_side({
        "scipy.linalg.eigh (default driver)": lambda: scipy.linalg.eigh(K),
        "kernel_flow, 100 teachers": lambda: kernel_flow(K, y).teacher(times).fitted,
        "kernel_flow, 100 students": lambda: kernel_flow(K, y).student(times, 1.0).fitted,
        "the same, already factorised": lambda: flow.student(times, 1.0).fitted,
        "linear_flow auto, 100 students": lambda: linear_flow(X, y).student(times, 1.0).fitted,
        "linear_flow svd, 100 students": lambda: linear_flow(X, y, "svd").student(times, 1.0).fitted,
        "scipy.linalg.expm, 1 teacher": lambda: y - scipy.linalg.expm(-K) @ y,
    }, rounds=5)
    return {"question": __doc__, "n": N, "p": P, "targets": TARGETS, "times": TIMES, "seconds": seconds,
            "machine": machine("numpy", "scipy", "eigenkd")}
