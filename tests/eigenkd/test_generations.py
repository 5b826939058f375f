"""The theorem for any number of generations of flow, descent and ridge regression, and where its order fails."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st

from eigenkd import filters, linear_flow, theorem
from tests.oracles import generations_gap

reach = st.floats(-5, 1.5).map(lambda e: 10.0**e)  # lam t, lam/mu
ratios = st.one_of(st.floats(-6, -0.01), st.floats(0.01, 0.6), st.sampled_from([-1e-7, 1e-7])).map(lambda e: 10.0**e)
KINDS = {
    "flow": (filters.flow, lambda lam, t: -mp.expm1(-t * lam), lambda lam, g: -mp.log1p(-g) / lam),
    "ridge": (filters.ridge, lambda lam, mu: lam / (lam + mu), lambda lam, g: lam * (1 - g) / g),
    "descent": (lambda k: filters.descent(0.2, k), lambda lam, k: 1 - (1 - mp.mpf(0.2) * lam) ** k,
                lambda lam, g: mp.log1p(-g) / mp.log1p(-mp.mpf(0.2) * lam)),
}


def assert_decided(kind, parameters, lam):
    make, gain, learner = KINDS[kind]
    check = theorem.check_generations(lam, [make(p) for p in parameters])
    exact, matched = generations_gap(lam[1], lam[0], gain, parameters, learner)
    with mp.workdps(50):
        assert float(check.matched_time) == pytest.approx(float(matched), rel=1e-11)
        log_exact = mp.log(abs(exact))
        assert abs(mp.mpf(float(check.log_gap[1])) - log_exact) <= 1e-11 * max(1, abs(log_exact))
        assert mp.mpf(float(check.log_margin[1])) <= log_exact
    assert check.log_margin[1] <= check.log_gap[1]
    assert -np.sign(float(mp.sign(exact))) == check.direction[1] == np.sign(lam[1] - lam[0])
    assert check.holds.all()


@given(st.lists(reach, min_size=2, max_size=6), ratios)
def test_generations_of_flow(times, ratio):
    assert_decided("flow", times, [1.0, ratio])


@given(st.lists(reach, min_size=2, max_size=6), ratios)
def test_generations_of_ridge_regression(strengths, ratio):
    """Mobahi et al.'s setting."""
    assert_decided("ridge", strengths, [1.0, ratio])


@given(st.lists(st.floats(0, 3).map(lambda e: round(10.0**e)), min_size=2, max_size=6), ratios)
def test_generations_of_descent(steps, ratio):
    assert_decided("descent", steps, [1.0, ratio])


def test_two_generations_of_flow_are_what_check_decides():
    lam = [3.0, 1.0, 0.2, 0.0]
    one = theorem.check(lam, student_time=0.7, teacher_time=[0.3, np.inf])
    two = theorem.check_generations(lam, [filters.flow([0.3, np.inf]), filters.flow(0.7)])
    for name in ("matched_time", "direction", "log_gap", "log_margin", "holds"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(KINDS)), st.integers(2, 6))
