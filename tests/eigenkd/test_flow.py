"""linear_flow and kernel_flow against arbitrary precision, an ODE solver and a matrix exponential, and their laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eigenkd import filters, kernel_flow, linear_flow
from tests.oracles import ExactRegression, dense_teacher, matrix_with, ode_weights, relative_error

SHAPES = [(6, 9), (12, 20), (20, 12), (15, 15)]
SPECTRA = {
    "geometric": lambda k, condition: np.geomspace(1, condition**-0.5, k),
    "two clusters": lambda k, condition: np.where(np.arange(k) < k // 2, 1.0, condition**-0.5),
    "graded tail": lambda k, condition: np.append(np.linspace(1, 0.5, k - 2), [1e-3, condition**-0.5]),
}


def problem(n=12, p=20, m=None, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)), rng.normal(size=n if m is None else (n, m)), rng


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 15), st.integers(2, 15), st.floats(-3, 3),
       st.lists(st.one_of(st.floats(-6, 0), st.sampled_from([0.0, -1.55, -1.6, -3.0, -5.7, -6.0])), min_size=15,
                max_size=15), st.booleans())
def test_weights_are_right_to_1e_11_for_any_spectrum(seed, n, p, log_scale, log_values, smooth):
    """Clusters, gaps and cuts where hypothesis puts them; condition numbers up to 1e12."""
    rng = np.random.default_rng(seed)
    values = 10.0 ** np.sort(log_values[: min(n, p)])[::-1]
    X = matrix_with(10.0**log_scale * values / values[0], n, p, rng)
    y = X @ rng.normal(size=p) if smooth else rng.normal(size=n)
    flow, exact = linear_flow(X, y), ExactRegression(X, digits=60)
    for t in (1e-9, 1e-3, 1.0, 1e4, 1e8):
        assert relative_error(flow.teacher(t).weights, exact.weights(y, [t])) < 1e-11
        assert relative_error(flow.student(t, t).weights, exact.weights(y, [t, t])) < 1e-11


@pytest.mark.parametrize("n, p", SHAPES)
@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("condition", [1e2, 1e4, 1e8, 1e12])
def test_weights_are_right_to_1e_11(n, p, spectrum, condition):
    """The issue's claim: condition numbers of K up to 1e12, t from 1e-9 to 1e8, teacher and student, any scale."""
    rng = np.random.default_rng(n * p)
    for scale in (1e-2, 30.0):
        X = matrix_with(scale * SPECTRA[spectrum](min(n, p), condition), n, p, rng)
        exact = ExactRegression(X)
        for y in (rng.normal(size=n), X @ rng.normal(size=p)):  # noise, and a signal that the features explain
            flow = linear_flow(X, y)
            for t in 10.0 ** np.arange(-9, 9, 2):
                assert relative_error(flow.teacher(t).weights, exact.weights(y, [t])) < 1e-11
                student = flow.student(3 * t, teacher_time=t).weights
                assert relative_error(student, exact.weights(y, [t, 3 * t])) < 1e-11


def test_the_plain_svd_is_not_enough_for_that():
    """Why _svd.graded_svd exists: on the same problem LAPACK's singular triplets leave more than 1e-11."""
    rng = np.random.default_rng(0)
    X = matrix_with(1e3 * SPECTRA["two clusters"](25, 1e12), 25, 25, rng)
    y = rng.normal(size=25)
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    plain = Vt.T @ (-np.expm1(-1e3 * s**2) / s * (U.T @ y))
    exact = ExactRegression(X).weights(y, [1e3])
    assert relative_error(plain, exact) > 3e-11
    assert relative_error(linear_flow(X, y).teacher(1e3).weights, exact) < 1e-12


