"""Weak to strong against dense smoothers and `flow.distil`, and unbiased over draws."""

import numpy as np
import pytest

from eigenkd import filters, kernel_flow, linear_flow, risk
from tests.oracles import dense_flow, dense_ridge


def problem(seed=0, n=14, p=8, q=5, m=2):
    rng = np.random.default_rng(seed)
    X, Z = rng.normal(size=(n, p)), rng.normal(size=(n, q))
    return X, Z, X @ rng.normal(size=(p, m)) + 0.3 * rng.normal(size=(n, m)), rng


def per_sample(a, b=None):
    return np.sum(a * (a if b is None else b)) / len(a)


CASES = [(14, 8, 5), (14, 5, 20), (10, 20, 15)]


@pytest.mark.parametrize("n, p, q", CASES)
def test_risks_are_those_of_dense_smoothers(n, p, q):
    for seed in range(3):
        X, Z, theta, rng = problem(seed, n, p, q)
        mean, noise = theta + 0.2 * rng.normal(size=theta.shape), 0.7
        SX, SZ = dense_ridge(0.5)(X @ X.T)[0], dense_flow(0.3)(Z @ Z.T)[0]
        S, D, N = SX @ SZ, SX - SX @ SZ, np.eye(n) - SX
        teacher, flow = linear_flow(Z, theta).teacher(0.3), linear_flow(X, theta)

        def risk_of(M, noise, mean=mean, theta=theta):
            return per_sample(M @ mean - theta) + noise * per_sample(M)

        for given in (teacher, kernel_flow(Z @ Z.T, theta).teacher(0.3)):
            found = risk.distilled(flow, given, filters.ridge(0.5), theta, noise, mean)
            assert found.risk == pytest.approx(risk_of(S, noise), rel=1e-10)
            assert found.teacher_risk == pytest.approx(risk_of(SZ, noise), rel=1e-10)
            assert found.line.risk == pytest.approx(risk_of(SX, noise), rel=1e-10)
            assert found.line.distance == pytest.approx(per_sample(D @ mean) + noise * per_sample(D), rel=1e-9)
            even = float(found.change.break_even_noise)
            assert risk_of(S, even) == pytest.approx(risk_of(SZ, even), rel=1e-9)
            best = float(found.line.weight)
            around = [risk_of(SX - w * D, noise) for w in (best - 0.1, best, best + 0.1)]
            assert around[1] == pytest.approx(float(found.line.risk - found.line.gain), rel=1e-10)
            assert around[0] == pytest.approx(around[2], rel=1e-9) and around[1] < around[0]
            misfit, overlap = (per_sample(N @ SZ @ mean, other) + noise * np.sum(N @ SZ * also) / n
                               for other, also in ((N @ SZ @ mean, N @ SZ), (SZ @ mean - theta, SZ)))
            assert found.misfit == pytest.approx(misfit, rel=1e-9)
            assert found.overlap == pytest.approx(overlap, rel=1e-8, abs=1e-10)
            assert (found.change.value < 0) == (found.overlap > found.misfit / 2)


def test_with_the_same_features_it_is_the_ordinary_student():
    X, _, theta, _ = problem()
    flow, S, T = linear_flow(X, theta), filters.flow(0.2), filters.flow(0.4)
    found = risk.distilled(flow, flow.fit(T), S, theta, 0.5)
    ordinary = risk.change(flow, S, T, theta, 0.5)
    assert found.change.value == pytest.approx(ordinary.value, rel=1e-9)
    assert found.change.break_even_noise == pytest.approx(ordinary.break_even_noise, rel=1e-9)
    assert found.line.weight == pytest.approx(risk.mixing(flow, S, T, theta, 0.5).weight, rel=1e-8)
    y = theta + 0.3
    same = risk.estimated_distilled(flow.retarget(y), flow.retarget(y).fit(T), S, 0.5)
    other = risk.estimated_change(flow.retarget(y), S, T, 0.5, "training")
    assert same.change.value == pytest.approx(other.value, rel=1e-8)
    assert same.change.break_even_noise == pytest.approx(other.break_even_noise, rel=1e-8)


def test_a_student_trained_to_the_end_gains_its_misfit():
    """The signal lies in the student's features: the change is minus the misfit (Charikar et al.), at any noise."""
    X, Z, _, rng = problem(2)
    theta = X @ rng.normal(size=(8, 2))
    found = risk.distilled(linear_flow(X, theta), linear_flow(Z, theta).teacher(0.3), filters.identity, theta, 0.4)
    assert found.change.value == pytest.approx(-float(found.misfit), rel=1e-9)
    assert found.overlap == pytest.approx(float(found.misfit), rel=1e-9)


