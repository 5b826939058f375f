"""Schedules of training: each against its differential equation or loop in weight space, and against exact numbers."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenkd import filters, kernel_flow, linear_flow
from tests.oracles import ode

EPS = np.finfo(float).eps
rng = np.random.default_rng(5)
N, P = 7, 5
X = rng.normal(size=(N, P))
y = rng.normal(size=N)
M, target = X.T @ X, X.T @ y
flow = linear_flow(X, y)


def descent_of(b, outputs=y):
    """The rate of gradient flow on (1/2)||X b - outputs||^2."""
    return X.T @ (outputs - X @ b)


def assert_weights(filter, reference):
    np.testing.assert_allclose(flow.fit(filter).weights, reference, rtol=1e-8, atol=1e-10)


# Against the differential equation

@pytest.mark.parametrize("window", [0.0, 0.3])
@pytest.mark.parametrize("to_labels", [True, False])
def test_a_loss_switch_abrupt_or_annealed_in_either_direction(window, to_labels):
    """The paper's gradual switch: distil, then move the targets over a window, then the one-hot loss; or back."""
    T, before, after = 0.4, 0.2, 0.15
    teacher = X @ ode(lambda _, b: descent_of(b), np.zeros(P), T)
    first, second = (teacher, y) if to_labels else (y, teacher)

    def rate(t, b):
        share = np.clip((t - before) / window, 0, 1) if window else float(t > before)
        return descent_of(b, (1 - share) * first + share * second)

    b = np.zeros(P)
    for begin, length in ((0, before), (before, window), (before + window, after)):  # smooth pieces for the solver
        b = ode(lambda t, b, begin=begin: rate(begin + t + 1e-300, b), b, length) if length else b
    if not window:
        b = ode(lambda _, b: descent_of(b, second), ode(lambda _, b: descent_of(b, first), np.zeros(P), before), after)
    ends = (filters.flow(T), filters.identity) if to_labels else (filters.identity, filters.flow(T))
    assert_weights(filters.switch(*ends, before, after, window), b)


def test_annealing_starts_where_it_is_told_to():
    T, D = 0.4, 0.6
    teacher = X @ ode(lambda _, b: descent_of(b), np.zeros(P), T)
    start = np.linalg.solve(M + 0.3 * np.eye(P), target)
    b = ode(lambda t, b: descent_of(b, (1 - t / D) * teacher + t / D * y), start, D)
    assert_weights(filters.anneal(filters.flow(T), filters.identity, D, start=filters.ridge(0.3)), b)


@pytest.mark.parametrize("speed", [0.0, 0.2, 1.0, 1 + 1e-9, 7.0])
def test_a_student_of_a_teacher_that_is_still_learning(speed):
    both = ode(lambda _, b: np.stack([speed * descent_of(b[0]), descent_of(b[1], X @ b[0])]), np.zeros((2, P)), 0.5)
    assert_weights(filters.online(0.5, speed), both[1])


@pytest.mark.parametrize("learners", [1, 2, 3, 6])
def test_a_chain_of_learners_that_all_learn_at_once(learners):
    def rate(_, b):
        return np.stack([descent_of(b[0]), *(descent_of(b[i], X @ b[i - 1]) for i in range(1, learners))])

    assert_weights(filters.online_chain(0.5, learners), ode(rate, np.zeros((learners, P)), 0.5)[-1])


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_two_students_that_teach_each_other(weight):
    starts = np.stack([ode(lambda _, b: descent_of(b), np.zeros(P), 0.2), np.zeros(P)])

    def rate(_, b):
        return np.stack([descent_of(b[i], weight * y + (1 - weight) * X @ b[1 - i]) for i in (0, 1)])

    both = ode(rate, starts, 0.4)
    for found, expected in zip(filters.mutual(0.4, weight, (filters.flow(0.2), filters.zero)), both):
        assert_weights(found, expected)


