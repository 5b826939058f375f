"""What distilling changes: against dense matrices, unbiased over draws, and from the data without one sample each."""

import numpy as np
import pytest

from eigenkd import filters, linear_flow, risk
from eigenkd._arrays import library as array_library
from tests.oracles import dense_flow, left_out_errors

S, T = filters.flow(0.5), filters.flow(0.8)


def problem(seed=0, n=12, p=7, m=2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.geomspace(1, 0.2, p)
    return X, X @ rng.normal(size=(p, m)) + 0.3 * rng.normal(size=(n, m)), rng


def dense_change(X, signal, noise, s, t, mean=None):
    K = X @ X.T
    teacher = dense_flow(t)(K)[0]
    student = dense_flow(s)(K)[0] @ teacher
    mean = signal if mean is None else mean
    value = [np.sum((M @ mean - signal) ** 2) + noise * np.sum(M**2) for M in (student, teacher)]
    return (value[0] - value[1]) / len(X)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_change_and_the_noise_from_which_it_helps_are_those_of_dense_matrices(shift):
    for seed in range(5):
        X, signal, rng = problem(seed)
        s, t = rng.uniform(0.05, 2, size=2)
        mean = signal + shift * rng.normal(size=signal.shape)
        flow = linear_flow(X, 0 * signal)
        found = risk.change(flow, filters.flow(s), filters.flow(t), signal, 0.7, mean)
        assert found.value == pytest.approx(dense_change(X, signal, 0.7, s, t, mean), rel=1e-9)
        even = float(found.break_even_noise)
        assert dense_change(X, signal, even, s, t, mean) == pytest.approx(0, abs=1e-12)
        assert dense_change(X, signal, even * 1.01 + 0.01, s, t, mean) < 0
        if not shift:
            assert found.of_change[0] >= 0 >= found.of_change[1]
            doubled = risk.fixed_design(flow.teacher([t, 2 * t]), signal, 0.7).total
            fits = flow.retarget(signal).teacher([t, 2 * t])
            noise = 0.7 * np.sum((fits.gain[1] - fits.gain[0]) ** 2)
            D = (np.sum((fits.fitted[1] - fits.fitted[0]) ** 2) + noise) / len(X)
            own = risk.change(flow, filters.flow(t), filters.flow(t), signal, 0.7).value
            assert (own < 0) == (doubled[1] - doubled[0] > 2 * D)  # with s = T, from two checkpoints


def test_a_short_student_may_gain_before_the_best_time_and_one_may_lose_after_it():
    """Counterexamples to "over-trained teachers gain, under-trained ones lose"."""
    flow = linear_flow(np.diag([1.0, 0.5]), np.zeros(2))

    def slope(time, signal, noise):
        after, before = risk.fixed_design(flow.teacher([time * 1.001, time / 1.001]), signal, noise).total
        return after - before

    rng, found = np.random.default_rng(0), set()
    for _ in range(300):
        signal, noise = rng.normal(size=2) ** 3, 0.3
        t, s = np.exp(rng.uniform(-2, 3, size=2))
        gains = risk.change(flow, filters.flow(s), filters.flow(t), signal, noise).value < 0
        found.add((bool(slope(t, signal, noise) > 0), bool(gains)))
    assert found == {(True, True), (True, False), (False, True), (False, False)}


@pytest.mark.parametrize("inputs", ["new", "training"])
@pytest.mark.parametrize("scale", [1e10, 1e-12])
def test_verdicts_do_not_depend_on_the_unit_of_the_labels(inputs, scale):
    """In single precision fourth powers of such labels leave its range."""
    rng, f = np.random.default_rng(0), filters.flow(1.0)
    X = rng.normal(size=(60, 90)) / np.arange(1, 91) ** 0.5
    y = X[:, 0] + rng.normal(size=60)
    found = []
    for labels in (y, scale * y):
        flow = linear_flow(X.astype(np.float32), labels.astype(np.float32))
        change, line = (estimate(flow, f, f, None, inputs) for estimate in (
            risk.estimated_change, risk.estimated_mixing))
        found.append([change.value / change.standard_error, line.weight, line.standard_errors.weight])
    np.testing.assert_allclose(*found, rtol=1e-3)


def psi_of(x, t, signal, noise):
    """(eigenvalues, w, a, a - h) of features diag(x)."""
    lam, a = x**2, -np.expm1(-t * x**2)
    w = signal**2 + noise
    return lam, w, a, a - signal**2 / w


def test_slope_and_change_are_sums_of_the_same_errors_of_the_teacher():
    """Eqs. (100) and (110), against differences of risks of dense models."""
    rng, signs = np.random.default_rng(0), set()
    for trial in range(100):
        x, signal, noise = np.sort(rng.uniform(0.2, 2, size=6)), rng.normal(size=6) ** 2, 0.4
        if trial % 2:
            signal.sort()  # along the top of the spectrum: the bottom is overlearned first
        t, s = np.exp(rng.uniform(-2, 2, size=2))
        flow = linear_flow(np.diag(x), np.zeros(6))
        lam, w, a, error = psi_of(x, t, signal, noise)
        psi, n = w * a * error, 6
        after, before = risk.fixed_design(flow.teacher([t + 1e-5, t - 1e-5]), signal, noise).total
        slope = 2 / n * np.sum(lam * psi / np.expm1(t * lam))
        assert slope == pytest.approx((after - before) / 2e-5, rel=1e-5, abs=1e-8)
        assert 2 / n * np.sum(lam * w * error * np.exp(-t * lam)) == pytest.approx(slope)
        change = -2 * np.sum(psi * np.exp(-s * lam)) + np.sum(w * a**2 * np.exp(-2 * s * lam))
        found = risk.change(flow, filters.flow(s), filters.flow(t), signal, noise).value
        assert n * found == pytest.approx(change, rel=1e-9, abs=1e-12)
        line = risk.mixing(flow, filters.flow(t), filters.flow(t), signal, noise)
        assert n * line.difference == pytest.approx(np.sum(a * w * error * np.exp(-t * lam)), rel=1e-9, abs=1e-12)
        if (np.diff(np.sign(error)) != 0).sum() == 1 and (error[0] > 0) == (slope >= 0):
            assert (line.weight > 0) == (error[0] > 0)  # the rule of signs
            signs.add(bool(line.weight > 0))
        late = risk.mixing(flow, filters.flow(np.inf), filters.flow(t), signal, noise)
        assert late.weight == pytest.approx(noise * np.sum(np.exp(-t * lam)) / np.sum(w * np.exp(-2 * t * lam)))
    assert signs == {True, False}


def test_the_best_step_from_a_warm_start_is_that_along_the_path():
    rng = np.random.default_rng(1)
    x, signal, noise, t, delta = np.sort(rng.uniform(0.2, 2, size=6)), rng.normal(size=6), 0.4, 0.7, 1e-5
    lam, w, a, error = psi_of(x, t, signal, noise)
    slope = 2 / 6 * np.sum(lam * w * error * np.exp(-t * lam))
    speed = np.sum(w * (lam * np.exp(-t * lam)) ** 2) / 6  # ||df/dT||^2
    later = -np.expm1(-(t + delta) * lam)
    step = later - a  # of the gains; the line f_T + eta (f_{T + delta} - f_T)
    eta = -np.sum(w * error * step) / np.sum(w * step**2)
    assert eta * delta == pytest.approx(-slope / (2 * speed), rel=1e-4)
    assert np.sum(w * error * step) ** 2 / np.sum(w * step**2) / 6 == pytest.approx(slope**2 / (4 * speed), rel=1e-4)


def test_steins_estimates_are_unbiased_and_their_errors_are_right():
    """800 draws of noise with two outputs: the means within 4 standard errors, z scores of spread at most one."""
    X, signal, rng = problem(3)
    flow, sigma = linear_flow(X, signal), 0.6
    noise = 2 * sigma**2
    exact = risk.mixing(flow, S, T, signal, noise)
    truth = np.array([exact.risk, exact.difference, exact.distance, risk.change(flow, S, T, signal, noise).value])
    values, errors = [], []
    for _ in range(800):
        drawn = flow.retarget(signal + sigma * rng.normal(size=signal.shape))
        line = risk.estimated_mixing(drawn, S, T, noise, "training")
        changed = risk.estimated_change(drawn, S, T, noise, "training")
        values.append((line.risk, line.difference, line.distance, changed.value))
        errors.append((*line.standard_errors[:3], changed.standard_error))
    values, errors = np.array(values), np.array(errors)
    spread = values.std(axis=0, ddof=1)
    assert np.all(np.abs(values.mean(axis=0) - truth) < 4 * spread / 800**0.5)
    true_error = np.sqrt(np.mean(errors**2, axis=0))
    assert np.all((true_error > 0.95 * spread) & (true_error < 1.4 * spread))  # each is at least its noise part


def test_on_new_inputs_they_are_averages_over_n_refits():
    X, y, _ = problem(1)
    flow, n = linear_flow(X, y), len(y)
    alone, taught, teacher = (left_out_errors(lambda X, y, f=f: linear_flow(X, y).fit(f).predict, X, y)
                              for f in (S, S @ T, T))
    line = risk.estimated_mixing(flow, S, T)
    assert line.risk == pytest.approx(np.sum(alone**2) / n, rel=1e-9)
    assert line.difference == pytest.approx(np.sum(alone * (alone - taught)) / n, rel=1e-8)
    assert line.distance == pytest.approx(np.sum((alone - taught) ** 2) / n, rel=1e-8)
    assert risk.estimated_mixing(flow, S, T, noise=0.2).risk == pytest.approx(np.sum(alone**2) / n - 0.2, rel=1e-9)
    found = risk.estimated_change(flow, S, T, noise=0.5)
    each = np.sum(taught**2 - teacher**2, axis=1)
    assert found.value == pytest.approx(each.mean(), rel=1e-8)
    assert found.standard_error == pytest.approx(2**0.5 * each.std(ddof=1) / n**0.5, rel=1e-8)


def test_the_noise_that_is_passed_on_to_new_inputs_is_that_of_refits():
    """B from random labels, against the exact average over labels, n times the squared rows of the refits' smoother."""
    X, y, _ = problem(2, n=20, m=1)
    flow, n = linear_flow(X, y), len(y)

    def passed(f):
        rows = [-left_out_errors(lambda X, y: linear_flow(X, y).fit(f).predict, X, e) + e for e in np.eye(n)]
        return np.sum(np.array(rows) ** 2) / n

    found = risk.estimated_change(flow, S, T, noise=0.5)
    assert -found.of_change[1] == pytest.approx(passed(T) - passed(S @ T), rel=0.25)
    assert found.of_change[0] + 0.5 * found.of_change[1] == pytest.approx(found.value)


def test_the_noise_is_found_where_the_signal_is_as_assumed():
    """40 draws: the median within 5 %, nine of ten within a factor of 1.6; pure noise, and a signal without noise."""
    rng, ratios = np.random.default_rng(0), []
    for _ in range(40):
        lam = np.arange(1, 151.0) ** -rng.uniform(0.3, 1.5)
        X = rng.normal(size=(100, 150)) * np.sqrt(lam)
        y = X @ (rng.normal(size=(150, 2)) / 12) + 0.5 * rng.normal(size=(100, 2))
        ratios.append(float(risk.noise_variance(linear_flow(X, y, "gram"))) / 0.5)
    assert np.median(ratios) == pytest.approx(1, abs=0.05)
    assert np.quantile(ratios, 0.05) > 1 / 1.6 and np.quantile(ratios, 0.95) < 1.6
    noise = rng.normal(size=100)
    assert risk.noise_variance(linear_flow(X, noise)) == pytest.approx(np.mean(noise**2), rel=0.1)
    tall = rng.normal(size=(100, 30))
    assert risk.noise_variance(linear_flow(tall, tall @ np.ones(30))) < 1e-6
    rough = X @ (rng.normal(size=150) / lam)  # rougher than assumed: counts as noise
    assert risk.noise_variance(linear_flow(X, rough)) > 0.1 * np.mean(rough**2)


def test_every_library_has_them_with_derivatives(library):
    import jax
    import torch

    X, y, _ = problem()

    def made(asarray):
        flow, found = linear_flow(asarray(X), asarray(y)), []
        for inputs in ("training", "new"):
            changed = risk.estimated_change(flow, S, T, 0.4, inputs)
            found += [changed.value, changed.standard_error, changed.break_even_noise,
                      risk.estimated_mixing(flow, S, T, 0.4, inputs).weight]
        return found

    found = jax.jit(lambda: made(library.asarray))() if library.name == "jax" else made(library.asarray)
    for value, expected in zip(found, made(np.asarray)):
        assert array_library(value).lower().replace("pyt", "t") == library.name
        assert float(value) == pytest.approx(float(expected), rel=1e-7)
    if library.name == "torch":
        guess = risk.noise_variance(linear_flow(library.asarray(X), library.asarray(y)))
        assert float(guess) == pytest.approx(float(risk.noise_variance(linear_flow(X, y))), rel=1e-6)

    def value(s):
        return risk.estimated_change(linear_flow(X, y), filters.flow(s), T, 0.4, "training").value

    expected = (value(0.5 + 1e-6) - value(0.5 - 1e-6)) / 2e-6
    if library.name == "jax":
        assert float(jax.jit(jax.grad(value))(0.5)) == pytest.approx(expected, rel=1e-6)
    if library.name == "torch":
        s = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        value(s).backward()
        assert float(s.grad) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("inputs", ["training", "new"])
def test_standard_errors_have_derivatives_where_nothing_is_learned(inputs):
    import torch

    X, y, _ = problem()
    t = torch.tensor([0.0, 0.3], dtype=torch.float64, requires_grad=True)
    for parameters in ((0.5, t), (t, 0.5)):  # the standard error has a kink at a teacher of time 0
        student, teacher = map(filters.flow, parameters)
        change = risk.estimated_change(linear_flow(X, y), student, teacher, 0.4, inputs)
        line = risk.estimated_mixing(linear_flow(X, y), student, teacher, 0.4, inputs)
        total = change.standard_error.sum() + line.standard_errors.difference.sum() + change.value.sum()
        (slope,) = torch.autograd.grad(total, t)
        assert bool(torch.isfinite(slope).all()) and float(slope[1]) != 0


def test_a_line_of_left_out_or_measured_errors_refuses_the_noise():
    X, y, _ = problem()
    found = risk.estimated_mixing(linear_flow(X, y), S, T)
    for line in (found, risk.line(1.0, 1.2, 0.4)):
        with pytest.raises(ValueError, match="noise_at: expected a line whose risks are split into signal and noise"):
            line.noise_at(1.0)
    assert np.isfinite(risk.estimated_mixing(linear_flow(X, y), S, T, 0.4, "training").noise_at(1.0))


flow = linear_flow(np.eye(3), np.ones(3))
def test_with_sample_weights_they_are_in_the_metric_of_leave_one_out():
    X, y, _ = problem(3, n=20)
    flow = linear_flow(X, y, sample_weight=np.arange(1, 21.0), intercept=True)

    def value(filter):
        return float(risk.leave_one_out(flow.fit(filter)).value)

    found = risk.estimated_change(flow, S, T, noise=1.0)
    assert found.value == pytest.approx(value(S @ T) - value(T), rel=1e-9)
    line = risk.estimated_mixing(flow, S, T)
    for weight in (0.0, 0.7, 1.0):
        assert line.risk_at(weight) == pytest.approx(value(S @ filters.mix(filters.identity, T, 1 - weight)), rel=1e-9)
    steps = risk.estimated_steps(flow, S, 1)
    assert steps.risks[0] == pytest.approx(value(S), rel=1e-9)
    assert steps.risks[1] == pytest.approx(value(steps.filter), rel=1e-8)


weighted = linear_flow(np.eye(3), np.ones(3), sample_weight=[1.0, 2.0, 3.0])


@pytest.mark.parametrize("call, kind, words", [
    (lambda: risk.estimated_change(flow, S, T, inputs="old"), ValueError, "inputs: expected 'training' or 'new', got"),
    (lambda: risk.estimated_mixing(flow, S, T, inputs=None), ValueError, "inputs: expected 'training' or 'new', got"),
    (lambda: risk.estimated_change(flow, 1.0, T, 1.0), TypeError, "student: expected a filter, got float"),
    (lambda: risk.change(flow, S, 1.0, [1, 2, 3], 1.0), TypeError, "teacher: expected a filter, got float"),
    (lambda: risk.estimated_change(weighted, S, T, 1.0, "training"), ValueError, "flow: expected equal sample weights"),
    (lambda: risk.advise(weighted, student_time=1.0, teacher_time=1.0, noise=1.0), ValueError, "equal sample weights"),
    (lambda: risk.change(flow, filters.flow([0.1, 0.2]), T, [1, 2, 3], np.ones(3)), ValueError,
     r"noise: expected a number, or an array that broadcasts with the fit's parameters of shape \(2,\), got shape"),
    (lambda: risk.mixing(flow, filters.flow([0.1, 0.2]), T, [1, 2, 3], np.ones(3)), ValueError, "noise: expected a"),
    (lambda: risk.best_steps(flow, S, 1, [1, 2, 3], np.ones(3)), ValueError, "noise: expected a number, got shape"),
    (lambda: risk.estimated_steps(flow, S, 1, np.ones(3), "training"), ValueError, "noise: expected a number, got sh"),
    (lambda: risk.noise_variance(weighted), ValueError, "flow: expected equal sample weights"),
    (lambda: risk.noise_variance(linear_flow(np.zeros((2, 2)), np.ones(2))), ValueError, "flow: expected inputs"),
    (lambda: risk.estimated_change(flow, S, T, -1.0), ValueError, "noise: expected numbers >= 0"),
])
def test_errors_say_what_was_expected_and_what_came(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
