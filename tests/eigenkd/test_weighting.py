"""Sample weights and an intercept against an ODE, normal equations and refits; what does not take them says so."""

import jax
import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from eigenkd import filters, linear_flow, risk
from tests.oracles import ode_weights

SHAPES = [(12, 5), (6, 9)]
CASES = [(n, p, weighted, intercept) for n, p in SHAPES for weighted in (False, True) for intercept in (False, True)
         if weighted or intercept]


def problem(n, p, weighted, m=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 2.0
    y = rng.normal(size=n if m is None else (n, m)) + 3.0
    return X, y, (rng.uniform(0.2, 3.0, size=n) if weighted else None), rng


def trained(X, y, w, intercept, time, start=None):
    """(b, a): dense integration of db/dt = sum_i w_i x_i (y_i - a - x_i . b), with the best a for b at every time."""
    w = np.ones(len(y)) if w is None else w

    def best(b):
        return np.sum(w * (y - X @ b)) / w.sum() if intercept else 0.0

    solution = solve_ivp(lambda _, b: X.T @ (w * (y - best(b) - X @ b)), (0, time),
                         np.zeros(X.shape[1]) if start is None else start, method="DOP853", rtol=1e-11, atol=1e-13)
    b = solution.y[:, -1]
    return b, best(b)


@pytest.mark.parametrize("method", ["svd", "gram"])
@pytest.mark.parametrize("n, p, weighted, intercept", CASES)
def test_teacher_and_student_solve_the_differential_equation(n, p, weighted, intercept, method):
    X, y, w, rng = problem(n, p, weighted)
    new, b0 = rng.normal(size=(4, p)), rng.normal(size=p)
    for start in (None, b0):
        flow = linear_flow(X, y, method, start, sample_weight=w, intercept=intercept)
        b, a = trained(X, y, w, intercept, 0.03, start)
        c, d = trained(X, a + X @ b, w, intercept, 0.02, start)
        for fit, weights, offset in ((flow.teacher(0.03), b, a), (flow.student(0.02, 0.03), c, d)):
            np.testing.assert_allclose(fit.weights, weights, atol=1e-8)
            np.testing.assert_allclose(fit.intercept, offset, atol=1e-8)
            np.testing.assert_allclose(fit.fitted, offset + X @ weights, atol=1e-8)
            np.testing.assert_allclose(fit.predict(new), offset + new @ weights, atol=1e-8)


@pytest.mark.parametrize("n, p, weighted, intercept", CASES)
def test_ridge_and_the_limit_are_weighted_least_squares(n, p, weighted, intercept):
    """The normal equations with an intercept that no penalty acts on."""
    X, Y, w, _ = problem(n, p, weighted, m=2)
    flow = linear_flow(X, Y, sample_weight=w, intercept=intercept)
    weights = np.ones(n) if w is None else w
    A = np.c_[X, np.ones(n)] if intercept else X
    penalty = np.diag([0.7] * p + [0.0] * intercept)
    solution = np.linalg.solve(A.T @ (weights[:, None] * A) + penalty, A.T @ (weights[:, None] * Y))
    ridge = flow.fit(filters.ridge(0.7))
    np.testing.assert_allclose(ridge.weights, solution[:p], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ridge.intercept, solution[p] if intercept else np.zeros(2), rtol=1e-9)
    root = np.sqrt(weights)[:, None]
    limit = A @ np.linalg.lstsq(root * A, root * Y, rcond=None)[0]
    np.testing.assert_allclose(flow.teacher(np.inf).fitted, limit, atol=1e-9)


def test_weights_are_rows_scaled_by_their_roots_and_repeated_samples():
    X, y, w, _ = problem(12, 5, True)
    root = np.sqrt(w)
    np.testing.assert_allclose(linear_flow(X, y, sample_weight=w).teacher(0.03).weights,
                               linear_flow(root[:, None] * X, root * y).teacher(0.03).weights, rtol=1e-12)
    counts = np.arange(12) % 3 + 1
    for intercept in (False, True):
        once = linear_flow(X, y, sample_weight=counts, intercept=intercept).teacher(0.02)
        often = linear_flow(X.repeat(counts, 0), y.repeat(counts), intercept=intercept).teacher(0.02)
        np.testing.assert_allclose(once.weights, often.weights, rtol=1e-11)
        np.testing.assert_allclose(once.intercept, often.intercept, rtol=1e-11)


def test_an_intercept_is_not_a_trained_bias():
    """A column of ones is trained at a rate of its own: another path, to the same limit where X has full rank."""
    X, y, _, _ = problem(12, 5, False)
    ones = np.c_[X, np.ones(12)]
    ours, bias = linear_flow(X, y, intercept=True), linear_flow(ones, y)
    np.testing.assert_allclose(bias.teacher(0.01).weights, ode_weights(ones, y, 0.01), atol=1e-9)
    assert np.abs(ours.teacher(0.01).weights - bias.teacher(0.01).weights[:5]).max() > 0.05
    np.testing.assert_allclose(ours.teacher(np.inf).weights, bias.teacher(np.inf).weights[:5], atol=1e-9)
    shifted = linear_flow(X + 100, y - 7, intercept=True).teacher(0.01)  # the origin does not matter to an intercept
    np.testing.assert_allclose(shifted.weights, ours.teacher(0.01).weights, rtol=1e-9)


@pytest.mark.parametrize("m", [None, 2])
def test_shapes_and_other_targets(library, m):
    X, y, w, rng = problem(12, 5, True, m)
    other, new, tail = rng.normal(size=y.shape), rng.normal(size=(3, 5)), () if m is None else (m,)
    flow = linear_flow(library.asarray(X), library.asarray(y), sample_weight=library.asarray(w), intercept=True)
    fit = flow.student([[0.01], [np.inf]], [0.02, 0.03, np.inf])
    for value, shape in ((fit.weights, (5, *tail)), (fit.intercept, tail), (fit.fitted, (12, *tail)),
                         (fit.predict(library.asarray(new)), (3, *tail))):
        assert isinstance(value, library.array_type) and tuple(value.shape) == (2, 3, *shape)
    again = linear_flow(X, other, sample_weight=w, intercept=True).teacher(0.02)
    np.testing.assert_allclose(np.asarray(flow.retarget(library.asarray(other)).teacher(0.02).fitted), again.fitted,
                               atol=1e-10)
    taught = flow.distil(flow.teacher([0.03, 0.1]), filters.flow(0.02))
    np.testing.assert_allclose(np.asarray(taught.fitted), np.asarray(flow.student(0.02, [0.03, 0.1]).fitted),
                               atol=1e-10)


def test_a_flow_without_has_an_intercept_of_0():
    flow = linear_flow(np.eye(3), np.ones((3, 2)))
    np.testing.assert_array_equal(flow.teacher([1.0, 2.0]).intercept, np.zeros((2, 2)))


def test_derivatives_in_features_targets_and_weights():
    X, y, w, rng = problem(8, 5, True)
    direction = rng.normal(size=X.shape), rng.normal(size=8), rng.uniform(size=8)

    def total(X, y, w):
        fit = linear_flow(X, y, sample_weight=w, intercept=True).teacher(0.05)
        return (fit.fitted**2).sum() + (fit.weights**2).sum() + (fit.predict(X[:2] + 1) ** 2).sum()

    h = 1e-6
    up, down = ([a + sign * h * d for a, d in zip((X, y, w), direction)] for sign in (1, -1))
    slope = (total(*up) - total(*down)) / (2 * h)
    gradients = jax.grad(total, argnums=(0, 1, 2))(X, y, w)
    assert sum(float((g * d).sum()) for g, d in zip(gradients, direction)) == pytest.approx(slope, rel=1e-6)
    tensors = [torch.tensor(a, requires_grad=True) for a in (X, y, w)]
    total(*tensors).backward()
    assert sum(float((t.grad.numpy() * d).sum()) for t, d in zip(tensors, direction)) == pytest.approx(slope, rel=1e-6)


def test_single_precision_with_a_large_mean():
    """Centred in double precision, of features that vary by 1 around 1000."""
    X, y, w, _ = problem(200, 3, True)
    X = (X + 1000).astype(np.float32)
    single = linear_flow(X, y.astype(np.float32), sample_weight=w, intercept=True).teacher(0.01)
    double = linear_flow(X.astype(float), y.astype(np.float32), sample_weight=w, intercept=True).teacher(0.01)
    assert single.weights.dtype == np.float32
    np.testing.assert_allclose(single.weights, double.weights, atol=1e-6)
    np.testing.assert_allclose(single.fitted, double.fitted, atol=1e-5)


def fitted_without(X, y, w, intercept, i, filter):
    keep = np.arange(len(y)) != i
    fit = linear_flow(X[keep], y[keep], sample_weight=None if w is None else w[keep], intercept=intercept).fit(filter)
    return y[i] - fit.predict(X[i:i + 1])[0]


@pytest.mark.parametrize("n, p, weighted, intercept", CASES)
@pytest.mark.parametrize("filter", [filters.ridge(0.7), filters.identity, filters.zero], ids=repr)
def test_leave_one_out_is_what_refitting_gives(n, p, weighted, intercept, filter):
    X, y, w, _ = problem(n, p, weighted)
    fit = linear_flow(X, y, sample_weight=w, intercept=intercept).fit(filter)
    found = risk.leave_one_out(fit)
    errors = np.array([fitted_without(X, y, w, intercept, i, filter) for i in range(n)])
    np.testing.assert_allclose(found.residuals, errors, rtol=1e-7, atol=1e-9)
    assert found.value == pytest.approx(np.mean((1 if w is None else w) * errors**2))
    assert bool(found.exact)


@pytest.mark.parametrize("n, p, weighted, intercept", CASES)
def test_losses_and_degrees_of_freedom_are_those_of_the_dense_smoother(n, p, weighted, intercept):
    X, y, w, _ = problem(n, p, weighted)
    flow = linear_flow(X, y, sample_weight=w, intercept=intercept)
    fit = flow.student(0.02, 0.05)
    smoother = np.stack([flow.retarget(e).student(0.02, 0.05).fitted for e in np.eye(n)], axis=1)
    np.testing.assert_allclose(smoother @ y, fit.fitted, atol=1e-10)
    weights = np.ones(n) if w is None else w
    loss = np.mean(weights * (y - fit.fitted) ** 2)
    assert float(risk.training_loss(fit)) == pytest.approx(loss)
    assert float(risk.degrees_of_freedom(fit)) == pytest.approx(np.trace(smoother))
    ridge = flow.fit(filters.ridge(0.5))  # for which GCV is that of its own smoother
    df = sum(flow.retarget(e).fit(filters.ridge(0.5)).fitted[i] for i, e in enumerate(np.eye(n)))
    assert float(risk.gcv(ridge)) == pytest.approx(np.mean(weights * (y - ridge.fitted) ** 2) / (1 - df / n) ** 2)
    assert float(risk.training_loss(flow.teacher(risk.time_to_loss(flow, loss)))) == pytest.approx(loss)
    if not weighted:
        assert float(risk.sure(fit, 0.3)) == pytest.approx(loss + 0.6 * np.trace(smoother) / n - 0.3)


@pytest.mark.parametrize("criterion", ["squared", "gcv", "loo"])
def test_tuning_takes_both(criterion):
    X, y, w, rng = problem(12, 5, True)
    flow = linear_flow(X, y, sample_weight=w, intercept=True)
    held = (X + 0.1 * rng.normal(size=X.shape), y) if criterion == "squared" else None
    found = risk.tune(flow, "ridge", criterion, validation=held)
    if held:
        assert found.value == pytest.approx(np.mean((y - found.fit.predict(held[0])) ** 2))
    else:
        value = risk.gcv(found.fit) if criterion == "gcv" else risk.leave_one_out(found.fit).value
        assert found.value == pytest.approx(float(value))


def test_tuning_by_errors_counts_what_predict_gets_wrong():
    X, _, w, rng = problem(30, 5, True)
    labels = np.eye(3)[rng.integers(0, 3, size=30)]
    found = risk.tune(linear_flow(X, labels, sample_weight=w, intercept=True), "ridge", "error", validation=(X, labels))
    wrong = np.mean(found.fit.predict(X).argmax(1) != labels.argmax(1))
    assert found.value == pytest.approx(wrong)


X, y, w, _ = problem(6, 3, True)
WEIGHTED, CENTRED = linear_flow(X, y, sample_weight=w), linear_flow(X, y, intercept=True)


@pytest.mark.parametrize("make, words", [
    (lambda: linear_flow(X, y, sample_weight=w[:3]), r"sample_weight: expected shape \(6,\), got \(3,\)"),
    (lambda: linear_flow(X, y, sample_weight=0 * w), "sample_weight: expected numbers > 0, got 0; leave these"),
    (lambda: linear_flow(X, y, sample_weight=-w), "sample_weight: expected numbers > 0, got -"),
    (lambda: linear_flow(X, y, sample_weight=w * np.inf), "sample_weight: expected finite numbers"),
    (lambda: risk.sure(WEIGHTED.teacher(1.0), 0.1), "flow: expected equal sample weights, .* use gcv or leave_one_out"),
    (lambda: risk.fixed_design(WEIGHTED.teacher(1.0), y, 0.1), "flow: expected equal sample weights and no intercept"),
    (lambda: risk.fixed_design(CENTRED.teacher(1.0), y, 0.1), "flow: expected equal sample weights and no intercept"),
    (lambda: risk.best_mixing_weight(CENTRED, 1.0, 1.0, y, 0.1), "flow: expected equal sample weights and no interc"),
    (lambda: risk.tune(WEIGHTED, criterion="sure", noise=0.1), "flow: expected equal sample weights"),
])
def test_errors_name_the_argument_and_the_mend(make, words):
    with pytest.raises(ValueError, match=words):
        make()
