"""The advisor: what it says, against the estimates it is made of, and how it prints."""

import numpy as np
import pytest

from eigenkd import filters, linear_flow, risk
from eigenkd.risk.advisor import stopping
from tests.conftest import LIBRARIES


def problem(seed=0, n=200, p=300):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) / np.arange(1, p + 1) ** 0.5
    return linear_flow(X, X[:, 0] + rng.normal(size=n))


def test_the_verdict_is_that_of_the_estimate():
    flow = problem()
    for s, T in ((2e-3, 2e-3), (0.03, 0.03), (3.0, 1.0)):
        for inputs, noise in (("new", None), ("training", 1.0), ("training", None)):
            advice = risk.advise(flow, student_time=s, teacher_time=T, inputs=inputs, noise=noise)
            found = risk.estimated_change(flow, filters.flow(s), filters.flow(T), noise, inputs)
            assert advice.change == pytest.approx(float(found.value), rel=1e-12)
            assert advice.standard_error == pytest.approx(float(found.standard_error), rel=1e-12)
            z = found.value / found.standard_error
            assert advice.z == pytest.approx(z)
            assert advice.verdict == ("can't tell" if abs(z) <= 2 else "helps" if z < 0 else "hurts")
            assert advice.noise == (noise or pytest.approx(float(risk.noise_variance(flow))))
            assert advice.break_even_noise == pytest.approx(max(float(found.break_even_noise), 0), rel=1e-12)
    assert risk.advise(flow, student_time=1.0, teacher_time=1.0).verdict == "helps"
    assert risk.advise(flow, student_time=2e-3, teacher_time=2e-3).verdict == "hurts"


def test_it_says_what_would_do_better():
    flow = problem()
    for inputs in ("new", "training"):
        advice = risk.advise(flow, student_time=0.5, teacher_time=1.0, noise=1.0, inputs=inputs)
        student = filters.flow(0.5)

        def value(fit, inputs=inputs):
            return float(risk.leave_one_out(fit).value if inputs == "new" else risk.sure(fit, 1.0))

        assert advice.teacher_risk == pytest.approx(value(flow.teacher(1.0)), rel=1e-12)
        stopped = flow.teacher(advice.stopped.parameters["time"])
        assert advice.change_by_stopping == pytest.approx(value(stopped) - advice.teacher_risk, rel=1e-6)
        assert advice.change_by_stopping < 0
        mixed = flow.fit(student @ filters.mix(filters.identity, filters.flow(1.0), 1 - advice.mixed.weight))
        assert advice.change_by_mixing == pytest.approx(value(mixed) - advice.teacher_risk, rel=1e-6)
        text = str(advice)
        verb = "lower" if advice.change < 0 else "raise"
        for words in (f"a student is estimated to {verb} the squared error on "
                      + ("new inputs" if inputs == "new" else "the training inputs"),
                      f"by {abs(advice.change):.3g} ± {advice.standard_error:.2g} (z = {advice.z:+.1f}).",
                      f"The teacher's is {advice.teacher_risk:.3g} a sample, in squared units of the labels",
                      f"label noise of {advice.break_even_noise:.3g} ± {advice.break_even_error:.2g}; here it is 1.",
                      f"Stopping the teacher at {advice.stopped.parameters['time']:.4g} instead would lower it by "
                      f"{-advice.change_by_stopping:.3g}.",
                      f"weights {advice.weight:.3g} and {1 - advice.weight:.3g} would lower it by ",
                      "This compares with this teacher only: where distilling helps, stopping it earlier may do as"):
            assert words in text
        assert text.startswith({"helps": "Distilling helps (student 0.5, teacher 1)", "hurts": "Distilling hurts",
                                "can't tell": "Can't tell whether"}[advice.verdict])


def test_a_student_that_changes_nothing_gets_no_verdict():
    advice = risk.advise(problem(), student_time=np.inf, teacher_time=0.1)
    assert (advice.verdict, advice.change, advice.z) == ("can't tell", 0.0, 0.0)
    assert np.isnan(advice.break_even_noise) and "it pays at no level of label noise" in str(advice)