def test_generations_on_random_data(seed, kind, count):
    """The statement itself, in the gains of a fit over random X; any pivot."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=rng.integers(2, 12, size=2))
    flow = linear_flow(X / np.linalg.norm(X, 2), np.ones(X.shape[0]))
    make = KINDS[kind][0]
    generations = [make(p) for p in np.ceil(10.0 ** rng.uniform(-1, 1, size=count) * 3)]
    check = theorem.check_generations(flow, generations, pivot=int(rng.integers(0, min(X.shape))))
    assert check.holds.all()
    last = generations[0]
    for one in generations[1:]:
        last = one @ last
    matched = check.matched_time
    lam = flow.spectrum.eigenvalues
    learner = filters.flow(matched).gain(lam) if kind == "flow" else filters.ridge(matched).gain(lam) \
        if kind == "ridge" else 1 - (1 - 0.2 * lam) ** matched
    difference = flow.fit(last).gain - learner
    resolved = np.abs(difference) > 1e-12
    np.testing.assert_array_equal(np.sign(difference)[resolved], check.direction[resolved])
    np.testing.assert_allclose(np.abs(difference), np.exp(check.log_gap), atol=1e-13)


def test_a_single_generation_is_its_own_match():
    check = theorem.check_generations([2.0, 1.0], [filters.ridge(0.3)])
    assert check.matched_time == pytest.approx(0.3)
    np.testing.assert_array_equal(check.log_gap, -np.inf)
    np.testing.assert_array_equal(check.holds, [True, False])


def test_what_one_step_of_descent_learns_has_no_gap():
    check = theorem.check_generations([2.0, 1.0, 0.5], [filters.descent(0.5, 2), filters.descent(0.5, 3)], pivot=1)
    np.testing.assert_array_equal(check.holds, [False, True, True])
    assert check.log_gap[0] == -np.inf


@given(st.lists(st.tuples(st.sampled_from(["flow", "ridge", "descent"]), reach), min_size=1, max_size=5),
       st.lists(st.floats(-4, 0).map(lambda e: 10.0**e), min_size=2, max_size=6))
def test_mixed_kinds_keep_the_order_beside_ridge_regression(kinds, lam):
    """Eq. (32): the matched penalty of any product of flows, stable descents and ridge regressions never grows."""
    lam = np.sort(lam)
    made = [filters.flow(x) if kind == "flow" else filters.ridge(1 / x) if kind == "ridge"
            else filters.descent(0.9, np.ceil(x)) for kind, x in kinds]
    last = made[0]
    for one in made[1:]:
        last = one @ last
    strength = theorem.matched_strength(last, lam)
    finite = np.isfinite(strength) & (strength > 1e-280)
    assert np.all(np.diff(strength[finite]) <= 1e-12 * strength[finite][:-1])
    assert not theorem.compare(lam, last, pivot=len(lam) // 2, learner=filters.ridge).fails.any()


# Mixed kinds, decided beside ridge regression: Eqs. (32), (33)

shares = st.one_of(st.floats(0.01, 0.999999), st.sampled_from([1e-6, 1e-3, 1 - 1e-9]))  # eta lam along the largest
mixtures = st.lists(st.tuples(st.sampled_from(["flow", "ridge", "descent"]), reach, shares), min_size=1, max_size=4)
GAINS = {"flow": lambda lam, t: -mp.expm1(-t * lam), "ridge": lambda lam, mu: lam / (lam + mu),
         "descent": lambda lam, eta, k: 1 - (1 - eta * lam) ** k}


def mixture(drawn, lam):
    """[(kind, parameters)] for lam t, lam/mu as drawn along lam[0], and as many steps of the drawn size."""
    rate = [share / max(lam) for _, _, share in drawn]
    return [(kind, (x / lam[0],) if kind == "flow" else (lam[0] / x,) if kind == "ridge" else
             (eta, float(np.ceil(x / (eta * lam[0]))))) for eta, (kind, x, _) in zip(rate, drawn)]


def exact_gap(lam, pivot, made):
    """(matched ridge's gain - last generation's gain at lam, matched penalty) by subtraction in many digits."""
    made = [(GAINS[kind], [mp.mpf(float(p)) for p in parameters]) for kind, parameters in made]
    with mp.workdps(2500):
        at, at_pivot = (mp.fprod(gain(mp.mpf(float(x)), *parameters) for gain, parameters in made)
                        for x in (lam, pivot))
        penalty = mp.mpf(float(pivot)) * (1 - at_pivot) / at_pivot
        return mp.mpf(float(lam)) / (mp.mpf(float(lam)) + penalty) - at, penalty


def assert_mixture_decided(made, lam):
    generations = [getattr(filters, kind)(*parameters) for kind, parameters in made]
    check = theorem.check_generations(lam, [*generations, filters.ridge(0.0)])  # beside ridge regression in any case
    for k in range(1, len(lam)):
        exact, penalty = exact_gap(lam[k], lam[0], made)
        with mp.workdps(50):
            log_exact = mp.log(abs(exact))
            assert abs(mp.mpf(float(check.log_gap[k])) - log_exact) <= 1e-11 * max(1, abs(log_exact))
            assert mp.mpf(float(check.log_margin[k])) <= log_exact
        assert -np.sign(float(mp.sign(exact))) == check.direction[k] == np.sign(lam[k] - lam[0])
    assert float(check.matched_time) == pytest.approx(float(penalty), rel=1e-11)
    assert (check.log_margin <= check.log_gap).all() and check.holds.all()


@given(mixtures, ratios, st.floats(-3, 3).map(lambda e: 10.0**e))
def test_mixed_generations_are_decided_beside_ridge_regression(drawn, ratio, scale):
    assume({kind for kind, _, _ in drawn} != {"ridge"} or len(drawn) > 1)
    lam = [scale, scale * ratio]
    assert_mixture_decided(mixture(drawn, lam), lam)


@pytest.mark.parametrize("made, lam", [
    ([("ridge", (1.0,)), ("flow", (30.0,))], [10.0, 3.0, 1.0, 0.1]),  # gaps of 6e-40, 5e-14
    ([("flow", (400.0,)), ("ridge", (1e-9,)), ("descent", (0.09, 2e4))], [3.0, 10.0, 2.9]),  # penalties of exp(-4000)
    ([("descent", (0.5, 2.0)), ("ridge", (1.0,))], [1.0, 2.0, 0.5]),  # one step learns all along a direction,
    ([("descent", (0.5, 2.0)), ("flow", (1.0,))], [2.0, 1.0, 0.5]),  # along the pivot,
    ([("descent", (0.5, 2.0)), ("descent", (0.5, 1.0))], [2.0, 1.0, 0.5]),  # in every generation
    ([("descent", (0.5, 2.0)), ("descent", (0.25, 3.0))], [1.0, 2.0, 0.5]),
    ([("flow", (1.0,))], [1.0, 2.0, 0.5]),
])
def test_mixtures_that_subtraction_or_a_float_cannot_follow(made, lam):
    assert_mixture_decided(made, lam)


def test_what_subtraction_misses_of_a_mixture_is_decided():
    lam, ridge, flow = [10.0, 3.0, 1.0, 0.1], filters.ridge(1.0), filters.flow(30.0)
    assert not theorem.compare(lam, flow @ ridge, learner=filters.ridge).holds.all()
    assert theorem.check_generations(lam, [ridge, flow]).holds.all()
    report = str(theorem.report_generations(lam, [ridge, flow]))
    assert "Teacher: the ridge of strength 1." in report and "hold in 3 of 3 directions" in report


def test_learning_rates_that_differ_are_matched_with_ridge_regression():
    lam, generations = [2.0, 1.0, 0.3], [filters.descent(0.3, 2), filters.descent(0.2, 3)]
    report = theorem.report_generations(lam, generations, pivot=1)
    student = generations[0].gain(lam) * generations[1].gain(lam)
    assert f"the ridge of strength {1 / student[1] - 1:.6g}" in str(report) and report.check.holds.all()
    np.testing.assert_allclose(report.teacher_gain, lam / (np.asarray(lam) + 1 / student[1] - 1), rtol=1e-12)


@pytest.mark.parametrize("extra, same", [
    (filters.flow(0.0), True), (filters.ridge(np.inf), True), (filters.descent(0.1, 0), True),
    (filters.descent(0.0, 3), True), (filters.flow(np.inf), False), (filters.ridge(0.0), False),
    (filters.descent(0.1, np.inf), False)])
def test_generations_that_learn_nothing_or_everything(extra, same):
    """After the first there is nothing to compare; the second changes nothing. Null directions and the pivot hold."""
    lam, generations = [2.0, 1.0, 0.5, 0.0], [filters.flow(1.0), filters.ridge(1.0)]
    found, without = (theorem.check_generations(lam, g, pivot=1) for g in ([*generations, extra], generations))
    np.testing.assert_array_equal(found.holds, [not same, True, not same, True])
    for name in ("matched_time", "log_gap"):
        expected = {"matched_time": np.inf, "log_gap": -np.inf}[name] if same else getattr(without, name)
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-14)
    alone = theorem.check_generations(lam, [filters.ridge(1.0), extra], pivot=1)
    np.testing.assert_array_equal(alone.holds, [False, True, False, True])
    np.testing.assert_array_equal(alone.log_gap, -np.inf)


def test_mixtures_of_arrays_in_every_library(library):
    lam, times = np.array([3.0, 1.0, 0.2, 0.0]), np.array([[0.5], [2.0]])
    generations = [filters.flow(library.asarray(times)), filters.ridge(0.4), filters.descent([0.1, 0.2, 0.3], 4)]
    found = theorem.check_generations(library.asarray(lam), generations, pivot=-3)
    assert isinstance(found.log_gap, library.array_type) and np.asarray(found.matched_time).shape == (2, 3)
    for i, t in enumerate(times[:, 0]):
        for j, rate in enumerate([0.1, 0.2, 0.3]):
            one = [filters.flow(t), filters.ridge(0.4), filters.descent(rate, 4)]
            expected = theorem.check_generations(lam, one, pivot=1)
            for name in ("matched_time", "log_gap", "log_margin", "holds"):
                np.testing.assert_allclose(np.asarray(getattr(found, name))[i, j], getattr(expected, name), rtol=1e-13)


def test_mixtures_have_derivatives_in_both_libraries():
    """In every parameter and eigenvalue, beside a pivot and a null direction."""
    def found(time, strength, rate, lam):
        check = theorem.check_generations(lam, [filters.flow(time), filters.ridge(strength), filters.descent(rate, 3),
                                                filters.flow(np.inf)], pivot=1)
        return sum(check.log_gap[k] + 2 * check.log_margin[k] for k in (0, 2, 4)) + check.matched_time

    at = [0.7, 0.4, 0.3, np.array([3.0, 1.0, 0.2, 0.0, 2.0])]
    variables = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in at]
    by_torch = [g.numpy() for g in torch.autograd.grad(found(*variables), variables)]
    by_jax = jax.jit(jax.grad(found, argnums=(0, 1, 2, 3)))(*at[:3], jnp.asarray(at[3]))
    for i, x in enumerate(at):
        assert np.isfinite(by_torch[i]).all() and np.isfinite(by_jax[i]).all()
        for k, e in enumerate(np.eye(np.size(x)).reshape(-1, *np.shape(x)) * 1e-6):
            if k != 3:  # the null direction, on one side of which there is nothing
                slope = (found(*at[:i], x + e, *at[i + 1:]) - found(*at[:i], x - e, *at[i + 1:])) / 2e-6
                for slopes in (by_torch, by_jax):
                    assert np.ravel(slopes[i])[k] == pytest.approx(slope, rel=1e-6)


# Labels mixed in: Eqs. (34), (35)

@given(reach, reach, st.floats(0.01, 0.99), st.lists(st.floats(-3, 0.5).map(lambda e: 10.0**e), min_size=3, max_size=6))
def test_labels_mixed_in_keep_the_order_where_the_teacher_trains_as_long(s, longer, weight, lam):
    T = s * (1 + longer)
    student = filters.flow(s) @ filters.mix(filters.identity, filters.flow(T), weight)
    for pivot in range(len(lam)):
        assert not theorem.compare(lam, student, pivot).fails.any()
    time = theorem.matched_time(student, np.sort(lam))
    assert np.all(np.diff(time) >= -1e-12 * time[:-1])


@given(st.floats(-2, 1).map(lambda e: 10.0**e), st.floats(0.01, 0.9), st.floats(0.01, 0.99))
def test_and_lose_it_at_large_eigenvalues_where_it_trains_less(s, share, weight):
    T = share * s
    student = filters.flow(s) @ filters.mix(filters.identity, filters.flow(T), weight)
    top = (40 / (1 - share) + 10) / T / 3
    found = theorem.compare([top, top / 2], student)
    assume(found.resolved[1])
    assert found.fails[1]


def test_with_a_student_that_is_never_stopped_the_order_is_reversed():
    lam = np.geomspace(1e-3, 10, 9)
    student = filters.flow(np.inf) @ filters.mix(filters.identity, filters.flow(1.0), 0.3)
    assert theorem.compare(lam, student, pivot=8).fails[:8].all()
    assert theorem.compare(lam, student, pivot=0).fails[1:].all()


@given(reach, reach, st.floats(0.01, 0.99), ratios)
@example(1.0, 2.0, 0.5, 0.3)
def test_ridge_regression_on_mixed_targets_has_a_sharp_condition(mu, nu, weight, ratio):
    """mu > alpha nu: the order holds; mu < alpha nu: it is reversed, everywhere; equal: there is no deviation."""
    student = filters.ridge(mu) @ filters.mix(filters.identity, filters.ridge(nu), weight)
    found = theorem.compare([1.0, ratio], student, learner=filters.ridge)
    if abs(mu / (weight * nu) - 1) < 1e-12:
        assert not found.resolved[1]
    elif mu > weight * nu:
        assert not found.fails.any()
    else:
        assert found.fails[1] or not found.resolved[1]


def test_the_sharp_condition_is_seen_on_both_sides():
    lam = [1.0, 0.3, 0.1]
    for mu, name in ((0.6, "holds"), (0.4, "fails")):
        student = filters.ridge(mu) @ filters.mix(filters.identity, filters.ridge(1.0), 0.5)
        assert getattr(theorem.compare(lam, student, learner=filters.ridge), name)[1:].all()
    student = filters.ridge(0.5) @ filters.mix(filters.identity, filters.ridge(1.0), 0.5)
    assert not theorem.compare(lam, student, learner=filters.ridge).resolved.any()


# Where the order fails

def test_momentum_breaks_the_order():
    """A student with momentum, matched with a learner of either kind, is far ahead along a smaller eigenvalue."""
    lam = np.array([1.0, 0.5])
    with_momentum = filters.heavy_flow(5.0, 0.2)
    student = with_momentum @ with_momentum
    found = theorem.compare(lam, student)
    assert found.fails[1]
    assert found.difference[1] > 1.5
    times = np.linspace(0, 5, 100_001)
    alike = filters.heavy_flow(times, 0.2).gain(lam)
    first = np.argmax(alike[:, 0] >= student.gain(1.0))  # the first time at which momentum alone gets there
    assert alike[first, 0] == pytest.approx(student.gain(1.0), abs=1e-4)
    assert student.gain(0.5) > alike[first, 1] + 1.5


def test_steps_that_are_too_long_break_the_order():
    student = filters.descent(1.0, 2) @ filters.descent(1.0, 2)
    found = theorem.compare([1.6, 1.0], student)  # 0.64^2 along the first, all of the second
    assert found.fails[1]


def test_ridge_regression_is_on_the_other_side_of_gradient_flow():
    assert theorem.compare(np.geomspace(1e-3, 1, 5), filters.ridge(0.1), pivot=4).fails[:4].all()


def test_a_teacher_that_is_still_learning_keeps_the_order():
    for speed in (0.1, 1.0, 10.0):
        for pivot in range(4):
            found = theorem.compare([3.0, 1.0, 0.3, 0.01], filters.online([0.1, 2.0], speed), pivot)
            assert found.holds.all()


@given(reach, st.integers(2, 12), st.floats(-3, 3).map(lambda e: 10.0**e))
def test_learners_in_a_row_have_an_effective_time_that_never_decreases(time, learners, speed):
    """The hazard rate of a sum of exponential variables never falls."""
    lam = np.geomspace(1e-3, 3, 20)
    for filter in (filters.online_chain(time, learners), filters.online(time, speed)):
        effective = theorem.matched_time(filter, lam)
        assert np.all(np.diff(effective) >= -1e-12 * effective[:-1])


def test_what_compare_returns(library):
    lam = library.asarray(np.array([2.0, 1.0, 1.0, 0.3, 0.0]))
    found = theorem.compare(lam, filters.flow(library.asarray(np.array([0.5, 2.0]))) @ filters.flow(1.0), pivot=1)
    assert np.asarray(found.matched).shape == (2,)
    np.testing.assert_array_equal(np.asarray(found.direction), [1, 0, 0, -1, -1])
    for name in ("difference", "resolved", "holds", "fails"):
        assert isinstance(getattr(found, name), library.array_type)
        assert np.asarray(getattr(found, name)).shape == (2, 5)
    np.testing.assert_array_equal(np.asarray(found.resolved)[0], [True, False, False, True, False])
    exact = theorem.check(np.asarray(lam), [0.5, 2.0], 1.0, pivot=1)
    np.testing.assert_allclose(np.abs(np.asarray(found.difference)), np.exp(exact.log_gap), atol=1e-15)


@pytest.mark.parametrize("kind", ["flow", "ridge"])
def test_gaps_and_margins_have_derivatives_in_both_libraries(kind):
    """Beside a pivot and a null direction, where both are -inf whatever the parameters."""
    one, lam = getattr(filters, kind), np.array([3.0, 1.0, 0.2, 0.0])

    def found(amount, lam, *later):
        check = theorem.check_generations(lam, [one(amount), *(one(x) for x in later)], pivot=1)
        return check.log_gap[0] + check.log_gap[2], check.log_margin[0] + check.log_margin[2]

    def slopes(*later):
        return [(up - down) / 2e-5 for up, down in zip(found(0.7 + 1e-5, lam, *later), found(0.7 - 1e-5, lam, *later))]

    amount = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    for value, slope in zip(found(amount, torch.tensor(lam), 0.4, 0.9), slopes(0.4, 0.9)):
        (by_torch,) = torch.autograd.grad(value, amount, retain_graph=True)
        assert float(by_torch) == pytest.approx(slope, rel=1e-6)
    by_amount, by_lam = jax.jit(jax.grad(lambda *at: found(*at, 0.4)[0], argnums=(0, 1)))(0.7, jnp.asarray(lam))
    assert float(by_amount) == pytest.approx(slopes(0.4)[0], rel=1e-6)
    up, down = (found(0.7, lam + e * np.eye(4)[2], 0.4)[0] for e in (1e-6, -1e-6))
    assert np.isfinite(by_lam).all() and float(by_lam[2]) == pytest.approx((up - down) / 2e-6, rel=1e-6)


# The report

def test_a_report_is_a_table_of_what_check_found():
    lam = np.geomspace(10, 1e-3, 40)
    report = theorem.report(lam, student_time=0.5, teacher_time=0.7, pivot=20)
    text = str(report)
    assert repr(report) == text
    assert "20 (pivot)" in text
    assert "hold in 39 of 39 directions" in text
    assert len(report.table(rows=6).splitlines()) < 16
    row = next(line for line in text.splitlines() if line.startswith("0 "))
    gain = (filters.flow(0.5) @ filters.flow(0.7)).gain(10.0)
    assert f"{gain:.6f}" in row
    assert "larger" in row
    assert report._repr_html_().startswith('<div class="eigenkd"><table>')
    assert report.table("markdown").startswith("| direction |")
    assert r"\begin{tabular}" in report.table("latex")


@pytest.mark.parametrize("one", [filters.flow(0.4), filters.ridge(0.3), filters.descent(0.09, 4)])
def test_a_report_of_generations_has_the_gains_of_the_matched_learner(one):
    lam = np.geomspace(10, 1e-3, 8)
    report = theorem.report_generations(lam, [one] * 3, pivot=2)
    np.testing.assert_allclose(report.student_gain, one.gain(lam) ** 3, rtol=1e-13)
    matched = float(report.check.matched_time)
    learner = {"flow": lambda: filters.flow(matched).gain(lam), "ridge": lambda: filters.ridge(matched).gain(lam),
               "descent": lambda: 1 - (1 - 0.09 * lam) ** matched}[one.name]()
    np.testing.assert_allclose(report.teacher_gain, learner, rtol=1e-9)
    assert "hold in 7 of 7 directions" in str(report) and f"generation 3 of {one!r}, " in str(report)


def test_a_report_shows_gaps_that_float64_does_not():
    lines = str(theorem.report([3.0, 2.0, 1.0, 0.0], 200, 0.02, pivot=1)).splitlines()
    gap = abs(generations_gap(1.0, 2.0, KINDS["flow"][1], [200, 0.02], KINDS["flow"][2])[0])
    assert mp.nstr(gap, 3).replace("e-", "e-") in lines[4]
    assert "equal (null)" in lines[5]


def test_a_report_of_the_same_model_twice_says_so():
    assert "Teacher and student are the same model at these times: there is nothing to decide." in \
        str(theorem.report([2.0, 1.0], np.inf, 1.0))
    assert "equal (the pivot's eigenvalue)" in str(theorem.report([2.0, 2.0, 1.0], 1.0, 1.0))
    assert "4.00e-12" in str(theorem.report([2.0, 1.0], 1e-6, 1e-6))
    assert "There is no direction beside the pivot" in str(theorem.report([2.0, 0.0], 1.0, 1.0))


@pytest.mark.parametrize("make, kind, words", [
    (lambda: theorem.check_generations([1.0], []), TypeError, "generations: expected a list of filters"),
    (lambda: theorem.check_generations([1.0], filters.flow(1)), TypeError, "generations: expected a list of filters"),
    (lambda: theorem.check_generations([1.0], [filters.identity]), TypeError, r"generations\[0\]: expected"),
    (lambda: theorem.check_generations([1.0], [filters.flow(1) @ filters.flow(2)]), TypeError, "theorem.compare"),
    (lambda: theorem.check_generations([1.0], [filters.flow(1), filters.descent([0.5, 1.5], 1)]), ValueError,
     "generations: expected a learning_rate of at most 1/eigenvalue, got 1.5"),
    (lambda: theorem.check_generations([1.0], [filters.descent(1.5, 1)] * 2), ValueError,
     "generations: expected a learning_rate of at most 1/eigenvalue, got 1.5"),
    (lambda: theorem.check_generations([1.0, 2.0], [filters.descent(0.5, 1)] * 2, pivot=1), ValueError,
     "pivot: expected an eigenvalue below 1/learning_rate, got 2"),
    (lambda: theorem.check_generations([1.0], [filters.flow([1, 2]), filters.flow([1, 2, 3])]), ValueError,
     "broadcast"),
    (lambda: theorem.compare([1.0], 3), TypeError, "filter: expected a filter, got int"),
    (lambda: theorem.compare([1.0], filters.flow(1), learner="flow"), ValueError, "learner: expected filters.flow or"),
    (lambda: theorem.compare([1.0], filters.heavy_flow(3.0, 0.1)), ValueError, "overshot its target"),
    (lambda: theorem.compare([1.0], filters.identity), ValueError, "filter: expected a gain strictly between 0 and 1"),
    (lambda: theorem.compare([1.0], filters.flow(1), learner=[]), ValueError, "learner: expected filters.flow or"),
    (lambda: theorem.report([1.0, 0.5], [1, 2], 1), ValueError, r"student_time: expected one number, got shape \(2,\)"),
    (lambda: theorem.report_generations([1.0], [filters.flow([1, 2])]), ValueError,
     "generations: expected one number for each parameter, got several"),
    (lambda: theorem.report([1.0, 0.5], 1, 1, pivot=4), ValueError, "pivot: expected the index of one of 2"),
    (lambda: theorem.report([1.0, 0.5], 1, 1).table(rows=0), ValueError, "rows: expected a whole number from 1 on"),
    (lambda: theorem.report([1.0, 0.5], 1, 1).table("pdf"), ValueError, "format: expected one of text"),
    (lambda: theorem.matched_strength(filters.flow(1), 0.0), ValueError, "lam: expected positive eigenvalues"),
    (lambda: theorem.matched_strength(2, 1.0), TypeError, "filter: expected a filter, got int"),
])
def test_errors_name_the_argument_and_the_mend(make, kind, words):
    with pytest.raises(kind, match=words):
        make()
