"""eigenkd.krylov against the factorised flows, exact spectra and arbitrary precision; its bounds, inputs and errors."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from eigenkd import filters, kernel_flow, krylov, linear_flow, theorem
from eigenkd.krylov import basis as krylov_basis
from tests.oracles import ExactRegression, matrix_with

ROOT = Path(__file__).parent.parent.parent
SHAPES = [(30, 12), (12, 30), (15, 15)]


def problem(n=30, p=12, m=None, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)), rng.normal(size=n if m is None else (n, m)), rng


def diagonal(lam, counts=None):
    """diag(lam) as an operator that writes down how many columns each product had."""
    def product(V):
        if counts is not None:
            counts.append(V.shape[1])
        return lam[:, None] * V
    return LinearOperator((len(lam), len(lam)), matvec=lambda v: product(v.reshape(-1, 1)), matmat=product, dtype=float)


def errors(fit, lam, y):
    """||fitted - exact||, and the error of the weights in the kernel's feature space, for K = diag(lam)."""
    gain = np.where(lam > 0, fit.filter.gain(lam), 0.0)[..., None]
    inverse = np.where(lam > 0, 1 / np.where(lam > 0, lam, 1.0), 0.0)[:, None]
    weights = np.sqrt(lam)[:, None] * (fit.coefficients - gain * inverse * y)
    return np.linalg.norm(fit.fitted - gain * y, axis=-2), np.linalg.norm(weights, axis=-2)


# Spectra relative to the largest: clusters, gaps, zeros, and twelve orders of magnitude.
eigenvalues = st.lists(st.one_of(st.floats(1e-3, 1), st.floats(-12, 0).map(lambda e: 10.0**e),
                                 st.sampled_from([0.0, 1e-6, 0.3, 0.3 + 1e-9, 1.0])), min_size=1, max_size=25)
amounts = st.lists(st.floats(-8, 3.3).map(lambda e: 10.0**e), min_size=3, max_size=3)


def filters_of(t, s, unit, rng):
    """Every kind of filter, at times t (3,) and s; unit is one over the largest eigenvalue."""
    flow, teacher = filters.flow(t), filters.flow(s)
    rates = unit * rng.uniform(0.1, 1.2, 3)
    return (flow, flow @ teacher, teacher @ flow @ filters.flow(2 * t), flow @ filters.flow(np.inf),
            filters.relax(filters.flow(2 * s), t, start=teacher @ teacher), filters.mix(flow, teacher @ flow, 0.3),
            filters.mix(teacher, filters.zero, t / (unit + t)), filters.flow(t, weight_decay=0.1 / unit),
            filters.ridge(rng.uniform(0.01, 100, 3) / unit), filters.anneal(teacher, filters.identity, t),
            filters.online(t, 0.4), filters.descent(rates, rng.integers(0, 500, 3)),
            filters.descend(filters.flow(unit), unit, 17), filters.heavy_ball(rates, 20, 0.5),
            filters.heavy_flow(t**0.5, 0.3 / unit**0.5))


@settings(max_examples=60)
@given(eigenvalues, amounts, st.floats(-8, 3.3), st.floats(-6, 6), st.floats(-16, 0), st.integers(0, 2**32 - 1))
def test_the_bounds_hold_for_any_spectrum_and_filter(values, times, log_s, log_scale, faint, seed):
    """Where y has parts that are too faint for Lanczos steps to see, the recurrence has to find them itself."""
    rng = np.random.default_rng(seed)
    lam = 10.0**log_scale * np.asarray(values)
    y = rng.normal(size=(len(lam), 2)) * 10.0 ** rng.uniform(faint, 0, size=(len(lam), 1))
    unit = 1 / (lam.max() or 1.0)
    flow = krylov.kernel_flow(diagonal(lam), y)
    for f in filters_of(unit * np.asarray(times), unit * 10.0**log_s, unit, rng):
        fit = flow.fit(f)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # every one of them within the tolerance
            fitted, weights = errors(fit, lam, y)
        assert np.all(fitted <= fit.error)
        assert np.all(weights <= fit.weights_error)
        assert np.all(fit.error <= 2e-10 * np.linalg.norm(y, axis=0))  # no gain here passes 2


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.integers(2, 11), st.integers(2, 11), st.floats(-3, 3),
       st.lists(st.one_of(st.floats(-4, 0), st.sampled_from([0.0, -1.5, -1.55])), min_size=11, max_size=11),
       st.sampled_from([1.3e-13, 1e-6]))
