"""Gradient flow under the cross-entropy against an ODE solver in weight space, exact solutions, and its laws."""

import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import expit, log_softmax, softmax

import eigenkd
from eigenkd import cross_entropy
from eigenkd.cross_entropy import integration, kernel_flow, linear_flow
from tests.oracles import cross_entropy_weights, ode, relative_error
from validation.losses import objective
from validation.settings.loss import Loss

pytestmark = pytest.mark.filterwarnings("error:filter. expected:RuntimeWarning")  # times are finite: nothing is cut

TIMES = np.array([0.02, 0.3, 2.0, 30.0])  # lambda_1 is about 25


def problem(m=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(12, 8)), rng.permutation(np.arange(12) % m), rng.normal(size=(8, m))


X, LABELS, START = problem()
Y = np.eye(3)[LABELS]
SOFT = softmax(np.random.default_rng(1).normal(size=(12, 3)), axis=1)
NEW = np.random.default_rng(2).normal(size=(5, 8))


@pytest.fixture(scope="module")
def flow():
    return linear_flow(X, LABELS)


@pytest.mark.parametrize("y, start", [(LABELS, None), (SOFT, START)])
def test_teachers_solve_the_differential_equation(y, start):
    begin, targets = np.zeros((8, 3)) if start is None else start, Y if y is LABELS else y
    teacher = linear_flow(X, y, start=start).teacher(TIMES)
    for t, weights in zip(TIMES, teacher.weights):
        assert relative_error(weights, cross_entropy_weights(X, targets, t, begin)) < 1e-9


@pytest.mark.parametrize("start", [None, START])
@pytest.mark.parametrize("temperature, weight", [(1.0, 1.0), (4.0, 1.0), (4.0, 0.5), (0.5, 0.25)])
def test_students_solve_the_differential_equation(start, temperature, weight):
    begin = np.zeros((8, 3)) if start is None else start
    student = linear_flow(X, LABELS, start=start).student(TIMES[1:3], 0.7, temperature, weight)
    logits = X @ cross_entropy_weights(X, Y, 0.7, begin)
    for s, weights in zip(TIMES[1:3], student.weights):
        expected = cross_entropy_weights(X, Y, s, begin, logits, temperature, weight)
        assert relative_error(weights, expected) < 1e-9


def test_students_descend_on_what_networks_are_trained_with():
    """The first instant of a student is the gradient of validation.losses.objective, a mean over the 12 samples."""
    flow, step = linear_flow(X, LABELS, start=START), 1e-6
    B = torch.tensor(START, requires_grad=True)
    objective(Loss("distilled", temperature=4.0), {"distilled": 0.3, "one_hot": 0.7}, torch.tensor(X) @ B,
              torch.tensor(LABELS), torch.tensor(flow.teacher(0.7).fitted)).backward()
    rate = (flow.student(step, 0.7, temperature=4.0, weight=0.3).weights - START) / step
    assert relative_error(rate, -12 * B.grad.numpy()) < 1e-4


def test_orthogonal_examples_have_an_implicit_solution():
    """e^u + (m - 1) u = 1 + m lambda t for an example's margin u, far into its logarithmic growth.  Eq. (71)"""
    m = 5
    lam, labels = np.array([4.0, 1.0, 0.1]), np.array([0, 1, 0])
    fitted = kernel_flow(np.diag(lam), np.eye(m)[labels]).teacher([0.1, 10.0, 1e3, 1e5]).fitted
    for t, logits in zip([0.1, 10.0, 1e3, 1e5], fitted):
        for i in range(3):
            u = brentq(lambda u, x=m * lam[i] * t: np.exp(u) + (m - 1) * u - 1 - x, 0, 30, xtol=1e-14)
            others = np.delete(logits[i], labels[i])
            np.testing.assert_allclose(logits[i, labels[i]] - others, u, rtol=2e-9)


def test_two_classes_are_logistic_regression():
    _, labels, _ = problem(m=2)
    weights = linear_flow(X, labels).teacher(2.0).weights
    b = ode(lambda _, b: 2 * X.T @ (labels - expit(X @ b)), np.zeros(8), 2.0)
    np.testing.assert_allclose(weights, np.stack([-b, b], axis=1) / 2, rtol=1e-8)


