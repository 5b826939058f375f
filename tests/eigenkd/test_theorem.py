"""Theorem 4.1 and its pivot form as properties, and the digits of the gap against 700-digit subtraction."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eigenkd import filters, linear_flow, theorem
from eigenkd.theorem.generations import _contradicted as contradicted
from tests.oracles import gap

reach = st.floats(-6, np.log10(300)).map(lambda e: 10.0**e)  # lam t
scales = st.floats(-3, 3).map(lambda e: 10.0**e)
below = st.one_of(st.floats(-9, 0).map(lambda e: 10.0**e), st.floats(-7, 0).map(lambda e: 1 - 10.0**e)).filter(
    lambda kappa: 1e-9 <= kappa <= 1 - 1e-7)
above = st.one_of(st.floats(1, 4), st.floats(-7, 0).map(lambda e: 1 + 10.0**e)).filter(lambda kappa: kappa > 1)


def check_gap(kappa, x, y, scale):
    lam = np.array([scale, kappa * scale])
    assume(lam[1] != lam[0])
    check = theorem.check(lam, student_time=x / scale, teacher_time=y / scale)
    exact = gap(lam[1], lam[0], x / scale, y / scale)
    with mp.workdps(50):
        log_exact = mp.log(abs(exact))
        assert abs(mp.mpf(float(check.log_gap[1])) - log_exact) < 1e-9
        assert mp.mpf(float(check.log_margin[1])) <= log_exact
    assert check.log_margin[1] <= check.log_gap[1]
    assert np.sign(float(exact / abs(exact))) == -check.direction[1]  # the student's share is the other side of it
    assert check.holds.all()
    return check


@given(below, reach, reach, scales)
def test_the_gap_below_the_pivot(kappa, x, y, scale):
    assert check_gap(kappa, x, y, scale).direction[1] == -1


@given(above, reach, reach, scales)
def test_the_gap_above_the_pivot(kappa, x, y, scale):
    assert check_gap(kappa, x, y, scale).direction[1] == 1


@given(st.sampled_from([1e6, 1e9, 1e12]), st.floats(-14, -4).map(lambda e: 10.0**e), st.floats(-3, 3))
def test_the_gap_very_far_above_the_pivot(kappa, x, log_ratio):
    """Where q is far below rounding and kappa q is not; the larger exponent stays below what 700 digits resolve."""
    y = x * 10.0**log_ratio
    assume(kappa * max(x, y) < 500)
    check_gap(kappa, x, y, 1.0)


def test_the_gap_at_times_that_nearly_underflow():
    check = theorem.check([1.0, 0.5], 1e-160, 1e-160)
    assert check.holds.all()
    assert float(check.log_gap[1]) == pytest.approx(float(np.log(0.25) + 2 * np.log(1e-160)), rel=1e-12)


@given(st.floats(np.log10(4), 2.5).map(lambda e: 10.0**e), st.floats(-6, -1).map(lambda e: 10.0**e), scales)
def test_the_gap_far_above_the_pivot(kappa, x, scale):
    """Ratios of eigenvalues beyond the issue's: whatever pivot a user takes."""
    check_gap(kappa, x, 3 * x, scale)


def test_the_gap_is_found_where_the_gains_agree_to_every_digit():
    check = theorem.check([1.0, 0.999], student_time=200.0, teacher_time=1e-3)
    student = filters.flow(200.0) @ filters.flow(1e-3)
    teacher = filters.flow(check.matched_time)
    assert abs(student.gain(0.999) / teacher.gain(0.999) - 1) < 1e-15
    assert check.holds[1]
    assert float(check.log_gap[1]) == pytest.approx(float(mp.log(gap(0.999, 1.0, 200.0, 1e-3))), abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.floats(-3, 1), st.floats(-3, 1))
