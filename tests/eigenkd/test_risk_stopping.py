"""The time to reach a loss, against a bracketing root finder and against the loss itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from eigenkd import kernel_flow, linear_flow, risk
from eigenkd.risk import stopping
from tests.oracles import matrix_with


@pytest.mark.parametrize("n, p", [(9, 14), (14, 9)])
@pytest.mark.parametrize("m", [None, 3])
def test_the_loss_at_that_time_is_the_one_asked_for(n, p, m):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, p)), rng.normal(size=n if m is None else (n, m))
    start = rng.normal(size=(p,) if m is None else (p, m))
    for flow in (linear_flow(X, y), linear_flow(X, y, start=start), kernel_flow(X @ X.T, y)):
        begin, end = (float(risk.training_loss(flow.teacher(t))) for t in (0, np.inf))
        losses = end + (begin - end) * np.array([[0.99, 0.5, 0.1], [1e-3, 1e-6, 1e-9]])
        times = risk.time_to_loss(flow, losses)
        assert times.shape == (2, 3)
        np.testing.assert_allclose(risk.training_loss(flow.teacher(times)) - end, losses - end, rtol=1e-6)

        def above(t, flow=flow, half=losses[0, 1]):
            return risk.training_loss(flow.teacher(t)) - half

        by_bracket = brentq(above, 0, 1e3, xtol=1e-13)
        assert times[0, 1] == pytest.approx(by_bracket, rel=1e-9)


@given(st.integers(0, 2**32 - 1), st.lists(st.floats(-6, 0), min_size=2, max_size=12), st.floats(-12, -0.01))
def test_newton_reaches_it_for_any_spectrum(seed, log_values, log_loss):
    """Condition numbers of K up to 1e12, losses down to 1e-12 of the first: monotone, in a few steps a decade."""
    rng = np.random.default_rng(seed)
    values = 10.0 ** np.sort(log_values)[::-1]
    n = len(values)
    flow = linear_flow(matrix_with(values, n, n + 2, rng), rng.normal(size=n))
    lam = flow.spectrum.eigenvalues
    energy = (flow.spectrum.singular_values * flow.limit[:, 0]) ** 2
    wanted = np.asarray(energy.sum() * 10**log_loss)
    t = stopping._newton(np.log(energy), lam, wanted)
    assert np.sum(energy * np.exp(-2 * t * lam)) == pytest.approx(float(wanted), rel=1e-9)
    path, steps = [], 0
    while not path or path[-1] < t * (1 - 1e-10):  # the same steps, written out
        now = path[-1] if path else 0.0
        loss, slope = np.sum(energy * np.exp(-2 * now * lam)), -2 * np.sum(energy * lam * np.exp(-2 * now * lam))
        path.append(now - np.log(loss / wanted) * loss / slope)
        steps += 1
        assert steps <= 60
    assert np.all(np.diff(path) > 0)
    assert path[-1] <= t * (1 + 1e-10)


def test_a_single_eigenvalue_takes_one_step(monkeypatch):
    monkeypatch.setattr(stopping, "STEPS", 1)
    flow = linear_flow(2 * np.eye(3), np.ones(3))
    assert risk.time_to_loss(flow, 1e-4) == pytest.approx(np.log(1e4) / 8, rel=1e-14)


def test_losses_at_the_ends():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(14, 9)), rng.normal(size=14)
    flow = linear_flow(X, y)
    begin, end = (float(risk.training_loss(flow.teacher(t))) for t in (0, np.inf))
    assert risk.time_to_loss(flow, 2 * begin) == 0
    assert risk.time_to_loss(flow, begin) == pytest.approx(0, abs=1e-12)
    assert risk.time_to_loss(flow, end) == np.inf
    assert risk.time_to_loss(linear_flow(X.T, y[:9]), 0) == np.inf
    assert risk.time_to_loss(linear_flow(X, 0 * y), 0.1) == 0
    assert risk.time_to_loss(linear_flow(X, 0 * y), 0) == 0  # it has that loss already


def test_every_library_gets_its_own_arrays(library):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(5, 7)), rng.normal(size=5)
    reference = risk.time_to_loss(linear_flow(X, y), [0.1, 0.01])
    flow = linear_flow(library.asarray(X), library.asarray(y))
    for losses in ([0.1, 0.01], library.asarray([0.1, 0.01])):
        times = risk.time_to_loss(flow, losses)
        assert isinstance(times, library.array_type)
        np.testing.assert_allclose(np.asarray(times), reference, rtol=1e-9)
    single = risk.time_to_loss(linear_flow(library.asarray(X.astype(np.float32)), y.astype(np.float32)), 0.1)
    assert np.asarray(single).dtype == np.float32


def traced():
    import jax

    return jax.jit(lambda X: risk.time_to_loss(linear_flow(X, np.ones(3)), 0.1))(np.eye(3))


@pytest.mark.parametrize("call, kind, words", [
    (lambda: risk.time_to_loss(0.3, 0.1), TypeError, "flow: expected a LinearFlow, got float; make one with"),
    (lambda: risk.time_to_loss(linear_flow(np.eye(3), np.ones(3)), -0.1), ValueError, "loss: expected numbers >= 0"),
    (lambda: risk.time_to_loss(linear_flow(np.eye(3, 2), np.ones(3)), [0.5, 0.1]), ValueError,
     "loss: expected at least 0.333333, the loss that training ends with, got 0.1; ask for more"),
    (traced, TypeError, "flow: expected numbers that can be looked at, got a traced array; call this outside of jit"),
])
def test_errors_say_what_was_expected_and_what_came(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
