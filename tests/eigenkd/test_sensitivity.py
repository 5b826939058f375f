"""Derivatives of weights, fits and predictions against differences of dense matrix exponentials, in JAX and PyTorch."""

from functools import partial

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import torch
from scipy.linalg import expm_frechet

from eigenkd import _divided, filters, kernel_flow, linear_flow
from tests.oracles import (
    dense_descent,
    dense_flow,
    dense_kernel_views,
    dense_mix,
    dense_product,
    dense_relaxation,
    dense_ridge,
    dense_views,
    differences,
    matrix_with,
    relative_error,
)

CASES = {
    "teacher": (filters.flow(0.7), dense_flow(0.7)),
    "student": (filters.flow(0.7) @ filters.flow(1.9), dense_product(dense_flow(0.7), dense_flow(1.9))),
    "early": (filters.flow(1e-2) @ filters.flow(2e-2), dense_product(dense_flow(1e-2), dense_flow(2e-2))),
    "third": (filters.flow(3.0) @ filters.flow(2.0) @ filters.flow(1.0),
              dense_product(dense_flow(3.0), dense_product(dense_flow(2.0), dense_flow(1.0)))),
    "ridge": (filters.ridge(0.3), dense_ridge(0.3)),
    "descent": (filters.descent(0.2, 7), dense_descent(0.2, 7)),
    "mix": (filters.flow(0.7) @ filters.mix(filters.flow(2.0), filters.ridge(0.1), 0.3),
            dense_product(dense_flow(0.7), dense_mix(dense_flow(2.0), dense_ridge(0.1), 0.3))),
    "relax": (filters.relax(filters.ridge(0.2), 0.8, filters.flow(0.5)),
              dense_relaxation(dense_ridge(0.2), 0.8, dense_flow(0.5))),
}
GAPS = 10.0 ** np.arange(-14, -2)


def matrices(n, p, gaps=GAPS):
    """Features (n, p) with every difficulty: equal, nearly equal and null eigenvalues, exactly and by rounding."""
    k, rng = min(n, p), np.random.default_rng(n * p)
    spectra = {"distinct": np.linspace(1.2, 0.3, k), "graded": np.geomspace(1.0, 1e-4, k),
               "rank deficient": np.append(np.linspace(1.0, 0.6, k - 2), [0.0, 0.0])}
    spectra |= {f"gap {gap:.0e}": 1 + gap * np.arange(k)[::-1] for gap in gaps}
    made = {name: matrix_with(values, n, p, rng) for name, values in spectra.items()}
    first = np.arange(p) < k // 2
    exact = np.eye(n, p)
    return made | {"identity": exact, "blocks": exact * np.where(first, 1.0, 0.5), "blocks and null": exact * first,
                   "zero": 0 * exact}


def directions(arrays, seed=1):
    """Changes of the first argument alone, of the others, and of all."""
    rng = np.random.default_rng(seed)
    some = tuple(rng.normal(size=np.shape(a)) for a in arrays)
    nothing = tuple(np.zeros_like(d) for d in some)
    return (some[0], *nothing[1:]), (nothing[0], *some[1:]), some


def feature_views(filter, X, y, start, new, method="auto"):
    fit = linear_flow(X, y, method, start=start).fit(filter)
    return fit.weights, fit.fitted, fit.predict(new)


def kernel_views(filter, K, y, start, new, new_start):
    fit = kernel_flow(K, y, start=start).fit(filter)
    return fit.fitted, fit.predict(new, start=new_start)


def features_problem(n, p):
    """y, a start and new inputs to go with features (n, p)."""
    rng = np.random.default_rng(0)
    return rng.normal(size=n), rng.normal(size=p), rng.normal(size=(3, p))


def kernel_problem(X):
    """Kernel matrices of X, and with them y, a start, and what that start is on three new inputs."""
    n, p = X.shape
    rng = np.random.default_rng(0)
    return X @ X.T, rng.normal(size=n), rng.normal(size=n), rng.normal(size=(3, p)) @ X.T, rng.normal(size=3)


def check(values, reference, name="", tolerance=1e-6):
    """Relative 1e-6 of every view; where the derivative is 0, that it is, as far as the differences can tell."""
    for value, expected in zip(values, reference, strict=True):
        error = np.linalg.norm(np.ravel(value) - np.ravel(expected))
        assert error <= max(tolerance * np.linalg.norm(expected), 1e-11), name