def test_theorem_on_random_data(seed, log_s, log_T):
    """The statement itself: components of weights, matched in the first direction, over random X and y; any pivot."""
    rng = np.random.default_rng(seed)
    n, p = rng.integers(2, 12, size=2)
    flow = linear_flow(rng.normal(size=(n, p)), rng.normal(size=n))
    s, T, pivot = 10**log_s, 10**log_T, int(rng.integers(0, min(n, p)))
    check = theorem.check(flow, student_time=s, teacher_time=T, pivot=pivot)
    assert check.holds.all()
    student, teacher = flow.student(s, teacher_time=T), flow.teacher(float(check.matched_time))
    assert student.components[pivot] == pytest.approx(teacher.components[pivot], rel=1e-12)
    difference = np.abs(student.components) - np.abs(teacher.components)
    resolved = np.abs(difference) > 1e-12 * np.abs(teacher.components)
    np.testing.assert_array_equal(np.sign(difference)[resolved], check.direction[resolved])
    np.testing.assert_allclose(np.abs(difference[resolved] / flow.limit[resolved, 0]), np.exp(check.log_gap[resolved]),
                               rtol=1e-9, atol=1e-14)


eigenvalues = st.lists(st.floats(-6, 2).map(lambda e: 10.0**e), min_size=2, max_size=9)


@given(st.lists(reach, min_size=2, max_size=6), eigenvalues)
def test_effective_time_of_several_generations(times, lam):
    """Never decreasing in lam and never above the shortest time: the theorem for any number of generations."""
    lam = np.sort(lam)
    product = filters.flow(times[0])
    for t in times[1:]:
        product = filters.flow(t) @ product
    effective = theorem.matched_time(product, lam)
    assert np.all(np.diff(effective) >= -1e-13 * effective[:-1])
    assert np.all(effective <= min(times) * (1 + 1e-13))
    with mp.workdps(400):
        i = len(lam) // 2
        gain = mp.fprod(-mp.expm1(-mp.mpf(t) * mp.mpf(lam[i])) for t in times)
        assume(gain < 1)
        assert effective[i] == pytest.approx(float(-mp.log1p(-gain) / mp.mpf(lam[i])), rel=1e-12)


def test_matched_time():
    assert theorem.matched_time(filters.flow([1.0, 5.0]), 0.3) == pytest.approx([1.0, 5.0], rel=1e-15)
    assert theorem.matched_time(filters.identity, 0.3) == np.inf
    t = theorem.matched_time(filters.ridge(0.5), np.array([0.1, 2.0]))
    np.testing.assert_allclose(filters.flow(t[1]).gain(2.0), filters.ridge(0.5).gain(2.0), rtol=1e-14)
    assert theorem.matched_time(filters.flow([1.0, 5.0]), np.ones((3, 2))).shape == (2, 3, 2)


def test_what_check_returns():
    lam = np.array([5.0, 3.0, 3.0, 1.0, 0.1, 0.0])
    check = theorem.check(lam, student_time=np.array([[0.1], [1.0]]), teacher_time=np.array([2.0, 3.0, 4.0]), pivot=1)
    assert check.matched_time.shape == (2, 3)
    assert check.log_gap.shape == check.log_margin.shape == check.holds.shape == (2, 3, 6)
    np.testing.assert_array_equal(check.direction, [1, 0, 0, -1, -1, -1])
    assert check.holds.all()
    assert np.all(check.log_gap[..., [1, 2, 5]] == -np.inf)
    assert np.all(np.isfinite(check.log_gap[..., [0, 3, 4]]))
    one = theorem.check(lam, student_time=1.0, teacher_time=4.0, pivot=1)
    assert one.matched_time.shape == ()
    np.testing.assert_array_equal(one.log_gap, check.log_gap[1, 2])
    ascending = theorem.check(lam[::-1], 1.0, 4.0, pivot=4)
    np.testing.assert_allclose(ascending.log_gap[::-1], one.log_gap, rtol=1e-14)


