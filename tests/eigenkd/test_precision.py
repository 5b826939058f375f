"""What is kept of a spectrum: single precision, kernels that rounding makes indefinite, cuts at t = inf, warnings."""

import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from eigenkd import cross_entropy, filters, kernel_flow, linear_flow, risk
from eigenkd._factorisation import from_kernel
from tests.oracles import matrix_with

SINGLE = np.finfo(np.float32).eps
WIDTHS = {"numpy": np.asarray, "jax": jnp.asarray, "torch": torch.as_tensor}


def collinear(n, spread, dtype):
    rng = np.random.default_rng(0)
    a = rng.normal(size=n)
    X = np.c_[a, a + spread * rng.normal(size=n)].astype(dtype)
    return X, X @ np.array([1, -1], dtype)


def radial(n=300, dtype=np.float32):
    """A kernel whose eigenvalues fall far below what single precision resolves, and noisy targets."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(n, 2)).astype(dtype)
    square = (Z * Z).sum(1)
    K = np.exp(-(square[:, None] + square - 2 * Z @ Z.T) / 2)
    return (K + K.T) / 2, (np.sin(Z[:, 0]) + 0.3 * rng.normal(size=n)).astype(dtype)


def exact_fitted(K, y, gain):
    """By NumPy's eigh in double precision, with what is below 0 taken for 0."""
    lam, U = np.linalg.eigh(K.astype(float))
    return U @ (gain(np.maximum(lam, 0)) * (U.T @ y.astype(float)))


