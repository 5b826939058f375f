"""k steps with free weights: against generations, checkpoints, brute force over the weights, and the oracle."""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize

from eigenkd import filters, linear_flow, risk
from tests.oracles import left_out_errors


def diagonal(lam, energy):
    signal = np.sqrt(np.asarray(energy, dtype=float))
    return linear_flow(np.diag(np.sqrt(np.asarray(lam, dtype=float))), signal), signal


def problem(seed=0, n=12, p=7, m=2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.geomspace(1, 0.2, p)
    return X, X @ rng.normal(size=(p, m)) + 0.5 * rng.normal(size=(n, m)), rng


LAM = np.concatenate([[0.0], np.geomspace(1e-4, 1e2, 25)])


@pytest.mark.parametrize("student", [filters.flow(0.7), filters.ridge(0.4)], ids=repr)
def test_equal_weights_are_generations(student):
    for count in (0, 1, 4):
        np.testing.assert_allclose(filters.steps(student, [1.0] * count).gain(LAM),
                                   filters.generations(student, count + 1).gain(LAM), rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(filters.steps(student, [0.7] * count).gain(LAM),
                                   filters.generations(student, count + 1, weight=0.3).gain(LAM), rtol=1e-13,
                                   atol=1e-15)


def test_steps_of_a_flow_are_the_affine_hull_of_its_checkpoints():
    X, y, rng = problem()
    flow, t = linear_flow(X, y), 0.4
    weights = rng.normal(size=3)
    checkpoints = flow.teacher(t * np.arange(1, 5)).weights
    fitted = flow.fit(filters.steps(filters.flow(t), list(weights))).weights
    gamma = np.linalg.lstsq((checkpoints[1:] - checkpoints[0]).reshape(3, -1).T, (fitted - checkpoints[0]).ravel())[0]
    np.testing.assert_allclose(checkpoints[0] + np.tensordot(gamma, checkpoints[1:] - checkpoints[0], 1), fitted,
                               rtol=1e-10, atol=1e-12)
    found = risk.best_steps(flow, filters.flow(t), 3, y, 0.5)
    s = filters.flow(t).gain(LAM)
    np.testing.assert_allclose(found.filter.gain(LAM), sum(a * s ** (j + 1) for j, a in enumerate(found.coefficients)),
                               rtol=1e-9, atol=1e-11)
    assert np.sum(found.coefficients) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("student", [filters.flow(0.4), filters.ridge(0.3)], ids=repr)
def test_nothing_that_brute_force_finds_over_the_weights_is_better(student):
    X, signal, rng = problem(1)
    mean = signal + 0.2 * rng.normal(size=signal.shape)
    flow = linear_flow(X, signal)
    for given in (None, mean):
        found = risk.best_steps(flow, student, 2, signal, 0.6, given)

        def of(weights, given=given):
            return float(risk.fixed_design(flow.fit(filters.steps(student, list(weights))), signal, 0.6, given).total)

        assert of(found.weights) == pytest.approx(float(found.risks[2]), rel=1e-9)
        assert of([]) == pytest.approx(float(found.risks[0]), rel=1e-12)
        one = risk.best_steps(flow, student, 1, signal, 0.6, given)
        assert one.weights[0] == pytest.approx(float(risk.mixing(flow, student, student, signal, 0.6, given).weight),
                                               rel=1e-8)
        assert of(one.weights) == pytest.approx(float(found.risks[1]), rel=1e-10)
        least = min(minimize(of, rng.normal(size=2), method="BFGS").fun for _ in range(6))
        assert found.risks[2] <= least * (1 + 1e-9)
        assert np.all(np.diff(found.risks) <= 1e-12) and found.oracle <= found.risks[-1]


def test_as_many_steps_as_distinct_eigenvalues_reach_the_oracle():
    flow, signal = diagonal([5, 3, 2, 1, 0.5], [3, 0, 0, 0, 0])
    found = risk.best_steps(flow, filters.ridge(1.0), 5, signal, 1.0)
    assert 5 * (found.risks[4] - found.oracle) == pytest.approx(0.0477, abs=5e-5)
    assert found.risks[5] - found.oracle < 1e-13
    gain = flow.fit(found.filter).gain
    np.testing.assert_allclose(gain[0], 0.75, rtol=1e-8)  # 3/(3 + 1), and 0 where there is no signal
    np.testing.assert_allclose(gain[1:], 0, atol=1e-8)
    repeated, signal = diagonal([5, 5, 1, 1, 1], [3, 3, 0, 0, 0])
    assert np.ptp(risk.best_steps(repeated, filters.flow(1.0), 4, signal, 1.0).risks[2:]) < 1e-13


ROWS = {"rough": (lambda j: 200 / j, 1, [10.8, 10.5, 6.2, 5.6, 5.0]),
        "rough, stopped early": (lambda j: 200 / j, 0.25, [40, 16.5, 3.5, 2.7, 1.4]),
        "smooth": (lambda j: 1e4 / j**4, 1, [2.3, 2.3, 0.5, 0.2, 0.1]),
        "smooth, stopped early": (lambda j: 1e4 / j**4, 0.25, [149.5, 11.9, 2.1, 2.0, 1.2]),
        "ten directions": (lambda j: np.where(j <= 10, 100.0, 0.0), 1, [68.4, 63.5, 39.5, 23.0, 19.4])}


@pytest.mark.parametrize("name", ROWS)
def test_what_steps_leave_above_the_oracle(name):
    """In percent, after 0 to 4 steps of a flow at (a part of) its best time: the table of docs/advisor.md."""
    energy, part, expected = ROWS[name]
    j = np.arange(1.0, 201)
    flow, signal = diagonal(j**-2, energy(j))
    best = risk.tune(flow, "teacher", "risk", signal=signal, noise=1.0).parameters["time"]
    found = risk.best_steps(flow, filters.flow(part * best), 4, signal, 1.0)
    np.testing.assert_allclose(100 * (found.risks / found.oracle - 1), expected, atol=0.06)


@pytest.mark.parametrize("penalty", [0.05, 12.0])
def test_in_the_end_each_step_leaves_the_same_part_where_all_weights_have_one_size(penalty):
    """Eq. (111)"""
    lam = np.geomspace(1e-5, 1e5, 400)
    flow, signal = diagonal(lam, 2.0 * lam)  # tau^2 = 2
    found, best = risk.best_steps(flow, filters.ridge(penalty), 6, signal, 1.0), 0.5
    excess = found.risks - found.oracle
    expected = ((penalty**0.5 - best**0.5) / (penalty**0.5 + best**0.5)) ** 2
    away = np.abs(excess[2:] / excess[1:-1] / expected - 1)
    assert away[-1] < 0.06 and (np.diff(away) < 1e-3).all()


@pytest.mark.parametrize("student", [filters.flow(0.02), filters.ridge(0.3)], ids=repr)
def test_risks_of_many_steps_are_those_of_the_filters(student):
    """Weights of 1e13 would reach lower risks that no filter has in double precision."""
    X, signal, rng = problem(3, n=40, p=60, m=1)
    signal, y = signal[:, 0], signal[:, 0] + rng.normal(size=40)
    flow = linear_flow(X, y)
    several = [(lambda k: risk.best_steps(flow, student, k, signal, 0.7, y),
                lambda fit: risk.fixed_design(fit, signal, 0.7, y).total)]
    several += [(lambda k, i=i: risk.estimated_steps(flow, student, k, 0.7, i), value) for i, value in (
        ("training", lambda fit: risk.sure(fit, 0.7)), ("new", lambda fit: risk.leave_one_out(fit).value))]
    for made, value in several:
        for count in (3, 12):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = made(count)
            assert found.risks[-1] == pytest.approx(float(value(flow.fit(found.filter))), rel=1e-10)
            assert np.all(np.diff(found.risks) <= 0) and np.ptp(found.risks) > 0
            assert found.amplification < 1e8
        with pytest.warns(RuntimeWarning, match="count: expected steps that rounding resolves, got 14; .* left out"):
            made(14)
    text = str(risk.best_steps(flow, student, 1, signal, 0.7))
    assert "1 step(s); weights of the model before: " in text and "errors of one training can grow " in text


def test_estimates_minimise_what_they_estimate():
    X, y, rng = problem(2, n=25, m=1)
    student = filters.flow(0.5)
    with_intercept = linear_flow(X, y + 1, intercept=True)
    assert risk.estimated_steps(with_intercept, student, 1, 0.6, "training").risks[0] == pytest.approx(
        float(risk.sure(with_intercept.fit(student), 0.6)), rel=1e-9)
    flow = linear_flow(X, y)
    for inputs, value in (("training", lambda fit: risk.sure(fit, 0.6)),
                          ("new", lambda fit: risk.leave_one_out(fit).value)):
        found = risk.estimated_steps(flow, student, 2, 0.6, inputs)

        def of(weights, value=value):
            return float(value(flow.fit(filters.steps(student, list(weights)))))

        assert of(found.weights) == pytest.approx(float(found.risks[2]), rel=1e-8)
        assert of([]) == pytest.approx(float(found.risks[0]), rel=1e-9)
        least = min(minimize(of, found.weights + 0.1 * rng.normal(size=2), method="Nelder-Mead",
                             options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 2000}).fun for _ in range(2))
        assert found.risks[2] <= least + 1e-9
        assert np.isnan(found.oracle)
    errors = left_out_errors(lambda X, y: linear_flow(X, y).fit(found.filter).predict, X, y)
    assert np.mean(errors**2) == pytest.approx(float(found.risks[2]), rel=1e-8)
    guessed = risk.estimated_steps(flow, student, 1, inputs="training")
    known = risk.estimated_steps(flow, student, 1, float(risk.noise_variance(flow)), "training")
    assert guessed.weights[0] == pytest.approx(known.weights[0], rel=1e-12)


def test_every_library_has_them_with_derivatives(library):
    import jax
    import torch

    X, signal, _ = problem()

    def made():
        flow = linear_flow(library.asarray(X), library.asarray(signal))
        return risk.best_steps(flow, filters.flow(0.4), 2, signal, 0.5)

    found = jax.jit(made)() if library.name == "jax" else made()  # compiled at once: faster
    reference = risk.best_steps(linear_flow(X, signal), filters.flow(0.4), 2, signal, 0.5)
    for name in ("coefficients", "weights", "risks"):
        assert isinstance(getattr(found, name), library.array_type)
        np.testing.assert_allclose(np.asarray(getattr(found, name)), getattr(reference, name), rtol=1e-8)

    def least(noise):
        return risk.best_steps(linear_flow(X, signal), filters.flow(0.4), 2, signal, noise).risks[-1]

    expected = (least(0.5 + 1e-6) - least(0.5 - 1e-6)) / 2e-6
    if library.name == "jax":
        by = jax.jit(jax.grad(lambda v: risk.best_steps(linear_flow(jax.numpy.asarray(X), signal), filters.flow(0.4), 2,
                                                        signal, v).risks[-1]))(0.5)
        assert float(by) == pytest.approx(expected, rel=1e-5)
    if library.name == "torch":
        noise = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        risk.best_steps(linear_flow(torch.tensor(X), signal), filters.flow(0.4), 2, signal, noise).risks[-1].backward()
        assert float(noise.grad) == pytest.approx(expected, rel=1e-5)


flow, S = linear_flow(np.eye(3), np.ones(3)), filters.flow(1.0)


@pytest.mark.parametrize("call, kind, words", [
    (lambda: filters.steps(S, 0.5), TypeError, "weights: expected a list of numbers, one a step, got 0.5"),
    (lambda: filters.steps(S, [0.5, np.inf]), ValueError, r"weights\[1\]: expected a finite number, got inf"),
    (lambda: filters.steps(1.0, [0.5]), TypeError, "student: expected a filter, got float"),
    (lambda: risk.best_steps(flow, S, -1, [1, 2, 3], 1.0), ValueError, "count: expected a whole number of steps >= 0"),
    (lambda: risk.best_steps(flow, S, 1.5, [1, 2, 3], 1.0), ValueError, "count: expected a whole number of steps >= 0"),
    (lambda: risk.best_steps(flow, filters.flow([1.0, 2.0]), 1, [1, 2, 3], 1.0), ValueError,
     "student: expected single numbers as parameters, got flow"),
    (lambda: risk.estimated_steps(flow, S, 1, inputs="all"), ValueError, "inputs: expected 'training' or 'new', got"),
])
def test_errors_say_what_was_expected_and_what_came(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_more_steps_than_directions_change_nothing():
    flow, signal = linear_flow(np.diag([3.0, 2.0, 1.0]), np.array([3.0, 2.0, 1.5])), np.array([3.0, 2.0, 1.0])
    few, many = (risk.best_steps(flow, filters.flow(0.3), count, signal, 0.5) for count in (3, 6))
    np.testing.assert_allclose(many.risks[:4], few.risks, rtol=1e-9)
    np.testing.assert_allclose(many.risks[4:], few.risks[-1], rtol=1e-9)
