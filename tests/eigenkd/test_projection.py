from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eigenkd import linear_flow
from eigenkd.projection import (
    Eigenbasis,
    components,
    contributions,
    eigenbasis,
    exaggeration,
    gains,
    is_exaggerated,
    patch_eigenbasis,
    sign_test,
    token_eigenbasis,
)

LIBRARIES = [pytest.param(np.asarray, id="numpy"), pytest.param(torch.asarray, id="torch"),
             pytest.param(jnp.asarray, id="jax")]


def tolerance(array):
    return 2e-5 if array.dtype in (np.float32, torch.float32) else 1e-12


def path(*points):
    return np.array(points, dtype=float)


def share(teacher, student):
    return exaggeration(teacher, student, [(0, 1)])[0]


# --- eigenbases ---

@pytest.mark.parametrize("array", LIBRARIES)
@pytest.mark.parametrize("shape", [(12, 5), (5, 12)])
def test_eigenbasis_solves_the_uncentred_eigenproblem(array, shape):
    data = np.random.default_rng(0).normal(size=shape) + 3
    given_data = array(data)
    basis = eigenbasis(given_data)
    assert type(basis.values) is type(basis.vectors) is type(given_data)
    values, vectors = np.asarray(basis.values), np.asarray(basis.vectors)
    assert values.shape == (5,) and vectors.shape == (shape[1], 5)
    expected = np.linalg.eigvalsh(data.T @ data)[::-1][:5]
    np.testing.assert_allclose(values, expected, rtol=20 * tolerance(given_data))
    size = tolerance(given_data) * expected[0]
    np.testing.assert_allclose(data.T @ data @ vectors, vectors * values, atol=size)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(5), atol=tolerance(given_data))


@pytest.mark.parametrize("array", LIBRARIES)
def test_null_eigenvalues_are_exactly_zero_with_an_orthonormal_basis(array):
    data = np.random.default_rng(1).normal(size=(9, 2)) @ np.random.default_rng(2).normal(size=(2, 6))
    basis = eigenbasis(array(data))
    values, vectors = np.asarray(basis.values), np.asarray(basis.vectors)
    assert np.all(values[:2] > 0) and np.all(values[2:] == 0)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(6), atol=1e-5)


def test_a_small_eigenvalue_keeps_its_digits():
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    values = eigenbasis(np.diag([1.0, 1e-6, 1e-9]) @ rotation).values
    np.testing.assert_allclose(values, [1, 1e-12, 1e-18], rtol=1e-6)


def test_zero_data_has_no_eigendirection_of_positive_value():
    assert np.all(eigenbasis(np.zeros((3, 2))).values == 0)


@pytest.mark.parametrize(("data", "error", "message"), [
    ([1.0, 2.0], ValueError, r"data: expected 2 dimension"),
    ([[1.0, np.nan]], ValueError, r"data: expected finite numbers"),
    ("digits", TypeError, r"data: expected numbers, got 'digits'"),
    ([[1j]], TypeError, r"data: expected real numbers"),
])
def test_eigenbasis_refuses(data, error, message):
    with pytest.raises(error, match=message):
        eigenbasis(data)


@pytest.mark.parametrize("array", LIBRARIES)
def test_patches_of_one_image_filling_kernel_are_the_image_channel_first(array):
    image = np.random.default_rng(3).normal(size=(1, 2, 3, 4))
    basis = patch_eigenbasis(array(image), (3, 4), patches=50)
    assert type(basis.values) is type(array(image))
    values, first = np.asarray(basis.values), np.asarray(basis.vectors)[:, 0]
    flat = image.reshape(-1)
    np.testing.assert_allclose(values[0], 50 * flat @ flat, rtol=1e-5)
    assert np.all(values[1:] == 0)
    np.testing.assert_allclose(first * np.sign(first @ flat), flat / np.linalg.norm(flat), atol=1e-5)


