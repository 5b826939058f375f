"""A hundred times of teachers and students from one factorisation, compared with other methods."""

import subprocess

import numpy as np
import scipy.linalg

from benchmarks import nt_process, rivals
from benchmarks.timing import machine, side_by_side
from eigenkd import kernel_flow, krylov, linear_flow

GENERATIONS = 6
MODERATE = 0.1  # factor on the times: the range that the matrix-free path is meant for
FEWER = {"scipy.linalg.expm, 1 teacher": 3, "scipy expm_multiply": 2, "scipy DOP853": 2, "diffrax Tsit5": 2,
         "numpy.linalg.svd": 3, "ill-conditioned X, numpy.linalg.svd": 3}
NOTES = {
    "times": "geometric from 0.01 to 100. The cost of ODE solvers, expm_multiply and the matrix-free path grows with "
             "t lam_max (the largest is in the record) and is prohibitive at 1e6, for example; "
             f"'moderate': {MODERATE:g} of these times",
    "students": "of a teacher stopped at 1; generations: each stopped at 1 except the last, which has all times",
    "scipy.linalg.expm": "one time, t = 1, because it starts from scratch for each",
    "scipy expm_multiply": "the same number of times, but evenly spaced from 1 to 100: it supports no others",
    "scipy DOP853, diffrax Tsit5": f"explicit, interpolated at the times, {rivals.TOLERANCES}; implicit methods need a "
                                   "Jacobian of all samples and targets",
    "diffrax, neural-tangents": "double precision; compiled in the warm-up, which is not counted",
    "linear_flow": "predictions on the training inputs, from X; numpy.linalg.svd alone predicts nothing",
    "ill-conditioned X": "singular values geometric down to 1e-6 of the largest, times from 0.01 to 1e14",
    "difference": "largest over times of ||theirs - ours|| / ||ours||, in predictions, or in weights for "
                  "ill-conditioned X; for ours, the difference from SciPy's eigh and NumPy's SVD. For ill-conditioned "
                  "X the others are less accurate: tests/eigenkd/test_flow.py checks ours to 1e-11 in arbitrary "
                  "precision",
}


def run(n=2000, p=6000, targets=10, count=100, rounds=7, tangents=nt_process.Worker):
    """The record: seconds and differences of each method; the first is scipy.linalg.eigh of the kernel."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, p)) / p**0.5, rng.normal(size=(n, targets))
    ill = _ill_conditioned(n, p, rng)
    K, times, methods = X @ X.T, np.geomspace(1e-2, 1e2, count), {}
    ways = (_predictions(K, y, times) | _factorisations("", X, y, times, methods)
            | _factorisations("ill-conditioned X, ", ill, y, np.geomspace(1e-2, 1e14, count), methods))
    record = {"question": __doc__, "n": n, "p": p, "targets": targets, "times": count, "generations": GENERATIONS,
              "largest_t_lam_max": float(times[-1] * np.linalg.norm(K, 2)), "notes": NOTES}
    worker = None
    try:
        worker = tangents(K, y, times)
        ways[f"neural-tangents, {count} teachers"] = worker, _beside(kernel_flow(K, y).teacher(times).fitted)
        record["neural_tangents"] = worker.versions
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"  neural-tangents is skipped: {error}", flush=True)
        record["neural_tangents"] = f"not measured: {type(error).__name__} when creating or starting its environment"
    differences = {}
    try:
        seconds = side_by_side({name: function for name, (function, _) in ways.items()}, rounds, FEWER,
                               seen=lambda name, value: differences.update({name: ways[name][1](value)}))
    finally:
        if worker is not None:
            worker.close()
    for name, difference in differences.items():
        seconds[name]["difference"] = difference
    return {**record, "methods": methods, "seconds": seconds,
            "machine": machine("numpy", "scipy", "jax", "diffrax", "eigenkd")}


def _ill_conditioned(n, p, rng):
    """X (n, p) with singular values from 1 to 1e-6, condition number 1e12 of K."""
    U, V = (np.linalg.qr(rng.normal(size=(rows, min(n, p))))[0] for rows in (n, p))
    return (U * np.geomspace(1, 1e-6, min(n, p))) @ V.T


def _predictions(K, y, times):
    """name -> (function, check) of every method that takes the kernel."""
    flow, count, decomposed = kernel_flow(K, y), len(times), scipy.linalg.eigh(K)
    even, few = np.linspace(1, 100, count), MODERATE * times

    def direct(*earlier):
        return _beside(rivals.eigh_predictions(decomposed, y, rivals.gain(times, *earlier)))

    def check(found):
        return teachers(rivals.eigh_predictions(found, y, rivals.gain(times)))

    teachers, earlier = _beside(flow.teacher(times).fitted), [1.0] * (GENERATIONS - 1)
    return {
        "scipy.linalg.eigh, default driver": (lambda: scipy.linalg.eigh(K), check),
        "numpy.linalg.eigh": (lambda: np.linalg.eigh(K), check),
        f"kernel_flow, {count} teachers": (lambda: kernel_flow(K, y).teacher(times).fitted, direct()),
        f"kernel_flow, {count} students": (lambda: kernel_flow(K, y).student(times, 1.0).fitted, direct(1.0)),
        f"kernel_flow, {GENERATIONS} generations": (
            lambda: kernel_flow(K, y).chain([*earlier, times]).fitted, direct(*earlier)),
        "second query of a flow": (lambda: flow.student(times, 1.0).fitted, direct(1.0)),
        f"krylov, {count} teachers": (lambda: krylov.kernel_flow(K, y).teacher(times).fitted, teachers),
        f"krylov, {count} moderate teachers": (
            lambda: krylov.kernel_flow(K, y).teacher(few).fitted, _beside(flow.teacher(few).fitted)),
        "scipy.linalg.expm, 1 teacher": (
            lambda: rivals.expm_predictions(K, y, 1.0), _beside(flow.teacher([1.0]).fitted)),
        "scipy expm_multiply": (
            lambda: rivals.expm_multiply_predictions(K, y, 1, 100, count), _beside(flow.teacher(even).fitted)),
        "scipy DOP853": (lambda: rivals.scipy_predictions(K, y, times), teachers),
        "diffrax Tsit5": (rivals.diffrax_predictions(K, y, times), teachers),
    }


def _factorisations(prefix, X, y, times, methods):
    """name -> (function, check) of every method that takes the features; `methods` receives the method of each flow."""
    svd, ours, some = np.linalg.svd(X, full_matrices=False), linear_flow(X, y), times[::10]
    gain = rivals.gain(some)
    weights, direct = _beside(ours.teacher(some).weights), _beside(rivals.svd_weights(svd, y, gain))

    def way(method):
        name = f"{prefix}linear_flow {method}, {len(times)} teachers"

        def function():
            flow = linear_flow(X, y, method)
            flow.teacher(times).fitted  # noqa: B018  (computed on access)
            return flow

        def check(flow):
            methods[name] = flow.spectrum.method
            return (direct if method == "auto" else weights)(flow.teacher(some).weights)

        return {name: (function, check)}

    return way("auto") | way("gram") | way("svd") | {f"{prefix}numpy.linalg.svd": (
        lambda: np.linalg.svd(X, full_matrices=False), lambda found: weights(rivals.svd_weights(found, y, gain)))}


def _beside(expected):
    """A function of a result (times, ...): its largest relative difference over times from `expected`."""
    return lambda found: rivals.largest_difference(found, expected)