@pytest.mark.parametrize("n, p", SHAPES)
def test_teacher_and_student_solve_the_differential_equation(n, p):
    X, y, _ = problem(n, p)
    flow = linear_flow(X, y)
    teacher = ode_weights(X, y, 0.3)
    np.testing.assert_allclose(flow.teacher(0.3).weights, teacher, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(flow.student(0.2, 0.3).weights, ode_weights(X, X @ teacher, 0.2), rtol=1e-9, atol=1e-11)
    third = ode_weights(X, X @ ode_weights(X, X @ teacher, 0.2), 0.1)
    np.testing.assert_allclose(flow.chain([0.3, 0.2, 0.1]).weights, third, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(flow.teacher(0.3).weights, dense_teacher(X, y, 0.3), rtol=1e-9, atol=1e-11)


def test_any_filter_fits():
    X, y, _ = problem()
    flow = linear_flow(X, y)
    ridge = np.linalg.solve(X.T @ X + 0.7 * np.eye(20), X.T @ y)
    np.testing.assert_allclose(flow.fit(filters.ridge(0.7)).weights, ridge, rtol=1e-10)
    switched = filters.relax(filters.identity, 0.1, start=filters.flow(0.2) @ filters.flow(0.3))
    start = ode_weights(X, X @ ode_weights(X, y, 0.3), 0.2)
    np.testing.assert_allclose(flow.fit(switched).weights, ode_weights(X, y, 0.1, start), rtol=1e-8, atol=1e-11)
    b = np.zeros(20)
    for _ in range(17):
        b += 0.01 * X.T @ (y - X @ b)
    np.testing.assert_allclose(flow.fit(filters.descent(0.01, 17)).weights, b, rtol=1e-10)


@pytest.mark.parametrize("method", ["svd", "gram"])
@pytest.mark.parametrize("m", [None, 1, 3])
@pytest.mark.parametrize("n, p", SHAPES)
def test_shapes_and_agreement_of_all_views(n, p, m, method):
    X, y, rng = problem(n, p, m)
    k, tail = min(n, p), () if m is None else (m,)
    flow = linear_flow(X, y, method)
    fit = flow.student(np.array([0.1, np.inf, 0.0]), teacher_time=np.array([[0.2], [np.inf]]))
    assert fit.gain.shape == (2, 3, k)
    assert fit.components.shape == (2, 3, k, *tail)
    assert fit.weights.shape == (2, 3, p, *tail)
    assert fit.fitted.shape == (2, 3, n, *tail)
    new = rng.normal(size=(5, p))
    assert fit.predict(new).shape == (2, 3, 5, *tail)
    columns = fit.weights if m else fit.weights[..., None]
    views = [(fit.predict(new), new @ columns), (fit.fitted, X @ columns), (fit.predict(X), X @ columns)]
    for value, reference in views:
        np.testing.assert_allclose(value if m else value[..., None], reference, atol=1e-10)
    V = flow.spectrum.feature_basis
    np.testing.assert_allclose(fit.components if m else fit.components[..., None], V.T @ columns, atol=1e-10)
    assert flow.teacher(0.1).weights.shape == (p, *tail)
    assert flow.chain([0.1, [0.2, 0.3]]).fitted.shape == (2, n, *tail)


@pytest.mark.parametrize("m", [None, 3])
def test_kernel_and_features_agree(m):
    X, y, rng = problem(12, 20, m)
    new = rng.normal(size=(4, 20))
    times = np.array([0.0, 1e-3, 0.1, np.inf])
    by_kernel, by_features = kernel_flow(X @ X.T, y).student(times, 0.5), linear_flow(X, y).student(times, 0.5)
    np.testing.assert_allclose(by_kernel.fitted, by_features.fitted, atol=1e-11)
    np.testing.assert_allclose(by_kernel.predict(new @ X.T), by_features.predict(new), atol=1e-11)
    np.testing.assert_allclose(np.abs(by_kernel.components), np.abs(by_features.components), atol=1e-11)


def singular_problem():
    X, y, rng = problem(12, 8)
    X[:, 3], X[5] = X[:, 2], X[4]  # fewer features than samples, one twice, one sample twice
    return X, y, rng


@pytest.mark.parametrize("make", [
    lambda X, y: linear_flow(X, y), lambda X, y: linear_flow(X, y, "svd"), lambda X, y: linear_flow(X, y, "gram")])
def test_infinite_time_is_the_projection_also_where_x_is_singular(make):
    X, y, rng = singular_problem()
    flow, new = make(X, y), rng.normal(size=(4, 8))
    assert flow.spectrum.rank == 7
    assert flow.spectrum.eigenvalues.shape == (8,)
    assert flow.spectrum.eigenvalues[7] == 0
    pinv = np.linalg.pinv(X) @ y
    np.testing.assert_allclose(flow.teacher(np.inf).weights, pinv, atol=1e-12)
    np.testing.assert_allclose(flow.student(np.inf, np.inf).fitted, X @ pinv, atol=1e-12)
    np.testing.assert_allclose(flow.teacher(np.inf).predict(new), new @ pinv, atol=1e-12)
    assert not np.allclose(flow.teacher(np.inf).fitted, y)
    assert flow.fit(filters.identity).gain[7] == 0
    assert flow.fit(filters.identity).components[7] == 0


def test_a_singular_kernel_predicts_the_projection_without_nan():
    X, y, rng = singular_problem()
    flow, new = kernel_flow(X @ X.T, y), rng.normal(size=(4, 8))
    assert flow.spectrum.rank == 7
    np.testing.assert_array_equal(flow.spectrum.eigenvalues[7:], np.zeros(5))
    np.testing.assert_allclose(flow.teacher(np.inf).predict(new @ X.T), new @ np.linalg.pinv(X) @ y, atol=1e-11)
    np.testing.assert_allclose(flow.teacher([0.0, 0.1]).predict(new @ X.T),
                               linear_flow(X, y).teacher([0.0, 0.1]).predict(new), atol=1e-11)


def test_a_zero_matrix_learns_nothing():
    for flow in (linear_flow(np.zeros((3, 2)), [1, 2, 3]), kernel_flow(np.zeros((3, 3)), [1, 2, 3])):
        assert flow.spectrum.rank == 0
        np.testing.assert_array_equal(flow.teacher(np.inf).fitted, np.zeros(3))


times = st.floats(-6, 3).map(lambda e: 10.0**e)


@given(times, times, st.integers(0, 2**32 - 1), st.sampled_from(SHAPES))
def test_laws(s, T, seed, shape):
    """Rotation of features, permutation of samples, scale, symmetry in s and T, the semigroup, t = 0 and inf."""
    n, p = shape
    X, y, rng = problem(n, p, seed=seed)
    flow = linear_flow(X, y)
    b = flow.student(s, T).weights
    close = {"rtol": 1e-7, "atol": 1e-9 * np.linalg.norm(b)}

    Q = np.linalg.qr(rng.normal(size=(p, p)))[0]
    np.testing.assert_allclose(Q @ linear_flow(X @ Q, y).student(s, T).weights, b, **close)
    order = rng.permutation(n)
    np.testing.assert_allclose(linear_flow(X[order], y[order]).student(s, T).weights, b, **close)
    np.testing.assert_allclose(linear_flow(3 * X, y).student(s / 9, T / 9).weights, b / 3, **close)
    np.testing.assert_allclose(linear_flow(X, -2 * y).student(s, T).weights, -2 * b, **close)
    np.testing.assert_allclose(flow.student(T, s).weights, b, **close)
    np.testing.assert_allclose(flow.student(s, np.inf).weights, flow.teacher(s).weights, **close)
    np.testing.assert_allclose(flow.student(np.inf, T).weights, flow.teacher(T).weights, **close)
    assert not flow.student(0, T).weights.any()
    assert not flow.teacher(0).weights.any()
    further = filters.relax(filters.identity, s, start=filters.flow(T))
    np.testing.assert_allclose(flow.fit(further).weights, flow.teacher(s + T).weights, rtol=1e-7,
                               atol=1e-9 * np.linalg.norm(flow.teacher(s + T).weights))


def test_every_library_gives_the_same(library):
    X, y, rng = problem(10, 14, 2)
    new, s, T = rng.normal(size=(3, 14)), np.array([0.1, np.inf]), 0.4
    for make, inputs, fresh in ((linear_flow, X, new), (kernel_flow, X @ X.T, new @ X.T)):
        reference = make(inputs, y).student(s, T)
        for data in ((library.asarray(inputs), library.asarray(y)), (library.asarray(inputs), y)):
            fit = make(*data).student(library.asarray(s), T)
            names = ("gain", "fitted") if make is kernel_flow else ("gain", "fitted", "weights")
            for name in names:
                value = getattr(fit, name)
                assert isinstance(value, library.array_type)
                np.testing.assert_allclose(np.asarray(value), getattr(reference, name), atol=1e-10)
            predicted = fit.predict(library.asarray(fresh))
            assert isinstance(predicted, library.array_type)
            np.testing.assert_allclose(np.asarray(predicted), reference.predict(fresh), atol=1e-10)
        by_time = make(inputs, y).student(library.asarray(s), T)  # NumPy data, times of the library
        assert isinstance(by_time.fitted, library.array_type)
        np.testing.assert_allclose(np.asarray(by_time.fitted), reference.fitted, atol=1e-10)


def test_the_accurate_route_runs_in_every_library(library):
    rng = np.random.default_rng(3)
    X, y = matrix_with(SPECTRA["geometric"](10, 1e12), 10, 14, rng), rng.normal(size=10)
    flow = linear_flow(library.asarray(X), library.asarray(y))
    assert flow.spectrum.method == "svd"
    assert relative_error(flow.teacher(1e8).weights, ExactRegression(X).weights(y, [1e8])) < 1e-11


def test_single_precision_stays_single(library):
    X, y, _ = problem()
    fit = linear_flow(library.asarray(X.astype(np.float32)), y).student(0.1, np.float64(0.3))
    assert np.asarray(fit.weights).dtype == np.float32
    np.testing.assert_allclose(np.asarray(fit.weights), linear_flow(X, y).student(0.1, 0.3).weights, atol=1e-5)


def test_integers_and_lists_are_fine_and_inputs_are_never_changed():
    X, y = np.arange(12).reshape(4, 3) % 5, np.array([1, 2, 3, 4])
    before = X.copy(), y.copy()
    expected = linear_flow(X.astype(float), y.astype(float)).teacher(2).weights
    np.testing.assert_array_equal(linear_flow(X, y).teacher(2).weights, expected)
    np.testing.assert_array_equal(linear_flow(X.tolist(), y.tolist()).teacher(2).weights, expected)
    K = X @ X.T
    kernel_flow(K, y).student(1, 2).predict(K)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])
    np.testing.assert_array_equal(K, before[0] @ before[0].T)


