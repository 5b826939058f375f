"""Eigenbases: rank, residuals, the choice of method, and singular values that are right relative to themselves."""

import mpmath as mp
import numpy as np
import pytest

from eigenkd import kernel_flow, linear_flow
from eigenkd._factorisation import from_features
from eigenkd._svd import CUT, FLOOR, accurate_matmul, accurate_remainder, graded_svd, thin_svd
from tests.oracles import matrix_with

EPS = np.finfo(float).eps


@pytest.mark.parametrize("n, p", [(8, 13), (13, 8), (9, 9)])
@pytest.mark.parametrize("method", ["svd", "gram", "auto"])
def test_residuals_are_rounding(n, p, method):
    X = np.random.default_rng(0).normal(size=(n, p))
    spectrum = linear_flow(X, np.ones(n), method).spectrum
    assert np.all(np.diff(spectrum.eigenvalues) <= 0)
    assert spectrum.rank == min(n, p)
    residual = spectrum.residual(X)
    assert max(residual) < 1e-13
    assert spectrum.residual(X + 1e-3).reconstruction > 1e-5
    kernel = kernel_flow(X @ X.T, np.ones(n)).spectrum
    assert kernel.feature_basis is None
    assert kernel.residual(X @ X.T).reconstruction < 1e-13
    assert kernel.residual(X @ X.T).feature_orthogonality is None
    np.testing.assert_allclose(kernel.eigenvalues[: min(n, p)], spectrum.eigenvalues, rtol=1e-11)


@pytest.mark.parametrize("condition, method", [(5e2, "gram"), (1e6, "svd"), (1e12, "svd")])
def test_auto_takes_the_gram_matrix_where_it_is_accurate(condition, method):
    rng = np.random.default_rng(1)
    X = matrix_with(np.geomspace(1, condition**-0.5, 10), 10, 16, rng)
    assert linear_flow(X, np.ones(10)).spectrum.method == method
    assert linear_flow(X.astype(np.float32), np.ones(10)).spectrum.method == method  # in double precision too


def exact_singular_values(X):
    with mp.workdps(60):
        M = mp.matrix(X.tolist())
        exact = mp.eigsy(M * M.T if X.shape[0] <= X.shape[1] else M.T * M, eigvals_only=True)
        return np.array([float(mp.sqrt(e)) for e in exact])[::-1]


@pytest.mark.parametrize("n, p", [(12, 20), (20, 12), (15, 15)])
@pytest.mark.parametrize("ratio", [1e-3, 1e-6, 1e-9])
def test_small_singular_values_are_right_relative_to_themselves(n, p, ratio):
    """Down to 1e-9 of the largest, where LAPACK's have seven digits left; both bases stay orthonormal."""
    k = min(n, p)
    X = matrix_with(np.geomspace(1, ratio, k), n, p, np.random.default_rng(2))
    exact = exact_singular_values(X)
    U, s, V = graded_svd(X, 1e-13)
    np.testing.assert_allclose(s, exact, rtol=2e-13)
    np.testing.assert_allclose((U * s) @ V.T, X, atol=1e-14)
    np.testing.assert_allclose(U.T @ U, np.eye(k), atol=1e-13)
    np.testing.assert_allclose(V.T @ V, np.eye(k), atol=1e-13)
    if ratio < 1e-8:
        assert np.max(np.abs(thin_svd(X)[1] / exact - 1)) > 1e-10


@pytest.mark.parametrize("values", [
    [1] * 8 + [1.1 * EPS**FLOOR] * 6 + [0.04 * EPS**FLOOR] * 6,  # a level of plain products, and what they'd spoil
    [1, 0.9 * EPS**FLOOR, 0.9 * EPS ** (2 * FLOOR)],
    [1, EPS ** (CUT / 2), EPS ** (CUT / 2), EPS ** (CUT / 2), EPS**CUT, EPS**CUT],  # clusters on a cut
    [1, 1, 1e-9],
])
@pytest.mark.parametrize("seed", range(5))
def test_singular_values_on_the_edges_of_levels_are_as_right_and_descend(values, seed):
    k = len(values)
    X = matrix_with(values, k, k + 3, np.random.default_rng(seed))
    U, s, V = graded_svd(X, 1e-13)
    np.testing.assert_allclose(s, exact_singular_values(X), rtol=2e-13)
    assert np.all(np.diff(s) <= 0)
    np.testing.assert_allclose(V.T @ V, np.eye(k), atol=1e-13)
    np.testing.assert_allclose((U * s) @ V.T, X, atol=1e-14)


