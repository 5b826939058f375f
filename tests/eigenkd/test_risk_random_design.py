"""Risks on new inputs before any data: against the published formula for ridge, the Marchenko-Pastur law, and draws."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from eigenkd import filters, linear_flow, risk


def power_law(p, of_eigenvalues, of_energy, total=2.0):
    j = np.arange(1, p + 1.0)
    lam, energy = j**-of_eigenvalues, j**-of_energy
    return lam, np.sqrt(energy * total / np.sum(lam * energy))


def test_the_example_by_hand():
    design = risk.random_design(*power_law(450, 1, 1), n=300, noise=1.0)
    found = design.mixing(filters.ridge(30.0), filters.ridge(30.0))
    for value, expected in ((design.effective_penalty(30.0), 0.112979462), (design.ridge(30.0).risk, 0.15910313),
                            (found.distance, 0.04095342), (found.weight, -1.02816059)):
        assert value == pytest.approx(expected, abs=1e-7 / 10 if expected < 0.2 else 1e-8)


def test_ridge_has_the_formula_of_hastie_et_al():
    lam, beta = power_law(90, 1, 0)
    for mu in (0.01, 3.0, 200.0):
        design = risk.random_design(lam, beta, n=60, noise=0.7)
        kappa = design.effective_penalty(mu)
        assert mu == pytest.approx(kappa * (60 - np.sum(lam / (lam + kappa))), rel=1e-10)
        df2 = np.sum((lam / (lam + kappa)) ** 2)
        bias = 60 / (60 - df2) * kappa**2 * np.sum(lam * (beta / (lam + kappa)) ** 2)
        assert design.ridge(mu).bias == pytest.approx(bias, rel=1e-10)
        assert design.ridge(mu).variance == pytest.approx(0.7 * df2 / (60 - df2), rel=1e-10)
        more = risk.random_design(lam, beta, n=60, noise=0.7, unexplained=0.4).ridge(mu).risk
        assert more == pytest.approx(bias + 1.1 * df2 / (60 - df2) + 0.4, rel=1e-10)


@pytest.mark.parametrize("n, p", [(200, 100), (100, 150)])
def test_flows_have_integrals_over_the_law_of_marchenko_and_pastur(n, p):
    """Equal eigenvalues, and a signal without direction: what residuals leave of the signal, and gains pass of the
    noise, each averaged over the limiting law of the eigenvalues of X^T X."""
    design = risk.random_design(np.ones(p), np.full(p, p**-0.5), n=n, noise=0.6)
    ratio = p / n
    low, high = n * (1 - ratio**0.5) ** 2, n * (1 + ratio**0.5) ** 2

    def averaged(function):
        middle, half = (high + low) / 2, (high - low) / 2
        def density(theta):  # of lam = middle + half cos(theta), without the atom at 0
            lam = middle + half * np.cos(theta)
            return function(lam) * (half * np.sin(theta)) ** 2 / (2 * np.pi * p * lam)
        atom = max(0.0, 1 - n / p) * function(0.0)
        return atom + quad(density, 0, np.pi, epsabs=1e-13, epsrel=1e-11)[0]

    def gain(lam, times):
        return np.prod([-np.expm1(-t * lam) for t in times])

    for times, fit in (((0.003,), design.teacher(0.003)), ((0.05,), design.teacher(0.05)),
                       ((0.01, 0.02), design.student(0.01, 0.02))):
        assert fit.bias == pytest.approx(averaged(lambda lam, t=times: (1 - gain(lam, t)) ** 2), rel=1e-8)
        variance = p * averaged(lambda lam, t=times: gain(lam, t) ** 2 / lam if lam > 0 else 0.0)
        assert fit.variance == pytest.approx(0.6 * variance, rel=1e-8)


DESIGNS = [(150, 75, 0, 1, "normal"), (150, 225, 1, 1, "normal"), (150, 225, 0.5, 3, "sign"), (300, 150, 2, 0, "sign")]


def drawn(flow, lam, beta, gain, signal=1.0):
    """E ||X' (b - signal beta)||^2 over noise of variance 0.8, of weights V gain (V^T beta + noise/root)."""
    V, root = flow.spectrum.feature_basis, flow.spectrum.singular_values
    miss = V @ (gain * (V.T @ beta)) - signal * beta
    return np.sum(lam * miss**2) + 0.8 * np.sum((gain / root) ** 2 * np.sum(lam[:, None] * V**2, axis=0))


