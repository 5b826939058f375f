"""Generations of mixed kinds, decided next to ridge regression: Eqs. (32), (33)."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from eigenkd import filters, theorem

reach = st.floats(-5, 1.5).map(lambda e: 10.0**e)  # lam t, lam/mu
ratios = st.one_of(st.floats(-6, -0.01), st.floats(0.01, 0.6), st.sampled_from([-1e-7, 1e-7])).map(lambda e: 10.0**e)

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
    check = theorem.check_generations(lam, [*generations, filters.ridge(0.0)])  # next to ridge regression in any case
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
    assert not theorem.compare_gains(lam, flow @ ridge, learner=filters.ridge).holds.all()
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
    """In every parameter and eigenvalue, next to a pivot and a null direction."""
    def found(time, strength, rate, lam):
        check = theorem.check_generations(lam, [filters.flow(time), filters.ridge(strength), filters.descent(rate, 3),
                                                filters.flow(np.inf)], pivot=1)
        return sum(check.log_gap[k] + 2 * check.log_margin[k] for k in (0, 2, 4)) + check.matched_time

    at = [0.7, 0.4, 0.3, np.array([3.0, 1.0, 0.2, 0.0, 2.0])]
    variables = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in at]
    by_torch = [g.numpy() for g in torch.autograd.grad(found(*variables), variables)]
    in_jax = *at[:3], jnp.asarray(at[3])
    by_jax = jax.grad(found, argnums=(0, 1, 2, 3))(*in_jax)  # jit would compile for twice as long
    assert float(jax.jit(found)(*in_jax)) == pytest.approx(float(found(*at)), rel=1e-12)
    for i, x in enumerate(at):
        assert np.isfinite(by_torch[i]).all() and np.isfinite(by_jax[i]).all()
        for k, e in enumerate(np.eye(np.size(x)).reshape(-1, *np.shape(x)) * 1e-6):
            if k != 3:  # the null direction, on one side of which there is nothing
                slope = (found(*at[:i], x + e, *at[i + 1:]) - found(*at[:i], x - e, *at[i + 1:])) / 2e-6
                for slopes in (by_torch, by_jax):
                    assert np.ravel(slopes[i])[k] == pytest.approx(slope, rel=1e-6)