def test_small_times_are_linear_in_the_kernel(flow):
    """fitted = f0 + t K (y - softmax(f0)) + O(t^2).  Eq. (69)"""
    for start, logits in ((None, np.zeros((12, 3))), (START, X @ START)):
        first = X @ X.T @ (Y - softmax(logits, axis=1))
        times = np.array([1e-7, 1e-5, 1e-4, 1e-3])
        fitted = linear_flow(X, LABELS, start=start).teacher(times).fitted
        for t, f in zip(times, fitted):
            assert relative_error(f - logits, t * first) < 20 * t + 1e-7
        curved = relative_error(fitted[3] - logits, 1e-3 * first)
        assert 5 < curved / relative_error(fitted[2] - logits, 1e-4 * first) < 15


def test_hot_students_are_those_of_the_squared_loss(flow):
    """As the temperature grows: linear regression on the teacher's centred logits for a time s/m.  Eq. (70)"""
    teacher = flow.teacher(0.7)
    limit = eigenkd.linear_flow(X, teacher.fitted).teacher(0.5 / 3).fitted
    errors = [relative_error(flow.student(0.5, 0.7, temperature).fitted, limit) for temperature in (1e2, 1e3, 1e4)]
    assert errors[0] > 1e-3
    assert errors[2] < 1e-4
    np.testing.assert_allclose([errors[0] / errors[1], errors[1] / errors[2]], 10, rtol=0.1)


def test_a_student_of_a_long_trained_teacher_is_a_teacher(flow):
    """The flow is monotone: two trajectories from one start part by no more than s ||X^T (y - q)||."""
    teacher, parts = flow.teacher(1.5).weights, []
    for T in (1e2, 1e4):
        targets = flow.teacher(T).probabilities
        parts.append(np.linalg.norm(flow.student(1.5, T).weights - teacher))
        assert 0 < parts[-1] <= 1.5 * np.linalg.norm(X.T @ (Y - targets))
    assert parts[1] < parts[0] / 10
    np.testing.assert_allclose(flow.student(1.5, 1.0, weight=0).weights, teacher, rtol=1e-9)


def test_generations(flow):
    """A chain is what training anew on the probabilities of the generation before is."""
    np.testing.assert_array_equal(flow.chain([TIMES]).weights, flow.teacher(TIMES).weights)
    student = flow.student(TIMES, 0.7)
    np.testing.assert_array_equal(flow.chain([0.7, TIMES]).weights, student.weights)
    anew = linear_flow(X, flow.student(0.3, 0.7).probabilities).teacher(2.0)
    np.testing.assert_allclose(flow.chain([0.7, 0.3, 2.0]).fitted, anew.fitted, rtol=1e-8, atol=1e-9)
    zero = np.zeros((8, 3))
    expected = cross_entropy_weights(X, Y, 0.7, zero)
    for time in (0.3, 2.0):
        expected = cross_entropy_weights(X, Y, time, zero, X @ expected, 4.0, 0.5)
    assert relative_error(flow.chain([0.7, 0.3, 2.0], temperature=4.0, weight=0.5).weights, expected) < 1e-9


def test_times_broadcast_in_any_order(flow):
    s, T = np.array([[2.0, 0.3, 0.0, 2.0]]), np.array([[0.7], [30.0], [0.7]])
    fit = flow.student(s, T, temperature=2.0)
    assert fit.components.shape == (3, 4, 8, 3)
    assert fit.weights.shape == (3, 4, 8, 3)
    assert fit.fitted.shape == fit.probabilities.shape == (3, 4, 12, 3)
    assert fit.predict(NEW).shape == (3, 4, 5, 3)
    for i in range(3):
        for j in range(4):
            alone = flow.student(s[0, j], T[i, 0], temperature=2.0)
            assert alone.weights.shape == (8, 3)
            np.testing.assert_allclose(fit.weights[i, j], alone.weights, rtol=1e-8, atol=1e-9)
    pairs = flow.student(s[0, :3], T[:, 0], temperature=2.0)
    np.testing.assert_allclose(pairs.weights, fit.weights[[0, 1, 2], [0, 1, 2]], rtol=1e-8, atol=1e-9)


