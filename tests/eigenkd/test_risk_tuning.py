"""Tuning against brute force and a global minimiser, and its promises: nothing contained is better, ties, limits."""

import re

import numpy as np
import pytest
from scipy.optimize import differential_evolution

from eigenkd import filters, kernel_flow, linear_flow, risk

FAMILIES = ("teacher", "ridge", "student", "chain", "mixture")
CRITERIA = ("gcv", "loo", "sure", "risk", "squared", "error")


def problem(seed=0, n=40, p=15, m=3, noise=0.5):
    """Decaying features and a signal that favours the first of them; one-hot-like columns for "error"."""
    rng = np.random.default_rng(seed)
    scale = np.geomspace(1, 0.05, p)
    X, new = (rng.normal(size=(rows, p)) * scale for rows in (n, 30))
    B = rng.normal(size=(p, m)) * scale[:, None]
    signal = X @ B
    y, y_new = signal + noise * rng.normal(size=signal.shape), new @ B + noise * rng.normal(size=(30, m))
    return X, y, signal, m * noise**2, (new, y_new)


def given(criterion, signal, noise, validation):
    return {"sure": {"noise": noise}, "risk": {"signal": signal, "noise": noise}, "squared": {"validation": validation},
            "error": {"validation": validation}}.get(criterion, {})


def value_of(criterion, fit, signal, noise, validation):
    """The criterion as its definition has it."""
    if criterion in ("gcv", "loo", "sure", "risk"):
        return {"gcv": risk.gcv, "loo": lambda fit: risk.leave_one_out(fit).value,
                "sure": lambda fit: risk.sure(fit, noise),
                "risk": lambda fit: risk.fixed_design(fit, signal, noise).total}[criterion](fit)
    outputs = fit.predict(validation[0])
    if criterion == "squared":
        return np.sum((outputs - validation[1]) ** 2, axis=(-2, -1)) / 30
    return np.mean(outputs.argmax(axis=-1) != validation[1].argmax(axis=-1), axis=-1)


def filter_of(family, *p):
    return {"teacher": lambda t: filters.flow(t), "ridge": lambda mu: filters.ridge(mu),
            "student": lambda s, T: filters.flow(s) @ filters.flow(T),
            "chain": lambda a, b, c: filters.flow(c) @ (filters.flow(b) @ filters.flow(a)),
            "mixture": lambda s, T, w: filters.flow(s) @ filters.mix(filters.identity, filters.flow(T), w)}[family](*p)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("seed, n", [(0, 40), (1, 12), (2, 15)])
def test_no_family_comes_out_worse_than_one_it_contains_and_values_are_those_of_the_fit(criterion, seed, n):
    X, y, *rest = problem(seed, n)
    flow = linear_flow(X, y)
    found = risk.tune_each(flow, FAMILIES, criterion, **given(criterion, *rest))
    pairs = [("student", "teacher"), ("chain", "student"), ("mixture", "student")]
    if criterion != "error":
        two = risk.tune(flow, "chain", criterion, generations=2, **given(criterion, *rest))
        assert two.value == pytest.approx(found["student"].value, rel=1e-6)
    for family, inside in pairs:
        assert found[family].value <= found[inside].value + 1e-12 * abs(found[inside].value)
    for family, tuned in found.items():
        assert (tuned.family, tuned.criterion) == (family, criterion)
        assert tuned.value == pytest.approx(float(value_of(criterion, tuned.fit, *rest)), rel=1e-9, abs=1e-12)
        again = flow.fit(filter_of(family, *tuned.parameters.values()))
        np.testing.assert_allclose(again.fitted, tuned.fit.fitted, rtol=1e-12)


@pytest.mark.parametrize("criterion", CRITERIA[:-1])
@pytest.mark.parametrize("family", FAMILIES)
def test_brute_force_finds_nothing_better(family, criterion):
    """Against a fine grid and, for several parameters, differential evolution over sixteen decades of times."""
    for seed, n, noise in ((0, 40, 0.5), (3, 12, 0.5), (4, 40, 3.0)):
        X, y, *rest = problem(seed, n, noise=noise)
        flow = linear_flow(X, y)
        tuned = risk.tune(flow, family, criterion, **given(criterion, *rest))

        def values(*parameters, flow=flow, rest=rest):
            return value_of(criterion, flow.fit(filter_of(family, *parameters)), *rest)

        if family in ("teacher", "ridge"):
            least = values(np.geomspace(1e-8, 1e8, 20_001)).min()
        else:
            bounds = [(-8, 8)] * (3 if family == "chain" else 2) + [(0, 1)] * (family == "mixture")

            def at(points, values=values):
                times = 10.0 ** np.clip(points, -8, 8)
                return values(*(times[:-1], points[-1]) if family == "mixture" else times) if family != "mixture" \
                    else values(times[0], times[1], np.clip(points[2], 0, 1))

            least = differential_evolution(at, bounds, rng=0, vectorized=True, updating="deferred", popsize=20,
                                           maxiter=60, polish=False, tol=1e-10).fun
        assert tuned.value <= least + 1e-7 * abs(least)