@pytest.mark.parametrize("s, T", [(0.0, 1.0), (1.0, 0.0), (np.inf, 1.0), (1.0, np.inf), (np.inf, np.inf)])
def test_where_teacher_and_student_are_the_same_the_strict_inequality_fails(s, T):
    check = theorem.check([2.0, 1.0, 0.0], s, T)
    np.testing.assert_array_equal(check.log_gap, -np.inf)
    np.testing.assert_array_equal(check.log_margin, -np.inf)
    np.testing.assert_array_equal(check.holds, [True, False, True])


def test_subtraction_can_contradict_the_integral():
    """`holds` is a check and no tautology: a wrong gap is noticed wherever float64 resolves it."""
    student, teacher = np.log([0.5, 0.5]), np.log([0.6, 0.6])
    right, direction = np.log([0.1, 0.1]), np.array([-1, -1])
    assert not contradicted(student, teacher, right, direction).any()
    assert contradicted(student, teacher, right, -direction).all()
    assert contradicted(student, teacher, right + 1e-6, direction).all()


def test_every_library_gives_the_same(library):
    lam, s, T = np.array([7.0, 2.0, 0.5, 1e-5]), np.array([[0.2], [9.0]]), np.array([0.3, 40.0])
    reference = theorem.check(lam, s, T, pivot=1)
    check = theorem.check(library.asarray(lam), s, T, pivot=1)
    for name in ("matched_time", "direction", "log_gap", "log_margin", "holds"):
        value = getattr(check, name)
        assert isinstance(value, library.array_type)
        np.testing.assert_allclose(np.asarray(value), getattr(reference, name), rtol=1e-12)
    assert isinstance(theorem.check(lam, library.asarray(s), T).log_gap, library.array_type)


def test_it_jits():
    import jax

    lam = np.array([7.0, 2.0, 0.5, 1e-5])
    closed_over = jax.numpy.asarray(lam)
    assert bool(jax.jit(lambda s: theorem.check(closed_over, s, 2.0).holds.all())(0.3))
    assert bool(jax.jit(lambda lam, s: theorem.check(lam, s, 2.0).holds.all())(lam, 0.3))


@pytest.mark.parametrize("make, kind, words", [
    (lambda: theorem.check([1.0, 0.5], -1, 1), ValueError, "student_time: expected numbers >= 0, got -1"),
    (lambda: theorem.check([1.0, 0.5], 1, np.nan), ValueError, "teacher_time: expected a number, got nan"),
    (lambda: theorem.check([1.0, 0.5], [1, 2], [1, 2, 3]), ValueError, "expected shapes that broadcast"),
    (lambda: theorem.check([1.0, -0.5], 1, 1), ValueError, "flow_or_eigenvalues: expected numbers >= 0, got -0.5"),
    (lambda: theorem.check(np.eye(2), 1, 1), ValueError, "flow_or_eigenvalues: expected 1 dimension"),
    (lambda: theorem.check([1.0, 0.5], 1, 1, pivot=2), ValueError, "pivot: expected the index of one of 2"),
    (lambda: theorem.check([1.0, 0.5], 1, 1, pivot=0.5), TypeError, "pivot: expected the index"),
    (lambda: theorem.check([1.0, 0.5], 1, 1, pivot=True), TypeError, "pivot: expected the index"),
    (lambda: theorem.check([1.0, 0.0], 1, 1, pivot=1), ValueError, "pivot: expected an eigenvalue > 0"),
    (lambda: theorem.matched_time(3.0, 1.0), TypeError, "filter: expected a filter, got float"),
    (lambda: theorem.matched_time(filters.flow(1), 0.0), ValueError, "lam: expected positive eigenvalues"),
    (lambda: theorem.check(linear_flow(np.eye(2), [1, 2]).teacher(1), 1, 1), TypeError, "got a Fit; pass fit.flow"),
])
def test_errors_name_the_argument_and_the_mend(make, kind, words):
    with pytest.raises(kind, match=words):
        make()
