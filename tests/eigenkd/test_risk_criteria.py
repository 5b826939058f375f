"""Loss, degrees of freedom, SURE and GCV against dense matrices, Monte Carlo and mpmath; of leave-one-out what is
ridge regression's. Leave-one-out of flows: test_risk_left_out.py."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenkd import filters, kernel_flow, linear_flow, risk
from tests.oracles import left_out_errors, smoother

SHAPES = [(8, 14), (14, 8), (10, 10)]
FILTERS = {
    "teacher": filters.flow(0.3),
    "student": filters.flow(0.4) @ filters.flow(0.2),
    "ridge": filters.ridge(2.0),
    "mixture": filters.flow(0.5) @ filters.mix(filters.identity, filters.flow(0.1), 0.3),
    "momentum": filters.heavy_ball(0.02, 7, momentum=0.9),  # gains above 1, residuals of both signs
    "finished with decay": filters.flow(np.inf, weight_decay=0.7),  # ridge regression by another way
}


def problem(n=8, p=14, m=None, seed=0, rank=None):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) if rank is None else rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p))
    return X, rng.normal(size=n if m is None else (n, m)), rng


def dense(X, filter):
    return smoother(X, lambda lam: np.asarray(filter.gain(lam)))


CASES = [(n, p, rank, m) for n, p in SHAPES for rank in (None, 5) for m in (None, 3)]


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("n, p, rank, m", CASES)
def test_criteria_are_those_of_the_dense_smoother(n, p, rank, m, name):
    X, y, rng = problem(n, p, m, rank=rank)
    S, start = dense(X, FILTERS[name]), rng.normal(size=(p,) if m is None else (p, m))
    for flow, f0 in ((linear_flow(X, y), 0 * y), (linear_flow(X, y, "svd"), 0 * y),
                     (kernel_flow(X @ X.T, y), 0 * y), (linear_flow(X, y, start=start), X @ start),
                     (kernel_flow(X @ X.T, y, start=X @ start), X @ start)):
        fit = flow.fit(FILTERS[name])
        e, df = (y - f0) - S @ (y - f0), np.trace(S)
        loss = np.sum(e**2) / n
        assert risk.training_loss(fit) == pytest.approx(loss, rel=1e-9)
        assert risk.training_loss(fit) == pytest.approx(np.sum((y - fit.fitted) ** 2) / n, rel=1e-9)
        assert risk.degrees_of_freedom(fit) == pytest.approx(df, rel=1e-10)
        assert risk.sure(fit, 0.7) == pytest.approx(loss + 2 * 0.7 * df / n - 0.7, rel=1e-9)
        found, left = risk.leave_one_out(fit), 1 - np.diag(S)
        assert found.residuals.shape == y.shape
        assert bool(found.exact) == (name != "momentum")
        assert found.value == pytest.approx(np.sum(found.residuals**2) / n, rel=1e-12)
        if name in ("teacher", "student", "mixture"):
            continue
        assert risk.gcv(fit) == pytest.approx(loss / (1 - df / n) ** 2, rel=1e-8)
        reference = e / (left if m is None else left[:, None])
        np.testing.assert_allclose(found.residuals, reference, rtol=1e-7, atol=1e-9)


def test_values_take_the_shape_of_the_parameters():
    X, y, _ = problem(m=3)
    flow = linear_flow(X, y)
    s, T = np.array([0.1, 0.2, np.inf]), np.array([[0.3], [np.inf]])
    fit = flow.student(s, T)
    for function in (risk.training_loss, risk.degrees_of_freedom, risk.gcv, lambda fit: risk.sure(fit, 0.1),
                     lambda fit: risk.leave_one_out(fit).value):
        values = function(fit)
        assert values.shape == (2, 3)
        assert values[0, 1] == pytest.approx(function(flow.student(0.2, 0.3)), rel=1e-12)
    assert risk.leave_one_out(fit).residuals.shape == (2, 3, 8, 3)
    several = risk.sure(fit, np.array([0.1, 0.2, 0.3]))
    assert several[1, 2] == pytest.approx(risk.sure(flow.teacher(np.inf), 0.3), abs=1e-12)


def test_exact_is_said_of_the_filter():
    X, y, _ = problem()
    flow = linear_flow(X, y)
    student = flow.student([0.0, 0.1, np.inf], np.array([[0.3], [np.inf]]))
    np.testing.assert_array_equal(risk.leave_one_out(student).exact, np.ones((2, 3), dtype=bool))
    for filter in (filters.ridge([0.0, 1e-3, 1e3, np.inf]), filters.ridge(2.0) @ filters.identity,
                   filters.mix(filters.ridge(1.0), filters.ridge(2.0), 0.5), filters.ridge(2.0) @ filters.ridge(2.0)):
        assert risk.leave_one_out(flow.fit(filter)).exact.all()
    for other in (filters.descent(1e-2, 30), filters.heavy_ball(1e-2, 30, 0.5), filters.online(0.3, 2.0),
                  filters.flow(1.0) @ filters.descent(1e-2, 30)):
        assert not risk.leave_one_out(flow.fit(other)).exact
    assert risk.leave_one_out(flow.fit(filters.descent(1e-2, [0, 3]))).exact.tolist() == [True, False]


@given(st.floats(-3, 4), st.floats(-3, 4), st.integers(0, 2**32 - 1))
def test_the_loss_surface_keeps_its_digits(log_s, log_T, seed):
    """Against 60 digits, on a basis without rounding: down to losses far below rounding of y."""
    rng = np.random.default_rng(seed)
    sigma, y = 10.0 ** rng.uniform(-2, 0, size=6), rng.normal(size=6)
    fit = linear_flow(np.diag(np.sort(sigma)[::-1]), y, "svd").student(10**log_s, 10**log_T)
    lam, c = fit.flow.spectrum.eigenvalues, fit.flow.spectrum.sample_basis.T @ y
    with mp.workdps(60):
        gains = [(1 - mp.exp(-mp.mpf(v) * 10**log_s)) * (1 - mp.exp(-mp.mpf(v) * 10**log_T)) for v in lam.tolist()]
        loss = mp.fsum(((1 - g) * mp.mpf(v)) ** 2 for g, v in zip(gains, c.tolist())) / 6
        rounding = 1e-14 * (10 + max(lam) * 10 ** min(log_s, log_T))  # exp(-x) of a rounded x = t lam is right to eps x
        assert abs(mp.mpf(float(risk.training_loss(fit))) / loss - 1) < rounding


def test_what_training_can_not_reach_stays_in_the_loss():
    X, y, _ = problem(14, 8)
    floor = np.sum((y - X @ np.linalg.lstsq(X, y)[0]) ** 2) / 14
    flow = linear_flow(X, y)
    assert risk.training_loss(flow.teacher(np.inf)) == pytest.approx(floor, rel=1e-12)
    assert risk.training_loss(flow.teacher(0)) == pytest.approx(np.mean(y**2), rel=1e-12)
    assert risk.training_loss(linear_flow(X.T, y[:8]).teacher(np.inf)) == 0


def test_sure_is_unbiased_for_the_risk():
    """1,500 draws of a noise that is not normal, with unequal variances of two outputs: within 4 standard errors."""
    X, _, rng = problem(10, 6)
    signal, scale, start = rng.normal(size=(10, 2)), np.array([0.5, 1.5]), rng.normal(size=(6, 2))
    flow, noise = linear_flow(X, signal, start=start), float(np.sum(scale**2))
    estimates = np.array([float(risk.sure(flow.retarget(signal + scale * (rng.exponential(size=(10, 2)) - 1))
                                          .student(0.2, 0.3), noise)) for _ in range(1500)])
    truth = risk.fixed_design(flow.student(0.2, 0.3), signal, noise).total
    error = estimates.std(ddof=1) / len(estimates) ** 0.5
    assert error < 0.05 * truth
    assert abs(estimates.mean() - truth) < 4 * error


def ridge_model(strength):
    def model(X, y):
        alpha = np.linalg.solve(X @ X.T + strength * np.eye(len(y)), y)
        return lambda new: new @ X.T @ alpha
    return model


def least_squares(X, y):
    b = np.linalg.pinv(X, rcond=1e-10) @ y
    return lambda new: new @ b


@pytest.mark.parametrize("n, p, rank, m", CASES)
def test_leave_one_out_of_ridge_is_what_refitting_gives(n, p, rank, m):
    X, y, rng = problem(n, p, m, rank=rank)
    for strength in (0.05, 3.0):
        reference = left_out_errors(ridge_model(strength), X, y)
        for flow in (linear_flow(X, y), kernel_flow(X @ X.T, y)):
            found = risk.leave_one_out(flow.fit(filters.ridge(strength)))
            np.testing.assert_allclose(found.residuals, reference, rtol=1e-7, atol=1e-9)
            assert found.exact
    start = rng.normal(size=(p,) if m is None else (p, m))
    reference = left_out_errors(ridge_model(0.5), X, y - X @ start)
    found = risk.leave_one_out(linear_flow(X, y, start=start).fit(filters.ridge(0.5)))
    np.testing.assert_allclose(found.residuals, reference, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("n, p, rank, m", CASES)
def test_leave_one_out_of_the_limits_is_what_refitting_gives(n, p, rank, m):
    X, y, _ = problem(n, p, m, rank=rank)
    flow, reference = linear_flow(X, y), left_out_errors(least_squares, X, y)
    for filter in (filters.identity, filters.flow(np.inf), filters.ridge(0.0)):
        found = risk.leave_one_out(flow.fit(filter))
        np.testing.assert_allclose(found.residuals, reference, rtol=1e-6, atol=1e-8)
        assert found.exact
    np.testing.assert_allclose(risk.leave_one_out(flow.teacher(0)).residuals, y, rtol=1e-12)


def test_a_sample_that_alone_spans_a_direction_is_left_out_all_the_same():
    """n > p and a leverage of 1: the formula is 0/0 there, and refitting predicts 0."""
    X, y, _ = problem(9, 4)
    X[:, 3] = 0
    X[2] = [0, 0, 0, 1.7]
    for filter, model in ((filters.identity, least_squares), (filters.ridge(0.3), ridge_model(0.3))):
        found = risk.leave_one_out(linear_flow(X, y, "svd").fit(filter)).residuals
        np.testing.assert_allclose(found, left_out_errors(model, X, y), rtol=1e-8, atol=1e-10)
        assert found[2] == pytest.approx(y[2], rel=1e-10)


def test_of_other_filters_leave_one_out_is_an_approximation():
    """Not what refitting gives, and closer to it than the training error by a factor of five."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(60, 30)) * np.geomspace(1, 0.1, 30)
    y = X @ rng.normal(size=30) + rng.normal(size=60)
    fit = linear_flow(X, y).fit(filters.descent(1e-3, 50))
    refitted = np.mean(left_out_errors(lambda X, y: linear_flow(X, y).fit(filters.descent(1e-3, 50)).predict, X, y)**2)
    found = risk.leave_one_out(fit)
    assert not found.exact
    assert abs(found.value / refitted - 1) > 1e-6
    assert abs(found.value - refitted) < 0.2 * abs(risk.training_loss(fit) - refitted)


