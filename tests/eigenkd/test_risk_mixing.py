"""Mixing with any weight against dense matrices and brute force: the best weight, its gain, thresholds of the noise."""

import jax
import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

from eigenkd import filters, linear_flow, risk
from tests.oracles import dense_flow, dense_ridge


def dense_risk(S, signal, noise, mean=None):
    mean = signal if mean is None else mean
    return (np.sum((S @ mean - signal) ** 2) + noise * np.sum(S**2)) / len(signal)


def problem(seed=0, n=9, p=6, m=2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.geomspace(1, 0.2, p)
    return X, X @ rng.normal(size=(p, m)) + 0.3 * rng.normal(size=(n, m)), rng


def test_the_example_by_hand():
    flow = linear_flow(np.diag([3, 2, 1, 0.5]), np.ones(4))
    found = risk.mixing(flow, filters.flow(0.5), filters.flow(0.5), [3, 2, 1, 0], 0.5)
    for value, expected in ((found.weight, -0.6519829090), (found.gain, 0.0163205582),
                            (found.noise_at(0), 0.9590264352), (found.noise_at(1), 2.3571267162),
                            (found.noise_at(0.5), 1.4974321643)):
        assert value == pytest.approx(expected, abs=1e-9)


DENSE = {"flow": (filters.flow, dense_flow), "ridge": (filters.ridge, dense_ridge)}


@pytest.mark.parametrize("student", DENSE)
@pytest.mark.parametrize("teacher", DENSE)
@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_weight_gain_and_thresholds_are_those_of_brute_force(student, teacher, shift):
    """Minimised and bisected over dense smoothers of the mixed targets; shift: the labels' mean is not the signal."""
    for seed in range(4):
        X, signal, rng = problem(seed)
        mean = signal + shift * rng.normal(size=signal.shape) if shift else None
        a, b = rng.uniform(0.1, 2, size=2)
        (make_s, dense_s), (make_t, dense_t) = DENSE[student], DENSE[teacher]
        flow, S, T = linear_flow(X, 0 * signal), dense_s(a)(X @ X.T)[0], dense_t(b)(X @ X.T)[0]

        def risk_at(weight, noise, signal=signal, mean=mean, S=S, T=T):
            return dense_risk(S @ (weight * T + (1 - weight) * np.eye(len(S))), signal, noise, mean)

        def best(noise, risk_at=risk_at):  # a parabola, so that three points have it
            low, middle, high = (risk_at(w, noise) for w in (-1.0, 0.0, 1.0))
            return (low - high) / 2 / (low + high - 2 * middle)

        found = risk.mixing(flow, make_s(a), make_t(b), signal, 0.7, mean)
        assert found.weight == pytest.approx(best(0.7), rel=1e-7)
        assert found.risk == pytest.approx(risk_at(0.0, 0.7), rel=1e-10)
        assert found.risk - found.gain == pytest.approx(minimize_scalar(lambda w: risk_at(w, 0.7)).fun, rel=1e-10)
        assert found.risk_at(1.7) == pytest.approx(risk_at(1.7, 0.7), rel=1e-10)
        for weight in (0.0, 1.0):
            at = float(found.noise_at(weight))
            assert best(at) == pytest.approx(weight, abs=1e-7)
        even = found.noise_at(0.5)
        assert risk_at(1.0, even) == pytest.approx(risk_at(0.0, even), rel=1e-9)
        assert found.noise_at(0) <= even <= found.noise_at(1)
        fit = flow.retarget(signal).fit(make_s(a) @ filters.mix(filters.identity, make_t(b), 1 - found.weight))
        assert risk.fixed_design(fit, signal, 0.7, mean).total == pytest.approx(found.risk - found.gain, rel=1e-10)


def test_thresholds_are_found_by_bisection_too():
    X, signal, _ = problem(3)
    flow, student = linear_flow(X, signal), filters.flow(0.5)
    found = risk.mixing(flow, student, student, signal, 1.0)

    def change(noise, weight):  # of the risk by a little more weight
        at = risk.mixing(flow, student, student, signal, noise)
        return at.risk_at(weight + 1e-4) - at.risk_at(weight - 1e-4)

    for weight in (0.0, 1.0):
        assert brentq(change, 0, 100, args=(weight,), rtol=1e-12) == pytest.approx(found.noise_at(weight), rel=1e-6)


def test_equal_times_are_the_line_through_two_checkpoints():
    X, y, rng = problem()
    flow, t, new = linear_flow(X, y), 0.4, rng.normal(size=(20, 6))
    aim = rng.normal(size=(20, 2))  # any points, any metric, any labels
    first, second = flow.teacher(t).predict(new), flow.teacher(2 * t).predict(new)
    for weight in (-1.0, 0.3, 2.0):
        mixed = flow.fit(filters.flow(t) @ filters.mix(filters.identity, filters.flow(t), 1 - weight)).predict(new)
        np.testing.assert_allclose(mixed, first - weight * (second - first), rtol=1e-9, atol=1e-12)

    def error(f):
        return np.mean(np.sum((f - aim) ** 2, axis=1))

    found = risk.line(error(first), error(second), error(second - first + aim))
    best = minimize_scalar(lambda w: error((1 - w) * first + w * second))
    assert found.weight == pytest.approx(best.x, rel=1e-6)
    assert found.risk - found.gain == pytest.approx(best.fun, rel=1e-12)
    assert found.risk_at(1.0) == pytest.approx(error(second), rel=1e-12)


def test_a_warm_start_is_the_line_through_a_checkpoint_and_a_later_one():
    X, y, _ = problem()
    flow, T, more = linear_flow(X, y), 0.4, 0.3
    teacher = filters.flow(T)
    for weight in (-1.5, 0.4, 1.0):
        warm = filters.relax(filters.mix(filters.identity, teacher, 1 - weight), more, start=teacher)
        expected = flow.teacher(T).fitted + (1 - weight) * (flow.teacher(T + more).fitted - flow.teacher(T).fitted)
        np.testing.assert_allclose(flow.fit(warm).fitted, expected, rtol=1e-11, atol=1e-13)


def test_with_equal_penalties_the_sign_is_that_of_the_slope_of_the_risk():
    X, signal, _ = problem(5)
    flow = linear_flow(X, signal)
    for mu in (0.05, 0.5, 5.0):
        found = risk.mixing(flow, filters.ridge(mu), filters.ridge(mu), signal, 0.8)
        after, before = (risk.fixed_design(flow.fit(filters.ridge(mu * (1 + e))), signal, 0.8).total
                         for e in (1e-5, -1e-5))
        assert found.difference == pytest.approx(-(after - before) / 4e-5, rel=1e-6)


def test_the_weight_is_nothing_where_nothing_changes():
    flow = linear_flow(np.eye(3), np.ones(3))
    found = risk.mixing(flow, filters.flow([0.0, 1.0]), filters.flow(np.inf), [1.0, 0.0, 2.0], 0.3)
    np.testing.assert_array_equal(found.weight, [0, 0])
    np.testing.assert_array_equal(found.gain, [0, 0])
    assert np.isnan(found.noise_at(0.5)).all()


def test_every_library_has_it_with_derivatives(library):
    import jax
    import torch

    X, signal, _ = problem()
    s, T = np.array([0.1, 0.4]), np.array([[0.3], [2.0]])

    def made():
        flow = linear_flow(library.asarray(X), library.asarray(signal))
        return risk.mixing(flow, filters.flow(library.asarray(s)), filters.flow(library.asarray(T)), signal, 0.5)

    found = jax.jit(made)() if library.name == "jax" else made()  # compiled at once: faster
    reference = risk.mixing(linear_flow(X, signal), filters.flow(s), filters.flow(T), signal, 0.5)
    for name in ("risk", "difference", "distance", "weight", "gain"):
        assert isinstance(getattr(found, name), library.array_type)
        np.testing.assert_allclose(np.asarray(getattr(found, name)), getattr(reference, name), rtol=1e-9)
    np.testing.assert_allclose(np.asarray(found.noise_at(0.5)), reference.noise_at(0.5), rtol=1e-9)

    def gain(noise):
        return risk.mixing(linear_flow(X, signal), filters.flow(0.2), filters.flow(0.5), signal, noise).gain

    expected = (gain(0.5 + 1e-6) - gain(0.5 - 1e-6)) / 2e-6
    if library.name == "jax":
        assert float(jax.jit(jax.grad(lambda v: risk.mixing(linear_flow(jax.numpy.asarray(X), signal),
                     filters.flow(0.2), filters.flow(0.5), signal, v).gain))(0.5)) == pytest.approx(expected, rel=1e-6)
    if library.name == "torch":
        noise = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        risk.mixing(linear_flow(torch.tensor(X), signal), filters.flow(0.2), filters.flow(0.5), signal,
                    noise).gain.backward()
        assert float(noise.grad) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("call, kind, words", [
    (lambda: risk.mixing(linear_flow(np.eye(2), np.ones(2)), 0.5, filters.flow(1.0), [1, 0], 1), TypeError,
     "student: expected a filter, got float"),
    (lambda: risk.mixing(linear_flow(np.eye(2), np.ones(2)), filters.flow(1.0), filters.flow(1.0), [1, 0], -1),
     ValueError, "noise: expected numbers >= 0"),
    (lambda: risk.line(1.0, 2.0, -0.1), ValueError, "distance: expected numbers >= 0, got -0.1"),
    (lambda: risk.line(np.nan, 2.0, 0.1), ValueError, "first_risk: expected a finite number"),
])
def test_errors_say_what_was_expected_and_what_came(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_results_print_their_numbers_and_not_their_arrays():
    flow, f, g = linear_flow(np.diag([3.0, 2, 1, 0.5]), np.array([3.0, 2, 1, 0])), filters.flow(0.5), filters.flow(2.0)
    signal = np.array([3.0, 2, 1, 0])
    line = risk.mixing(flow, f, g, signal, 0.5)
    assert repr(line) == f"Line(weight={line.weight:.4g}, risk={line.risk:.4g}, gain={line.gain:.4g})"
    change = risk.change(flow, f, g, signal, np.array([0.5, 2.0]))
    assert repr(change) == ("Change(value=[{:.4g}, {:.4g}], standard_error=0, noise=[0.5, 2], "
                            "break_even_noise={:.4g})").format(*change.value, float(change.break_even_noise))
    design = risk.random_design(1 / np.arange(1, 101), np.ones(100), 60, 1.0)
    assert repr(design) == "RandomDesign(n=60, directions=100, noise=1, unexplained=0)"
    many = design.fit(filters.flow(np.linspace(0, 1, 50)))
    assert repr(many).startswith(f"DesignFit({many.filter!r}, n=60, risk=[{many.risk[0]:.4g}, {many.risk[1]:.4g}, ...,")
    steps = risk.best_steps(flow, f, 2, signal, 0.5)
    assert repr(steps).startswith("Steps(flow(0.5), weights=[") and "-0," not in repr(steps) and len(repr(many)) < 300
    traced = []
    jax.jit(lambda time: traced.append(repr(design.fit(filters.flow(time)))) or time)(1.0)
    assert "risk=DynamicJaxprTracer" in traced[0]