def test_the_best_error_is_that_of_a_fine_grid_and_ties_go_to_the_squared_error():
    X, y, *rest = problem(5)
    flow, validation = linear_flow(X, y), rest[-1]
    tuned = risk.tune(flow, "teacher", "error", validation=validation)
    times = np.geomspace(1e-4, 1e4, 2001)
    fits = flow.teacher(times)
    errors, squared = value_of("error", fits, *rest), value_of("squared", fits, *rest)
    assert tuned.value <= errors.min()
    assert np.sum(errors == errors.min()) > 10  # a plateau
    ties = squared[errors == errors.min()]
    assert value_of("squared", tuned.fit, *rest) <= ties.min() + 0.2 * (ties.max() - ties.min())


def test_outputs_that_are_equal_count_as_wrong():
    """A model that has learned nothing has no largest output; at t = 0 an argmax would call the first class right."""
    X, y, *_ = problem()
    flow = linear_flow(X, y)
    validation = (X[:4], np.eye(3)[[0, 0, 0, 0]])
    assert risk.held_out.wrong(flow, *risk.held_out.validation_set(validation, flow))(flow.teacher([0.0]))[0] >= 4


def test_pure_noise_is_best_not_learned_and_pure_signal_wholly():
    X, y, signal, *_ = problem()
    flow = linear_flow(X, y)
    for family in ("teacher", "student"):
        nothing = risk.tune(flow, family, "risk", signal=0 * signal, noise=1.0)
        assert nothing.parameters["time"] == 0 and nothing.value == 0
        everything = risk.tune(flow, family, "risk", signal=signal, noise=0.0)
        assert everything.parameters["time"] == np.inf
    assert risk.tune(flow, "ridge", "risk", signal=0 * signal, noise=1.0).parameters == {"strength": np.inf}
    assert risk.tune(flow, "ridge", "risk", signal=signal, noise=0.0).parameters == {"strength": 0.0}


def test_a_student_beats_the_best_teacher_where_that_one_overlearns_the_last_direction():
    """The sign of Eq. (47), in both directions: the gain of the best teacher against b^2/(b^2 + noise)."""
    lam, noise = np.array([4.0, 1.0, 0.25]), 1.0
    for power, expected in ((np.array([40.0, 4.0, 0.01]), True), (np.array([4.0, 4.0, 40.0]), False)):
        flow = linear_flow(np.diag(np.sqrt(lam)), np.ones(3))
        teacher, student = (risk.tune(flow, family, "risk", signal=np.sqrt(power), noise=noise)
                            for family in ("teacher", "student"))
        overlearned = teacher.fit.gain[-1] > power[-1] / (power[-1] + noise)
        assert overlearned == expected
        assert (student.value < teacher.value * (1 - 1e-6)) == expected
        assert np.isinf(student.parameters["teacher_time"]) != expected


def test_the_weight_of_a_tuned_mixture_is_the_best_one_in_closed_form():
    X, y, signal, noise, _ = problem(1)
    flow = linear_flow(X, y)
    tuned = risk.tune(flow, "mixture", "risk", signal=signal, noise=noise, mean=0.9 * signal)
    s, T, weight = tuned.parameters.values()
    assert weight == pytest.approx(risk.best_mixing_weight(flow, s, T, signal, noise, 0.9 * signal), abs=1e-4)


def test_times_that_may_trade_places_come_back_in_order():
    X, y, *_ = problem(4, noise=3.0)
    flow = linear_flow(X, y)
    student = risk.tune(flow, "student", "loo").parameters
    chain = risk.tune(flow, "chain", "loo", generations=4).parameters
    assert student["time"] <= student["teacher_time"]
    assert list(chain) == ["time_1", "time_2", "time_3", "time_4"]
    assert list(chain.values()) == sorted(chain.values(), reverse=True)
    np.testing.assert_allclose(risk.tune(flow, "chain", "loo", generations=4).fit.fitted,
                               flow.chain(list(chain.values())).fitted)