def test_gcv_of_the_interpolant_is_that_of_ridge_without_penalty():
    X, y, _ = problem()
    flow = linear_flow(X, y)
    inverse = np.linalg.inv(X @ X.T)
    expected = len(y) * np.sum((inverse @ y) ** 2) / np.trace(inverse) ** 2
    for fit in (flow.teacher(np.inf), flow.fit(filters.ridge(0.0)), flow.fit(filters.ridge(1e-9))):
        assert risk.gcv(fit) == pytest.approx(expected, rel=1e-6)


def test_every_library_gets_its_own_arrays(library):
    X, y, _ = problem(m=3)
    s, T = np.array([0.1, 0.4, np.inf]), np.array([[0.3], [np.inf]])

    def values(fit):
        left_out = risk.leave_one_out(fit)
        return risk.sure(fit, 0.2), risk.gcv(fit), left_out.residuals, left_out.value, left_out.exact

    reference = values(linear_flow(X, y).student(s, T))
    for fit in (linear_flow(library.asarray(X), library.asarray(y)).student(s, T),
                linear_flow(X, y).student(library.asarray(s), library.asarray(T))):
        for value, expected in zip(values(fit), reference):
            assert isinstance(value, library.array_type)
            np.testing.assert_allclose(np.asarray(value), expected, rtol=1e-7, atol=1e-12)
    single = linear_flow(library.asarray(X.astype(np.float32)), y.astype(np.float32)).student(s, T)
    for value, expected in zip(values(single)[:4], reference):
        assert np.asarray(value).dtype == np.float32
        np.testing.assert_allclose(np.asarray(value), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("n, p", SHAPES)
def test_derivatives_by_time_are_those_of_differences(n, p):
    import jax
    import torch

    X, y, _ = problem(n, p)
    flow = linear_flow(X, y)
    for function in (risk.training_loss, risk.gcv, lambda fit: risk.leave_one_out(fit).value,
                     lambda fit: risk.sure(fit, 0.2)):
        expected = (function(flow.student(0.1 + 1e-6, 0.3)) - function(flow.student(0.1 - 1e-6, 0.3))) / 2e-6
        by_jax = jax.jit(jax.grad(lambda t, function=function: function(flow.student(t, 0.3))))(0.1)
        assert float(by_jax) == pytest.approx(expected, rel=1e-6)
        t = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
        function(flow.student(t, 0.3)).backward()
        assert float(t.grad) == pytest.approx(expected, rel=1e-6)


def test_criteria_run_under_jit_with_the_factorisation_inside():
    import jax

    X, y, _ = problem(14, 8)
    for function in (risk.training_loss, risk.gcv, lambda fit: risk.leave_one_out(fit).value):
        inside = jax.jit(lambda X, function=function: function(linear_flow(X, y).student(0.1, 0.3)))(X)
        np.testing.assert_allclose(inside, function(linear_flow(X, y).student(0.1, 0.3)), rtol=1e-9)


def distilled():
    flow = linear_flow(np.eye(3), np.ones(3))
    return flow.distil(flow.teacher([0.1, 0.2]), filters.flow(0.3))


@pytest.mark.parametrize("call, kind, words", [
    (lambda: risk.gcv(0.3), TypeError, "fit: expected a Fit, got float; pass what flow.teacher"),
    (lambda: risk.training_loss(linear_flow(np.eye(3), np.ones(3))), TypeError, "fit: expected a Fit, got LinearFlow"),
    (lambda: risk.leave_one_out(None), TypeError, "fit: expected a Fit, got NoneType"),
    (lambda: risk.degrees_of_freedom(distilled()), ValueError, r"fit: expected targets \(n, m\) that are labels, got "
                                                               r"shape \(2, 3, 1\); .*retarget"),
    (lambda: risk.sure(linear_flow(np.eye(3), np.ones(3)).teacher(1), -1), ValueError, "noise: expected numbers >= 0"),
    (lambda: risk.sure(linear_flow(np.eye(3), np.ones(3)).teacher(1), "loud"), TypeError, "noise: expected numbers"),
])
def test_errors_say_what_was_expected_and_what_came(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