def test_draws_of_the_data_have_these_risks_on_average():
    """30 draws for each of four designs, Gaussian and +-1 entries; noise is averaged over in closed form."""
    errors, excess = [], []
    for n, p, a, b, entries in DESIGNS:
        lam, beta = power_law(p, a, b)
        rng = np.random.default_rng(p)
        design = risk.random_design(lam, beta, n=n, noise=0.8)
        T = np.array([1.0, 3.0, 12.0]) / n
        makers = [filters.flow(T), filters.flow(T) @ filters.flow(T), filters.ridge(1 / T)]
        predicted = [design.fit(f).risk for f in makers]
        predicted.append(design.mixing(filters.flow(T), filters.flow(T)).distance)
        draws = []
        for _ in range(30):
            Z = rng.normal(size=(n, p)) if entries == "normal" else rng.choice([-1.0, 1.0], size=(n, p))
            flow = linear_flow(Z * np.sqrt(lam), np.zeros(n), "gram")
            gains = [flow.fit(f).gain for f in makers]
            row = [[drawn(flow, lam, beta, g) for g in gain] for gain in gains]
            draws.append([*row, [drawn(flow, lam, beta, g - h, 0.0) for g, h in zip(*gains[:2])]])
        draws, predicted = np.array(draws), np.array(predicted)
        mean, error = draws.mean(axis=0), draws.std(axis=0, ddof=1) / 30**0.5
        errors += list(np.abs(mean / predicted - 1).ravel())
        excess += list((np.abs(mean - predicted) / (error + 0.01 * predicted)).ravel())
    assert np.median(errors) < 0.02  # the draws' own error; 0.3 % with 60 draws of n = 300
    assert np.max(excess) < 4


def test_what_rounding_does_not_resolve_is_no_change():
    """Late in training students of labels and of the teacher are the same, and over-trained teachers still gain."""
    design = risk.random_design(1 / np.arange(1, 451), np.arange(1, 451) ** -1.0, 300, 1.0)
    for time in np.geomspace(1e-3, 1e5, 33):
        found = design.mixing(filters.flow(time), filters.flow(time))
        assert found.distance >= 0 and found.gain >= 0
        assert found.gain <= found.risk
        change = design.change(filters.flow(time), filters.flow(time))
        assert not np.isinf(change.break_even_noise)
    assert found.distance == found.weight == change.value == 0 and np.isnan(change.break_even_noise)
    before, after = (design.mixing(filters.flow(time), filters.flow(time)) for time in (10.0, 50.0))
    assert after.weight > before.weight > 1


@pytest.mark.parametrize(("lam", "n"), [(1 / np.arange(1, 1001), 3), (np.ones(5000), 50)])
def test_many_more_features_than_samples_leave_rounding_and_no_change(lam, n):
    design = risk.random_design(lam, np.ones(lam.size), n, 1.0)
    for time in (1e4, 1e8):
        change = design.change(filters.flow(time), filters.flow(time))
        assert change.value == 0 and np.isnan(change.break_even_noise)
    assert design.change(filters.flow(0.01 / lam.sum()), filters.flow(1 / lam.sum())).value > 0


def test_limits():
    lam, beta = power_law(40, 1, 1)
    design = risk.random_design(lam, beta, n=100, noise=0.5)
    nothing, least_squares = design.teacher([0.0, np.inf]).risk
    assert nothing == pytest.approx(2.0, rel=1e-12)
    assert least_squares == pytest.approx(0.5 * 40 / (100 - 40), rel=1e-9)
    np.testing.assert_allclose(design.student([0.1, np.inf], teacher_time=np.inf).risk,
                               design.teacher([0.1, np.inf]).risk, rtol=1e-9)
    columns = risk.random_design(lam, np.stack([0.6 * beta, 0.8 * beta], axis=1), n=100, noise=0.5)
    assert columns.teacher(0.1).risk == pytest.approx(design.teacher(0.1).risk, rel=1e-12)
    found = design.mixing(filters.flow([0.1, 0.4]), filters.flow([[0.2], [0.3]]))
    np.testing.assert_allclose(found.risk_at(1.0), design.student([0.1, 0.4], [[0.2], [0.3]]).risk, rtol=1e-9)
    mixed = filters.flow(0.1) @ filters.mix(filters.identity, filters.flow(0.2), 1 - found.weight[0, 0])
    assert design.fit(mixed).risk == pytest.approx((found.risk - found.gain)[0, 0], rel=1e-9)
    at = float(found.noise_at(0.5)[0, 0])
    even = risk.random_design(lam, beta, n=100, noise=at)
    assert even.student(0.1, 0.2).risk == pytest.approx(even.teacher(0.1).risk, rel=1e-9)


@pytest.mark.parametrize(("features", "slope"), [(40, 1 / 20), (60, np.inf), (90, None)])
def test_the_effective_penalty_has_its_derivative_at_none(features, slope):
    """1/(n - df2); on as many features as samples kappa is a square root, which begins upright."""
    lam = 1 / np.arange(1.0, features + 1)
    design = risk.random_design(torch.as_tensor(lam), torch.ones(features, dtype=torch.float64), 60, 1.0)
    none = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(design.effective_penalty(none).sum(), none)
    later = float(design.effective_penalty(1e-7)) - float(design.effective_penalty(0.0))
    np.testing.assert_allclose(found, slope or later / 1e-7, rtol=1e-5)
    if features == 60:
        assert float(design.effective_penalty(1e-12)) == pytest.approx((1e-12 / np.sum(1 / lam)) ** 0.5, rel=1e-3)