def test_tuning_scales_with_the_features_and_the_targets():
    X, y, *_ = problem(2)
    reference = risk.tune(linear_flow(X, y), "student", "gcv")
    scaled = risk.tune(linear_flow(1e3 * X, 1e-4 * y), "student", "gcv")
    assert scaled.value == pytest.approx(1e-8 * reference.value, rel=1e-7)
    for name, time in reference.parameters.items():
        assert scaled.parameters[name] == pytest.approx(1e-6 * time, rel=1e-3)


@pytest.mark.parametrize("family", ["student", "ridge"])
def test_kernels_starts_and_vectors_are_tuned_like_features(family):
    X, y, *_, (new, y_new) = problem(0, m=1, n=20)
    start = np.full((15, 1), 0.3)
    for criterion, validation in (("loo", None), ("squared", (new, y_new))):
        columns, kernel, vector, moved, moved_kernel = (
            risk.tune(flow, family, criterion, validation=held) for flow, held in (
                (linear_flow(X, y), validation),
                (kernel_flow(X @ X.T, y), validation and (new @ X.T, y_new)),
                (linear_flow(X, y[:, 0]), validation and (new, y_new[:, 0])),
                (linear_flow(X, y + X @ start, start=start), validation and (new, y_new + new @ start)),
                (kernel_flow(X @ X.T, y + X @ start, start=X @ start),
                 validation and (new @ X.T, y_new + new @ start, new @ start))))
        for other in (kernel, vector, moved, moved_kernel):
            assert other.value == pytest.approx(columns.value, rel=1e-6)
        assert vector.fit.fitted.shape == (20,)


def test_of_a_start_the_error_is_taken_with_its_predictions():
    X, y, *_, (new, _) = problem()
    start = np.random.default_rng(1).normal(size=(15, 3))
    held = (new, np.eye(3)[(new @ start).argmax(axis=1)])
    assert risk.tune(linear_flow(X, 0 * y, start=start), "teacher", "error", validation=held).value == 0


def test_every_library_gets_a_fit_of_its_own(library):
    X, y, signal, noise, (new, y_new) = problem(0, n=20, p=6)
    flow = linear_flow(library.asarray(X), library.asarray(y))
    for criterion, arguments in (
            ("gcv", lambda to: {}), ("risk", lambda to: {"signal": to(signal), "noise": noise}),
            ("squared", lambda to: {"validation": (to(new), y_new)})):
        found = risk.tune(flow, "student", criterion, **arguments(library.asarray))
        reference = risk.tune(linear_flow(X, y), "student", criterion, **arguments(np.asarray))
        assert isinstance(found.fit.fitted, library.array_type)
        assert found.fit.flow is flow
        assert found.value == pytest.approx(reference.value, rel=1e-9)
        assert isinstance(found.value, float) and all(isinstance(v, float) for v in found.parameters.values())
    single = risk.tune(linear_flow(library.asarray(X.astype(np.float32)), y.astype(np.float32)), "student")
    assert np.asarray(single.fit.fitted).dtype == np.float32
    assert single.value == pytest.approx(risk.tune(linear_flow(X, y), "student").value, rel=1e-4)


def test_several_families_at_once_are_the_same_as_one_by_one():
    X, y, *_ = problem()
    flow = linear_flow(X, y)
    for family, tuned in risk.tune_each(flow, generations=4).items():
        alone = risk.tune(flow, family, generations=4)
        assert (alone.parameters, alone.value, alone.evaluations) == (tuned.parameters, tuned.value, tuned.evaluations)
        assert len(tuned.parameters) == {"student": 2, "chain": 4, "mixture": 3}.get(family, 1)


def test_the_criterion_left_out_is_gcv_or_the_validation_set():
    X, y, *_, validation = problem()
    flow = linear_flow(X, y)
    assert risk.tune(flow).criterion == "gcv"
    assert risk.tune(flow).family == "student"
    assert risk.tune(flow, validation=validation).criterion == "squared"


def test_a_result_prints_on_one_line_and_counts_evaluations(monkeypatch):
    X, y, *_ = problem()
    flow, counted = linear_flow(X, y), []
    real = risk.tuning.gcv_of
    monkeypatch.setattr(risk.tuning, "gcv_of", lambda fit, here: counted.append(real(fit, here)) or counted[-1])
    tuned = risk.tune(flow, "student", "gcv")
    assert tuned.evaluations == sum(values.size for values in counted)
    assert min(values.min() for values in counted) >= tuned.value * (1 - 1e-12)
    assert re.fullmatch(r"Tuned\(student: time=[\d.e+-]+, teacher_time=([\d.e+-]+|inf); gcv=[\d.]+, \d+ evaluations\)",
                        repr(tuned))


