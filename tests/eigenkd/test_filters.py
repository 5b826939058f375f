"""The filter algebra against arbitrary precision, its identities, and its errors."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenkd import filters
from tests.oracles import log_pair

exponents = st.floats(-12, 3).map(lambda e: 10.0**e)
shares = st.floats(0, 1)
DIGITS = 3300  # seven leaves with residuals down to exp(-1000) each: their product has to show next to 1


def leaf():
    """A filter and its exact gain as a function of an exact eigenvalue."""
    return st.one_of(
        exponents.map(lambda t: (filters.flow(t), lambda lam: -mp.expm1(-mp.mpf(t) * lam))),
        exponents.map(lambda mu: (filters.ridge(mu), lambda lam: lam / (lam + mp.mpf(mu)))),
        st.tuples(st.floats(-12, -0.2).map(lambda e: 10.0**e), st.integers(0, 1000)).map(
            lambda d: (filters.descent(*d), lambda lam: 1 - (1 - mp.mpf(d[0]) * lam) ** d[1])),
        st.just((filters.identity, lambda lam: mp.mpf(1))),
        st.just((filters.zero, lambda lam: mp.mpf(0))),
    )


def compose(children):
    pairs = st.tuples(children, children)
    return st.one_of(
        pairs.map(lambda ab: (ab[0][0] @ ab[1][0], lambda lam: ab[0][1](lam) * ab[1][1](lam))),
        st.tuples(pairs, shares).map(lambda x: (
            filters.mix(x[0][0][0], x[0][1][0], x[1]),
            lambda lam: mp.mpf(x[1]) * x[0][0][1](lam) + (1 - mp.mpf(x[1])) * x[0][1][1](lam))),
        st.tuples(pairs, exponents).map(lambda x: (
            filters.relax(x[0][0][0], x[1], start=x[0][1][0]),
            lambda lam: x[0][0][1](lam) + mp.exp(-mp.mpf(x[1]) * lam) * (x[0][1][1](lam) - x[0][0][1](lam)))),
        st.tuples(pairs, st.floats(-12, -0.2).map(lambda e: 10.0**e), st.integers(0, 1000)).map(lambda x: (
            filters.descend(x[0][0][0], x[1], x[2], start=x[0][1][0]),
            lambda lam: x[0][0][1](lam)
            + (1 - mp.mpf(x[1]) * lam) ** x[2] * (x[0][1][1](lam) - x[0][0][1](lam)))),
    )


def assert_within_ulp(value, exact, ulp):
    if not mp.isfinite(exact):
        assert value == float(exact)
    else:
        error = abs(mp.mpf(float(value)) - exact)
        assert error <= ulp * np.finfo(float).eps * max(1, abs(exact)), f"{error} at {exact}"


def check(pair, lam, ulp):
    filter, gain_of = pair
    with mp.workdps(DIGITS):
        exact = log_pair(gain_of(mp.mpf(lam)))
        assert_within_ulp(filter.log_gain(lam), exact[0], ulp)
        assert_within_ulp(filter.log_residual(lam), exact[1], ulp)
        gain = filter.gain(lam)
        assert 0 <= gain <= 1
        assert abs(mp.mpf(float(gain)) - gain_of(mp.mpf(lam))) <= 4 * np.finfo(float).eps
        assert gain + filter.residual(lam) == pytest.approx(1, abs=1e-15)


@given(leaf(), st.floats(0.1, 1))
def test_leaves_are_right_to_four_ulp(pair, lam):
    check(pair, lam, 4)


@given(compose(leaf()), st.floats(0.1, 1))
def test_products_mixtures_and_relaxations_are_right_to_four_ulp(pair, lam):
    check(pair, lam, 4)


@given(compose(compose(leaf())), st.floats(0.1, 1))
def test_errors_add_up_slowly_with_depth(pair, lam):
    check(pair, lam, 8)


@pytest.mark.parametrize("eta, lam", [(0.1, 9.999999), (1 / 3, 3.0), (0.7, 1 / 0.7), (1e-3, 999.9999999), (0.3, 1.7)])
def test_descent_keeps_its_digits_where_the_step_nearly_reaches_the_target(eta, lam):
    with mp.workdps(60):
        residual = max(1 - mp.mpf(eta) * mp.mpf(lam), mp.mpf(0))
        exact = 5 * mp.log(residual) if residual > 0 else -mp.inf
        assert_within_ulp(filters.descent(eta, 5).log_residual(lam), exact, 4)


@given(st.floats(0.1, 1), st.lists(exponents, min_size=1, max_size=5))
def test_a_product_of_small_gains_keeps_a_relatively_right_residual(lam, times):
    """log residual of gains that multiply to far less than eps: what matched times are made of."""
    filter = filters.flow(times[0])
    for t in times[1:]:
        filter = filters.flow(t) @ filter
    with mp.workdps(5000):
        gain = mp.fprod(-mp.expm1(-mp.mpf(t) * mp.mpf(lam)) for t in times)
        exact = mp.log1p(-gain)
        assert abs(mp.mpf(float(filter.log_residual(lam))) / exact - 1) < 1e-12


lam = np.array([0.0, 1e-9, 0.3, 1.0, 40.0])


@given(exponents, exponents)
def test_flow_is_a_semigroup(t1, t2):
    twice = filters.relax(filters.identity, t2, start=filters.flow(t1))
    once = filters.flow(t1 + t2)
    np.testing.assert_allclose(twice.log_residual(lam), once.log_residual(lam), rtol=1e-13)
    np.testing.assert_allclose(twice.gain(lam), once.gain(lam), rtol=1e-13)


def test_descent_steps_are_a_semigroup_and_small_ones_are_flow():
    once = filters.descent(0.02, 7)
    twice = filters.descend(filters.identity, 0.02, 3, start=filters.descent(0.02, 4))
    np.testing.assert_allclose(twice.gain(lam), once.gain(lam), rtol=1e-13)
    np.testing.assert_allclose(filters.descent(1e-9, 10**9).gain(lam), filters.flow(1.0).gain(lam), rtol=1e-6)


def test_limits():
    np.testing.assert_array_equal(filters.flow(0).gain(lam), 0 * lam)
    np.testing.assert_array_equal(filters.flow(np.inf).gain(lam), [0, 1, 1, 1, 1])
    np.testing.assert_array_equal(filters.descent(1e-2, np.inf).gain(lam), [0, 1, 1, 1, 1])
    np.testing.assert_array_equal(filters.descent(1 / 40, 0).gain(lam), 0 * lam)
    np.testing.assert_array_equal(filters.ridge(0).gain(lam), [0, 1, 1, 1, 1])
    np.testing.assert_array_equal(filters.ridge(np.inf).gain(lam), 0 * lam)
    target = filters.ridge(0.5)
    np.testing.assert_allclose(filters.relax(target, np.inf).gain(lam[1:]), target.gain(lam[1:]), rtol=1e-15)
    np.testing.assert_allclose(filters.relax(target, 0, start=filters.flow(2)).gain(lam), filters.flow(2).gain(lam),
                               rtol=1e-15)
    np.testing.assert_array_equal(filters.mix(filters.identity, filters.zero, 1).gain(lam), 0 * lam + 1)
    np.testing.assert_array_equal(filters.mix(filters.identity, filters.zero, 0).gain(lam), 0 * lam)
    for weight in (-0.7, 1.6):  # away from one of the two
        mixed = filters.mix(filters.flow(1.0), filters.flow(3.0), weight)
        a, b = filters.flow(1.0).gain(lam), filters.flow(3.0).gain(lam)
        np.testing.assert_allclose(mixed.gain(lam), weight * a + (1 - weight) * b, rtol=1e-14, atol=1e-16)
        np.testing.assert_allclose(mixed.gain(lam) + mixed.residual(lam), 1, rtol=1e-15)


def test_a_loss_switch_is_the_formula():
    """Distil for s, then train on the labels for d: 1 - exp(-d lam)(1 - a_s a_T)."""
    s, T, d = 0.7, 1.3, 0.4
    switched = filters.relax(filters.identity, d, start=filters.flow(s) @ filters.flow(T))
    a_s, a_T = -np.expm1(-s * lam), -np.expm1(-T * lam)
    np.testing.assert_allclose(switched.gain(lam), 1 - np.exp(-d * lam) * (1 - a_s * a_T), rtol=1e-13, atol=1e-16)


def test_parameters_broadcast_before_the_eigenvalues():
    s, T = np.array([0.1, 1.0, 2.0]), np.array([[0.5], [3.0]])
    student = filters.flow(s) @ filters.flow(T)
    assert student.gain(lam).shape == (2, 3, 5)
    assert student.gain(1.0).shape == (2, 3)
    assert student.gain(lam.reshape(5, 1)).shape == (2, 3, 5, 1)
    np.testing.assert_array_equal(student.log_gain(lam)[1, 2], (filters.flow(2.0) @ filters.flow(3.0)).log_gain(lam))


@pytest.mark.parametrize("filter", [
    filters.flow(1.5), filters.flow([0.0, np.inf]), filters.descent(0.01, 10), filters.ridge(0.2),
    filters.mix(filters.identity, filters.flow(1.0), 0.3), filters.flow(1.0) @ filters.ridge(0.1),
    filters.relax(filters.ridge(1.0), 0.3, start=filters.flow(2.0)), filters.identity, filters.zero])
def test_every_library_gives_the_same(library, filter):
    values = library.asarray(lam)
    for name in ("gain", "residual", "log_gain", "log_residual"):
        result = getattr(filter, name)(values)
        assert isinstance(result, library.array_type)
        np.testing.assert_allclose(np.asarray(result), getattr(filter, name)(lam), rtol=4e-15)


def test_parameters_of_a_library_draw_numpy_eigenvalues_to_it(library):
    result = filters.flow(library.asarray(np.array([1.0, 2.0]))).gain(lam)
    assert isinstance(result, library.array_type)
    np.testing.assert_allclose(np.asarray(result), filters.flow([1.0, 2.0]).gain(lam), rtol=1e-15)


def test_inputs_are_not_changed():
    values, times = lam.copy(), np.array([1.0, np.inf])
    filters.flow(times).log_gain(values)
    filters.descent(0.01, times).log_gain(values)
    np.testing.assert_array_equal(values, lam)
    np.testing.assert_array_equal(times, [1.0, np.inf])


def test_a_filter_says_what_it_is():
    assert repr(filters.flow(2) @ filters.flow([1, 2, 3])) == "flow(2) @ flow(array of shape (3,))"
    assert "start=ridge(1)" in repr(filters.relax(filters.identity, 2, start=filters.ridge(1)))


@pytest.mark.parametrize("make, kind, words", [
    (lambda: filters.flow(-1), ValueError, "time: expected numbers >= 0, got -1"),
    (lambda: filters.flow(float("nan")), ValueError, "time: expected a number, got nan; pass another"),
    (lambda: filters.flow("soon"), TypeError, "time: expected numbers, got 'soon'"),
    (lambda: filters.flow(1j), TypeError, "time: expected real numbers"),
    (lambda: filters.flow([]), ValueError, "time: expected at least one number"),
    (lambda: filters.descent(np.inf, 3), ValueError, "learning_rate: expected a finite number, got inf"),
    (lambda: filters.descent(0.1, 2.5), ValueError, "steps: expected whole numbers, got 2.5"),
    (lambda: filters.descent(0.1, -2), ValueError, "steps: expected numbers >= 0"),
    (lambda: filters.ridge(-0.1), ValueError, "strength: expected numbers >= 0"),
    (lambda: filters.mix(filters.zero, filters.identity, [0.5, 1.5]).log_gain(1.0), ValueError,
     r"weight: expected numbers between 0 and 1 for a logarithm, got array of shape \(2,\): .*use gain and residual"),
    (lambda: filters.mix(filters.zero, filters.identity, np.inf), ValueError, "weight: expected a finite number"),
    (lambda: filters.mix(3, filters.identity, 0.5), TypeError, "a: expected a filter, got int"),
    (lambda: filters.relax("labels", 1), TypeError, "target: expected a filter, got str"),
    (lambda: filters.descend(filters.identity, 0.1, 1, start=0), TypeError, "start: expected a filter, got int"),
    (lambda: filters.flow(1).gain([1.0, -2.0]), ValueError, "lam: expected numbers >= 0, got -2.0"),
    (lambda: filters.flow(1).gain([1.0, np.inf]), ValueError, "lam: expected finite"),
    (lambda: filters.descent(0.5, 3).log_gain([1.0, 3.0]), ValueError, r"learning_rate \* eigenvalue <= 1.*is 3.*sign"),
    (lambda: filters.flow(1) @ 3, TypeError, "teacher: expected a filter, got int; make one with"),
])
def test_errors_name_the_argument_and_what_came(make, kind, words):
    with pytest.raises(kind, match=words):
        make()


TEACHER = filters.flow(0.7)
COMPILED = {
    "flow": TEACHER, "ridge": filters.ridge(0.3), "student": TEACHER @ TEACHER,
    "decay": filters.flow(0.7, weight_decay=0.2), "mix": filters.mix(TEACHER, filters.ridge(0.1), 0.3),
    "descent": filters.descent(0.9, 50), "schedule": filters.scheduled_descent([0.1, 0.5, 0.9]),
    "heavy ball": filters.heavy_ball(0.01, 30, 0.5), "heavy flow": filters.heavy_flow(3.0, 2.5),
    "anneal": filters.anneal(TEACHER, filters.identity, 1.3), "online": filters.online(1.0, 0.5),
    "chain": filters.online_chain(2.0, 3), "generations": filters.generations(TEACHER, 5, 0.3),
    "switch": filters.switch(TEACHER, filters.identity, 1.0, 1.0, 0.5),
    "mutual": filters.mutual(1.0, 0.5, start=(TEACHER, filters.zero))[0],
}


@pytest.mark.parametrize("name", COMPILED)
def test_a_compiler_does_not_take_the_digits_away(name):
    """XLA would make x of (1 + x) - 1, on which the digits of log1p rest; under jit they are those outside of it."""
    filter, lam = COMPILED[name], jnp.asarray(np.geomspace(1e-14, 1.0, 200))
    np.testing.assert_allclose(jax.jit(filter.gain)(lam), filter.gain(lam), rtol=2e-14)
    if "heavy" in name:
        return
    for of in (filter.log_gain, filter.log_residual):
        np.testing.assert_allclose(jax.jit(of)(lam), of(lam), rtol=2e-14)