def test_jax_arrays_may_be_closed_over_in_jit():
    import jax
    import jax.numpy as jnp

    X, y, _ = problem()
    X, y, K = jnp.asarray(X), jnp.asarray(y), jnp.asarray(X @ X.T)
    expected = linear_flow(X, y).student(0.1, 0.3)
    flow = linear_flow(X, y)
    for f, argument in ((lambda X: linear_flow(X, y).student(0.1, 0.3).fitted, X),
                        (lambda y: linear_flow(X, y).student(0.1, 0.3).fitted, y),
                        (lambda t: kernel_flow(K, y).student(t, 0.3).fitted, 0.1),
                        (lambda t: flow.student(t, 0.3).predict(X), 0.1)):
        np.testing.assert_allclose(jax.jit(f)(argument), expected.fitted, atol=1e-10)


def test_chain_takes_an_array_and_is_the_product():
    X, y, _ = problem()
    flow = linear_flow(X, y)
    np.testing.assert_allclose(flow.chain(np.array([0.3, 0.2])).weights, flow.student(0.2, 0.3).weights, rtol=1e-14)
    np.testing.assert_allclose(flow.chain([0.3]).weights, flow.teacher(0.3).weights, rtol=1e-14)


def test_transformations_of_jax():
    import jax

    X, y, _ = problem()

    def total(X, t):
        return linear_flow(X, y).student(t, 0.3).fitted.sum()

    reference = linear_flow(X, y).student(0.1, 0.3).fitted.sum()
    assert float(jax.jit(total)(X, 0.1)) == pytest.approx(reference, rel=1e-10)
    slope = jax.grad(total, argnums=1)(X, 0.1)
    difference = (total(X, 0.1 + 1e-6) - total(X, 0.1 - 1e-6)) / 2e-6
    assert float(slope) == pytest.approx(float(difference), rel=1e-6)
    many = jax.vmap(lambda t: linear_flow(X, y).teacher(t).fitted)(np.array([0.1, 0.2]))
    np.testing.assert_allclose(many, linear_flow(X, y).teacher([0.1, 0.2]).fitted, atol=1e-12)