X, y = np.eye(3), np.ones(3)
flow, classes = linear_flow(X, y), linear_flow(X, np.eye(3))


def traced():
    import jax

    return jax.jit(lambda X: risk.tune(linear_flow(X, y)).value)(X)


@pytest.mark.parametrize("call, kind, words", [
    (lambda: risk.tune(flow, ["teacher"]), TypeError, r"family: expected a name, got \['teacher'\]; .*tune_each"),
    (lambda: risk.tune_each(flow, 3), TypeError, "families: expected names of families, got 3"),
    (lambda: risk.tune(flow, "teacher", "sure", noise="a"), TypeError, "noise: expected numbers, got 'a'"),
    (lambda: risk.tune(flow.teacher(1)), TypeError, "flow: expected a LinearFlow, got Fit"),
    (lambda: risk.tune(flow, "pupil"), ValueError, "family: expected one of 'teacher', .*'chain', got 'pupil'"),
    (lambda: risk.tune(flow, "chain", generations=1), ValueError, "generations: expected a whole number of at least 2"),
    (lambda: risk.tune(flow, "chain", generations=2.5), ValueError, "generations: expected a whole.*got 2.5"),
    (lambda: risk.tune(flow, "student", "aic"), ValueError, "criterion: expected one of 'gcv', .*got 'aic'"),
    (lambda: risk.tune(flow, "student", "sure"), ValueError, "noise: expected a value for criterion='sure', got None"),
    (lambda: risk.tune(flow, "student", "risk", noise=1), ValueError, "signal: expected a value for criterion='risk'"),
    (lambda: risk.tune(flow, "student", "error"), ValueError, "validation: expected a value for criterion='error'"),
    (lambda: risk.tune(flow, "student", "gcv", noise=1), ValueError, "noise: expected none for .*got int"),
    (lambda: risk.tune(flow, "student", "sure", noise=[1, 2]), ValueError, r"noise: expected a number, got shape"),
    (lambda: risk.tune(flow, "student", "loo", validation=(X, y)), ValueError, "validation: expected none for"),
    (lambda: risk.tune(flow, "student", "sure", noise=-1), ValueError, "noise: expected numbers >= 0"),
    (lambda: risk.tune(flow, "student", "risk", noise=1, signal=y[:2]), ValueError, r"signal: expected shape \(3,\)"),
    (lambda: risk.tune(flow, validation=X), TypeError, r"validation: expected \(X_val, y_val\), got ndarray"),
    (lambda: risk.tune(flow, validation=(X[:, :2], y)), ValueError, r"validation\[0\]: expected 3 columns, got shape"),
    (lambda: risk.tune(flow, validation=(X, y[:2])), ValueError, r"validation\[1\]: expected shape \(3,\), got \(2,\)"),
    (lambda: risk.tune(flow, validation=(X, "y")), TypeError, r"validation\[1\]: expected numbers, got 'y'"),
    (lambda: risk.tune(flow, validation=(X, y, y)), ValueError, r"validation\[2\]: expected none for features, got nd"),
    (lambda: risk.tune(kernel_flow(X, y), validation=(X, y, y)), ValueError, r"validation\[2\].*none for a kernel"),
    (lambda: risk.tune(kernel_flow(X, y, start=y), validation=(X, y)), ValueError,
     r"validation\[2\]: expected the predictions on the new inputs.*shape \(3,\), got None; pass f0\(new\) as valid"),
    (lambda: risk.tune(kernel_flow(X, y, start=y), validation=(X, y, y[:2])), ValueError,
     r"validation\[2\]: expected shape \(3,\), got \(2,\)"),
    (lambda: risk.tune(kernel_flow(X, y), validation=(X[:, :2], y)), ValueError, r"validation\[0\].*kernel between"),
    (lambda: risk.tune(flow, "student", "error", validation=(X, y)), ValueError,
     "criterion: expected targets of at least two classes for 'error', got one column"),
    (lambda: risk.tune(linear_flow(0 * X, y)), ValueError, "flow: expected inputs that are not all 0"),
    (traced, TypeError, "flow: expected numbers that can be looked at, got a traced array"),
])
def test_errors_say_what_was_expected_and_what_came(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_scipy_is_loaded_by_tuning_alone():
    import subprocess
    import sys

    code = "import sys, eigenkd, eigenkd.risk; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