def test_views_of_one_model(flow):
    fit = linear_flow(X, LABELS, start=START).teacher(TIMES)
    np.testing.assert_allclose(fit.components, flow.spectrum.feature_basis.T @ fit.weights, atol=1e-12)
    np.testing.assert_allclose(fit.fitted, X @ fit.weights, atol=1e-11)
    np.testing.assert_allclose(fit.predict(NEW), NEW @ fit.weights, atol=1e-12)
    np.testing.assert_allclose(fit.probabilities, softmax(fit.fitted, axis=-1), rtol=1e-12)
    assert repr(fit) == "CrossEntropyFit((4,) times, 3 classes)"
    assert repr(flow) == "CrossEntropyFlow(12 samples, 3 classes, 8 directions by 'gram')"


def test_nothing_is_learned_in_no_time(flow):
    started = linear_flow(X, LABELS, start=START)
    np.testing.assert_array_equal(flow.teacher([0.0, 1.0]).weights[0], np.zeros((8, 3)))
    np.testing.assert_array_equal(started.teacher(0.0).weights, START)
    np.testing.assert_array_equal(started.student(0.0, 1.0).fitted, X @ START)
    np.testing.assert_allclose(started.student(5.0, 0.0).weights, START, rtol=1e-9)  # its teacher is its start


def test_training_goes_on_where_it_left_off(flow):
    end = flow.teacher(2.3)
    went_on = linear_flow(X, LABELS, start=flow.teacher(0.3).weights).teacher(2.0)
    np.testing.assert_allclose(went_on.weights, end.weights, rtol=1e-8)