def test_gradients_of_pytorch():
    import torch

    X, y, _ = problem()
    data, t = torch.tensor(X, requires_grad=True), torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    linear_flow(data, y).teacher(t).fitted.sum().backward()
    step = np.zeros_like(X)
    step[2, 3] = 1e-6
    difference = (linear_flow(X + step, y).teacher(0.1).fitted.sum()
                  - linear_flow(X - step, y).teacher(0.1).fitted.sum()) / 2e-6
    assert float(data.grad[2, 3]) == pytest.approx(difference, rel=1e-5)
    assert np.isfinite(float(t.grad))


X, y, K = np.eye(3, 4), np.ones(3), np.eye(3)


@pytest.mark.parametrize("make, kind, words", [
    (lambda: linear_flow([[1.0, np.nan]], [1.0]), ValueError, "X: expected finite numbers, got 1 NaN"),
    (lambda: linear_flow([[1.0, np.inf]], [1.0]), ValueError, "X: expected finite"),
    (lambda: linear_flow(X, [1, 2, np.nan]), ValueError, "y: expected finite"),
    (lambda: linear_flow(X * 1j, y), TypeError, "X: expected real numbers, got dtype complex128; pass X.real"),
    (lambda: linear_flow(np.empty((0, 3)), []), ValueError, r"X: expected at least one number.*\(0, 3\)"),
    (lambda: linear_flow(X, y[:2]), ValueError, r"y: expected 3 rows.*got shape \(2,\)"),
    (lambda: linear_flow(X, np.ones((3, 2, 2))), ValueError, "y: expected 1 or 2 dimension"),
    (lambda: linear_flow(y, y), ValueError, r"X: expected 2 dimension.*got shape \(3,\)"),
    (lambda: linear_flow("data.csv", y), TypeError, "X: expected numbers, got 'data.csv'"),
    (lambda: linear_flow(X, None), TypeError, "y: expected numbers, got None"),
    (lambda: linear_flow([[1, 2], [3]], [1, 2]), TypeError, "X: expected an array of numbers, got list"),
    (lambda: linear_flow(np.array([["a", "b"]]), [1]), TypeError, "X: expected numbers, got ndarray with dtype <U1"),
    (lambda: linear_flow(X, y, "qr"), ValueError, "method: expected 'auto', 'svd' or 'gram', got 'qr'"),
    (lambda: linear_flow(X, y).teacher(-1), ValueError, "time: expected numbers >= 0, got -1"),
    (lambda: linear_flow(X, y).chain(np.array(3.0)), ValueError, "times: expected training times, one a generation"),
    (lambda: linear_flow(X, y).teacher(np.nan), ValueError, "time: expected a number, got nan"),
    (lambda: linear_flow(X, y).teacher("long"), TypeError, "time: expected numbers, got 'long'"),
    (lambda: linear_flow(X, y).student(1, teacher_time=[1, -2]), ValueError, "teacher_time: expected numbers >= 0"),
    (lambda: linear_flow(X, y).student([1, 2], teacher_time=[1, 2, 3]), ValueError, "expected shapes that broadcast"),
    (lambda: linear_flow(X, y).chain([]), ValueError, "times: expected training times, one a generation"),
    (lambda: linear_flow(X, y).chain(3.0), ValueError, "times: expected training times.*got 3.0; pass a list"),
    (lambda: linear_flow(X, y).chain([1, -2]), ValueError, r"times\[1\]: expected numbers >= 0, got -2"),
    (lambda: linear_flow(np.ma.masked_equal(X, 0), y), TypeError, "X: expected an array without a mask"),
    (lambda: linear_flow(1e160 * X, y), ValueError, "X: expected a largest entry between .* got 1e.160; divide"),
    (lambda: linear_flow(1e-170 * X, y), ValueError, "X: expected a largest entry between .* got 1e-170; divide"),
    (lambda: linear_flow(X, y).fit(0.3), TypeError, "filter: expected a filter, got float"),
    (lambda: linear_flow(X, y).teacher(1).predict(X[:, :2]), ValueError, "X_new: expected 4 columns"),
    (lambda: kernel_flow(K, y).teacher(1).predict(X), ValueError, "K_new: expected 3 columns.*kernel between new"),
    (lambda: kernel_flow(K, y).teacher(1).weights, TypeError, "weights: a kernel.*use fit.components"),
    (lambda: kernel_flow(X, y), ValueError, r"K: expected a square matrix, got shape \(3, 4\)"),
    (lambda: kernel_flow(K + np.eye(3, k=1), y), ValueError, r"K: expected a symmetric matrix.*\(K \+ K.T\)/2"),
    (lambda: kernel_flow(np.diag([1, 1, -1e-6]), y), ValueError, "K: expected a positive semi-definite.*-1e-06"),
    (lambda: kernel_flow(K, y).spectrum.residual(X), ValueError, r"matrix: expected the K of shape \(3, 3\)"),
])
def test_errors_name_the_argument_and_the_mend(make, kind, words):
    with pytest.raises(kind, match=words):
        make()


def test_arrays_of_two_libraries_are_refused():
    import jax.numpy as jnp
    import torch

    with pytest.raises(TypeError, match="y: expected a PyTorch array like the other arguments, got a JAX array"):
        linear_flow(torch.eye(3), jnp.ones(3))
    with pytest.raises(TypeError, match="y: expected a NumPy array like the other arguments, got a PyTorch array"):
        linear_flow(np.eye(3), torch.ones(3))


def test_a_tensor_without_values_is_refused():
    import torch

    with pytest.raises(ValueError, match="X: expected numbers, got a tensor on the device 'meta'"):
        linear_flow(torch.empty(5, 2, device="meta"), torch.zeros(5))