def test_the_bounds_include_rounding(seed, n, p, log_scale, log_values, tolerance):
    """Dense features against sixty digits, where the tolerance leaves little but rounding."""
    rng = np.random.default_rng(seed)
    values = 10.0 ** np.sort(log_values[: min(n, p)])[::-1]
    X, y = matrix_with(10.0**log_scale * values / values[0], n, p, rng), rng.normal(size=n)
    flow, exact = krylov.linear_flow(X, y, tolerance=tolerance), ExactRegression(X, digits=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where rounding alone exceeds the tolerance
        for t in np.asarray([1e-6, 0.3, 10.0, 2e3]) / 100.0**log_scale:
            for fit, times in ((flow.teacher(t), [t]), (flow.student(t, 3 * t), [t, 3 * t])):
                reference = exact.weights(y, times)
                assert np.linalg.norm(fit.weights - reference) <= fit.weights_error
                assert np.linalg.norm(fit.fitted - X @ reference) <= fit.error


@pytest.mark.parametrize("f", [filters.flow(100.0), filters.flow(30.0) @ filters.flow(300.0), filters.ridge(0.05),
                               filters.relax(filters.flow(9.0), 50.0, start=filters.flow(1.0) @ filters.flow(20.0))])
def test_the_bounds_are_not_loose(f):
    """A spectrum that fills the interval and a y that sees all of it: the bound is at most so many times the error."""
    lam = np.append(np.geomspace(1e-6, 1, 1000), np.linspace(0, 1, 1000))
    flow = krylov.kernel_flow(diagonal(lam), np.ones((2000, 1)), tolerance=1e-6)
    fit = flow.fit(f)
    fitted, weights = errors(fit, lam, np.ones((2000, 1)))
    # ||e(K) y|| <= sup|e| ||y||, and the error is a root mean square of e over the spectrum: hence sup/rms
    gain = fit.filter.gain(lam)[:, None]
    supremum = np.abs(fit.fitted - gain).max() * 2000**0.5
    assert fitted <= fit.error <= 6 * supremum <= 60 * fitted
    root = np.abs(np.sqrt(lam)[:, None] * fit.coefficients - gain / np.sqrt(np.where(lam > 0, lam, 1.0))[:, None])
    assert weights <= fit.weights_error <= 15 * root.max() * 2000**0.5


@pytest.mark.parametrize("m", [None, 1, 3])
@pytest.mark.parametrize("n, p", SHAPES)
def test_shapes_and_values_are_those_of_the_factorised_flow(n, p, m):
    X, y, rng = problem(n, p, m)
    tail, new = () if m is None else (m,), rng.normal(size=(5, p))
    exact, flow = linear_flow(X, y), krylov.linear_flow(X, y)
    kernel, kernel_exact = krylov.kernel_flow(X @ X.T, y), kernel_flow(X @ X.T, y)
    s, T = np.array([0.1, 0.0, 0.02]), np.array([[0.2], [0.001]])
    for make in (lambda flow: flow.student(s, T), lambda flow: flow.teacher([[0.1, 1e-4]]),
                 lambda flow: flow.teacher(0.3), lambda flow: flow.chain([0.1, [0.2, 0.3], 0.1]),
                 lambda flow: flow.fit(filters.ridge([0.7, 30.0]))):
        a, b = make(flow), make(exact)
        shape = b.gain.shape[:-1]
        assert a.weights.shape == b.weights.shape == (*shape, p, *tail)
        assert a.fitted.shape == b.fitted.shape == (*shape, n, *tail)
        assert a.predict(new).shape == b.predict(new).shape == (*shape, 5, *tail)
        assert a.error.shape == a.weights_error.shape == (*shape, *tail)
        for value, reference in ((a.weights, b.weights), (a.fitted, b.fitted), (a.predict(new), b.predict(new))):
            np.testing.assert_allclose(value, reference, atol=1e-9)
        a, b = make(kernel), make(kernel_exact)
        assert a.coefficients.shape == a.fitted.shape == b.fitted.shape
        assert a.predict(new @ X.T).shape == b.predict(new @ X.T).shape
        np.testing.assert_allclose(a.fitted, b.fitted, atol=1e-9)
        np.testing.assert_allclose(a.predict(new @ X.T), b.predict(new @ X.T), atol=1e-9)


FORMS = {
    "csr": scipy.sparse.csr_array, "csc": scipy.sparse.csc_matrix, "LinearOperator": aslinearoperator,
    "functions": lambda X: (lambda V: X @ V, lambda U: X.T @ U), "list": lambda X: X.tolist()}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n, p", SHAPES)
def test_every_form_of_the_data_gives_the_same(n, p, form):
    X, y, rng = problem(n, p, 2)
    X[np.abs(X) < 0.7] = 0
    reference, data = linear_flow(X, y).student([0.1, 0.3], 0.2), FORMS[form](X)
    fit = krylov.linear_flow(data, y).student([0.1, 0.3], 0.2)
    np.testing.assert_allclose(fit.weights, reference.weights, atol=1e-10)
    np.testing.assert_allclose(fit.fitted, reference.fitted, atol=1e-10)
    new = rng.normal(size=(4, p))
    np.testing.assert_allclose(fit.predict(new), reference.predict(new), atol=1e-10)
    if form != "functions":
        np.testing.assert_allclose(fit.predict(FORMS[form](new)), reference.predict(new), atol=1e-10)
    K = (lambda V: X @ (X.T @ V)) if form == "functions" else FORMS[form](X @ X.T)
    np.testing.assert_allclose(krylov.kernel_flow(K, y).student([0.1, 0.3], 0.2).fitted, reference.fitted, atol=1e-10)


@pytest.mark.parametrize("n, p", SHAPES)
def test_every_library_gives_the_same(library, n, p):
    X, y, rng = problem(n, p, 2)
    new, s, T = rng.normal(size=(3, p)), np.array([0.1, 0.02]), 0.4
    for make, exact, inputs, fresh in ((krylov.linear_flow, linear_flow, X, new),
                                       (krylov.kernel_flow, kernel_flow, X @ X.T, new @ X.T)):
        reference = exact(inputs, y).student(s, T)
        for data in ((library.asarray(inputs), library.asarray(y)), (library.asarray(inputs), y),
                     (FORMS["functions"](library.asarray(X)), library.asarray(y))):
            if make is krylov.kernel_flow and isinstance(data[0], tuple):
                data = (lambda V: library.asarray(X) @ (library.asarray(X).T @ V), data[1])
            for times in (s, library.asarray(s)):
                fit = make(*data).student(times, T)
                names = ("fitted", "error", "weights_error") + (("weights",) if make is krylov.linear_flow else ())
                assert all(isinstance(getattr(fit, name), library.array_type) for name in names)
                np.testing.assert_allclose(np.asarray(fit.fitted), reference.fitted, atol=1e-10)
                predicted = fit.predict(library.asarray(fresh))
                assert isinstance(predicted, library.array_type)
                np.testing.assert_allclose(np.asarray(predicted), reference.predict(fresh), atol=1e-10)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_sparse_tensors_of_pytorch_and_jax():
    import jax.numpy as jnp
    import torch
    from jax.experimental.sparse import BCOO

    X, y, _ = problem(12, 30)
    X[np.abs(X) < 0.7] = 0
    reference = linear_flow(X, y).teacher(0.1)
    for data, targets in ((torch.tensor(X).to_sparse(), torch.tensor(y)), (BCOO.fromdense(X), jnp.asarray(y)),
                          (torch.tensor(X).to_sparse_csr(), torch.tensor(y))):
        fit = krylov.linear_flow(data, targets).teacher(0.1)
        assert type(fit.weights) is type(targets)
        np.testing.assert_allclose(np.asarray(fit.weights), reference.weights, atol=1e-10)


def test_single_precision_stays_single_and_within_its_bounds(library):
    X, y, _ = problem(20, 40, seed=3)
    for make, exact, data in ((krylov.linear_flow, linear_flow, X.astype(np.float32)),
                              (krylov.kernel_flow, kernel_flow, (X @ X.T).astype(np.float32))):
        fit = make(library.asarray(data), y).teacher(np.float64(0.3))
        reference = exact(data.astype(float), y.astype(np.float32).astype(float)).teacher(0.3)
        assert np.asarray(fit.fitted).dtype == np.float32
        assert np.linalg.norm(np.asarray(fit.fitted) - reference.fitted) <= float(fit.error) < 1e-3 * np.linalg.norm(y)


def test_one_pass_serves_a_grid_and_later_filters():
    lam = np.linspace(0.01, 1, 50)
    counts = []
    flow = krylov.kernel_flow(diagonal(lam, counts), np.ones((50, 10)))
    fit = flow.teacher(np.linspace(1, 100, 100))
    fit.fitted  # noqa: B018
    search, block = [c for c in counts if c == 1], [c for c in counts if c == 10]
    assert len(search) < 25
    assert len(block) == fit.products == flow.products - len(search) < 60
    assert fit.error.shape == (100, 10)
    fit.coefficients, flow.student(np.linspace(1, 50, 30), 7.0).fitted, flow.teacher(3.0).weights_error
    assert len(counts) == flow.products
    assert len([c for c in counts if c == 10]) == len(block)
    flow.teacher(200.0).fitted  # noqa: B018  a longer time extends the vectors that are there
    assert len([c for c in counts if c == 10]) == flow.teacher(200.0).products > len(block)


def test_vectors_that_are_not_kept_are_made_again(monkeypatch):
    X, y, _ = problem(20, 40, 3)
    expected = krylov.linear_flow(X, y).teacher([0.1, 1.0])
    for stored, block in ((0, 1), (20 * 3 * 8 * 17, 1), (0, 2**20)):
        monkeypatch.setattr(krylov_basis, "STORED", stored)
        monkeypatch.setattr(krylov_basis, "BLOCK", block)
        fit = krylov.linear_flow(X, y).teacher([0.1, 1.0])
        np.testing.assert_allclose(fit.fitted, expected.fitted, atol=1e-13)
        np.testing.assert_allclose(fit.weights, expected.weights, atol=1e-13)
        np.testing.assert_allclose(fit.error, expected.error, rtol=1e-9)


def test_an_eigenvalue_that_lanczos_steps_miss_is_found_by_the_recurrence():
    lam = np.append(np.linspace(0, 1, 200), 1.3)
    y = np.append(np.ones(200), 1e-6)
    flow = krylov.kernel_flow(diagonal(lam), y)
    assert flow.largest < 1.2
    fit = flow.teacher(50.0)
    error = np.linalg.norm(fit.fitted - filters.flow(50.0).gain(lam) * y)
    assert flow.largest > 1.3
    assert error <= fit.error < 1e-10 * np.linalg.norm(y)


@pytest.mark.parametrize("top", [1.02, 3.0, 50.0])
def test_a_faint_part_beyond_the_interval_is_in_the_bound(top):
    """Where the interval is far too short, and y's part beyond it grows by just too little to be noticed."""
    lam, y = np.append(np.linspace(0, 1, 50), top), np.ones(51)
    for t in (0.02, 0.1, 1.0, 10.0):
        short = krylov.kernel_flow(diagonal(lam[:50]), y[:50], tolerance=1e-6)
        short._enlarged(1.0)
        y[50] = 1.7 * 50**0.5 / np.cosh(short.teacher(t).products * np.arccosh(2 * top - 1))
        flow = krylov.kernel_flow(diagonal(lam), y, tolerance=1e-6)
        flow._enlarged(1.0)
        fit = flow.teacher(t)
        error = np.linalg.norm(fit.fitted - filters.flow(t).gain(lam) * y)
        assert flow.largest == 1.0
        assert error <= fit.error <= 10 * error + 1e-6 * np.linalg.norm(y)
        assert np.linalg.norm(np.sqrt(lam) * (fit.coefficients - filters.flow(t).gain(lam) * y / np.where(
            lam > 0, lam, 1.0) * (lam > 0))) <= fit.weights_error


def test_steps_of_any_length():
    """Descent beyond the stable learning rate, too: what is bounded is the matrix polynomial itself."""
    lam = np.linspace(0, 3, 40)
    flow = krylov.kernel_flow(diagonal(lam), np.ones(40))
    for rate in (1 / 3, 0.5, 2 / 3, 0.68):
        b = np.zeros(40)
        for _ in range(30):
            b += rate * (1 - b) * lam
        fit = flow.fit(filters.descent(rate, 30))
        assert np.linalg.norm(fit.fitted - b) <= fit.error + 1e-13 < 1e-9


def test_null_directions_and_other_limits():
    lam = np.array([0.0, 0.0, 1.0, 2.0])
    fit = krylov.kernel_flow(diagonal(lam), [1.0, 1.0, 0.0, 0.0]).teacher([0.0, 3.0])
    assert np.all(np.abs(fit.fitted) <= 1e-14)
    fit = krylov.kernel_flow(diagonal(0 * lam), np.ones(4)).teacher([0.0, 3.0])
    assert np.all(np.abs(fit.fitted) <= 1e-14)
    X, y, _ = problem()
    flow = krylov.linear_flow(X, y)
    assert not flow.teacher(0).weights.any()
    assert float(flow.teacher(0).error) == 0
    assert not krylov.linear_flow(X, 0 * y).teacher(1.0).fitted.any()
    np.testing.assert_allclose(flow.student(0.1, np.inf).fitted, flow.teacher(0.1).fitted, atol=1e-10)
    np.testing.assert_allclose(krylov.linear_flow([[2.0]], [3.0]).teacher(0.1).weights, -1.5 * np.expm1(-0.4))


def test_a_bound_that_is_not_met_warns_and_still_holds():
    lam = np.linspace(0, 1, 300)
    for filter, options, words in (
            (filters.flow(1e4), {"max_products": 40}, "after 40 products .*; raise max_products, stop at earlier"),
            (filters.ridge(1e-6), {"max_products": 100}, "after 100 products .*; raise max_products"),
            (filters.flow(1e14), {}, "after 1 products .*; as many as that do not follow a filter"),
            (filters.flow(1e4), {"tolerance": 1.2e-13}, "rounding is what is left: raise tolerance")):
        flow = krylov.kernel_flow(diagonal(lam), np.ones((300, 1)), **options)
        fit = flow.fit(filter)
        with pytest.warns(RuntimeWarning, match=words) as warned:
            fitted, weights = errors(fit, lam, np.ones((300, 1)))
        assert [warning.filename for warning in warned] == [__file__]
        assert np.all(fitted <= fit.error)
        assert np.all(weights <= fit.weights_error)
        assert np.any(fit.error > flow.tolerance * 300**0.5) or np.any(fit.weights_error > flow.tolerance * 300**0.5)


@pytest.mark.parametrize("n, p", [(40, 15), (15, 40)])
def test_top_eigenpairs_feed_the_theorem(library, n, p):
    X, y, _ = problem(n, p)
    exact = linear_flow(X, y).spectrum
    for flow, kernel in ((krylov.linear_flow(library.asarray(X), y), False),
                         (krylov.kernel_flow(library.asarray(X @ X.T), y), True)):
        pairs = flow.top_eigenpairs(4)
        values = np.asarray(pairs.eigenvalues)
        assert isinstance(pairs.eigenvalues, library.array_type)
        np.testing.assert_allclose(values, exact.eigenvalues[:4], rtol=1e-12)
        U = np.asarray(pairs.sample_basis)
        np.testing.assert_allclose(X @ (X.T @ U), U * values, atol=1e-10)
        np.testing.assert_allclose(U.T @ U, np.eye(4), atol=1e-12)
        assert np.all(np.asarray(pairs.error) < 1e-11)
        if kernel:
            assert pairs.feature_basis is None
        else:
            np.testing.assert_allclose(X.T @ U, np.asarray(pairs.feature_basis) * np.sqrt(values), atol=1e-10)
        check = theorem.check(pairs.eigenvalues, 0.01, 0.02, pivot=1)
        assert np.all(np.asarray(check.holds))
        np.testing.assert_array_equal(np.asarray(check.direction), [1, 0, -1, -1])


def test_top_eigenpairs_of_an_operator_and_in_single_precision():
    X, y, _ = problem(40, 30)
    exact = linear_flow(X, y).spectrum.eigenvalues[:2]
    np.testing.assert_allclose(krylov.linear_flow(aslinearoperator(X), y).top_eigenpairs(2).eigenvalues, exact)
    single = krylov.linear_flow(X.astype(np.float32), y).top_eigenpairs(2).eigenvalues
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, exact, rtol=1e-5)