def test_weight_decay():
    mu, t = 0.7, 0.5
    assert_weights(filters.flow(t, weight_decay=mu), ode(lambda _, b: descent_of(b) - mu * b, np.zeros(P), t))
    teacher = ode(lambda _, b: descent_of(b), np.zeros(P), 0.3)
    b = ode(lambda _, b: descent_of(b, X @ teacher) - mu * b, teacher, t)
    assert_weights(filters.relax(filters.flow(0.3), t, start=filters.flow(0.3), weight_decay=mu), b)
    b, rates = np.zeros(P), [0.02, 0.05, 0.01]
    for rate in rates:
        b = b + rate * (descent_of(b) - mu * b)
    assert_weights(filters.scheduled_descent(rates, weight_decay=mu), b)
    b = np.zeros(P)
    for _ in range(9):
        b = b + 0.02 * (descent_of(b) - mu * b)
    assert_weights(filters.descent(0.02, 9, weight_decay=mu), b)
    np.testing.assert_array_equal(filters.flow(0.4, weight_decay=0).gain(1.0), filters.flow(0.4).gain(1.0))


def test_decay_in_null_directions_learns_nothing_and_many_decays_broadcast():
    assert filters.flow(np.inf, weight_decay=0.5).gain(0.0) == 0
    family = filters.flow(np.array([0.1, 1.0])[:, None], weight_decay=np.array([0.0, 0.5, 2.0]))
    assert family.gain(np.ones(4)).shape == (2, 3, 4)
    assert filters.scheduled_descent(np.full((2, 5), 0.1), weight_decay=[0.1, 0.2]).gain(np.ones(4)).shape == (2, 4)


def test_steps_of_any_length_by_schedule():
    rates = np.array([0.01, 0.3, 0.002, 0.11])  # 0.3 is far beyond the stable one
    assert 0.3 * flow.spectrum.eigenvalues[0] > 2
    b = np.zeros(P)
    for rate in rates:
        b = b + rate * descent_of(b)
    assert_weights(filters.scheduled_descent(rates), b)
    assert_weights(filters.scheduled_descent(rates[::-1]), b)
    both = filters.scheduled_descent(np.stack([rates, rates / 2]))
    np.testing.assert_allclose(flow.fit(both).weights[0], b, rtol=1e-9)
    teacher = X @ b
    for rate in rates:
        b = b + rate * descent_of(b, teacher)
    start = filters.scheduled_descent(rates)
    assert_weights(filters.scheduled_descent(rates, target=start, start=start), b)