@pytest.mark.parametrize("values", [[1.0, 0.5, 1e-5], []])
def test_null_directions_have_orthonormal_vectors_on_both_sides(values):
    X = matrix_with([*values, *np.zeros(5 - len(values))], 5, 9, np.random.default_rng(4))
    for U, s, V in (graded_svd(X, 1e-13), graded_svd(X.T, 1e-13)[::-1]):
        np.testing.assert_allclose(s, [*values, *np.zeros(5 - len(values))], rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(U.T @ U, np.eye(5), atol=1e-12)
        np.testing.assert_allclose(V.T @ V, np.eye(5), atol=1e-12)


@pytest.mark.parametrize("n, p, larger", [(5, 9, "feature_basis"), (9, 5, "sample_basis")])
def test_the_larger_basis_of_a_gram_matrix_is_made_when_asked_for(n, p, larger):
    X = np.random.default_rng(0).normal(size=(n, p))
    spectrum = from_features(X, "gram")
    assert larger not in vars(spectrum)
    assert getattr(spectrum, larger) is getattr(spectrum, larger)
    np.testing.assert_allclose((spectrum.sample_basis * spectrum.singular_values) @ spectrum.feature_basis.T, X,
                               atol=1e-13)


def test_a_spectrum_is_shown_in_a_line():
    assert repr(from_features(np.diag([2.0, 1.0, 0.0]))) == "Spectrum(3 directions of rank 2, by 'svd')"


@pytest.mark.parametrize("n, p", [(5, 9), (9, 5)])
def test_what_a_gram_spectrum_gives_does_not_depend_on_whether_its_larger_basis_is_there(n, p):
    rng = np.random.default_rng(0)
    X, components, columns = rng.normal(size=(n, p)), rng.normal(size=(2, 5, 3)), rng.normal(size=(n, 3))
    bare, formed = from_features(X, "gram"), from_features(X, "gram")
    assert formed.sample_basis.shape == (n, 5) and formed.feature_basis.shape == (p, 5)
    for of in (lambda s: s.weights(components), lambda s: s.outputs(components),
               lambda s: s.sample_coordinates(columns), lambda s: s.project(X)):
        np.testing.assert_allclose(of(bare), of(formed), rtol=1e-11, atol=1e-12)
    assert not {"sample_basis", "feature_basis"} <= set(vars(bare)) and not bare._formed


def test_null_directions_stay_null_and_orthogonal():
    rng = np.random.default_rng(4)
    X = matrix_with([1.0, 0.5, 1e-5, 1e-6], 9, 7, rng)
    spectrum = linear_flow(X, np.ones(9)).spectrum
    assert spectrum.rank == 4
    np.testing.assert_array_equal(spectrum.eigenvalues[4:], np.zeros(3))
    np.testing.assert_allclose(spectrum.feature_basis.T @ spectrum.feature_basis, np.eye(7), atol=1e-9)
    np.testing.assert_allclose(spectrum.singular_values[:4], [1.0, 0.5, 1e-5, 1e-6], rtol=1e-9)


def test_the_rank_threshold_is_the_documented_one():
    for factor, rank in ((1.1, 3), (0.9, 2)):
        X = np.diag([1.0, 0.5, factor * (8 + 0.5 * 6**0.5) * EPS])
        for flow in (linear_flow(X, np.ones(3), "svd"), kernel_flow(X, np.ones(3))):
            assert flow.spectrum.rank == flow.spectrum.learnable == rank


def test_accurate_products_have_ten_more_digits():
    rng = np.random.default_rng(5)
    A, B = rng.normal(size=(6, 500)), rng.normal(size=(500, 2))
    with mp.workdps(50):
        exact = mp.matrix(A.tolist()) * mp.matrix(B.tolist())

        def error(y, remainder):
            return max(abs(mp.mpf(float(remainder[i, j])) - (mp.mpf(float(y[i, j])) - exact[i, j]))
                       for i in range(6) for j in range(2))

        near = accurate_matmul(A, B)
        assert error(near, near - A @ B) > 1e-15  # what a plain product leaves
        assert error(near, accurate_remainder(near, A, B)) < 1e-19