def test_many_patches_approach_the_average_over_all_windows():
    images = np.random.default_rng(4).normal(size=(3, 2, 5, 6)) + np.arange(6)
    windows = [images[i, :, r : r + 2, c : c + 3].reshape(-1) for i in range(3) for r in range(4) for c in range(4)]
    exact = sum(np.outer(window, window) for window in windows) / len(windows)
    basis = patch_eigenbasis(images, (2, 3), patches=20_000)
    drawn = basis.vectors * basis.values @ basis.vectors.T / 20_000
    np.testing.assert_allclose(drawn, exact, atol=0.03 * np.linalg.norm(exact, 2))


def test_patches_follow_their_seed():
    images = np.random.default_rng(5).normal(size=(4, 1, 6, 6))
    first, again, other = (patch_eigenbasis(images, 3, patches=20, seed=seed).values for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.allclose(first, other)


@pytest.mark.parametrize(("images", "kernel", "patches", "message"), [
    (np.ones((2, 3, 3)), 2, 5, r"images: expected 4 dimension"),
    (np.ones((2, 1, 3, 3)), 4, 5, r"kernel_size: expected between 1 and the image's size \(3, 3\), got \(4, 4\)"),
    (np.ones((2, 1, 3, 3)), 0, 5, r"kernel_size: expected between 1"),
    (np.ones((2, 1, 3, 3)), 1.5, 5, r"kernel_size: expected a whole number or \(height, width\), got 1.5"),
    (np.ones((2, 1, 3, 3)), (1, 1, 1), 5, r"kernel_size: expected a whole number or \(height, width\)"),
    (np.ones((2, 1, 3, 3)), 2, 0, r"patches: expected at least 1, got 0"),
])
def test_patch_eigenbasis_refuses(images, kernel, patches, message):
    with pytest.raises(ValueError, match=message):
        patch_eigenbasis(images, kernel, patches=patches)


# --- components ---

@pytest.mark.parametrize("array", LIBRARIES)
@pytest.mark.parametrize("shape", [(12,), (3, 12), (3, 2, 3, 2)])
def test_components_are_the_norms_of_W_v(array, shape):
    rng = np.random.default_rng(6)
    weight, data = rng.normal(size=shape), rng.normal(size=(7, 12))
    basis = eigenbasis(array(data))
    found = components(array(weight), basis)
    assert type(found) is type(basis.values) and tuple(found.shape) == (7,)
    vectors = np.asarray(basis.vectors)
    rows = weight.reshape(1, 12) if weight.ndim == 1 else [row.reshape(-1) for row in weight]
    expected = [sum((row @ vectors[:, k]) ** 2 for row in rows) ** 0.5 for k in range(7)]
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-4 if found.dtype == jnp.float32 else 1e-12)


def test_components_by_hand():
    basis = Eigenbasis(values=np.array([2.0, 1.0]), vectors=np.array([[0.0, 1.0], [1.0, 0.0]]))
    np.testing.assert_array_equal(components([[3, 1], [4, 0]], basis), [1, 5])