@pytest.mark.parametrize("make", WIDTHS.values(), ids=WIDTHS)
def test_many_samples_do_not_hide_a_direction(make):
    """The issue's own example: lstsq in single precision is right, a threshold of n eps is 0.03 there."""
    X, y = collinear(500_000, 0.05, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for flow in (linear_flow(make(X), make(y)), linear_flow(make(X), make(y), "gram")):
            assert flow.spectrum.rank == 2
            weights = np.asarray(flow.teacher(np.inf).weights)
            assert weights.dtype == np.float32
            np.testing.assert_allclose(weights, [1, -1], atol=1e-6)
            np.testing.assert_allclose(np.asarray(flow.retarget(-2 * make(y)).teacher(np.inf).weights), [-2, 2],
                                       atol=1e-4)


def test_nor_under_jit_in_single_precision():
    X, y = collinear(200_000, 0.05, np.float32)
    np.testing.assert_allclose(jax.jit(lambda X: linear_flow(X, y).teacher(jnp.inf).weights)(X), [1, -1], atol=1e-3)


def test_nor_in_double_precision():
    """The same fault at 1e-11, where n eps is 1e-10."""
    X, y = collinear(500_000, 1e-11, np.float64)
    flow = linear_flow(X, y)
    assert flow.spectrum.rank == 2
    np.testing.assert_allclose(flow.teacher(np.inf).weights, np.linalg.lstsq(X, y, rcond=0)[0], atol=1e-3)


@pytest.mark.parametrize("ratio", [1e-2, 1e-4, 1e-5])
def test_single_precision_is_right_to_its_own_digits(ratio):
    """Weights of ill-conditioned features, against the same numbers in double precision."""
    X = matrix_with(np.geomspace(1, ratio, 8), 40, 8, np.random.default_rng(1)).astype(np.float32)
    y = (X @ np.random.default_rng(2).normal(size=8).astype(np.float32))
    flow, exact = linear_flow(X, y), linear_flow(X.astype(float), y.astype(float))
    assert flow.spectrum.rank == 8
    for t in (1.0, 1e4, np.inf):
        expected = exact.teacher(t).weights
        error = np.linalg.norm(flow.teacher(t).weights - expected) / np.linalg.norm(expected)
        assert error < 4 * SINGLE


@pytest.mark.parametrize("make", WIDTHS.values(), ids=WIDTHS)
def test_finite_times_need_no_cut(make):
    """A cut at n eps of the largest eigenvalue left 0.8 of the predictions here; rounding leaves 1e-6."""
    K, y = radial()
    flow = kernel_flow(make(K), make(y))
    assert flow.spectrum.rank < 80 < flow.spectrum.learnable  # most of it is below what is resolved
    for t in (10.0, 1e3):
        exact = exact_fitted(K, y, lambda lam, t=t: -np.expm1(-t * lam))
        np.testing.assert_allclose(np.asarray(flow.teacher(t).fitted), exact, atol=1e-5)
        student = exact_fitted(K, y, lambda lam, t=t: np.expm1(-t * lam) * np.expm1(-3.0 * lam))
        np.testing.assert_allclose(np.asarray(flow.student(t, 3.0).fitted), student, atol=1e-5)
        # From new inputs K_new h(K) y, h up to t, has the rounding of K_new and of the basis in single precision.
        rounding = t * float(flow.spectrum.eigenvalues[0]) * SINGLE
        np.testing.assert_allclose(np.asarray(flow.teacher(t).predict(make(K))), exact, atol=1e-5 + rounding)
    ridge = exact_fitted(K, y, lambda lam: lam / (lam + 1e-2))
    np.testing.assert_allclose(np.asarray(flow.fit(filters.ridge(1e-2)).fitted), ridge, atol=1e-5)


def test_jit_in_single_precision_is_as_right_as_an_eigh_without_a_cut():
    K, y = radial()
    lam, U = (np.asarray(a) for a in jnp.linalg.eigh(jnp.asarray(K)))
    exact = exact_fitted(K, y, lambda lam: -np.expm1(-10 * lam))
    plain = np.abs(U @ (-np.expm1(-10 * np.maximum(lam, 0)) * (U.T @ y)) - exact).max()
    found = jax.jit(lambda K: kernel_flow(K, y).teacher(10.0).fitted)(K)
    assert found.dtype == np.float32
    assert np.abs(found - exact).max() < 5 * plain + 1e-5
    many = jax.vmap(lambda t: kernel_flow(jnp.asarray(K), y).teacher(t).fitted)(jnp.asarray([10.0], np.float32))
    assert np.abs(many[0] - exact).max() < 5 * plain + 1e-5


@pytest.mark.parametrize("traced", [False, True])
def test_without_end_what_is_resolved_is_learned_and_nothing_else(traced):
    K, y = radial()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limits = [filters.flow(np.inf), filters.ridge(0.0), filters.identity, filters.flow(np.inf) @ filters.identity]
        for limit in limits:
            def trained(K, limit=limit):
                flow = kernel_flow(K, y)
                return flow.fit(limit).gain, flow.spectrum.rank, flow.spectrum.learnable

            gain, rank, learnable = (jax.jit(trained) if traced else trained)(K)
            np.testing.assert_array_equal(gain, np.arange(300) < rank)
            assert 20 < rank < 80 < learnable
        mixed = kernel_flow(K, y).fit(filters.mix(filters.identity, filters.flow(2.0), 0.25))
    kept, lam = mixed.flow.spectrum.rank, mixed.flow.spectrum.eigenvalues
    np.testing.assert_allclose(mixed.gain[kept:], -0.75 * np.expm1(-2 * lam[kept:]), atol=1e-7)
    np.testing.assert_allclose(mixed.gain + mixed.residual, np.ones(300), rtol=1e-6)


def test_derivatives_in_directions_that_are_not_resolved():
    """At finite times those of the filter, in both libraries; at t = inf finite, and along changes that keep the rank
    those of the projection."""
    K, y = radial(40, np.float64)
    K = K + 0.005 * np.eye(40)  # so that steps leave every eigenvalue positive
    E = np.random.default_rng(3).normal(size=K.shape)
    E = E + E.T

    def total(K, t):
        return (kernel_flow(K, y, rank_tolerance=1e-3).teacher(t).fitted ** 2).sum()

    step = 1e-6
    difference = (total(K + step * E, 5.0) - total(K - step * E, 5.0)) / (2 * step)
    assert kernel_flow(K, y, rank_tolerance=1e-3).spectrum.rank < 25
    assert float((jax.grad(total)(K, 5.0) * E).sum()) == pytest.approx(difference, rel=1e-6)
    data = torch.tensor(K, requires_grad=True)
    total(data, 5.0).backward()
    assert float((data.grad.numpy() * E).sum()) == pytest.approx(difference, rel=1e-6)
    assert np.all(np.isfinite(jax.grad(total)(K, np.inf)))
    along = K @ E @ K  # within the range, by which what is not resolved hardly moves
    difference = (total(K + step * along, np.inf) - total(K - step * along, np.inf)) / (2 * step)
    assert float((jax.grad(total)(K, np.inf) * along).sum()) == pytest.approx(difference, rel=1e-3, abs=1e-4)


def test_a_kernel_computed_in_single_precision_and_converted():
    """Jitter of the size that makes it definite changes predictions by 1e-4 and more; a tolerance does not."""
    K, y = (a.astype(float) for a in radial())
    with pytest.raises(ValueError, match=r"single precision, pass rank_tolerance=.*, which takes it for 0"):
        kernel_flow(K, y)
    flow = kernel_flow(K, y, rank_tolerance=1e-6)
    exact = exact_fitted(K, y, lambda lam: -np.expm1(-100 * lam))
    np.testing.assert_allclose(flow.teacher(100.0).fitted, exact, atol=1e-11)
    jittered = kernel_flow(K + 1e-5 * np.eye(300), y).teacher(100.0).fitted
    assert np.abs(jittered - exact).max() > 1e-4
    lam, U = np.linalg.eigh(K)
    kept = U[:, lam > 1e-6 * lam[-1]]
    np.testing.assert_allclose(flow.teacher(np.inf).fitted, kept @ (kept.T @ y), atol=1e-8)
    labels = (y > 0).astype(int)
    logits = cross_entropy.kernel_flow(K, labels, rank_tolerance=1e-6).teacher(0.1).fitted
    np.testing.assert_allclose(logits, cross_entropy.kernel_flow(K + 1e-5 * np.eye(300), labels).teacher(0.1).fitted,
                               atol=1e-4)


def test_the_cross_entropy_has_finite_times_alone_and_keeps_every_direction():
    flow = cross_entropy.kernel_flow(radial()[0].astype(float), np.arange(300) % 2, rank_tolerance=0.1)
    assert flow.spectrum.rank == flow.spectrum.learnable
    assert np.all(flow.teacher(0.1).model.gain[: flow.spectrum.rank] == 1)


def test_the_most_negative_eigenvalue_tells_what_is_rounding():
    rng = np.random.default_rng(0)
    U = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    lam = np.array([1.0, 1e-3, 3e-6, 1e-6, -0.5e-6, -1e-6])
    assert from_kernel((K := (U * lam) @ U.T) / 2 + K.T / 2, single=True).rank == 3
    assert kernel_flow((K + K.T) / 2, np.ones(6), rank_tolerance=1e-5).spectrum.rank == 2


@pytest.mark.parametrize("tolerance, rank", [(1e-2, 2), (1e-4, 3), (0.0, 4), (None, 4)])
def test_the_tolerance_is_a_share_of_singular_values_or_of_a_kernels_eigenvalues(tolerance, rank):
    values = np.array([1.0, 0.1, 1e-3, 1e-5])
    X, y = np.diag(values), np.ones(4)
    for flow in (linear_flow(X, y, rank_tolerance=tolerance), linear_flow(X, y, "gram", rank_tolerance=tolerance),
                 kernel_flow(X, y, rank_tolerance=tolerance)):
        assert flow.spectrum.rank == rank and flow.spectrum.learnable == 4
        np.testing.assert_array_equal(flow.teacher(np.inf).fitted.round(9), np.arange(4) < rank)
        lam = flow.spectrum.eigenvalues
        np.testing.assert_allclose(flow.teacher(3.0).fitted, -np.expm1(-3 * lam), atol=1e-15)


def test_repr_says_how_many_directions_are_kept():
    flow = linear_flow(np.diag([1.0, 0.1, 1e-3, 0.0]), np.ones(4), rank_tolerance=1e-2)
    assert repr(flow) == ("LinearFlow(4 samples, 1 output(s), 4 directions of rank 2, 1 more at finite times only, "
                          "by 'svd')")
    assert "4 directions of rank 2, 1 more" in repr(flow.spectrum)
    shown = []
    jax.jit(lambda X: shown.append(repr(linear_flow(X, np.ones(4)))))(np.eye(4))
    assert "4 directions of rank (traced), by 'svd'" in shown[0]


def warned(function):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [w for w in caught if issubclass(w.category, RuntimeWarning)]


def test_a_cut_that_leaves_out_a_visible_part_of_y_is_said():
    K, y = radial()
    flow = kernel_flow(K, y)
    for unending in (lambda: flow.teacher(np.inf), lambda: flow.student([1.0, np.inf], np.inf),
                     lambda: flow.fit(filters.ridge(0.0)), lambda: flow.fit(filters.identity)):
        [warning] = warned(unending)
        assert "leaves out the" in str(warning.message) and "of the norm of y lies there" in str(warning.message)
        assert warning.filename == __file__
    for function in (lambda: flow.teacher(1e4), lambda: flow.student(3.0, np.inf), lambda: risk.tune(flow, "teacher"),
                     lambda: kernel_flow(K, y, rank_tolerance=1e-6).teacher(np.inf),  # what the user asked for
                     lambda: flow.retarget(K @ np.ones(300, np.float32)).teacher(np.inf)):  # nothing of it is lost
        assert not warned(function)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matrices_of_low_rank_give_no_warning(dtype):
    """There the spectrum ends, and is not cut."""
    rng = np.random.default_rng(0)
    B, y = rng.normal(size=(40, 5)).astype(dtype), rng.normal(size=40).astype(dtype)
    X = B @ rng.normal(size=(5, 9)).astype(dtype)
    for flow in (linear_flow(X, y), kernel_flow(B @ B.T, y), linear_flow(X.T, y[:9])):
        assert not warned(lambda flow=flow: flow.teacher(np.inf))
        assert flow.spectrum.rank == 5


@pytest.mark.parametrize("n, p, r", [(3, 2, 1), (12, 8, 5), (8, 14, 5), (120, 120, 30), (3000, 4, 2), (2, 3000, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_of_the_entries_is_not_taken_for_a_direction(n, p, r, dtype):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n, r)).astype(dtype) @ rng.normal(size=(r, p)).astype(dtype)
        for method in ("svd", "auto"):
            assert linear_flow(X, np.ones(n), method).spectrum.rank == r
        assert int(jax.jit(lambda X: linear_flow(X, np.ones(n)).spectrum.rank)(X)) == r


def test_tuning_looks_at_directions_that_are_resolved():
    K, y = radial(60)
    flow = kernel_flow(K, y)
    found = risk.tune(flow, "teacher", noise=0.09, criterion="sure")
    assert 0 < found.parameters["time"] < 1e6
    assert risk.degrees_of_freedom(found.fit) == pytest.approx(found.fit.gain.sum())


def test_the_best_share_of_labels_is_the_risks_minimum_where_directions_are_not_resolved():
    K, y = radial(60)
    flow = kernel_flow(K.astype(float), y.astype(float), rank_tolerance=1e-3)
    weight = risk.best_mixing_weight(flow, 2.0, 3.0, y, 0.5, clip=False)

    def total(w):
        mixed = filters.flow(2.0) @ filters.mix(filters.identity, filters.flow(3.0), w)
        return float(risk.fixed_design(flow.fit(mixed), y, 0.5).total)

    if 0.01 < weight < 0.99:
        assert total(weight) < min(total(weight - 0.01), total(weight + 0.01))
    else:
        assert total(np.clip(weight, 0, 1)) <= min(total(w) for w in np.linspace(0, 1, 21))


@pytest.mark.parametrize("value", [-1e-3, 1.0, "1e-3", np.nan, True])
def test_tolerances_out_of_range_are_refused(value):
    for make in (linear_flow, kernel_flow, cross_entropy.kernel_flow):
        with pytest.raises(ValueError, match="rank_tolerance: expected a number from 0 up to 1"):
            make(np.eye(3), np.array([0, 1, 1]), rank_tolerance=value)


def test_the_default_precision_of_jax():
    """Without jax_enable_x64, outside of jit and inside, results stay in single precision and are right."""
    code = """
import jax, jax.numpy as jnp, numpy as np
from eigenkd import linear_flow
rng = np.random.default_rng(0)
a = rng.normal(size=50_000)
X = jnp.asarray(np.c_[a, a + 0.05 * rng.normal(size=a.size)])
y = X @ jnp.asarray([1.0, -1.0])
def trained(X):
    return linear_flow(X, y).teacher(jnp.inf).weights
many = jax.vmap(lambda y: linear_flow(X, y).teacher(jnp.inf).weights)(y[None])
for weights in (trained(X), jax.jit(trained)(X), many[0]):
    assert weights.dtype == jnp.float32, weights.dtype
    np.testing.assert_allclose(weights, [1, -1], atol=1e-3)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_direction_just_below_the_resolution_that_carries_y_is_not_cut_in_silence():
    """Its singular value is 4 eps of single precision, where rounding alone leaves one or two."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=20_000).astype("f4")
    X = np.c_[a, a + (1e-6 * rng.normal(size=a.size)).astype("f4")]
    y = X.astype(float) @ [1, -1]
    with pytest.warns(RuntimeWarning, match=r"leaves out the 1 of 2 directions"):
        linear_flow(X, (y / y.std()).astype("f4")).teacher(np.inf)