def test_a_weak_teacher_and_its_strong_student():
    """Of features with little of the signal: the student is better at any noise, and nearly as good as on labels."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 10))
    theta = X @ rng.normal(size=10)
    Z = np.concatenate([X + 2 * rng.normal(size=X.shape), rng.normal(size=(200, 60))], axis=1)
    weak = linear_flow(Z, theta).teacher(1.0)
    found = risk.distilled(linear_flow(X, theta), weak, filters.flow(1.0), theta, 2.0)
    assert found.risk < 0.7 * found.teacher_risk
    assert found.change.break_even_noise < 0 and found.line.risk < found.risk


def test_estimates_are_unbiased_and_their_errors_are_right():
    X, Z, theta, rng = problem(3)
    flow, sigma, S = linear_flow(X, theta), 0.6, filters.flow(0.2)
    weak, noise = linear_flow(Z, theta), 2 * 0.6**2
    exact = risk.distilled(flow, weak.teacher(0.3), S, theta, noise)
    values, errors = [], []
    for _ in range(1000):
        y = theta + sigma * rng.normal(size=theta.shape)
        found = risk.estimated_distilled(flow.retarget(y), weak.retarget(y).teacher(0.3), S, noise)
        values.append((found.change.value, found.line.risk, found.line.difference, found.line.distance, found.misfit))
        errors.append(found.change.standard_error)
    values = np.array(values)
    truth = np.array([exact.change.value, exact.line.risk, exact.line.difference, exact.line.distance, exact.misfit])
    spread = values.std(axis=0, ddof=1)
    assert np.all(np.abs(values.mean(axis=0) - truth) < 4 * spread / 1000**0.5)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(spread[0], rel=0.15)


def test_every_library_has_it(library):
    import jax

    X, Z, theta, _ = problem()
    reference = risk.distilled(linear_flow(X, theta), linear_flow(Z, theta).teacher(0.3), filters.flow(0.2), theta, 0.5)

    def made(to_teacher):
        flow = linear_flow(library.asarray(X), library.asarray(theta))
        teacher = linear_flow(to_teacher(Z), to_teacher(theta)).teacher(0.3)
        guess = risk.estimated_distilled(flow, teacher, filters.flow(0.2), 0.5)
        return risk.distilled(flow, teacher, filters.flow(0.2), theta, 0.5).change.value, guess.change.standard_error

    for to_teacher in (library.asarray,) if library.name == "jax" else (library.asarray, np.asarray):
        value, error = jax.jit(lambda: made(library.asarray))() if library.name == "jax" else made(to_teacher)
        assert float(value) == pytest.approx(float(reference.change.value), rel=1e-9)
        assert float(error) > 0


flow, S = linear_flow(np.eye(3), np.ones(3)), filters.flow(1.0)
weighted = linear_flow(np.eye(3), np.ones(3), sample_weight=[1.0, 2.0, 3.0])
moving = linear_flow(np.eye(3), np.ones(3), start=np.ones(3))


@pytest.mark.parametrize("call, kind, words", [
    (lambda: risk.distilled(flow, 1.0, S, np.ones(3), 1.0), TypeError, "fit: expected a Fit, got float"),
    (lambda: risk.distilled(flow, flow.teacher(1.0), 2.0, np.ones(3), 1.0), TypeError, "student: expected a filter"),
    (lambda: risk.distilled(flow, flow.teacher([1.0, 2.0]), S, np.ones(3), 1.0), ValueError,
     "teacher: expected single numbers as parameters, got flow"),
    (lambda: risk.distilled(flow, flow.teacher(1.0), filters.flow([1.0, 2.0]), np.ones(3), 1.0), ValueError,
     "student: expected single numbers as parameters, got flow"),
    (lambda: risk.distilled(flow, linear_flow(np.eye(4), np.ones(4)).teacher(1.0), S, np.ones(3), 1.0), ValueError,
     "teacher: expected a model of 3 training samples, got one of 4"),
    (lambda: risk.distilled(flow, weighted.teacher(1.0), S, np.ones(3), 1.0), ValueError, "flow: expected equal sampl"),
    (lambda: risk.distilled(moving, flow.teacher(1.0), S, np.ones(3), 1.0), ValueError,
     "flow: expected a start from zero for student and teacher"),
])
def test_errors_say_what_was_expected_and_what_came(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
