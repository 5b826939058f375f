"""Risk under label noise, flipped classes and the best mixing weight, against Monte Carlo and brute force."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from eigenkd import filters, kernel_flow, linear_flow, risk
from tests.oracles import smoother

SHAPES = [(9, 14), (14, 9), (10, 10)]


def problem(n=9, p=14, m=None, seed=0, rank=None):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) if rank is None else rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p))
    return X, rng.normal(size=n if m is None else (n, m)), rng


@pytest.mark.parametrize("rank", [None, 4])
@pytest.mark.parametrize("m", [None, 3])
@pytest.mark.parametrize("n, p", SHAPES)
def test_both_parts_are_those_of_the_dense_smoother(n, p, m, rank):
    X, signal, rng = problem(n, p, m, rank=rank)
    other, start = rng.normal(size=signal.shape), rng.normal(size=(p, *signal.shape[1:]))
    filter = filters.flow(0.3) @ filters.flow(0.2)
    S = smoother(X, lambda lam: np.asarray(filter.gain(lam)))
    for flow, f0 in ((linear_flow(X, other), 0 * other), (kernel_flow(X @ X.T, other), 0 * other),
                     (linear_flow(X, other, start=start), X @ start)):
        for mean in (None, rng.normal(size=signal.shape)):
            found = risk.fixed_design(flow.fit(filter), signal, 0.7, mean)
            expected = f0 + S @ ((signal if mean is None else mean) - f0)
            assert found.bias == pytest.approx(np.sum((expected - signal) ** 2) / n, rel=1e-9)
            assert found.variance == pytest.approx(0.7 * np.trace(S @ S) / n, rel=1e-9)
            assert found.total == found.bias + found.variance


@pytest.mark.parametrize("n, p", SHAPES)
def test_the_risk_is_the_mean_over_noise(n, p):
    """50,000 draws of a skewed noise with two variances among the outputs and a start: within 4 standard errors."""
    X, signal, rng = problem(n, p, 2)
    start, scale = rng.normal(size=(p, 2)), np.array([0.4, 1.2])
    draws = 50_000
    noise = scale[:, None] * (rng.exponential(size=(n, 2, draws)) - 1)
    flow = linear_flow(X, signal, start=start)
    fit = flow.student(0.2, 0.3)
    reaction = linear_flow(X, noise.reshape(n, -1)).student(0.2, 0.3).fitted.reshape(noise.shape)
    losses = np.sum((fit.fitted[..., None] + reaction - signal[..., None]) ** 2, axis=(0, 1)) / n
    error = losses.std(ddof=1) / draws**0.5
    found = risk.fixed_design(linear_flow(X, 0 * signal, start=start).student(0.2, 0.3), signal, np.sum(scale**2))
    assert error < 0.01 * found.total
    assert abs(losses.mean() - found.total) < 4 * error
    assert found.bias == pytest.approx(np.sum((fit.fitted - signal) ** 2) / n, rel=1e-9)


def test_shapes_broadcast_and_the_limits_are_the_mean_and_the_noise():
    X, signal, _ = problem(9, 14, 3)
    flow = linear_flow(X, 0 * signal)
    found = risk.fixed_design(flow.student([0.1, 0.2, 0.3], np.array([[0.1], [np.inf]])), signal, 0.5)
    assert found.bias.shape == found.variance.shape == found.total.shape == (2, 3)
    assert risk.fixed_design(flow.teacher([0.1, 0.2]), signal, np.array([[0.1], [0.2], [0.3]])).bias.shape == (3, 2)
    at_zero, at_end = (risk.fixed_design(flow.teacher(t), signal, 0.5) for t in (0, np.inf))
    assert (at_zero.bias, at_zero.variance) == (pytest.approx(np.sum(signal**2) / 9), 0)
    assert (at_end.bias, at_end.variance) == (0, pytest.approx(0.5))


def test_no_filter_has_less_risk_than_the_best_gain_of_every_direction():
    """g = b^2/(b^2 + noise): the least of (1 - g)^2 b^2 + noise g^2, direction by direction."""
    X, signal, _ = problem(9, 14, 3)
    flow = linear_flow(X, 0 * signal)
    power = np.sum((flow.spectrum.sample_basis.T @ signal) ** 2, axis=1)
    least = np.sum(0.5 * power / (power + 0.5)) / 9
    s, T = np.geomspace(1e-3, 10, 40), np.geomspace(1e-3, 10, 40)[:, None]
    totals = risk.fixed_design(flow.student(s, T), signal, 0.5).total
    assert least < totals.min() < 2 * least


def flips(labels, rate, classes, rng, draws):
    """(draws, n) labels, each with probability `rate` another class, all of them as likely."""
    other = (labels + rng.integers(1, classes, size=(draws, len(labels)))) % classes
    return np.where(rng.random((draws, len(labels))) < rate, other, labels)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.75, 1.0])
@pytest.mark.parametrize("classes", [2, 4, 10])
def test_mean_and_noise_of_flips_are_those_of_all_outcomes(classes, rate):
    """By enumeration: the label stays with 1 - rate, and is each other class with rate/(classes - 1)."""
    probability = np.full((classes, classes), rate / (classes - 1))
    np.fill_diagonal(probability, 1 - rate)
    outcomes = np.eye(classes)
    mean = probability @ outcomes
    variance = [p @ np.sum((outcomes - m) ** 2, axis=1) for p, m in zip(probability, mean)]
    np.testing.assert_allclose(risk.flip_mean(outcomes, rate), mean, atol=1e-15)
    np.testing.assert_allclose(variance, risk.flip_noise(rate, classes), atol=1e-15)
    assert risk.flip_noise(rate, classes) == pytest.approx(1 - (1 - rate) ** 2 - rate**2 / (classes - 1), abs=1e-15)


def test_flip_noise_of_small_rates_keeps_its_digits():
    assert risk.flip_noise(1e-20, 3) == pytest.approx(2e-20, rel=1e-15)
    np.testing.assert_array_equal(risk.flip_noise([0.1, 0.2], 5), [risk.flip_noise(0.1, 5), risk.flip_noise(0.2, 5)])


def test_the_risk_under_flips_is_the_mean_over_flips():
    """Towards the clean labels and towards the mean of the flipped ones, over 20,000 draws of the labels."""
    X, _, rng = problem(12, 5)
    labels, classes, rate, draws = rng.integers(4, size=12), 4, 0.3, 20_000
    clean = np.eye(classes)[labels]
    fit = linear_flow(X, clean).teacher(0.1)
    S = smoother(X, lambda lam: np.asarray(fit.filter.gain(lam)))
    fitted = np.einsum("ij,djc->dic", S, np.eye(classes)[flips(labels, rate, classes, rng, draws)])
    mean, noise = risk.flip_mean(clean, rate), risk.flip_noise(rate, classes)
    for signal in (clean, mean):
        losses = np.sum((fitted - signal) ** 2, axis=(1, 2)) / 12
        error = losses.std(ddof=1) / draws**0.5
        found = risk.fixed_design(fit, signal, noise, mean=mean).total
        assert error < 0.01 * found
        assert abs(losses.mean() - found) < 4 * error
    assert risk.fixed_design(fit, clean, noise, mean=mean).bias > risk.fixed_design(fit, mean, noise).bias


@pytest.mark.parametrize("m", [None, 3])
@pytest.mark.parametrize("n, p", SHAPES)
def test_the_best_weight_is_where_brute_force_finds_it(n, p, m):
    X, signal, rng = problem(n, p, m)
    some, other = rng.normal(size=(p, *signal.shape[1:])), signal + 0.3 * rng.normal(size=signal.shape)
    for start, mean, noise, s, T in ((None, None, 0.6, 0.3, 0.1), (some, None, 5.0, 0.2, 0.3),
                                     (some, other, 2.0, 1.0, 0.01), (None, other, 30.0, 0.4, 0.2)):
        flow = linear_flow(X, 0 * signal, start=start)

        def total(weight, flow=flow, s=s, T=T, noise=noise, mean=mean):
            # A share outside [0, 1] is no filter: the fit is linear in the weight all the same.
            ends = [flow.retarget(signal if mean is None else mean).fit(f).fitted
                    for f in (filters.flow(s), filters.flow(s) @ filters.flow(T))]
            g = [np.asarray(f.gain(flow.spectrum.eigenvalues)) * (flow.spectrum.eigenvalues > 0)
                 for f in (filters.flow(s), filters.flow(s) @ filters.flow(T))]
            fitted, gain = (weight * a + (1 - weight) * b for a, b in (ends, g))
            return (np.sum((fitted - signal) ** 2) + noise * np.sum(gain**2)) / n

        best = minimize_scalar(total, bracket=(-1, 1), tol=1e-12).x
        free = risk.best_mixing_weight(flow, s, T, signal, noise, mean, clip=False)
        share = risk.best_mixing_weight(flow, s, T, signal, noise, mean)
        assert free == pytest.approx(best, abs=1e-6)
        assert share == min(max(free, 0), 1)
        mixed = filters.flow(s) @ filters.mix(filters.identity, filters.flow(T), np.linspace(0, 1, 101))
        grid = risk.fixed_design(flow.fit(mixed), signal, noise, mean).total
        mixed = filters.flow(s) @ filters.mix(filters.identity, filters.flow(T), share)
        assert risk.fixed_design(flow.fit(mixed), signal, noise, mean).total <= grid.min() * (1 + 1e-12)


def test_best_weights_broadcast_and_are_one_where_they_change_nothing():
    X, signal, _ = problem(9, 14, 3)
    flow = linear_flow(X, 0 * signal)
    s, T = np.array([0.0, 0.1, 0.2]), np.array([[0.1], [np.inf]])
    weights = risk.best_mixing_weight(flow, s, T, signal, 8.0, clip=False)
    assert weights.shape == (2, 3)
    np.testing.assert_array_equal(weights[:, 0], 1)
    np.testing.assert_array_equal(weights[1], 1)
    assert weights[0, 1] == pytest.approx(risk.best_mixing_weight(flow, 0.1, 0.1, signal, 8.0, clip=False))
    assert risk.best_mixing_weight(flow, 0.3, 0.1, signal, 1e-9) == 1  # without noise the labels are best
    assert risk.best_mixing_weight(flow, 3.0, 0.1, signal, 1e4) == 0


def test_every_library_gets_its_own_arrays(library):
    X, signal, _ = problem(9, 14, 3)
    flow, mean = linear_flow(X, 0 * signal), 0.8 * signal
    reference = risk.fixed_design(flow.student([0.1, 0.2], 0.3), signal, 0.5, mean)
    weight = risk.best_mixing_weight(flow, [0.1, 0.2], 0.3, signal, 0.5, mean)
    own = linear_flow(library.asarray(X), library.asarray(0 * signal))
    for fit, to in ((own.student([0.1, 0.2], 0.3), library.asarray), (own.student([0.1, 0.2], 0.3), np.asarray),
                    (flow.student(library.asarray([0.1, 0.2]), 0.3), library.asarray)):
        found = risk.fixed_design(fit, to(signal), 0.5, to(mean))
        for name in ("bias", "variance", "total"):
            assert isinstance(getattr(found, name), library.array_type)
            np.testing.assert_allclose(np.asarray(getattr(found, name)), getattr(reference, name), rtol=1e-10)
        found = risk.best_mixing_weight(own, [0.1, 0.2], 0.3, to(signal), 0.5, to(mean))
        assert isinstance(found, library.array_type)
        np.testing.assert_allclose(np.asarray(found), weight, rtol=1e-9)
    one_hot = library.asarray(np.eye(3))
    assert isinstance(risk.flip_mean(one_hot, 0.2), library.array_type)
    assert isinstance(risk.flip_noise(library.asarray([0.1, 0.2]), 3), library.array_type)


def test_the_risk_has_derivatives_by_time_and_noise():
    import jax

    X, signal, _ = problem()
    flow = linear_flow(X, 0 * signal)

    def total(t, noise):
        return risk.fixed_design(flow.student(t, 0.3), signal, noise).total

    slopes = jax.jit(jax.grad(total, argnums=(0, 1)))(0.1, 0.5)
    assert float(slopes[0]) == pytest.approx((total(0.1 + 1e-6, 0.5) - total(0.1 - 1e-6, 0.5)) / 2e-6, rel=1e-6)
    assert float(slopes[1]) == pytest.approx(total(0.1, 1.5) - total(0.1, 0.5), rel=1e-9)


flow, y = linear_flow(np.eye(3), np.ones(3)), np.ones(3)


@pytest.mark.parametrize("call, kind, words", [
    (lambda: risk.fixed_design(flow.teacher([1, 2]), y, [1, 2, 3]), ValueError,
     r"noise: expected a number, or an array that broadcasts with .* of shape \(2,\), got shape \(3,\)"),
    (lambda: risk.fixed_design(flow, y, 1), TypeError, "fit: expected a Fit, got LinearFlow"),
    (lambda: risk.fixed_design(flow.teacher(1), np.ones(2), 1), ValueError, r"signal: expected shape \(3,\) like y"),
    (lambda: risk.fixed_design(flow.teacher(1), np.ones((3, 1)), 1), ValueError, r"signal: expected shape \(3,\) like"),
    (lambda: risk.fixed_design(flow.teacher(1), y, -1), ValueError, "noise: expected numbers >= 0, got -1"),
    (lambda: risk.fixed_design(flow.teacher(1), y, 1, mean=np.ones(4)), ValueError, r"mean: expected shape \(3,\)"),
    (lambda: risk.fixed_design(flow.teacher(1), y * np.nan, 1), ValueError, "signal: expected finite numbers"),
    (lambda: risk.best_mixing_weight(flow.teacher(1), 1, 1, y, 1), TypeError, "flow: expected a LinearFlow, got Fit"),
    (lambda: risk.best_mixing_weight(flow, -1, 1, y, 1), ValueError, "time: expected numbers >= 0"),
    (lambda: risk.best_mixing_weight(flow, 1, -1, y, 1), ValueError, "teacher_time: expected numbers >= 0"),
    (lambda: risk.best_mixing_weight(flow, 1, 1, y, -1), ValueError, "noise: expected numbers >= 0"),
    (lambda: risk.flip_noise(20, 3), ValueError, "rate: expected probabilities between 0 and 1, got up to 20; divide"),
    (lambda: risk.flip_noise(-0.1, 3), ValueError, "rate: expected numbers >= 0"),
    (lambda: risk.flip_noise(0.1, 1), ValueError, "classes: expected a whole number of at least 2, got 1"),
    (lambda: risk.flip_noise(0.1, 2.5), ValueError, "classes: expected a whole number of at least 2, got 2.5"),
    (lambda: risk.flip_mean(y, 0.1), ValueError, "one_hot: expected 2 dimension"),
    (lambda: risk.flip_mean(np.eye(3) - 1 / 3, 0.1), ValueError, "one_hot: expected numbers >= 0"),
    (lambda: risk.flip_mean(2 * np.eye(3), 0.1), ValueError, "one_hot: expected rows that add up to 1, got others"),
    (lambda: risk.flip_mean(np.eye(3), [0.1, 0.2]), ValueError, r"rate: expected a number, got shape \(2,\)"),
    (lambda: risk.flip_mean(np.ones((3, 1)), 0.1), ValueError, "classes: expected a whole number of at least 2, got 1"),
])
def test_errors_say_what_was_expected_and_what_came(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