def test_a_torch_weight_meets_a_numpy_basis_and_keeps_its_gradient():
    basis = eigenbasis(np.eye(2))
    weight = torch.tensor([[3.0, 0.0], [4.0, 1.0]], requires_grad=True)
    found = components(weight, basis)
    assert found.dtype == torch.float32
    found[0].backward()
    np.testing.assert_allclose(weight.grad[:, 0], [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize(("weight", "message"), [
    (np.ones((2, 4)), r"weight: expected a fan-in of 3, the basis's features, got 4 from shape \(2, 4\)"),
    (np.ones(2), r"weight: expected a fan-in of 3"),
    (np.float64(2), r"weight: expected at least one dimension"),
    ([[np.nan, 0, 0]], r"weight: expected finite numbers"),
])
def test_components_refuse(weight, message):
    with pytest.raises(ValueError, match=message):
        components(weight, eigenbasis(np.eye(3)))


# --- exaggeration ---

DIAGONAL = path((0, 0), (1, 1))


@pytest.mark.parametrize(("teacher", "student", "expected"), [
    pytest.param(DIAGONAL, path((0, 0), (1, 0.5)), 1, id="below all the way"),
    pytest.param(path((0, 0), (1, 0.5)), DIAGONAL, 0, id="above all the way"),
    pytest.param(DIAGONAL, path((0, 0), (0.25, 0.5), (1, 0.75)), 0.375, id="crosses between records, at 0.625"),
    pytest.param(DIAGONAL, path((0, 0), (0.5, 0.25), (0.5, 9)), 1, id="a student that stops half way"),
    pytest.param(path((0, 0), (0.5, 0.5)), path((0, 0), (0.25, 0), (2, 7)), 2 / 3, id="a teacher that stops half way"),
    pytest.param(path((0, 0), (2, 2)), path((0, 0), (1, 0.5), (0.5, 1.5), (1.5, 1.5)), 2 / 3, id="falls back, jumps"),
    pytest.param(path((0, 0), (-1, 1)), path((0, 0), (-1, 0.5)), 1, id="progress downwards"),
    pytest.param(path((0, 0), (0.2, 5), (-1, 1)), path((0, 0), (-1, 0.5)), 1, id="the larger excursion is downwards"),
    pytest.param(DIAGONAL, DIAGONAL, 0, id="ties are not below"),
    pytest.param(DIAGONAL, path((0, 0), (0.5, 0.5), (1, 0.75)), 0.5, id="a tie over half of the way"),
    pytest.param(DIAGONAL, path((0.5, 0), (1.5, 9)), 1 / 8, id="a student that starts further on"),
    pytest.param(DIAGONAL, path((0, 0), (0, 0.5), (1, 0.5)), 0.5, id="first up, then along"),
    pytest.param(DIAGONAL, path((0, 0), (-1, 1)), np.nan, id="a student that moves the other way"),
    pytest.param(path((1, 0), (1, 1)), path((1, 0), (2, 1)), np.nan, id="a teacher that never moves"),
    pytest.param(path((0, 0)), DIAGONAL, np.nan, id="one record"),
])
def test_share_by_hand(teacher, student, expected):
    np.testing.assert_allclose(share(teacher, student), expected, rtol=1e-14)


def test_exactly_half_does_not_count_as_exaggerated():
    np.testing.assert_array_equal(is_exaggerated([0.5, 0.51, np.nan, 0]), [False, True, False, False])


def walk(rng, records, drift=0.3):
    return np.vstack([np.zeros((1, 2)), np.cumsum(rng.normal(size=(records, 2)) + drift, axis=0)])


def bottom_at_first_passage(points, level):
    """The slow reference: go along the path until the level is reached, in the direction away from the start."""
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 <= level <= x1:
            return y0 + (level - x0) / (x1 - x0) * (y1 - y0) if x1 > x0 else y0
    raise AssertionError("the level is never reached")


@pytest.mark.parametrize("seed", range(12))
def test_share_agrees_with_a_dense_grid(seed):
    rng = np.random.default_rng(seed)
    teacher, student = walk(rng, 25), walk(rng, 40)
    sign = 1 if teacher[:, 0].max() >= -teacher[:, 0].min() else -1
    mirrored = [points * [sign, 1] for points in (teacher, student)]
    reach = min(points[:, 0].max() for points in mirrored)
    if reach <= 0:
        assert np.isnan(share(teacher, student))
        return
    grid = (np.arange(3000) + 0.5) / 3000 * reach
    below = [bottom_at_first_passage(mirrored[1], u) < bottom_at_first_passage(mirrored[0], u) for u in grid]
    assert abs(share(teacher, student) - np.mean(below)) < 0.005


seeds = st.integers(0, 10**6)


@settings(deadline=None, max_examples=60)
@given(seeds, st.floats(0.1, 10), st.floats(-5, 5))
def test_share_does_not_change_with_scale_shift_or_refinement(seed, scale, shift):
    rng = np.random.default_rng(seed)
    teacher, student = walk(rng, 12), walk(rng, 15)
    expected = share(teacher, student)

    def refined(points):
        middles = (points[:-1] + points[1:]) / 2
        return np.concatenate([np.stack([points[:-1], middles], axis=1).reshape(-1, 2), points[-1:]])

    for changed in (lambda p: p * scale, lambda p: p + shift, refined):
        np.testing.assert_allclose(share(changed(teacher), changed(student)), expected, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(seeds)
def test_the_two_orders_share_out_the_whole_way_and_a_path_does_not_lag_behind_itself(seed):
    rng = np.random.default_rng(seed)
    teacher, student = walk(rng, 12, drift=2), walk(rng, 15, drift=2)
    np.testing.assert_allclose(share(teacher, student) + share(student, teacher), 1, rtol=1e-12)
    refined = np.array([teacher[0], *[a + w * (b - a) for a, b in pairwise(teacher) for w in (0.3, 0.7, 1)]])
    assert share(teacher, teacher) == 0 and share(teacher, refined) == 0


@pytest.mark.parametrize("array", LIBRARIES)
def test_each_pair_is_read_from_its_own_columns(array):
    teacher = array(np.array([[0.0, 0, 5], [1, 1, 6]]))
    student = array(np.array([[0.0, 0, 5], [0.5, 0.25, 5.5], [1, 0.5, 8]]))
    found = exaggeration(teacher, student, [(0, 1), (0, 2), (1, 0)])
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, [1, 0, 0], atol=1e-6)


def test_a_path_that_carries_a_gradient_is_read():
    teacher = torch.tensor(DIAGONAL, requires_grad=True)
    assert exaggeration(teacher, path((0, 0), (1, 0.5)), np.array([[0, 1]])) == [1]


@pytest.mark.parametrize(("teacher", "student", "pairs", "message"), [
    (np.ones(3), DIAGONAL, [(0, 1)], r"teacher_path: expected 2 dimension"),
    (DIAGONAL, [[0, np.inf]], [(0, 1)], r"student_path: expected finite numbers"),
    (DIAGONAL, np.ones((4, 3)), [(0, 1)], r"student_path: expected 2 components like teacher_path, got shape \(4, 3\)"),
    (DIAGONAL, DIAGONAL, [], r"pairs: expected one row \(top, bottom\) or more, got none"),
    (DIAGONAL, DIAGONAL, (0, 1), r"pairs: expected whole numbers of shape \(m, 2\), .* got shape \(2,\)"),
    (DIAGONAL, DIAGONAL, [(0.0, 1.0)], r"pairs: expected whole numbers .* dtype float64"),
    (DIAGONAL, DIAGONAL, [(0, 2)], r"pairs: expected indices from 0 to 1, got 0 to 2"),
    (DIAGONAL, DIAGONAL, [(-1, 0)], r"pairs: expected indices from 0 to 1, got -1 to 0"),
])
def test_exaggeration_refuses(teacher, student, pairs, message):
    with pytest.raises(ValueError, match=message):
        exaggeration(teacher, student, pairs)


# --- gains of predictions ---

@pytest.mark.parametrize("array", LIBRARIES)
@pytest.mark.parametrize("columns", [(), (3,)])
def test_gains_of_an_exact_student_are_its_filters(array, columns):
    rng = np.random.default_rng(0)
    X, y, start = rng.normal(size=(6, 4)), rng.normal(size=(6, *columns)), rng.normal(size=(4, *columns))
    flow = linear_flow(X, y, start=start)
    student = flow.student([0.1, 1.0, 10.0], 0.3)
    found, size = gains(array(student.fitted), array(y), array(flow.spectrum.sample_basis), array(X @ start))
    np.testing.assert_allclose(found, student.gain, rtol=1e-9)
    rest = flow.spectrum.sample_basis.T @ (y - X @ start)
    np.testing.assert_allclose(size, np.linalg.norm(rest.reshape(4, -1), axis=1), rtol=1e-12)


def test_where_there_is_nothing_to_learn_there_is_no_gain():
    found, size = gains(np.ones(2), np.array([1.0, 0.0]), np.eye(2))
    np.testing.assert_array_equal(found, [1.0, np.nan])
    np.testing.assert_array_equal(size, [1.0, 0.0])


@pytest.mark.parametrize("outputs, targets, basis, start, words", [
    (np.ones((2, 5)), np.ones(4), np.eye(4), None, r"outputs: expected shape \(..., 4\) like .*, got \(2, 5\)"),
    (np.ones(4), np.ones(4), np.eye(3), None, r"basis: expected 4 rows, one a training input, got shape \(3, 3\)"),
    (np.ones(4), np.ones(4), np.eye(4), np.ones(3), r"targets: expected .* and a start like it, got \(4,\) and \(3,\)"),
])
def test_gains_name_what_does_not_fit(outputs, targets, basis, start, words):
    with pytest.raises(ValueError, match=words):
        gains(outputs, targets, basis, start)


@pytest.mark.parametrize("array", LIBRARIES)
def test_contributions_of_a_linear_model_are_what_its_weights_give_along_each_direction(array):
    rng = np.random.default_rng(0)
    X, W, start, labels = rng.normal(size=(7, 12)), rng.normal(size=(12, 3)), rng.normal(size=(7, 3)), np.arange(7) % 3
    U, _, Vt = np.linalg.svd(X, full_matrices=False)
    expected = np.empty((7, 7))
    for i in range(7):
        for k in range(7):
            logits = (X[i] @ Vt[k]) * (Vt[k] @ W)
            expected[i, k] = logits[labels[i]] - np.delete(logits, labels[i]).mean()
    found = contributions(array(start + X @ W), labels, array(U), array(start))
    assert type(found) is type(array(X))
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-4 if array is jnp.asarray else 1e-10, atol=1e-5)
    f = X @ W
    margins = f[np.arange(7), labels] - (f.sum(axis=1) - f[np.arange(7), labels]) / 2
    np.testing.assert_allclose(np.asarray(found).sum(axis=1), margins, rtol=1e-4)


@pytest.mark.parametrize("outputs, labels, basis, start, words", [
    (np.ones((4, 1)), [0] * 4, np.eye(4), None, r"outputs: expected shape \(n, m\), m >= 2 classes, .* got \(4, 1\)"),
    (np.ones((4, 2)), [0] * 4, np.eye(4), np.ones((4, 3)), r"and a start like it, got \(4, 2\) and \(4, 3\)"),
    (np.ones((4, 2)), [0] * 4, np.eye(3), None, r"basis: expected 4 rows, one a training input, got shape \(3, 3\)"),
    (np.ones((4, 2)), [0, 1, 2, 0], np.eye(4), None, r"labels: expected 4 whole numbers from 0 to 1, got shape"),
    (np.ones((4, 2)), [0.0] * 4, np.eye(4), None, r"labels: expected .*, got shape \(4,\) of float64"),
])
def test_contributions_name_what_does_not_fit(outputs, labels, basis, start, words):
    with pytest.raises(ValueError, match=words):
        contributions(outputs, np.array(labels), basis, start)


# --- patches of groups, tokens ---

def test_patches_of_groups_and_of_dilated_kernels_are_those_that_the_convolution_takes():
    images = np.random.default_rng(0).normal(size=(3, 4, 6, 7))
    every = [images[i, g:g + 2, r:r + 3:2, c:c + 5:2].ravel()
             for i in range(3) for g in (0, 2) for r in range(4) for c in range(3)]
    exact = sum(np.outer(patch, patch) for patch in every) / len(every)
    basis = patch_eigenbasis(images, (2, 3), patches=40_000, groups=2, dilation=2)
    drawn = basis.vectors * basis.values @ basis.vectors.T / 40_000
    np.testing.assert_allclose(drawn, exact, atol=0.03 * np.linalg.norm(exact, 2))


@pytest.mark.parametrize("arguments, message", [
    ({"groups": 3}, r"groups: expected a divisor of the 4 channels, got 3"),
    ({"groups": 0}, r"groups: expected a divisor"),
    ({"dilation": 3}, r"kernel_size: .* got \(3, 3\) spread over \(7, 7\)"),
    ({"patches": 1.5}, r"patches: expected a whole number, got 1.5"),
    ({"groups": "a"}, r"groups: expected a whole number, got 'a'"),
    ({"dilation": 0.5}, r"dilation: expected a whole number or \(height, width\), got 0.5"),
])
def test_groups_and_dilation_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        patch_eigenbasis(np.ones((2, 4, 5, 5)), 3, **arguments)


@pytest.mark.parametrize("array", LIBRARIES)
def test_tokens_in_the_order_of_how_often_they_occur(array):
    tokens, table = np.array([[4, 1, 1], [4, 4, 2]]), np.random.default_rng(0).normal(size=(6, 3))
    basis = token_eigenbasis(array(tokens), 6)
    np.testing.assert_array_equal(basis.values, [3, 2, 1])
    one_hot = np.eye(6)[tokens.ravel()]
    np.testing.assert_array_equal(one_hot.T @ one_hot @ basis.vectors, basis.vectors * basis.values)
    np.testing.assert_allclose(components(table.T, basis), np.linalg.norm(table[[4, 1, 2]], axis=1))
    assert token_eigenbasis(array(tokens), 6, directions=5).vectors.shape == (6, 5)
    assert token_eigenbasis(array(tokens), 6, directions=1).values.tolist() == [3]


@pytest.mark.parametrize("tokens, directions, message", [
    ([0, 6], None, r"tokens: expected whole numbers from 0 to 5, got 0 to 6 of int64"),
    ([-1, 2], None, r"tokens: .* got -1 to 2"),
    ([0.5], None, r"tokens: .* got 0.5 to 0.5 of float64"),
    ([], None, r"tokens: .* got none"),
    ([1], 7, r"directions: expected from 1 to the vocabulary's 6, got 7"),
    ([1], 1.5, r"directions: expected a whole number, got 1.5"),
])
def test_token_eigenbasis_refuses(tokens, directions, message):
    with pytest.raises(ValueError, match=message):
        token_eigenbasis(np.array(tokens), 6, directions)


# --- over pairs and seeds ---

def test_over_pairs_of_one_seed():
    found = sign_test([0.9, 0.8, 0.7, np.nan, 0.5, 0.2])
    shares = [0.9, 0.8, 0.7, 0.5, 0.2]
    assert (found.exaggerated, found.pairs, found.seeds, found.exaggerated_seeds) == (3, 5, 1, 1)
    low, high = scipy.stats.t.interval(0.95, 4, np.mean(shares), scipy.stats.sem(shares))
    assert (found.share, found.low, found.high) == pytest.approx((np.mean(shares), low, high))
    assert found.p_pairs == pytest.approx(scipy.stats.binomtest(3, 4).pvalue)  # the tie counts for neither side
    assert found.p_seeds == 1


def test_over_seeds_the_interval_is_that_of_their_means():
    shares = np.random.default_rng(0).uniform(0.3, 1, size=(5, 15))
    shares[2, 4:9] = np.nan
    found = sign_test(shares)
    means = np.nanmean(shares, axis=1)
    low, high = scipy.stats.t.interval(0.95, 4, means.mean(), scipy.stats.sem(means))
    assert (found.share, found.low, found.high) == pytest.approx((means.mean(), low, high))
    assert (found.pairs, found.seeds, found.exaggerated_seeds) == (70, 5, (means > 0.5).sum())
    assert found.p_pairs == pytest.approx(scipy.stats.binomtest(int(np.nansum(shares > 0.5)), 70).pvalue)
    assert sign_test(np.ones((5, 3))).p_seeds == 2 / 32 and sign_test(np.ones((5, 3))).high == 1


def test_an_interval_over_seeds_covers_the_mean_it_speaks_of():
    """Pairs of one seed go together: what covers is the spread of seeds, not of pairs."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(400):
        shares = np.clip(0.6 + 0.1 * rng.normal(size=(5, 1)) + 0.02 * rng.normal(size=(5, 15)), 0, 1)
        found = sign_test(shares)
        hits += found.low <= 0.6 <= found.high
    assert 0.92 <= hits / 400 <= 0.98


def test_without_a_pair_that_has_a_share_nothing_is_said():
    found = sign_test([np.nan, np.nan])
    assert np.isnan(found.share) and (found.pairs, found.p_pairs, found.seeds) == (0, 1.0, 0)


def test_sign_test_refuses_what_is_no_rectangle():
    with pytest.raises(ValueError, match=r"shares: expected numbers, as many of each seed, .* fill up with NaN"):
        sign_test([[0.5, 0.6], [0.7]])


@pytest.mark.parametrize("shares", [[], 0.5, [1.5], np.ones((2, 2, 2))])
def test_sign_test_refuses(shares):
    with pytest.raises(ValueError, match=r"shares: expected values from 0 to 1 of shape \(pairs,\) or \(seeds,"):
        sign_test(shares)
