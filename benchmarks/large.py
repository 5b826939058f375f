"""Regressions that are expensive to factorise, solved by matrix products alone, and their peak memory."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import scipy.linalg
from scipy.sparse import random_array
from scipy.sparse.linalg import LinearOperator, expm_multiply

from benchmarks import rivals
from benchmarks.timing import machine, side_by_side
from eigenkd import krylov, linear_flow

TOP = Path(__file__).parents[1]
SHORT, LONG = 30.0, 3000.0  # t lam_max of the last time
FEWER = {"sparse X, scipy expm_multiply": 2}
NOTES = {
    "dense X": "n x p, weights for 10 targets at 20 times, geometric over three decades up to t lam_max = "
               f"{SHORT:g} (short) or {LONG:g} (long); the first method is what one would write by hand",
    "sparse X": "n x n with ten numbers per row, fitted values for one target at 20 evenly spaced times up to "
                f"t lam_max = {SHORT:g}; neither method forms K",
    "peak memory": "of a separate process that creates X and computes the weights at the short times, including "
                   "Python, SciPy and X",
    "difference": "largest over times of ||theirs - the first one's|| / ||the first one's||",
}


def run(n=100_000, p=1_000, targets=10, count=20, rounds=5):
    """The record: seconds, differences, number of products, certified errors, peak memory."""
    record = {"question": __doc__, "n": n, "p": p, "targets": targets, "times": count, "notes": NOTES}
    alone = f"from benchmarks import large; print(large.peak_memory({n}, {p}, {targets}, {count}))"
    record["peak_memory_gib"] = float(subprocess.run([sys.executable, "-c", alone], check=True, capture_output=True,
                                                     text=True, cwd=TOP).stdout)
    X, y = problem(n, p, targets)
    seconds, record["dense"] = _measured(*dense(X, y, count), rounds)
    del X
    more, record["sparse"] = _measured(*sparse(n, y[:, 0], count), rounds)
    return {**record, "seconds": seconds | more, "machine": machine("numpy", "scipy", "eigenkd")}


def problem(n, p, targets):
    """X (n, p) with eigenvalues from 1 downwards by a power law, and y (n, targets)."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    X *= np.arange(1, p + 1) ** -0.5 / n**0.5
    return X, rng.normal(size=(n, targets))


def peak_memory(n, p, targets, count):
    """Peak memory of this process in GiB, after computing the weights at the short times."""
    X, y = problem(n, p, targets)
    flow = krylov.linear_flow(X, y)
    flow.teacher(_times(SHORT, flow.largest, count)).weights  # noqa: B018  (computed on access)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def dense(X, y, count):
    """(ways, facts) of weights from a dense X."""
    largest, facts = float(scipy.linalg.eigvalsh(X.T @ X)[-1]), {}
    ways = {}
    for name, end in (("short", SHORT), ("long", LONG)):
        times = _times(end, largest, count)
        ways |= {
            f"dense X, X^T X and scipy eigh, {name} times": lambda times=times: by_hand(X, y, times),
            f"dense X, linear_flow gram, {name} times": lambda times=times: linear_flow(X, y, "gram").teacher(
                times).weights,
            f"dense X, krylov, {name} times": lambda times=times, name=name: _products(
                krylov.linear_flow(X, y), times, "weights", facts.setdefault(name, {}))}
    return ways, facts


def sparse(n, y, count):
    """(ways, facts) of fitted values from a sparse X (n, n)."""
    X = random_array((n, n), density=10 / n, rng=np.random.default_rng(1)).tocsr()
    X.data = np.random.default_rng(2).normal(size=X.nnz)
    largest, facts = krylov.linear_flow(X, y).largest, {}
    times = np.linspace(0, SHORT / largest, count + 1)[1:]
    K = LinearOperator((n, n), matvec=lambda v: -(X @ (X.T @ v)), rmatvec=lambda v: -(X @ (X.T @ v)), dtype=float)
    trace = -float(np.sum(X.data**2))
    return {
        "sparse X, krylov": lambda: _products(krylov.linear_flow(X, y), times, "fitted", facts),
        "sparse X, scipy expm_multiply": lambda: y - expm_multiply(
            K, y, start=times[0], stop=times[-1], num=count, endpoint=True, traceA=trace)}, facts


def by_hand(X, y, times):
    """(times, p, m): weights from the eigenbasis of X^T X, written down directly."""
    lam, V = scipy.linalg.eigh(X.T @ X)
    components = V.T @ (X.T @ y)
    return np.stack([V @ ((gain / lam)[:, None] * components) for gain in rivals.gain(times)(lam)])


def _times(end, largest, count):
    return np.geomspace(end / 1000, end, count) / largest


def _products(flow, times, view, facts):
    """The result of a matrix-free flow at the times; `facts` receives its number of products and certified error."""
    fit = flow.teacher(times)
    found = getattr(fit, view)
    bound = fit.weights_error if view == "weights" else fit.error
    facts.update(products=int(flow.products), certified=float(np.max(bound / np.linalg.norm(found, axis=1))))
    return found


def _measured(ways, facts, rounds):
    """(seconds, facts) of all methods, each with its difference from the first one whose name has the same ending."""
    firsts, differences = {}, {}

    def seen(name, value):
        first = firsts.setdefault(name.split(", ")[-1] if name.startswith("dense") else "", value)
        differences[name] = rivals.largest_difference(value, first)

    seconds = side_by_side(ways, rounds, FEWER, seen=seen)
    return {name: time | {"difference": differences[name]} for name, time in seconds.items()}, facts