def test_a_kernel_is_its_features(flow):
    K, K_new = X @ X.T, NEW @ X.T
    kernel = kernel_flow(K, LABELS)
    for theirs, ours in ((flow.teacher(TIMES), kernel.teacher(TIMES)),
                         (flow.student(0.3, 2.0, 4.0), kernel.student(0.3, 2.0, 4.0))):
        np.testing.assert_allclose(ours.fitted, theirs.fitted, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(ours.predict(K_new), theirs.predict(NEW), rtol=1e-7, atol=1e-8)
    started = kernel_flow(K, LABELS, start=X @ START).teacher(0.3)
    features = linear_flow(X, LABELS, start=START).teacher(0.3)
    np.testing.assert_allclose(started.fitted, features.fitted, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(started.predict(K_new, start=NEW @ START), features.predict(NEW), rtol=1e-7, atol=1e-8)


def test_equal_examples(flow):
    """K is singular: two examples of other classes with the same features keep the same logits."""
    twice = X.copy()
    twice[1] = twice[0]
    labels = LABELS.copy()
    labels[:2] = 0, 1
    fit, expected = linear_flow(twice, labels).teacher(2.0), \
        cross_entropy_weights(twice, np.eye(3)[labels], 2.0, np.zeros((8, 3)))
    assert relative_error(fit.weights, expected) < 1e-9
    kernel = kernel_flow(twice @ twice.T, labels).teacher(2.0)
    np.testing.assert_allclose(kernel.fitted, twice @ expected, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(kernel.fitted[0], kernel.fitted[1], rtol=1e-11)


def test_symmetries(flow):
    teacher = flow.teacher(2.0)
    order, classes = np.random.default_rng(3).permutation(12), np.array([2, 0, 1])
    turn = np.linalg.qr(np.random.default_rng(4).normal(size=(8, 8)))[0]
    shuffled = linear_flow(X[order], LABELS[order]).teacher(2.0)
    np.testing.assert_allclose(shuffled.weights, teacher.weights, rtol=1e-8, atol=1e-9)
    turned = linear_flow(X @ turn, LABELS).teacher(2.0)
    np.testing.assert_allclose(turned.weights, turn.T @ teacher.weights, rtol=1e-8, atol=1e-9)
    renamed = linear_flow(X, classes[LABELS]).teacher(2.0)
    np.testing.assert_allclose(renamed.weights[:, classes], teacher.weights, rtol=1e-8, atol=1e-9)
    for c in (1e-3, 1e4):
        scaled = linear_flow(c * X, LABELS).teacher(2.0 / c**2)
        np.testing.assert_allclose(scaled.fitted, teacher.fitted, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(c * scaled.weights, teacher.weights, rtol=1e-8, atol=1e-9)
    for method in ("svd", "gram"):
        np.testing.assert_allclose(linear_flow(X, LABELS, method).teacher(2.0).weights, teacher.weights, rtol=1e-8)


def test_the_mean_over_classes_stays_and_the_loss_falls(flow):
    times = np.geomspace(1e-4, 1e4, 16)
    teacher = linear_flow(X, LABELS, start=START).teacher(times)
    np.testing.assert_allclose(teacher.weights.sum(-1), np.broadcast_to(START.sum(-1), (16, 8)), atol=1e-10)
    losses = -(Y * log_softmax(teacher.fitted, axis=-1)).sum((1, 2))
    assert (np.diff(losses) < 0).all()
    q = flow.teacher(0.7).probabilities
    divergence = (q * (np.log(q) - log_softmax(flow.student(times, 0.7).fitted, axis=-1))).sum((1, 2))
    assert (np.diff(divergence) < 1e-12).all()
    assert divergence[-1] < 1e-6 * divergence[0]  # eight directions: the student has its teacher's logits within reach


def test_what_comes_in_of_any_library_comes_out_as_numpy(library, flow):
    expected = flow.teacher(TIMES)
    fit = linear_flow(library.asarray(X), library.asarray(LABELS)).teacher(library.asarray(TIMES))
    predicted = fit.predict(library.asarray(NEW))
    for ours, theirs in ((fit.weights, expected.weights), (predicted, expected.predict(NEW))):
        assert isinstance(ours, np.ndarray)
        assert ours.dtype == np.float64
        np.testing.assert_array_equal(ours, theirs)
    one_hot = linear_flow(X, library.asarray(Y.astype(np.float32))).teacher(TIMES)
    np.testing.assert_array_equal(one_hot.weights, expected.weights)
    rounded = linear_flow(X, library.asarray(SOFT.astype(np.float32))).teacher(TIMES)  # rows sum to 1 within 1e-7
    np.testing.assert_allclose(rounded.weights.sum(-1), 0, atol=1e-12)


def test_features_of_nothing_but_zeros():
    fit = linear_flow(np.zeros((12, 8)), LABELS).teacher(TIMES)
    np.testing.assert_array_equal(fit.weights, np.zeros((4, 8, 3)))


def test_a_tighter_tolerance_is_closer():
    exact = linear_flow(X, LABELS, rtol=1e-12).teacher(2.0).weights
    errors = [relative_error(linear_flow(X, LABELS, rtol=rtol).teacher(2.0).weights, exact) for rtol in (1e-4, 1e-8)]
    assert errors[1] < 1e-7 < errors[0] < 1e-2


def test_a_user_of_single_precision_in_jax_is_left_alone():
    code = """
import jax, jax.numpy as jnp, numpy as np
from eigenkd import cross_entropy
flow = cross_entropy.kernel_flow(jnp.eye(2), jnp.array([0, 1]))
fitted = flow.teacher(1e3).fitted
u = fitted[0, 0] - fitted[0, 1]
assert abs(np.exp(u) + u - 1 - 2e3) < 1e-6, u
assert fitted.dtype == np.float64
print(jax.config.jax_enable_x64, jnp.ones(3).dtype)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "float32"], done.stderr


def test_what_is_missing_is_named(monkeypatch, flow):
    monkeypatch.setitem(sys.modules, "diffrax", None)
    monkeypatch.setattr(integration, "_solver", integration._solver.__wrapped__)
    with pytest.raises(ImportError, match=re.escape("cross_entropy: expected JAX and diffrax, one of which is missing; "
                                                    "pip install 'eigenkd[ode]'")):
        flow.teacher(1.0)


@pytest.mark.parametrize("make, error, text", [
    (lambda: linear_flow(X, LABELS[:5]), ValueError, "y: expected 12 rows like the inputs, got shape (5,); pass one"),
    (lambda: linear_flow(X, LABELS - 1), ValueError,
     "y: expected class labels 0, 1, ..., got values between -1 and 1; number the classes from 0, or pass probab"),
    (lambda: linear_flow(X, LABELS + 0.5), ValueError, "y: expected class labels 0, 1, ..., got values between 0.5 "),
    (lambda: linear_flow(X, np.zeros(12, int)), ValueError,
     "y: expected at least 2 classes, got 1; pass probabilities (n, m) where only one of the m classes occurs"),
    (lambda: linear_flow(X, 2 * Y), ValueError,
     "y: expected probabilities >= 0 that sum to 1 in each row, got a smallest of 0 and sums between 2 and 2; pass"),
    (lambda: linear_flow(X, 2 * Y - 1 / 3), ValueError, "got a smallest of -0.333333 and sums between 1 and 1; pass s"),
    (lambda: linear_flow(X, LABELS, start=START.T), ValueError,
     "start: expected shape (8, 3), got (3, 8); pass the weights that training starts from (for a kernel its logits"),
    (lambda: kernel_flow(X @ X.T, LABELS, start=START), ValueError, "start: expected shape (12, 3), got (8, 3)"),
    (lambda: kernel_flow(X, LABELS), ValueError, "K: expected a square matrix, got shape (12, 8)"),
    (lambda: linear_flow(X, LABELS, "qr"), ValueError, "method: expected 'auto', 'svd' or 'gram', got 'qr'"),
    (lambda: linear_flow(X, LABELS, rtol=0), ValueError,
     "rtol: expected a tolerance between 1e-13 and 0.01, got 0; pass one such number"),
    (lambda: linear_flow(X, LABELS, max_steps=0), ValueError, "max_steps: expected a whole number of steps >= 1, got "),
    (lambda: linear_flow(X, LABELS, max_steps=1e5), ValueError, "max_steps: expected a whole number of steps >= 1, go"),
    (lambda: jax.jit(lambda X: linear_flow(X, LABELS).targets)(jnp.asarray(X)), TypeError,
     "X: expected values, got a traced array; call the flow outside of jit, vmap and grad"),
    (lambda: linear_flow(X, LABELS).teacher([1.0, np.inf]), ValueError,
     "time: expected finite times, got inf; where classes are separable logits diverge, so that there is no limit: "),
    (lambda: linear_flow(X, LABELS).student(1.0, np.inf), ValueError, "teacher_time: expected finite times, got inf"),
    (lambda: linear_flow(X, LABELS).teacher(-1.0), ValueError, "time: expected numbers >= 0, got -1.0"),
    (lambda: linear_flow(X, LABELS).teacher(np.nan), ValueError, "time: expected a number, got nan"),
    (lambda: linear_flow(X, LABELS).teacher("long"), TypeError, "time: expected numbers, got 'long'"),
    (lambda: linear_flow(X, LABELS).student([1.0, 2.0], [1.0, 2.0, 3.0]), ValueError,
     "teacher_time, time: expected times that broadcast, got shapes (3,), (2,); add axes of length 1, as in time[:, N"),
    (lambda: linear_flow(X, LABELS).student(1.0, 1.0, temperature=0), ValueError,
     "temperature: expected a number > 0, got 0; pass one such number, and loop over several"),
    (lambda: linear_flow(X, LABELS).student(1.0, 1.0, temperature=[1, 2]), ValueError, "temperature: expected a numb"),
    (lambda: linear_flow(X, LABELS).student(1.0, 1.0, weight=1.5), ValueError,
     "weight: expected a number between 0 and 1, got 1.5; pass one such number"),
    (lambda: linear_flow(X, LABELS).chain(1.0), ValueError, "times: expected training times, one a generation, got 1."),
    (lambda: linear_flow(X, LABELS).chain([1.0, -2.0]), ValueError, "times[1]: expected numbers >= 0, got -2.0"),
    (lambda: linear_flow(X, LABELS, max_steps=3).teacher(2.0), ValueError,
     "time: expected times that are reached in max_steps=3 steps of the solver, got lambda_1 * time up to "),
    (lambda: linear_flow(X, LABELS, max_steps=3).chain([0.0, 2.0]), ValueError, "times[1]: expected times that are re"),
    (lambda: linear_flow(X, LABELS, max_steps=3).teacher([0.0, 1e300]), ValueError,
     "; pass smaller times, a larger max_steps, or a larger rtol than 1e-11"),
    (lambda: kernel_flow(X @ X.T, LABELS).teacher(0.0).weights, TypeError, "weights: a kernel fixes no finite feature"),
    (lambda: linear_flow(X, LABELS).teacher(0.0).predict(X.T), ValueError, "X_new: expected 8 columns, got shape (8, "),
    (lambda: kernel_flow(X @ X.T, LABELS).teacher(0.0).predict(X), ValueError, "K_new: expected 12 columns, got shape"),
    (lambda: kernel_flow(X @ X.T, LABELS, start=SOFT).teacher(0.0).predict(X @ X.T), ValueError,
     "start: expected the predictions on the new inputs of the function that training started from, shape (12, 3)"),
])
def test_errors_name_the_argument_and_the_mend(make, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make()


def test_the_module_loads_on_first_use():
    assert eigenkd.cross_entropy is cross_entropy
    assert "cross_entropy" in eigenkd.__all__


def test_a_kernel_that_couples_the_classes():
    """Block-diagonal it is the kernel of each class; in another basis of outputs it is what the weights of features
    per output give, integrated in weight space."""
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(6, 4)), np.eye(3)[[0, 1, 2, 0, 1, 1]]
    K, times, start = X @ X.T, [0.0, 0.5, 4.0], rng.normal(size=(6, 3))
    plain = cross_entropy.kernel_flow(K, labels, start=start)
    coupled = cross_entropy.kernel_flow(np.kron(K, np.eye(3)), labels, start=start)
    for one, other in ((plain.teacher(times), coupled.teacher(times)),
                       (plain.student(times, 2.0, temperature=4.0, weight=0.5),
                        coupled.student(times, 2.0, temperature=4.0, weight=0.5))):
        np.testing.assert_allclose(other.fitted, one.fitted, atol=1e-8)
        np.testing.assert_allclose(other.probabilities.sum(-1), 1)
    new, begin = rng.normal(size=(2, 6)), rng.normal(size=(2, 3))
    np.testing.assert_allclose(coupled.teacher(times).predict(np.kron(new, np.eye(3)), begin),
                               plain.teacher(times).predict(new, begin), atol=1e-8)
    assert coupled.teacher(times).components.shape == (3, 18, 1) and repr(coupled.teacher(times)).endswith("3 classes)")

    J = rng.normal(size=(18, 25))  # derivatives of 18 outputs by 25 weights

    def rate(_, theta):
        p = softmax(start + (J @ theta).reshape(6, 3), axis=1)
        return J.T @ (labels - p).ravel()

    solved = solve_ivp(rate, (0, 0.3), np.zeros(25), method="DOP853", rtol=1e-12, atol=1e-12)
    found = cross_entropy.kernel_flow(J @ J.T, labels, start=start).teacher(0.3).fitted
    np.testing.assert_allclose(found, start + (J @ solved.y[:, -1]).reshape(6, 3), atol=1e-7)


def test_a_kernel_of_neither_size_is_refused():
    with pytest.raises(ValueError, match=r"y: expected 5 rows like the inputs, got shape \(2, 3\)"):
        cross_entropy.kernel_flow(np.eye(5), np.full((2, 3), 1 / 3))
    with pytest.raises(ValueError, match=r"y: expected 6 rows like the inputs, got shape \(2, 3\)"):
        cross_entropy.linear_flow(np.eye(6), np.full((2, 3), 1 / 3))
