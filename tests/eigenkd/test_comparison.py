"""Labels mixed in, momentum and other filters next to the learner that they are matched with: where the order fails."""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from eigenkd import filters, theorem

reach = st.floats(-5, 1.5).map(lambda e: 10.0**e)  # lam t, lam/mu
ratios = st.one_of(st.floats(-6, -0.01), st.floats(0.01, 0.6), st.sampled_from([-1e-7, 1e-7])).map(lambda e: 10.0**e)


# Labels mixed in: Eqs. (34), (35)

@given(reach, reach, st.floats(0.01, 0.99), st.lists(st.floats(-3, 0.5).map(lambda e: 10.0**e), min_size=3, max_size=6))
def test_labels_mixed_in_keep_the_order_where_the_teacher_trains_as_long(s, longer, weight, lam):
    T = s * (1 + longer)
    student = filters.flow(s) @ filters.mix(filters.identity, filters.flow(T), weight)
    for pivot in range(len(lam)):
        assert not theorem.compare_gains(lam, student, pivot).fails.any()
    time = theorem.matched_time(student, np.sort(lam))
    assert np.all(np.diff(time) >= -1e-12 * time[:-1])


@given(st.floats(-2, 1).map(lambda e: 10.0**e), st.floats(0.01, 0.9), st.floats(0.01, 0.99))
def test_and_lose_it_at_large_eigenvalues_where_it_trains_less(s, share, weight):
    T = share * s
    student = filters.flow(s) @ filters.mix(filters.identity, filters.flow(T), weight)
    top = (40 / (1 - share) + 10) / T / 3
    found = theorem.compare_gains([top, top / 2], student)
    assume(found.resolved[1])
    assert found.fails[1]


def test_with_a_student_that_is_never_stopped_the_order_is_reversed():
    lam = np.geomspace(1e-3, 10, 9)
    student = filters.flow(np.inf) @ filters.mix(filters.identity, filters.flow(1.0), 0.3)
    assert theorem.compare_gains(lam, student, pivot=8).fails[:8].all()
    assert theorem.compare_gains(lam, student, pivot=0).fails[1:].all()


@given(reach, reach, st.floats(0.01, 0.99), ratios)
@example(1.0, 2.0, 0.5, 0.3)
def test_ridge_regression_on_mixed_targets_has_a_sharp_condition(mu, nu, weight, ratio):
    """mu > alpha nu: the order holds; mu < alpha nu: it is reversed, everywhere; equal: there is no deviation."""
    student = filters.ridge(mu) @ filters.mix(filters.identity, filters.ridge(nu), weight)
    found = theorem.compare_gains([1.0, ratio], student, learner=filters.ridge)
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
        assert getattr(theorem.compare_gains(lam, student, learner=filters.ridge), name)[1:].all()
    student = filters.ridge(0.5) @ filters.mix(filters.identity, filters.ridge(1.0), 0.5)
    assert not theorem.compare_gains(lam, student, learner=filters.ridge).resolved.any()


# Where the order fails

def test_momentum_breaks_the_order():
    """A student with momentum, matched with a learner of either kind, is far ahead along a smaller eigenvalue."""
    lam = np.array([1.0, 0.5])
    with_momentum = filters.heavy_flow(5.0, 0.2)
    student = with_momentum @ with_momentum
    found = theorem.compare_gains(lam, student)
    assert found.fails[1]
    assert found.difference[1] > 1.5
    times = np.linspace(0, 5, 100_001)
    alike = filters.heavy_flow(times, 0.2).gain(lam)
    first = np.argmax(alike[:, 0] >= student.gain(1.0))  # the first time at which momentum alone gets there
    assert alike[first, 0] == pytest.approx(student.gain(1.0), abs=1e-4)
    assert student.gain(0.5) > alike[first, 1] + 1.5


def test_steps_that_are_too_long_break_the_order():
    student = filters.descent(1.0, 2) @ filters.descent(1.0, 2)
    found = theorem.compare_gains([1.6, 1.0], student)  # 0.64^2 along the first, all of the second
    assert found.fails[1]


def test_ridge_regression_is_on_the_other_side_of_gradient_flow():
    assert theorem.compare_gains(np.geomspace(1e-3, 1, 5), filters.ridge(0.1), pivot=4).fails[:4].all()


def test_a_teacher_that_is_still_learning_keeps_the_order():
    for speed in (0.1, 1.0, 10.0):
        for pivot in range(4):
            found = theorem.compare_gains([3.0, 1.0, 0.3, 0.01], filters.online([0.1, 2.0], speed), pivot)
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
    found = theorem.compare_gains(lam, filters.flow(library.asarray(np.array([0.5, 2.0]))) @ filters.flow(1.0), pivot=1)
    assert np.asarray(found.matched).shape == (2,)
    np.testing.assert_array_equal(np.asarray(found.direction), [1, 0, 0, -1, -1])
    for name in ("difference", "resolved", "holds", "fails"):
        assert isinstance(getattr(found, name), library.array_type)
        assert np.asarray(getattr(found, name)).shape == (2, 5)
    np.testing.assert_array_equal(np.asarray(found.resolved)[0], [True, False, False, True, False])
    exact = theorem.check(np.asarray(lam), [0.5, 2.0], 1.0, pivot=1)
    np.testing.assert_allclose(np.abs(np.asarray(found.difference)), np.exp(exact.log_gap), atol=1e-15)
