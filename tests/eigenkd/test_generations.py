"""The theorem for any number of generations of flow, descent and ridge regression, and where its order fails."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import torch
from hypothesis import given
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
    assert not theorem.compare_gains(lam, last, pivot=len(lam) // 2, learner=filters.ridge).fails.any()


@pytest.mark.parametrize("kind", ["flow", "ridge"])
def test_gaps_and_margins_have_derivatives_in_both_libraries(kind):
    """Next to a pivot and a null direction, where both are -inf whatever the parameters."""
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
    assert "There is no direction other than the pivot" in str(theorem.report([2.0, 0.0], 1.0, 1.0))


@pytest.mark.parametrize("make, kind, words", [
    (lambda: theorem.check_generations([1.0], []), TypeError, "generations: expected a list of filters"),
    (lambda: theorem.check_generations([1.0], filters.flow(1)), TypeError, "generations: expected a list of filters"),
    (lambda: theorem.check_generations([1.0], [filters.identity]), TypeError, r"generations\[0\]: expected"),
    (lambda: theorem.check_generations([1.0], [filters.flow(1) @ filters.flow(2)]), TypeError, "theorem.compare_gains"),
    (lambda: theorem.check_generations([1.0], [filters.flow(1), filters.descent([0.5, 1.5], 1)]), ValueError,
     "generations: expected a learning_rate of at most 1/eigenvalue, got 1.5"),
    (lambda: theorem.check_generations([1.0], [filters.descent(1.5, 1)] * 2), ValueError,
     "generations: expected a learning_rate of at most 1/eigenvalue, got 1.5"),
    (lambda: theorem.check_generations([1.0, 2.0], [filters.descent(0.5, 1)] * 2, pivot=1), ValueError,
     "pivot: expected an eigenvalue below 1/learning_rate, got 2"),
    (lambda: theorem.check_generations([1.0], [filters.flow([1, 2]), filters.flow([1, 2, 3])]), ValueError,
     "broadcast"),
    (lambda: theorem.compare_gains([1.0], 3), TypeError, "filter: expected a filter, got int"),
    (lambda: theorem.compare_gains([1.0], filters.flow(1), learner="flow"), ValueError, "learner: expected filters"),
    (lambda: theorem.compare_gains([1.0], filters.heavy_flow(3.0, 0.1)), ValueError, "overshot its target"),
    (lambda: theorem.compare_gains([1.0], filters.identity), ValueError, "filter: expected a gain strictly between 0"),
    (lambda: theorem.compare_gains([1.0], filters.flow(1), learner=[]), ValueError, "learner: expected filters.flow"),
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