def jacobian(function, arrays):
    """Derivatives of every element of every view by every argument, in PyTorch's reverse mode."""
    leaves = [torch.tensor(a, requires_grad=True) for a in arrays]
    by_element = partial(torch.autograd.grad, inputs=leaves, retain_graph=True, materialize_grads=True)
    return [[[g.numpy() for g in by_element(value)] for value in view.reshape(-1)] for view in function(*leaves)]


def along(rows, direction):
    return [[sum(np.vdot(g, d) for g, d in zip(row, direction)) for row in view] for view in rows]


def test_the_reference_is_good_to_1e_9():
    rng = np.random.default_rng(0)
    for K in (np.eye(4), np.diag([1.0, 1.0, 0.5, 0.0]), np.zeros((4, 4))):
        E = rng.normal(size=(4, 4))
        E = E + E.T
        derivative = differences(dense_flow(0.7), (K,), (E,))[0]
        assert relative_error(derivative, -expm_frechet(-0.7 * K, -0.7 * E, compute_expm=False)) < 1e-9


@pytest.mark.parametrize("case, n, p", [*((case, 4, 6) for case in CASES), ("student", 6, 4), ("mix", 6, 4)])
def test_derivatives_in_jax(case, n, p):
    """The issue's claim for features: weights, fits and predictions, through X, y, start and new inputs."""
    filter, dense = CASES[case]
    derivative = jax.jit(lambda arrays, direction: jax.jvp(partial(feature_views, filter), arrays, direction)[1])
    for name, X in matrices(n, p).items():
        arrays = X, *features_problem(n, p)
        for direction in directions(arrays):
            check(derivative(arrays, direction), differences(partial(dense_views, dense), arrays, direction), name)


@pytest.mark.parametrize("case, n, p, method", [
    ("student", 4, 6, "svd"), ("student", 4, 6, "gram"), ("relax", 4, 6, "auto"), ("student", 6, 4, "svd"),
    ("relax", 6, 4, "gram"), ("ridge", 4, 4, "auto")])
def test_derivatives_in_pytorch(case, n, p, method):
    filter, dense = CASES[case]
    for name, X in matrices(n, p, GAPS[::5]).items():
        arrays = X, *features_problem(n, p)
        rows = jacobian(partial(feature_views, filter, method=method), arrays)
        for direction in directions(arrays):
            check(along(rows, direction), differences(partial(dense_views, dense), arrays, direction), name)


@pytest.mark.parametrize("case", CASES)
def test_derivatives_of_kernels_in_jax(case):
    """Through K (by asymmetric changes as well), y, start, K_new and the start's predictions there."""
    filter, dense = CASES[case]
    derivative = jax.jit(lambda arrays, direction: jax.jvp(partial(kernel_views, filter), arrays, direction)[1])
    for name, X in (*matrices(4, 6).items(), *matrices(4, 2).items()):
        arrays = kernel_problem(X)
        for direction in directions(arrays):
            reference = differences(partial(dense_kernel_views, dense), arrays, direction)
            check(derivative(arrays, direction), reference, name)


@pytest.mark.parametrize("case", ["student", "ridge", "relax"])
def test_derivatives_of_kernels_in_pytorch(case):
    filter, dense = CASES[case]
    for name, X in (*matrices(4, 6, GAPS[::5]).items(), *matrices(4, 2, GAPS[::5]).items()):
        arrays = kernel_problem(X)
        rows = jacobian(partial(kernel_views, filter), arrays)
        for direction in directions(arrays):
            reference = differences(partial(dense_kernel_views, dense), arrays, direction)
            check(along(rows, direction), reference, name)