def test_inputs_are_not_changed():
    X, y, _ = problem(20, 30, 2)
    for data in (X, X[:, :10], X @ X.T):
        before = data.copy(), y.copy()
        flow = (krylov.kernel_flow if data.shape[0] == data.shape[1] else krylov.linear_flow)(data, y)
        fit = flow.teacher([0.1, 0.2])
        fit.fitted[...] = 0
        fit.predict(data)
        flow.top_eigenpairs(2)
        np.testing.assert_array_equal(data, before[0])
        np.testing.assert_array_equal(y, before[1])
        np.testing.assert_allclose(flow.teacher([0.1, 0.2]).fitted,
                                   type(flow).teacher(flow, [0.1, 0.2]).fitted, atol=1e-13)
        assert np.abs(flow.teacher([0.1, 0.2]).fitted).max() > 0.01


SHARDED = """
import os
os.environ["NPROC"] = "8"  # threads of XLA's pool: a sum over devices waits in one for the others
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax._src.array import ArrayImpl
from eigenkd import krylov

assert len(jax.devices()) == 2
mesh, rng = Mesh(np.array(jax.devices()), ("rows",)), np.random.default_rng(0)
visits = []
to_host = ArrayImpl.__array__
ArrayImpl.__array__ = lambda self, *a, **k: visits.append(self.size) or to_host(self, *a, **k)
for n, p in ((400, 40), (40, 400)):
    X, y = rng.normal(size=(n, p)), rng.normal(size=(n, 2))
    for spec in (("rows", None), (None, "rows")):
        data = jax.device_put(X, NamedSharding(mesh, PartitionSpec(*spec)))
        half = X.size // 2
        reference = krylov.linear_flow(jnp.asarray(X), y).student([0.01, 0.02], 0.03)
        expected = reference.fitted, reference.weights
        expected = [np.asarray(e) for e in expected]
        del reference
        visits.clear()
        flow = krylov.linear_flow(data, y)
        fit = flow.student([0.01, 0.02], 0.03)
        fitted, weights = fit.fitted, fit.weights
        pairs = flow.top_eigenpairs(2)
        assert max(visits, default=0) < X.size / 4, visits             # X never goes to the host ...
        for array in jax.live_arrays():                                  # ... nor as a whole to one device
            if array.shape in (X.shape, X.T.shape):
                assert all(shard.data.size <= half for shard in array.addressable_shards)
        assert data.sharding == NamedSharding(mesh, PartitionSpec(*spec))
        assert len(fitted.sharding.device_set) == 2 and len(weights.sharding.device_set) == 2
        split = fitted if spec[0] else weights                           # what X is cut along stays cut
        assert {s.data.shape[1] for s in split.addressable_shards} == {split.shape[1] // 2}, split.sharding
        for value, e in zip((fitted, weights), expected):
            np.testing.assert_allclose(np.asarray(value), e, rtol=1e-12, atol=1e-12 * np.abs(e).max())
print("done")
"""