def test_the_ends_of_training():
    """Without end: least squares, or the interpolant of least norm, whose risk is infinite for as many features as
    samples (as the root of the time on the way there)."""
    for p in (40, 100, 160):
        lam, beta = power_law(p, 1, 1)
        design = risk.random_design(lam, beta, n=100, noise=0.5)
        long, last = design.teacher([1e12, np.inf]).risk
        kappa = float(design.effective_penalty(0.0))
        assert np.sum(lam / (lam + kappa)) == pytest.approx(min(p, 100), rel=1e-12) and (kappa > 0) == (p > 100)
        if p == 100:
            assert last == design.student(np.inf, np.inf).risk == design.ridge(0.0).risk == np.inf
            assert design.teacher(1e16).risk / long == pytest.approx(100, rel=1e-3)
            assert risk.random_design(lam, beta, n=100, noise=0.0).teacher(np.inf).risk == 0
            found = risk.random_design(lam, beta, n=100, noise=0.0, unexplained=0.1)
            assert found.teacher(np.inf).bias == np.inf and found.teacher(np.inf).variance == 0
        else:
            df2 = np.sum((lam / (lam + kappa)) ** 2)
            bias = 100 / (100 - df2) * kappa**2 * np.sum(lam * (beta / (lam + kappa)) ** 2)
            assert last == pytest.approx(bias + 0.5 * df2 / (100 - df2), rel=1e-12) == long
        assert design.student(0.1, np.inf).risk == pytest.approx(float(design.teacher(0.1).risk), rel=1e-12)
    spectrum = 0.9 ** np.arange(450)  # the least kappa is 1e-15
    kappa = float(risk.random_design(spectrum, spectrum, n=300, noise=1.0).effective_penalty(0.0))
    assert np.sum(spectrum / (spectrum + kappa)) == pytest.approx(300, rel=1e-12)


def test_every_library_has_it_with_derivatives(library):
    import jax
    import torch

    lam, beta = power_law(20, 1, 1)

    def value(time, xp=np.asarray):
        return risk.random_design(xp(lam), xp(beta), n=30, noise=0.5).student(time, 0.2).risk

    expected = (value(0.1 + 1e-6) - value(0.1 - 1e-6)) / 2e-6
    at_start = (value(2e-9) - value(0.0)) / 2e-9
    times = np.array([0.1, 0.3, 0.0])
    if library.name == "jax":  # compiled once, for values and derivatives
        found, slopes = jax.jit(jax.vmap(jax.value_and_grad(lambda t: value(t, jax.numpy.asarray))))(times)
        np.testing.assert_allclose(slopes[::2], [expected, at_start], rtol=1e-6)
    else:
        found = value(library.asarray(times), library.asarray)
    assert isinstance(found, library.array_type)
    np.testing.assert_allclose(np.asarray(found), value(times), rtol=1e-10)
    if library.name == "torch":
        for at, slope in ((0.1, expected), (0.0, at_start)):
            t = torch.tensor(at, dtype=torch.float64, requires_grad=True)
            value(t, torch.asarray).backward()
            assert float(t.grad) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("call, kind, words", [
    (lambda: risk.random_design([1.0, 2.0], [1.0], 3, 1.0), ValueError, "coefficients: expected 2 rows.*got shape"),
    (lambda: risk.random_design([1.0], [1.0], 0, 1.0), ValueError, "n: expected a whole number >= 1, got 0"),
    (lambda: risk.random_design([1.0], [1.0], 2.5, 1.0), ValueError, "n: expected a whole number >= 1, got 2.5"),
    (lambda: risk.random_design([-1.0], [1.0], 2, 1.0), ValueError, "eigenvalues: expected numbers >= 0"),
    (lambda: risk.random_design([0.0], [1.0], 2, 1.0), ValueError, "eigenvalues: expected a positive one"),
    (lambda: risk.random_design([1.0], [1.0], 2, -1.0), ValueError, "noise: expected numbers >= 0"),
    (lambda: risk.random_design([1.0], [1.0], 2, 1.0).fit(filters.descent(0.1, 3)), ValueError,
     r"filter: expected one made of flows.*got descent\(0.1, 3\) .*use the flow of time = learning_rate \* steps"),
    (lambda: risk.random_design([1.0], [1.0], 2, 1.0).mixing(1.0, filters.flow(1.0)), TypeError,
     "student: expected a filter, got float"),
])
def test_errors_say_what_was_expected_and_what_came(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