PARAMETERS = {
    "time": (lambda a, b: filters.flow(a), lambda a, b: dense_flow(a)),
    "student and teacher": (lambda a, b: filters.flow(a) @ filters.flow(b),
                            lambda a, b: dense_product(dense_flow(a), dense_flow(b))),
    "strength": (lambda a, b: filters.ridge(a), lambda a, b: dense_ridge(a)),
    "learning rate": (lambda a, b: filters.descent(a / 2, 5), lambda a, b: dense_descent(a / 2, 5)),
    "weight": (lambda a, b: filters.mix(filters.ridge(b), filters.flow(0.2), a),
               lambda a, b: dense_mix(dense_ridge(b), dense_flow(0.2), a)),
    "relaxation": (lambda a, b: filters.relax(filters.flow(b), a, filters.flow(0.3)),
                   lambda a, b: dense_relaxation(dense_flow(b), a, dense_flow(0.3))),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_derivatives_through_the_parameters_of_filters(name):
    """Alone and together with X, at eigenvalues that differ, that repeat and that are 0."""
    make, dense = PARAMETERS[name]
    rng = np.random.default_rng(5)
    y, start, new = features_problem(4, 6)
    E = rng.normal(size=(4, 6))

    def views(a, b, X):
        return feature_views(make(a, b), X, y, start, new)

    def reference(a, b, X):
        return dense_views(dense(a, b), X, y, start, new)

    derivative = jax.jit(lambda values, direction: jax.jvp(views, values, direction)[1])
    for X in (np.eye(4, 6), np.eye(4, 6) * [1, 1, 0, 0, 0, 0], rng.normal(size=(4, 6)) / 3):
        values = np.asarray(0.6), np.asarray(1.1), X
        rows = jacobian(views, values)
        for direction in ((np.asarray(1.0), np.asarray(-0.4), 0 * E), (np.asarray(0.3), np.asarray(1.0), E)):
            expected = differences(reference, values, direction)
            check(derivative(values, direction), expected, "jax")
            check(along(rows, direction), expected, "torch")


@pytest.mark.parametrize("K", [np.eye(3), np.diag([1.0, 1 + 1e-9, 1.1])])
def test_saturated_gains_keep_their_derivatives(K):
    """At t lam = 30 what is left to learn is exp(-30), and so are derivatives; they are right relative to that."""
    rng = np.random.default_rng(2)
    E, y = rng.normal(size=(3, 3)), rng.normal(size=3)

    def fitted(K, t):
        return (kernel_flow(K, y).teacher(t).fitted,)

    def exactly(K, t):
        K, columns = mp.matrix(np.asarray(K).tolist()), mp.matrix(y.tolist())
        return np.array((columns - mp.expm(-t * (K + K.T) / 2) * columns).tolist()),

    rows = jacobian(fitted, (K, np.asarray(30.0)))
    for direction in ((E, np.asarray(0.0)), (0 * E, np.asarray(1.0))):
        with mp.workdps(60):
            values = np.vectorize(mp.mpf)(K), mp.mpf(30)
            (expected,) = differences(exactly, values, direction, mp.mpf(10) ** -12, 1)
        for found in (jax.jvp(fitted, (K, 30.0), (E * direction[0].any(), float(direction[1])))[1],
                      along(rows, direction)):
            assert relative_error(np.ravel(found[0]), np.ravel(expected.astype(float))) < 1e-6


def test_the_teacher_of_another_flow_passes_derivatives_on():
    """A student with its own features: through its teacher's features and times, its own features, and the labels."""
    rng = np.random.default_rng(3)
    arrays = np.eye(4, 3), np.eye(4, 5), rng.normal(size=4), np.array([0.5, 1.5])
    direction = directions(arrays)[2]

    def student(theirs, mine, y, t):
        teacher = linear_flow(theirs, y).teacher(t)
        return (linear_flow(mine, y).distil(teacher, filters.flow(0.8)).weights,)

    def dense(theirs, mine, y, t):
        targets = [dense_views(dense_flow(time), theirs, y, np.zeros(3), theirs)[1] for time in t]
        return (np.stack([dense_views(dense_flow(0.8), mine, row, np.zeros(5), mine)[0] for row in targets]),)

    expected = differences(dense, arrays, direction)
    check(jax.jvp(student, arrays, direction)[1], expected, "jax")
    check(along(jacobian(student, arrays), direction), expected, "torch")


def by_features(X, y, start, new, s, T):
    fit = linear_flow(X, y, start=start).student(s, T)
    return fit.weights, fit.fitted, fit.predict(new)


def by_kernel(X, y, start, new, s, T):
    fit = kernel_flow(X @ X.T, y, start=X @ start).student(s, T)
    return fit.fitted, fit.predict(new @ X.T, start=new @ start)


def by_distillation(X, y, start, new, s, T):
    """Targets with axes of their own: next to a family of filters, and with one filter for all."""
    fit = linear_flow(X, y, start=start).distil(linear_flow(X[:, :2], y).teacher(T), filters.flow(s))
    one = linear_flow(X.T @ X, start).distil(linear_flow(X.T, start).teacher(T), filters.flow(0.3))
    schedule = linear_flow(X, y).fit(filters.scheduled_descent(T * s / 50))
    return fit.weights, fit.fitted, fit.predict(new), one.weights, schedule.weights


@pytest.mark.parametrize("limit", [2**18, 40])
@pytest.mark.parametrize("function", [by_features, by_kernel, by_distillation])
def test_families_of_filters(function, limit, monkeypatch):
    """A family at once, and in parts as where it is large: forwards and backwards, in columns, by all arguments."""
    monkeypatch.setattr(_divided, "LIMIT", limit)
    rng = np.random.default_rng(4)
    arrays = (rng.normal(size=(5, 4)), rng.normal(size=(5, 2)), rng.normal(size=(4, 2)), rng.normal(size=(2, 4)),
              np.array([0.3, 2.0, 0.7]), np.array([[0.5], [1.5]]))
    direction = directions(arrays)[2]
    reference = differences(function, arrays, direction)
    derivative = jax.jit(lambda arrays, direction: jax.jvp(function, arrays, direction)[1])(arrays, direction)
    check(derivative, reference, "jax", 1e-8)
    cotangents = [rng.normal(size=v.shape) for v in reference]
    expected = sum(np.vdot(c, v) for c, v in zip(cotangents, reference))
    gradients = jax.jit(lambda *arrays: jax.vjp(function, *arrays)[1](tuple(map(jnp.asarray, cotangents))))(*arrays)
    assert sum(np.vdot(g, d) for g, d in zip(gradients, direction)) == pytest.approx(expected, rel=1e-9)
    leaves = [torch.tensor(a, requires_grad=True) for a in arrays]
    torch.autograd.backward(function(*leaves), [torch.tensor(c) for c in cotangents])
    assert sum(np.vdot(a.grad.numpy(), d) for a, d in zip(leaves, direction)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n, p, filter", [
    (4, 6, filters.flow(np.inf)), (6, 4, filters.identity), (4, 4, filters.descent(0.1, np.inf))])