def test_a_sharded_array_stays_sharded_and_gives_the_same():
    done = subprocess.run([sys.executable, "-c", SHARDED], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["done"]


def test_nothing_heavy_loads_before_it_is_used():
    code = "import sys, eigenkd.krylov; print(*{'jax', 'torch', 'matplotlib', 'scipy'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.split() == []


def test_traced_arrays_are_refused():
    import jax

    with pytest.raises(TypeError, match=r"y: expected values, got a traced array; .*outside jit.*linear_flow inside"):
        jax.jit(lambda y: krylov.linear_flow(scipy.sparse.eye_array(3), y).teacher(1.0).fitted)(np.ones(3))
    with pytest.raises(TypeError, match=r"X: expected values, got a traced array"):
        jax.jit(lambda X: krylov.linear_flow(X, np.ones(3)).teacher(1.0).fitted)(np.eye(3))


def test_a_flow_is_retargeted_to_other_targets():
    rng = np.random.default_rng(0)
    X, y, other = rng.normal(size=(30, 8)), rng.normal(size=30), rng.normal(size=(30, 2))
    flow = krylov.linear_flow(X, y)
    np.testing.assert_allclose(flow.retarget(other).teacher(0.1).weights, linear_flow(X, other).teacher(0.1).weights,
                               rtol=1e-8)
    assert repr(flow.teacher(0.1)) == "KrylovFit(flow(0.1) of KrylovFlow(30 samples, 1 output(s), by products 8 by 8))"
    with pytest.raises(ValueError, match=r"y: expected 30 rows"):
        flow.retarget(y[:3])


X, y, K = np.eye(3, 4), np.ones(3), np.eye(3)
Z = np.diag([1.0, 2.0, 3.0])


@pytest.mark.parametrize("make, kind, words", [
    (lambda: krylov.linear_flow([[1.0, np.nan]], [1.0]), ValueError, "X: expected finite numbers, got 1 NaN"),
    (lambda: krylov.linear_flow(scipy.sparse.csr_array(np.nan * X), y).teacher(1).fitted, ValueError,
     "X: expected finite numbers, got NaN or infinite values in a product with it"),
    (lambda: krylov.linear_flow(X, [1, 2, np.nan]), ValueError, "y: expected finite"),
    (lambda: krylov.linear_flow(X, 1e-200 * y), ValueError, "y: expected a largest.*1e-200; divide y"),
    (lambda: krylov.linear_flow(X * 1j, y), TypeError, "X: expected real numbers, got dtype complex128; pass X.real"),
    (lambda: krylov.linear_flow(scipy.sparse.csr_array(X * 1j), y), TypeError, "X: expected real.*pass X.real"),
    (lambda: krylov.linear_flow(X, y[:2]), ValueError, r"y: expected 3 rows.*got shape \(2,\)"),
    (lambda: krylov.linear_flow(aslinearoperator(X), y[:2]), ValueError, "y: expected 3 rows like the inputs"),
    (lambda: krylov.linear_flow(y, y), ValueError, r"X: expected 2 dimension.*got shape \(3,\)"),
    (lambda: krylov.linear_flow(scipy.sparse.coo_array(y), y), ValueError, "X: expected 2 dimensions, got shape"),
    (lambda: krylov.linear_flow("data.csv", y), TypeError, "X: expected numbers, got 'data.csv'"),
    (lambda: krylov.linear_flow(lambda V: V, y), TypeError, "X: expected two functions, got one; pass the pair"),
    (lambda: krylov.linear_flow((lambda V: V, lambda U: U, 3), y), TypeError, "X: expected a pair of functions, got 3"),
    (lambda: krylov.kernel_flow((lambda V: V, lambda V: V), y), TypeError, "K: expected one function, got 2 things"),
    (lambda: krylov.linear_flow((lambda V: X @ V, lambda U: U), y).teacher(1).fitted, ValueError,
     r"X\[0\]: expected a product with columns of shape \(3, 1\), got an error .*by a matrix and by its transpose"),
    (lambda: krylov.linear_flow(X, y, tolerance="a"), ValueError, "tolerance: expected a number from .*, got 'a'"),
    (lambda: krylov.linear_flow(X, y, max_products=None), ValueError, "max_products: expected a whole .*, got None"),
    (lambda: krylov.linear_flow((lambda V: X @ V, lambda U: X.T @ U[:, 0]), y), ValueError,
     r"X\[1\]: expected a product of shape .*, got shape \(4,\); the function has to take and return columns"),
    (lambda: krylov.linear_flow((lambda V: Z @ V, lambda U: np.eye(3, k=1) @ U), y).teacher(1).fitted, ValueError,
     "X: expected a symmetric Gram matrix, got two products that differ by .*; give the function that multiplies by"),
    (lambda: krylov.linear_flow(LinearOperator((3, 4), matvec=lambda v: X @ v), y).teacher(1).fitted, TypeError,
     "X: expected products with the matrix and its transpose.*both matvec and rmatvec"),
    (lambda: krylov.linear_flow(1e200 * X, y).teacher(1).fitted, ValueError, "X: expected finite.*or scale it down"),
    (lambda: krylov.linear_flow(X, y, tolerance=1e-15), ValueError, "tolerance: expected a number from 1.1e-13"),
    (lambda: krylov.linear_flow(X, y, tolerance=np.nan), ValueError, "tolerance: expected a number from 1.1e-13"),
    (lambda: krylov.linear_flow(X, y, max_products=0), ValueError, "max_products: expected a whole number >= 1, got 0"),
    (lambda: krylov.linear_flow(X, y, max_products=2.5), ValueError, "max_products: expected a whole number"),
    (lambda: krylov.linear_flow(X, y).teacher(-1), ValueError, "time: expected numbers >= 0, got -1"),
    (lambda: krylov.linear_flow(X, y).teacher([1, np.inf]), ValueError,
     "filter: expected a gain that falls to 0 with the eigenvalue, got up to 1 .*finite time, or factorise with"),
    (lambda: krylov.linear_flow(X, y).teacher(1e60).fitted, ValueError, "filter: expected a gain that falls to 0"),
    (lambda: krylov.linear_flow(X, y).fit(filters.mix(filters.identity, filters.flow(1.0), 0.1)), ValueError,
     "filter: expected a gain that falls to 0 with the eigenvalue, got up to 0.1 next to eigenvalue 0"),
    (lambda: krylov.linear_flow(X, y).fit(0.3), TypeError, "filter: expected a filter, got float"),
    (lambda: krylov.linear_flow(X, y).chain([]), ValueError, "times: expected training times, one a generation"),
    (lambda: krylov.linear_flow(X, y).teacher(1).predict(X[:, :2]), ValueError, "X_new: expected 4 columns"),
    (lambda: krylov.kernel_flow(K, y).teacher(1).predict(X), ValueError, "K_new: expected 3 columns.*kernel between"),
    (lambda: krylov.kernel_flow(K, y).teacher(1).weights, TypeError, "weights: a kernel.*use fit.coefficients"),
    (lambda: krylov.linear_flow(X.T, np.ones(4)).teacher(1).coefficients, TypeError, "coefficients: with fewer feat"),
    (lambda: krylov.kernel_flow(X, y), ValueError, r"K: expected a square matrix, got shape \(3, 4\)"),
    (lambda: krylov.kernel_flow(Z + np.eye(3, k=1), y).teacher(1).fitted, ValueError,
     r"K: expected a symmetric Gram matrix.*pass \(K \+ K.T\)/2"),
    (lambda: krylov.kernel_flow(np.diag([1, 2, -1e-3]), y).teacher(1).fitted, ValueError,
     "K: expected a positive semi-definite matrix, got an eigenvalue of at most -0.001"),
    (lambda: krylov.kernel_flow(np.diag([1.0, 0.5, -3.0]), [1, 1, 1e-12]).teacher(9).fitted, ValueError,
     "K: expected a positive semi-definite"),
    (lambda: krylov.linear_flow(X, y).top_eigenpairs(3), ValueError, "count: expected a whole number from 1 to 2"),
    (lambda: krylov.linear_flow(X, y).top_eigenpairs(1.5), ValueError, "count: expected a whole number.*got 1.5"),
])
def test_errors_name_the_argument_and_the_mend(make, kind, words):
    with pytest.raises(kind, match=words):
        make()


def test_a_matrix_that_changes_is_given_up():
    scale = [1.0]

    def grows(V):
        scale[0] *= 1.5
        return scale[0] * Z @ V

    with pytest.raises((RuntimeError, ValueError), match=r"K: expected (one fixed matrix|a symmetric|finite)"):
        krylov.kernel_flow(grows, np.ones((3, 1))).teacher(5.0).fitted  # noqa: B018