@pytest.mark.parametrize("steps", [0, 1, 2, 7, 8])
@pytest.mark.parametrize("rate", [0.9, 1.5, 2.0, 2.3])
def test_descent_beyond_the_first_stable_step(rate, steps):
    """The residual changes its sign, and grows beyond 2: wrong shares, right weights."""
    rate = rate / flow.spectrum.eigenvalues[0]
    b = np.zeros(P)
    for _ in range(steps):
        b = b + rate * descent_of(b)
    assert_weights(filters.descent(rate, steps), b)


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("steps", [0, 1, 2, 25])
@pytest.mark.parametrize("rate", [0.01, 1.0, 1.9])
def test_the_heavy_ball(momentum, steps, rate):
    """Against the loop, and against PyTorch's SGD."""
    import torch

    rate = rate / flow.spectrum.eigenvalues[0]
    b, before = np.zeros(P), np.zeros(P)
    for _ in range(steps):
        b, before = b + rate * descent_of(b) + momentum * (b - before), b
    assert_weights(filters.heavy_ball(rate, steps, momentum), b)
    weights = torch.zeros(P, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([weights], lr=rate, momentum=momentum)
    for _ in range(steps):
        optimiser.zero_grad()
        (torch.sum((torch.tensor(X) @ weights - torch.tensor(y)) ** 2) / 2).backward()
        optimiser.step()
    assert_weights(filters.heavy_ball(rate, steps, momentum), weights.detach().numpy())


@pytest.mark.parametrize("damping", [0.0, 0.5, 4.0, 30.0])
def test_the_heavy_ball_in_continuous_time(damping):
    def rate(_, state):
        return np.stack([state[1], descent_of(state[0]) - damping * state[1]])

    assert_weights(filters.heavy_flow(2.0, damping), ode(rate, np.zeros((2, P)), 2.0)[0])


def test_strong_damping_is_gradient_flow():
    np.testing.assert_allclose(filters.heavy_flow(0.3 * 1e8, 1e8).gain(flow.spectrum.eigenvalues),
                               filters.flow(0.3).gain(flow.spectrum.eigenvalues), rtol=1e-12)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("count", [0, 1, 2, 6])
def test_generations_are_the_recursion(weight, count):
    model = filters.identity
    for _ in range(count):
        model = filters.flow(0.3) @ filters.mix(filters.identity, model, weight)
    lam = np.append(flow.spectrum.eigenvalues, 0.0)
    np.testing.assert_allclose(filters.generations(filters.flow(0.3), count, weight).gain(lam), model.gain(lam),
                               rtol=1e-13, atol=1e-300)
    if count and weight < 1:
        times = [0.3] * count
        np.testing.assert_allclose(flow.chain(times, weights=[1.0] + [weight] * (count - 1)).weights,
                                   flow.fit(model).weights, rtol=1e-10)


def test_generations_end_where_they_no_longer_move():
    weight, lam = np.array([0.01, 0.5, 1.0])[:, None], np.array([1e-3, 0.1, 1.0, 30.0])
    limit = filters.generations(filters.flow(2.0), np.inf, weight)
    again = filters.flow(2.0) @ filters.mix(filters.identity, limit, weight)
    np.testing.assert_allclose(again.gain(lam), limit.gain(lam), rtol=1e-13)
    np.testing.assert_allclose(limit.gain(lam), filters.generations(filters.flow(2.0), 10**5, weight).gain(lam))
    # Ridge regressions end in a ridge regression whose penalty is divided by the weight.
    np.testing.assert_allclose(filters.generations(filters.ridge(0.3), np.inf, 0.25).gain(lam),
                               filters.ridge(1.2).gain(lam), rtol=1e-14)
    # Without labels all is forgotten but what every generation copies perfectly.
    assert filters.generations(filters.flow(2.0), np.inf, 0.0).gain(1.0) == 0
    assert filters.generations(filters.identity, np.inf, 0.0, start=filters.flow(1.0)).gain(1.0) == \
        filters.flow(1.0).gain(1.0)


def test_mixed_generations_with_their_own_times_and_weights():
    times, weights = [0.5, 0.2, 0.4], [1.0, 0.3, 0.6]
    outputs = y
    for time, weight in zip(times, weights):
        b = ode(lambda _, b, w=weight, f=outputs: descent_of(b, w * y + (1 - w) * f), np.zeros(P), time)
        outputs = X @ b
    np.testing.assert_allclose(flow.chain(times, weights=weights).weights, b, rtol=1e-8, atol=1e-11)
    assert flow.chain([0.5, 0.2], weights=[1, np.array([0.1, 0.2, 0.3])]).weights.shape == (3, P)


# A start, other targets, other features

def test_training_from_a_start():
    b0, new = rng.normal(size=P), rng.normal(size=(3, P))
    from_b0 = linear_flow(X, y, start=b0)
    teacher = ode(lambda _, b: descent_of(b), b0, 0.3)
    np.testing.assert_allclose(from_b0.teacher(0.3).weights, teacher, rtol=1e-9)
    student = ode(lambda _, b: descent_of(b, X @ teacher), b0, 0.2)
    found = from_b0.student([0.2, 0.0], 0.3)
    np.testing.assert_allclose(found.weights, [student, b0], rtol=1e-9)
    np.testing.assert_allclose(found.fitted[0], X @ student, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.predict(new)[0], new @ student, rtol=1e-8)
    np.testing.assert_allclose(found.components[0], flow.spectrum.feature_basis.T @ student, rtol=1e-8, atol=1e-10)
    by_kernel = kernel_flow(X @ X.T, y, start=X @ b0).student([0.2, 0.0], 0.3)
    np.testing.assert_allclose(by_kernel.fitted[0], X @ student, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(by_kernel.predict(new @ X.T, start=new @ b0)[0], new @ student, rtol=1e-8)
    np.testing.assert_allclose(np.abs(by_kernel.components[0, :P]), np.abs(found.components[0]), rtol=1e-7)


def test_more_features_than_samples_keep_the_start_where_nothing_pulls():
    wide, b0 = rng.normal(size=(4, 9)), rng.normal(size=9)
    end = linear_flow(wide, np.ones(4), start=b0).teacher(np.inf).weights
    np.testing.assert_allclose(wide @ end, np.ones(4), rtol=1e-10)
    null = np.eye(9) - np.linalg.pinv(wide) @ wide
    np.testing.assert_allclose(null @ end, null @ b0, atol=1e-12)


def test_several_outputs_start_each_from_their_own():
    Y, B0 = rng.normal(size=(N, 2)), rng.normal(size=(P, 2))
    fit = linear_flow(X, Y, start=B0).student(0.2, 0.3)
    for j in range(2):
        one = linear_flow(X, Y[:, j], start=B0[:, j]).student(0.2, 0.3)
        np.testing.assert_allclose(fit.weights[:, j], one.weights, rtol=1e-12)


def test_other_targets_from_the_same_factorisation(monkeypatch):
    from eigenkd import regression as module

    def again(*_):
        raise AssertionError("factorised again")

    z = rng.normal(size=(N, 3))
    expected = linear_flow(X, z).student(0.2, 0.3).weights
    monkeypatch.setattr(module, "from_features", again)
    np.testing.assert_allclose(flow.retarget(z).student(0.2, 0.3).weights, expected, rtol=1e-12)


@pytest.mark.parametrize("m", [None, 2])
def test_a_student_with_other_features_than_its_teacher(library, m):
    Z = rng.normal(size=(N, 4))
    labels = y if m is None else rng.normal(size=(N, m))
    T, s = np.array([0.2, 0.5]), 0.3
    teachers = linear_flow(library.asarray(Z), labels).teacher(T)
    student = linear_flow(library.asarray(X), labels).distil(teachers, filters.flow(s))
    assert isinstance(student.weights, library.array_type)
    for i, time in enumerate(T):
        b = ode(lambda _, b: Z.T @ (labels - Z @ b), np.zeros((4, *labels.shape[1:])), time)
        b = ode(lambda _, w, f=Z @ b: X.T @ (f - X @ w), np.zeros((P, *labels.shape[1:])), s)
        np.testing.assert_allclose(np.asarray(student.weights)[i], b, rtol=1e-8, atol=1e-11)
    grid = linear_flow(X, labels).distil(linear_flow(Z, labels).teacher(T[:, None]), filters.flow([0.1, s, 0.7]))
    np.testing.assert_allclose(grid.weights[:, 1], np.asarray(student.weights), rtol=1e-10)
    same = linear_flow(X, labels)
    np.testing.assert_allclose(same.distil(same.teacher(0.4), filters.flow(s)).weights, same.student(s, 0.4).weights,
                               rtol=1e-9, atol=1e-12)


def test_a_student_of_a_kernel_teacher():
    K = np.exp(-((X[:, :1] - X[:, 0]) ** 2))
    outputs = kernel_flow(K, y).teacher(0.7)
    np.testing.assert_allclose(flow.distil(outputs, filters.ridge(0.2)).weights,
                               np.linalg.solve(M + 0.2 * np.eye(P), X.T @ outputs.fitted), rtol=1e-9)


# Against exact numbers

times = st.floats(-10, 2.4).map(lambda e: 10.0**e)
shares = st.floats(0, 1)
eigenvalues = st.floats(0.1, 1)


def hypoexponential(x, y):
    """The gain of two learners in a row, at rates x and y."""
    return 1 - (1 + x) * mp.exp(-x) if x == y else 1 - (y * mp.exp(-x) - x * mp.exp(-y)) / (y - x)


def exact(what, lam):
    """The filter and its gain in arbitrary precision."""
    kind, (t, s, share) = what
    lam, m = mp.mpf(lam), mp.mpf
    x, y, alpha = m(t) * lam, m(s) * lam, m(share)
    a_s = 1 - mp.exp(-y)
    if kind == "online":
        speed = 10.0 ** (12 * share - 6)
        return filters.online(t, speed), hypoexponential(x, m(speed) * x)
    if kind == "nearly as fast":
        speed = 1 + share * 1e-6
        return filters.online(t, speed), hypoexponential(x, m(speed) * x)
    if kind == "anneal":
        phi, d = (1 - mp.exp(-x)) / x, mp.exp(-x)
        made = filters.anneal(filters.flow(s), filters.identity, t, start=filters.ridge(share))
        return made, 1 - phi + (phi - d) * a_s + d * lam / (lam + alpha)
    if kind == "generations":
        q, count = (1 - alpha) * a_s, int(1000 * (t % 1))
        gain = q**count + alpha * a_s * (1 - q**count) / (1 - q) if q != 1 else m(1)
        return filters.generations(filters.flow(s), count, share), gain
    if kind == "mutual":
        mean, half = 1 - mp.exp(-alpha * x) * (1 - a_s / 2), mp.exp(-(2 - alpha) * x) * a_s / 2
        return filters.mutual(t, share, (filters.flow(s), filters.zero))[1], mean - half
    assert kind == "decay"
    return filters.flow(t, weight_decay=s), lam / (lam + m(s)) * (1 - mp.exp(-m(t) * (lam + m(s))))


@given(st.tuples(st.sampled_from(["online", "nearly as fast", "anneal", "generations", "mutual", "decay"]),
                 st.tuples(times, times, shares)), eigenvalues)
def test_shares_keep_their_digits_also_as_logarithms(what, lam):
    with mp.workdps(700):
        filter, gain = exact(what, lam)
        for value, reference in ((filter.log_gain(lam), gain), (filter.log_residual(lam), 1 - gain)):
            reference = mp.log(reference) if reference > 0 else -mp.inf
            if mp.isfinite(reference):
                assert abs(mp.mpf(float(value)) - reference) <= 8 * EPS * max(1, abs(reference))
            else:
                assert float(value) == float(reference)
        if gain > 1e-290:  # as its logarithm, whose rounding it takes over: the power of a count is as ill-conditioned
            assert abs(mp.mpf(float(filter.gain(lam))) / gain - 1) <= 4 * EPS * max(4, abs(mp.log(gain)))
        assert abs(mp.mpf(float(filter.residual(lam))) - (1 - gain)) <= 4 * EPS


@given(times, st.integers(1, 40), eigenvalues)
def test_erlang_keeps_its_digits(t, learners, lam):
    with mp.workdps(700):
        filter, x = filters.online_chain(t, learners), mp.mpf(t) * mp.mpf(lam)
        for value, reference in ((filter.log_gain(lam), mp.gammainc(learners, 0, x, regularized=True)),
                                 (filter.log_residual(lam), mp.gammainc(learners, x, regularized=True))):
            reference = mp.log(reference)
            if reference > -600:
                assert abs(mp.mpf(float(value)) - reference) <= 32 * EPS * max(1, abs(reference))


@pytest.mark.parametrize("time, learners", [(780.0, 800), (720.0, 1000), (1900.0, 2000), (2100.0, 2000), (1e-6, 50)])
def test_erlang_of_many_learners_and_of_vanishing_gains(time, learners):
    with mp.workdps(60):
        gain = mp.gammainc(learners, 0, mp.mpf(time), regularized=True)
        filter = filters.online_chain(time, learners)
        assert float(filter.log_gain(1.0)) == pytest.approx(float(mp.log(gain)), rel=1e-11)
        assert float(filter.gain(1.0)) == pytest.approx(float(gain), rel=1e-9)


@pytest.mark.parametrize("lam", [1e-160, 1e-170, 1e-300])
def test_online_keeps_its_logarithm_where_the_gain_underflows(lam):
    assert filters.online(1.0).log_gain(lam) == pytest.approx(2 * np.log(lam) - np.log(2), rel=1e-15)


@given(st.floats(-10, 0.2).map(lambda e: 10.0**e), st.integers(0, 300), st.floats(0, 0.99))
def test_the_heavy_ball_keeps_its_digits(progress, steps, momentum):
    with mp.workdps(60):
        before = now = mp.mpf(1)
        for _ in range(steps):
            before, now = now, (1 + mp.mpf(momentum) - mp.mpf(progress)) * now - mp.mpf(momentum) * before
        filter = filters.heavy_ball(progress, steps, momentum)
        assert abs(mp.mpf(float(filter.residual(1.0))) - now) <= 1e-12 * max(1, abs(now))
        assert abs(mp.mpf(float(filter.gain(1.0))) - (1 - now)) <= 1e-12 * max(1, abs(now))
        if progress < (1 - momentum**0.5) ** 2:  # it creeps: digits relative to the gain itself
            assert abs(mp.mpf(float(filter.gain(1.0))) - (1 - now)) <= 1e-10 * abs(1 - now)


@pytest.mark.parametrize("momentum, progress", [(0.25, 0.25), (0.81, 0.01), (0.25, 2.25), (0.0, 1.0), (0.0, 0.0)])
def test_the_heavy_ball_where_its_roots_meet(momentum, progress):
    before = now = 1.0
    for steps in range(6):
        assert filters.heavy_ball(progress, steps, momentum).residual(1.0) == pytest.approx(now, rel=1e-6, abs=1e-12)
        before, now = now, (1 + momentum - progress) * now - momentum * before


SCHEDULES = [
    filters.switch(filters.flow(0.3), filters.identity, [0.0, 0.5, np.inf], 0.2, 0.1),
    filters.anneal(filters.identity, filters.flow(1.0), [0.0, 2.0, 5.0, np.inf]),
    filters.online([0.5, np.inf], 0.3), filters.online_chain([0.1, np.inf], 3),
    filters.generations(filters.flow(0.4), [0, 3, np.inf], 0.2), filters.generations(filters.ridge(0.4), 3),
    *filters.mutual([0.0, 0.4, np.inf], 0.3, (filters.flow(1.0), filters.zero)), filters.flow(0.3, weight_decay=0.1),
    filters.descent(0.02, [0, 5], weight_decay=0.1), filters.scheduled_descent([[0.1, 0.01], [0.02, 0.0]])]
OVERSHOOTING = [filters.heavy_ball(0.02, [0, 5], 0.9), filters.heavy_flow([0.0, 2.0], 0.1),
                filters.scheduled_descent([0.1, 0.01]) @ filters.heavy_ball(0.02, 3, 0.5)]
lam = np.array([0.0, 1e-9, 0.3, 1.0, 9.0])


@pytest.mark.parametrize("filter", SCHEDULES + OVERSHOOTING, ids=repr)
def test_every_library_gives_the_same(library, filter):
    names = ("gain", "residual", "log_gain", "log_residual") if filter in SCHEDULES else ("gain", "residual")
    for name in names:
        result = getattr(filter, name)(library.asarray(lam))
        assert isinstance(result, library.array_type)
        reference = getattr(filter, name)(lam)
        assert not np.isnan(reference).any()
        absolute = 1e-300 if filter in SCHEDULES else 4 * EPS  # what overshoots has digits next to 1
        np.testing.assert_allclose(np.asarray(result), reference, rtol=1e-13, atol=absolute)


@pytest.mark.parametrize("filter", SCHEDULES + OVERSHOOTING, ids=repr)
def test_gain_and_residual_add_up_and_nothing_is_learned_in_null_directions(filter):
    np.testing.assert_allclose(filter.gain(lam) + filter.residual(lam), np.ones_like(filter.gain(lam)), rtol=1e-14)
    if "start" not in repr(filter):
        assert not filter.gain(0.0).any()


@pytest.mark.parametrize("filter", SCHEDULES + OVERSHOOTING, ids=repr)
def test_derivatives_along_the_spectrum_are_those_of_differences(filter):
    import jax

    values, step = np.array([0.3, 1.0, 2.0, 9.0]), 1e-6
    slope = jax.jit(lambda lam: jax.jvp(filter.gain, (lam,), (jax.numpy.ones(5),))[1])(np.append(values, 0.0))
    difference = (filter.gain(values + step) - filter.gain(values - step)) / (2 * step)
    np.testing.assert_allclose(slope[..., :4], difference, rtol=1e-5, atol=1e-8)
    assert np.isfinite(slope[..., 4]).all()


@pytest.mark.parametrize("make, kind, words", [
    (lambda: filters.heavy_ball(0.1, 3, 1.0), ValueError, "momentum: expected numbers below 1, got 1"),
    (lambda: filters.heavy_ball(0.1, 3, 1.5), ValueError, "momentum: expected numbers between 0 and 1, got 1.5"),
    (lambda: filters.heavy_ball(0.1, 2.5, 0.5), ValueError, "steps: expected whole numbers, got 2.5"),
    (lambda: filters.heavy_ball(0.1, np.inf, 0.5), ValueError, "steps: expected a finite number, got inf"),
    (lambda: filters.heavy_ball([0.1, 0.2], [1, 2, 3], 0.5), ValueError, "expected shapes that broadcast"),
    (lambda: filters.heavy_ball(0.1, 3, 0.5).log_gain(1.0), ValueError, "heavy_ball: expected a filter with"),
    (lambda: (filters.flow(1) @ filters.heavy_flow(1, 1)).log_residual(1.0), ValueError, "heavy_flow: expected"),
    (lambda: filters.heavy_flow(-1, 1), ValueError, "time: expected numbers >= 0, got -1"),
    (lambda: filters.heavy_flow(1, np.inf), ValueError, "damping: expected a finite number, got inf"),
    (lambda: filters.scheduled_descent(0.1), ValueError, "learning_rates: expected one a step, got the number 0.1"),
    (lambda: filters.scheduled_descent([0.1, 3.0]).log_gain(1.0), ValueError, "learning_rates: expected learning_rate"),
    (lambda: filters.scheduled_descent([[0.1], [0.2]], weight_decay=[1, 2, 3]), ValueError, "shapes that broadcast"),
    (lambda: filters.descent(0.1, np.inf).gain(20.0), ValueError, "steps: expected a finite number .* inf at 2"),
    (lambda: filters.flow(1, weight_decay=-1), ValueError, "weight_decay: expected numbers >= 0"),
    (lambda: filters.online(1, speed=np.inf), ValueError, "speed: expected a finite number, got inf"),
    (lambda: filters.online_chain(1, 0), ValueError, "learners: expected a whole number >= 1, got 0"),
    (lambda: filters.online_chain(1, 2.0), ValueError, "learners: expected a whole number >= 1, got 2.0"),
    (lambda: filters.generations(0.3, 2), TypeError, "student: expected a filter, got float"),
    (lambda: filters.generations(filters.flow(1), 2.5), ValueError, "count: expected whole numbers"),
    (lambda: filters.generations(filters.flow(1), 2, 1.5), ValueError, "weight: expected numbers between 0 and 1"),
    (lambda: filters.mutual(1, 2), ValueError, "weight: expected numbers between 0 and 1"),
    (lambda: filters.mutual(1, 0.5, filters.zero), ValueError, "start: expected a pair of filters"),
    (lambda: filters.mutual(1, 0.5, (filters.zero, 0)), TypeError, r"start\[1\]: expected a filter, got int"),
    (lambda: filters.switch(filters.zero, 1, 2, 3), TypeError, "second: expected a filter, got int"),
    (lambda: filters.toward(filters.identity, 3), TypeError, "training: expected a filter, got int"),
    (lambda: linear_flow(X, y, start=np.ones(3)), ValueError, r"start: expected shape \(5,\), got \(3,\)"),
    (lambda: kernel_flow(X @ X.T, y, start=np.ones(3)), ValueError, r"start: expected shape \(7,\), got \(3,\)"),
    (lambda: kernel_flow(X @ X.T, y, start=y).teacher(1).predict(X @ X.T), ValueError, r"start: .*\(7,\), got None"),
    (lambda: kernel_flow(X @ X.T, y, start=y).teacher(1).predict(X @ X.T, np.ones(3)), ValueError, r"start: .*\(3,\)"),
    (lambda: flow.teacher(1).predict(X, start=y), ValueError, "start: expected none for features"),
    (lambda: flow.chain([1, 2], weights=[0.5]), ValueError, "weights: expected 2 of them, one a generation, got 1"),
    (lambda: filters.switch(filters.zero, filters.identity, -1, 1), ValueError, "before: expected numbers >= 0"),
    (lambda: filters.generations(filters.heavy_flow(5.0, 0.2), np.inf).gain(0.5), ValueError, "count: expected"),
    (lambda: flow.distil(flow.teacher([1.0, 2.0]), filters.flow([1.0, 2.0, 3.0])), ValueError, "filter: expected"),
    (lambda: flow.retarget(np.ones(3)), ValueError, "y: expected 7 rows"),
    (lambda: linear_flow(X, y, start=np.ones(P)).retarget(np.ones((N, 2))), ValueError, "y: expected columns"),
    (lambda: flow.distil(y, filters.flow(1)), TypeError, "teacher: expected a Fit, got ndarray"),
    (lambda: flow.distil(linear_flow(X[:4], y[:4]).teacher(1), filters.flow(1)), ValueError, "teacher: .* 7 training"),
])
def test_errors_name_the_argument_and_what_came(make, kind, words):
    with pytest.raises(kind, match=words):
        make()