def test_infinite_time_has_the_derivatives_of_the_pseudo_inverse(n, p, filter):
    """At full rank, and where there is less along changes that keep the rank (Golub and Pereyra, 1973)."""
    rng = np.random.default_rng(n)
    y, _, new = features_problem(n, p)

    def views(A, B):
        return feature_views(filter, A @ B, y, None, new)

    def reference(A, B):
        weights = np.linalg.pinv(A @ B, rcond=1e-8) @ y
        return weights, A @ B @ weights, new @ weights

    for arrays in ((np.eye(n), np.eye(n, p)), (np.eye(n, 2), rng.normal(size=(2, p)))):
        direction = directions(arrays)[2]
        expected = differences(reference, arrays, direction, 2.0**-9)
        check(jax.jvp(views, arrays, direction)[1], expected, "jax")
        check(along(jacobian(views, arrays), direction), expected, "torch")


@pytest.mark.parametrize("X", [np.eye(4, 6), np.eye(4, 6) * [1, 1, 0, 0, 0, 0], np.eye(6, 4), np.zeros((4, 6))])
def test_everything_is_finite_at_the_ends_of_time(X):
    """Through X, y, start and both times at 0 and inf, where eigenvalues repeat and are 0; both libraries agree."""
    y, start, _ = features_problem(*X.shape)

    def total(X, y, start, s, T):
        fit = linear_flow(X, y, start=start).student(s, T)
        predicted = kernel_flow(X @ X.T, y).student(s, T).predict(X @ X.T)
        return (fit.weights**2).sum() + (fit.fitted**3).sum() + (predicted**2).sum()

    gradient = jax.jit(jax.grad(total, argnums=range(5)))
    for s, T in ((0.0, 0.7), (0.7, 0.0), (0.0, 0.0), (np.inf, 0.7), (0.7, np.inf), (np.inf, np.inf)):
        leaves = [torch.tensor(a, requires_grad=True, dtype=torch.float64) for a in (X, y, start, s, T)]
        total(*leaves).backward()
        for ours, theirs in zip(gradient(X, y, start, s, T), leaves):
            assert np.isfinite(ours).all()
            np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-9, atol=1e-11)