@pytest.mark.parametrize("library", LIBRARIES[::2], ids=lambda library: library.name)  # JAX: its estimates are tested
def test_single_precision_and_other_libraries_get_the_same_verdict(library):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 90)) / np.arange(1, 91) ** 0.5
    y = X[:, 0] + rng.normal(size=60)
    reference = risk.advise(linear_flow(X, y), student_time=1.0, teacher_time=1.0)
    flow = linear_flow(library.asarray(X.astype(np.float32)), library.asarray(y.astype(np.float32)))
    found = risk.advise(flow, student_time=1.0, teacher_time=1.0)
    assert found.verdict == reference.verdict and found.z == pytest.approx(reference.z, rel=1e-2)
    assert all(type(v) is float for v in (found.change, found.standard_error, found.noise, found.break_even_noise))


@pytest.mark.parametrize("given, kind, words", [
    ({"student_time": [1.0, 2.0]}, ValueError, r"student_time: expected a number, got shape \(2,\); .*estimated_chan"),
    ({"teacher_time": -1.0}, ValueError, "teacher_time: expected numbers >= 0"),
    ({"noise": [1.0, 2.0]}, ValueError, r"noise: expected a number, got shape \(2,\)"),
    ({"inputs": "test"}, ValueError, "inputs: expected 'training' or 'new', got 'test'"),
    ({"flow": 3}, TypeError, "flow: expected a LinearFlow, got int"),
])
def test_errors_say_what_was_expected_and_what_came(given, kind, words):
    given = {"flow": linear_flow(np.eye(3), np.ones(3)), "student_time": 1.0, "teacher_time": 1.0} | given
    with pytest.raises(kind, match=words):
        risk.advise(given.pop("flow"), **given)


def test_cautions_say_where_a_verdict_is_less_sure():
    flow = problem_of(60)
    for inputs, noise, guessed in (("new", None, False), ("training", None, True), ("training", 1.0, False)):
        advice = risk.advise(flow, student_time=0.1, teacher_time=10.0, inputs=inputs, noise=noise)
        best = advice.stopped.parameters["time"]
        assert 0 < best < 5 and len(advice.cautions) == guessed
        assert ("the noise is estimated, and a part of the target that the features cannot" in str(advice)) == guessed
        close = risk.advise(flow, student_time=0.1, teacher_time=1.5 * best, inputs=inputs, noise=noise)
        assert len(close.cautions) == 1 + guessed
        assert f"teacher's time is close to the best one ({best:.4g}), where the sign of such changes is" in str(close)


def test_times_and_weights_that_are_no_numbers_are_explained():
    still = risk.advise(problem_of(60), student_time=0.1, teacher_time=1.0, noise=1e3, inputs="training")
    assert "Not training at all (time 0) would lower it by" in str(still)
    assert stopping(np.inf) == "Training the teacher to the end (time inf)"
    same = risk.advise(problem_of(60), student_time=1e9, teacher_time=1e9)
    assert np.isnan(same.weight)
    assert "No weight for mixing teacher and labels: students of either hardly differ" in str(same)
    assert "to leave the squared error on new inputs as it is" in str(same)
    assert risk.advise(problem_of(60), student_time=2**80, teacher_time=1.0).student_time == 2.0**80
    with pytest.raises(ValueError, match=r"student_time: expected a number below 1.8e308, .*; pass inf"):
        risk.advise(problem_of(60), student_time=2**2000, teacher_time=1.0)


def test_what_changes_nothing_has_no_verdict():
    """A teacher of so long a time is its own student; and a change that is known exactly has an infinite z."""
    flow = problem_of(60)
    for inputs in ("training", "new"):
        advice = risk.advise(flow, student_time=1e9, teacher_time=1e9, inputs=inputs)
        assert advice.verdict == "can't tell" and "e+1" not in str(advice).split("squared error")[0]
    exact = risk.advise(flow, student_time=0.1, teacher_time=0.1, noise=0.0, inputs="training")
    assert exact.z == np.copysign(np.inf, exact.change) and exact.verdict == "hurts"
    with pytest.raises(ValueError, match="flow: expected at least 3 samples, got 2; a standard error needs more"):
        risk.advise(linear_flow(np.eye(2), np.ones(2)), student_time=1.0, teacher_time=1.0)


def problem_of(n):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 10))
    return linear_flow(X, X[:, 0] + rng.normal(size=n))
