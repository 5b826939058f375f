"""`compare` by hand, against arbitrary precision and naive loops, its invariances, and its errors."""

import json
import math

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eigenkd.deviation import VIEWS, Group, compare, pointwise, slope

LIBRARIES = [pytest.param(np.asarray, id="numpy"), pytest.param(torch.asarray, id="torch"),
             pytest.param(jnp.asarray, id="jax")]
seeds = st.integers(0, 10**6)


def logits(seed, n=40, classes=4, scale=2.0):
    return scale * np.random.default_rng(seed).normal(size=(n, classes))


def from_confidence(teacher, student):
    """Two-class logits whose confidences are the given ones; the teacher's have to be positive."""
    return tuple(np.stack([np.zeros(len(phi)), np.asarray(phi, dtype=float)], axis=1) for phi in (teacher, student))


def exact_confidence(row, y):
    with mpmath.workdps(40):
        others = [mpmath.exp(mpmath.mpf(float(f))) for c, f in enumerate(row) if c != y]
        return float(mpmath.mpf(float(row[y])) - mpmath.log(mpmath.fsum(others)))


def leaves(value):
    """All numbers of a nested mapping, None as NaN."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    return [] if isinstance(value, str | tuple | list) else [math.nan if value is None else float(value)]


# --- confidence ---

@pytest.mark.parametrize("array", LIBRARIES)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_confidence_is_the_log_odds_of_the_teachers_class(array, scale):
    teacher, student = logits(0, scale=scale), logits(1, scale=scale)
    teacher_in, student_in = array(teacher), array(student)
    d = compare(teacher_in, student_in)
    assert type(d.teacher_confidence) is type(d.student_confidence) is type(teacher_in)
    rtol = 2e-5 if teacher_in.dtype == jnp.float32 else 1e-13
    for found, given_logits in ((d.teacher_confidence, teacher_in), (d.student_confidence, student_in)):
        rows = np.asarray(given_logits, dtype=float)
        expected = [exact_confidence(row, y) for row, y in zip(rows, teacher.argmax(axis=1))]
        np.testing.assert_allclose(np.asarray(found), expected, rtol=rtol, atol=rtol)


def test_confidence_by_hand():
    # p = (1/2, 1/4, 1/4) and (1/8, 3/8, 1/2): log-odds log(1) and log(1/7) of the teacher's class 0
    d = compare(np.log([[2.0, 1, 1]]), np.log([[1.0, 3, 4]]))
    np.testing.assert_allclose([d.teacher_confidence[0], d.student_confidence[0]], [0, -math.log(7)], atol=1e-15)
    np.testing.assert_allclose(d.kl, 0.5 * math.log(4) + 0.25 * math.log(2 / 3) + 0.25 * math.log(1 / 2), rtol=1e-14)
    assert d.agreement == 0.0


@pytest.mark.parametrize("array", LIBRARIES)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_all_three_divergences_are_their_definitions(array, scale):
    teacher, student = array(logits(0, scale=scale)), array(logits(1, scale=scale))
    d = compare(teacher, student)
    eps = np.finfo(np.asarray(teacher).dtype).eps
    for i in range(0, 40, 7):
        with mpmath.workdps(40):
            p, q = ([mpmath.exp(mpmath.mpf(float(f))) for f in np.asarray(rows[i])] for rows in (teacher, student))
            p, q = ([x / mpmath.fsum(row) for x in row] for row in (p, q))
            m = [(a + b) / 2 for a, b in zip(p, q)]
            kl = {name: float(mpmath.fsum(a * mpmath.log(a / b) for a, b in zip(*pair))) for name, pair in {
                "divergence": (p, q), "reverse": (q, p), "teacher": (p, m), "student": (q, m)}.items()}
        kl["jensen_shannon"] = 0.5 * (kl.pop("teacher") + kl.pop("student"))
        for name, expected in kl.items():
            assert float(getattr(d, name)[i]) == pytest.approx(expected, rel=50 * eps, abs=8 * eps * max(1, scale))


def test_opposite_models_are_log_two_apart_and_zeros_count_on_their_side():
    d = compare([[0.0, -np.inf, 0], [1e3, 0, 0]], [[0.0, 0, 0], [0, 1e3, 0]], masked="keep")
    np.testing.assert_allclose(d.jensen_shannon[1], math.log(2), rtol=1e-12)
    assert math.isinf(d.reverse[0]) and math.isfinite(d.divergence[0]) and math.isfinite(d.jensen_shannon[0])
    assert d.infinite["reverse_kl"].startswith("on 1 of 2 points (row 0) the teacher gives probability zero to a class")


def test_confidence_is_not_lost_where_the_probability_rounds_to_one():
    d = compare([[1e4, 0.0], [100.0, 0.0]], [[0.0, 1e4], [99.0, 0.0]])
    np.testing.assert_array_equal(d.teacher_confidence, [1e4, 100])
    np.testing.assert_array_equal(d.student_confidence, [-1e4, 99])
    assert d.kl == pytest.approx(5e3)


@pytest.mark.parametrize("array", LIBRARIES)
def test_every_library_gives_the_same_summary_in_plain_numbers(array):
    teacher, student = logits(2), logits(2) + logits(3, scale=0.5)
    labels = np.arange(40) % 4
    expected = compare(teacher, student, labels).summary()
    found = compare(array(teacher), array(student), array(labels)).summary()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    np.testing.assert_allclose(leaves(found), leaves(expected), rtol=1e-9)


def test_torch_logits_that_carry_a_gradient_meet_numpy_logits_and_half_precision():
    teacher = torch.tensor(logits(4), requires_grad=True)
    d = compare(teacher, logits(5).astype(np.float16), labels=torch.arange(40) % 4)
    assert isinstance(d.student_confidence, torch.Tensor)
    assert isinstance(d.slope().value, float) and isinstance(d.kl, float) and isinstance(d.agreement, float)


def test_the_wider_precision_of_one_library_is_kept():
    assert compare(logits(0).astype(np.float32), logits(1)).teacher_confidence.dtype == np.float64


# --- slopes ---

def test_slopes_by_hand():
    x = np.array([1, 2, 3, 4, 5, 6, 7, 8.0])
    y = np.array([0, 2, 4, 6, 6, 6.5, 7, 7.5])  # slope 2 over the first four points, 1/2 over the last four
    d = compare(*from_confidence(x, y))
    low, high = d.slope("low", 0.5), d.slope("high", 0.5)
    np.testing.assert_allclose([low.value, low.low, low.high, high.value], [2, 2, 2, 0.5], rtol=1e-12)
    assert low.points == high.points == 4 and low.reason is None
    assert d.underfit(0.25) == 0.5 and d.underfit(0.5) == 0.25  # 0 < 1; 2 = 2, 4 > 3, 6 > 4


def test_points_tied_with_the_last_one_belong_to_the_side():
    x = np.array([3.0, 1, 2, 2, 2, 4, 5, 6])
    d = compare(*from_confidence(x, x))
    assert d.slope("low", 0.25).points == 4 and d.slope("high", 0.75).points == 7


@pytest.mark.parametrize("side", ["low", "high"])
@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 1])
def test_slope_agrees_with_a_fit_over_the_sorted_points(side, fraction):
    d = compare(logits(6, n=200), logits(7, n=200))
    order = np.argsort(d.teacher_confidence)[:: 1 if side == "low" else -1][: round(200 * fraction)]
    x, y = d.teacher_confidence[order], d.student_confidence[order]
    found = d.slope(side, fraction)
    np.testing.assert_allclose(found.value, np.polyfit(x, y, 1)[0], rtol=1e-10)
    if side == "low":
        assert d.underfit(fraction) == sum(b < a for a, b in zip(x, y)) / len(x)


def test_the_interval_is_the_percentile_bootstraps():
    d = compare(logits(8, n=400), logits(8, n=400) + logits(9, n=400, scale=1))
    found = d.slope("low", 0.25)
    order = np.argsort(d.teacher_confidence)[:100]
    x, y = d.teacher_confidence[order], d.student_confidence[order]
    rng = np.random.default_rng(1)
    slopes = [np.polyfit(x[i], y[i], 1)[0] for i in rng.integers(100, size=(2000, 100))]
    low, high = np.percentile(slopes, [2.25, 97.75])  # moved out a little for 100 points
    np.testing.assert_allclose([found.low, found.high], [low, high], atol=0.15 * (high - low))
    assert found.low < found.value < found.high


def test_memory_does_not_change_the_interval(monkeypatch):
    d = compare(logits(8), logits(9))
    expected = d.slope()
    monkeypatch.setattr(slope, "DRAWS_AT_ONCE", 64)
    again = compare(logits(8), logits(9)).slope()
    assert again is not expected and d.slope() is expected  # a deviation fits each slope once
    np.testing.assert_allclose([again.low, again.high], [expected.low, expected.high], rtol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_a_teacher_that_is_equally_confident_everywhere_has_no_slope(scale):
    row = scale * np.array([0.3, 0.1, 0.7, 0.2])
    rows = np.stack([np.random.default_rng(i).permutation(row) for i in range(20)])
    d = compare(rows, logits(0, n=20), inputs="logits")
    found = d.slope()
    assert math.isnan(found.value) and math.isnan(found.low) and math.isnan(found.high)
    assert found.reason == f"the teacher is equally confident on all {found.points} points"


def test_two_points_have_no_slope_and_json_says_null():
    d = compare(*from_confidence([1, 2], [1, 3]))
    found = d.slope("high", 1)
    assert math.isnan(found.value) and found.reason == "a slope needs at least 3 points, got 2"
    summary = json.loads(json.dumps(d.summary(), allow_nan=False))
    assert summary["slope_low"]["0.5"] == {"value": None, "low": None, "high": None}
    assert summary["reasons"]["slope_low 0.5"] == "a slope needs at least 3 points, got 1"


# --- properties ---

def numbers(d):
    low, high = d.slope("low", 0.5), d.slope("high", 0.25)
    return [low.value, low.low, low.high, high.value, high.low, high.high, d.underfit(0.5), d.agreement, d.kl]


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_nothing_depends_on_a_shift_of_the_logits(seed):
    rng = np.random.default_rng(seed)
    teacher, student = logits(seed), logits(seed + 1)
    shifted = compare(teacher + rng.normal(size=(40, 1)), student + 3 * rng.normal(size=(40, 1)))
    np.testing.assert_allclose(numbers(shifted), numbers(compare(teacher, student)), rtol=1e-8)


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_nothing_depends_on_the_order_of_points_or_classes(seed):
    rng = np.random.default_rng(seed)
    teacher, student, labels = logits(seed), logits(seed + 1), rng.integers(4, size=40)
    d = compare(teacher, student, labels)
    points, classes = rng.permutation(40), rng.permutation(4)
    rank = np.argsort(classes)
    other = compare(teacher[points][:, classes], student[points][:, classes], rank[labels[points]])
    np.testing.assert_allclose(numbers(other), numbers(d), rtol=1e-8)
    np.testing.assert_allclose(leaves(other.summary()["calibration"]), leaves(d.summary()["calibration"]), rtol=1e-9)
    np.testing.assert_allclose(leaves(other.summary()["groups"]), leaves(d.summary()["groups"]), rtol=1e-12)


@settings(deadline=None, max_examples=25)
@given(seeds, st.sampled_from([0.25, 0.5, 1.0]), st.sampled_from(["low", "high"]))
def test_a_student_equal_to_its_teacher_deviates_nowhere(seed, fraction, side):
    d = compare(logits(seed), logits(seed), np.arange(40) % 4)
    found = d.slope(side, fraction)
    np.testing.assert_allclose([found.value, found.low, found.high], 1, rtol=1e-9)
    assert d.underfit(fraction) == 0 and d.agreement == 1 and d.kl == 0
    assert d.groups.only_teacher.share == d.groups.only_student.share == 0


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_divergence_is_the_teachers_from_the_student_and_not_negative(seed):
    teacher, student = logits(seed), logits(seed + 1)
    d = compare(teacher, student)
    p, q = (np.exp(f) / np.exp(f).sum(axis=1, keepdims=True) for f in (teacher, student))
    np.testing.assert_allclose(d.divergence, np.sum(p * np.log(p / q), axis=1), rtol=1e-9, atol=1e-12)
    assert np.all(d.divergence >= 0) and d.kl == pytest.approx(float(np.mean(d.divergence)))


# --- groups, summary, repr, plot ---

def test_groups_by_hand():
    right, wrong = [1.0, 0.0], [0.0, 1.0]
    d = compare([right, right, right, wrong, wrong], [right, right, wrong, right, wrong], labels=[0, 0, 0, 0, 0])
    shares = [d.groups.both.share, d.groups.only_teacher.share, d.groups.only_student.share, d.groups.neither.share]
    assert shares == [0.4, 0.2, 0.2, 0.2]
    assert d.agreement == 0.6
    # The student is less confident of the teacher's class on the third and fourth points alone.
    assert d.groups.only_teacher == Group(share=0.2, underfit=1.0, of_underfit=0.5)
    assert d.groups.both == Group(share=0.4, underfit=0.0, of_underfit=0.0)


def test_groups_need_labels():
    with pytest.raises(ValueError, match=r"groups: expected labels .* got none; pass compare\(\.\.\., labels=labels\)"):
        _ = compare(logits(0), logits(1)).groups


def test_summary_holds_what_results_record():
    d = compare(logits(0), logits(1), np.zeros(40, dtype=int))
    summary = d.summary()
    assert {"points", "slope_low", "slope_high", "underfit", "overfit", "agreement", "kl", "groups", "calibration",
            "verdict", "inputs"} <= set(summary)
    assert list(summary["slope_low"]) == list(summary["slope_high"]) == ["0.1", "0.25", "0.5"]
    low = d.slope("low", 0.25)
    assert summary["slope_low"]["0.25"] == {"value": low.value, "low": low.low, "high": low.high}
    assert summary["reasons"] == {}
    assert summary["slope_high"]["0.1"]["value"] == d.slope("high", 0.1).value
    assert summary["points"] == 40 and summary["underfit"] == d.underfit(0.25)
    assert "groups" not in compare(logits(0), logits(1)).summary()


def test_repr_is_one_line():
    assert repr(compare(logits(0), logits(1))) == "Deviation(points=40, classes=4)"


def test_it_does_not_change_its_input():
    teacher, student = logits(0), logits(1)
    kept = teacher.copy(), student.copy()
    compare(teacher, student).summary()
    np.testing.assert_array_equal([teacher, student], kept)


# --- the label's class, probabilities, masks, classes, views ---

def test_confidence_on_the_label():
    teacher, student, labels = logits(0), logits(1), np.arange(40) % 4
    d = compare(teacher, student, labels, reference="label")
    for found, rows in ((d.teacher_confidence, teacher), (d.student_confidence, student)):
        np.testing.assert_allclose(found, [exact_confidence(row, y) for row, y in zip(rows, labels)], rtol=1e-12)
    assert "label" in d.verdict.notes[0] and [row["class"] for row in d.per_class] == [0, 1, 2, 3]


@pytest.mark.parametrize("array", LIBRARIES)
def test_probabilities_are_recognised_and_give_what_their_logits_give(array):
    teacher, student = logits(2), logits(3)
    p, q = (np.exp(f) / np.exp(f).sum(axis=1, keepdims=True) for f in (teacher, student))
    by_logits, d = compare(teacher, student), compare(array(p), array(q))
    assert (by_logits.inputs, d.inputs, d.clipped) == ("logits", "probabilities", 0)
    np.testing.assert_allclose(np.asarray(d.student_confidence), by_logits.student_confidence, rtol=1e-9)
    np.testing.assert_allclose(d.kl, by_logits.kl, rtol=1e-9)
    assert "on 0 points" in d.verdict.notes[0]
    mixed = compare(array(teacher), array(q))
    assert mixed.inputs == "logits of the teacher and probabilities of the student"
    np.testing.assert_allclose(np.asarray(mixed.student_confidence), by_logits.student_confidence, rtol=1e-9)


def test_probabilities_that_were_rounded_to_zero_are_clipped_and_counted():
    d = compare([[1.0, 0.0], [0.4, 0.6]], [[0.0, 1.0], [0.4, 0.6]])
    assert d.clipped == 1 and d.summary()["clipped"] == 1
    np.testing.assert_allclose(d.teacher_confidence, [-math.log(1e-12), math.log(1.5)], rtol=1e-9)
    assert "on 1 point a probability below 1e-12 was raised to it" in d.verdict.notes[0]
    assert compare([[1.0, 0.0], [0.4, 0.6]], [[0.0, 1.0], [0.4, 0.6]], inputs="logits").teacher_confidence[0] == 1


@pytest.mark.parametrize("array", LIBRARIES)
def test_masks_and_subsets(array):
    teacher, student, labels = logits(4, n=60), logits(5, n=60), np.arange(60) % 4
    chosen = np.arange(60) % 3 == 0
    d = compare(array(teacher), array(student), labels, masks={"every third": array(chosen), "none": np.zeros(60)})
    alone = compare(teacher[chosen], student[chosen], labels[chosen])
    np.testing.assert_allclose(leaves(d.subset(chosen).summary()["calibration"]),
                               leaves(alone.summary()["calibration"]), rtol=1e-9)
    np.testing.assert_allclose(leaves(d.summary()["masks"]["every third"]), leaves(alone.summary()), rtol=1e-9)
    assert d.summary()["masks"]["none"] is None
    assert d.subset(chosen).masks["every third"].all() and d.subset(chosen).points == 20
    assert list(compare(teacher, student, masks=chosen).masks) == ["mask"]


def test_calibration_by_hand():
    # p = (3/4, 1/4), right; (1/4, 3/4), wrong: one bin, accuracy 1/2 at confidence 3/4
    d = compare(np.log([[3.0, 1], [1, 3]]), np.log([[3.0, 1], [3, 1]]), [0, 0])
    teacher, student = d.calibration.teacher, d.calibration.student
    assert teacher.accuracy == 0.5 and student.accuracy == 1
    np.testing.assert_allclose([teacher.ece, student.ece], 0.25, rtol=1e-12)
    np.testing.assert_allclose(teacher.nll, -(math.log(0.75) + math.log(0.25)) / 2, rtol=1e-12)
    np.testing.assert_allclose([teacher.brier, student.brier], [(0.125 + 1.125) / 2, 0.125], rtol=1e-12)


def test_calibration_error_by_a_loop_over_bins():
    rng = np.random.default_rng(0)
    teacher, labels = logits(6, n=500), rng.integers(4, size=500)
    p = np.exp(teacher) / np.exp(teacher).sum(axis=1, keepdims=True)
    top, right = p.max(axis=1), p.argmax(axis=1) == labels
    expected = 0.0
    for k in range(15):
        of = (top >= k / 15) & (top < (k + 1) / 15)
        if of.any():
            expected += of.mean() * abs(top[of].mean() - right[of].mean())
    found = compare(teacher, teacher, labels).calibration.teacher
    np.testing.assert_allclose([found.ece, found.accuracy], [expected, right.mean()], rtol=1e-9)


def test_rows_that_only_nearly_are_probabilities():
    p = np.full((200, 4), 0.25)
    for change, accepted in (([0.2505, 0.25, 0.25, 0.25], True), ([1.0000001, 0, 0, 0], True), ([1.2, 0, 0, 0], False),
                             ([-0.2, 0.4, 0.4, 0.4], False), ([0.3, 0.25, 0.25, 0.25], False)):
        given = p.copy()
        given[7] = change
        if accepted:
            assert compare(given, p).inputs == "probabilities"
        else:
            with pytest.raises(ValueError, match=r"teacher_logits: expected probabilities, .*in row 7"):
                compare(given, p)


@pytest.mark.parametrize("scale", [0.85, 100.0, 0.3])
def test_what_might_be_probabilities_or_logits_has_to_be_named(scale):
    rng = np.random.default_rng(0)
    shares = scale * rng.dirichlet(np.ones(5), size=50)
    with pytest.raises(ValueError, match=r"expected logits, or probabilities whose rows sum to 1, .*inputs='logits'"):
        compare(shares, shares)
    assert compare(shares, shares, inputs="logits").inputs == "logits"


def test_a_value_that_is_not_finite_is_found_in_its_row(monkeypatch):
    monkeypatch.setattr(pointwise, "BLOCK", 4 * 10)
    student = logits(1)
    student[33, 2] = np.nan
    with pytest.raises(ValueError, match=r"student_logits: expected finite numbers, got 1 .* from row 33 on"):
        compare(logits(0), student)


def test_classes_by_a_loop():
    teacher, student, labels = logits(6), logits(7), np.arange(40) % 4
    d = compare(teacher, student, labels)
    assert sum(row["points"] for row in d.per_class) == 40
    for row in d.per_class:
        of = teacher.argmax(axis=1) == row["class"]
        assert row["points"] == of.sum()
        np.testing.assert_allclose(row["student_confidence"], d.student_confidence[of].mean(), rtol=1e-12)
        assert row["underfit"] == pytest.approx(np.mean(d.student_confidence[of] < d.teacher_confidence[of]))
        assert row["teacher_accuracy"] == pytest.approx(np.mean(labels[of] == row["class"]))
    assert "teacher_accuracy" not in compare(teacher, student).per_class[0]


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_the_pairs_of_axes_of_figure_16(name):
    teacher, student = logits(0), logits(1)
    p, q = (np.exp(f) / np.exp(f).sum(axis=1, keepdims=True) for f in (teacher, student))
    own = np.arange(40), teacher.argmax(axis=1)
    expected = {"confidence": [np.log(m[own] / (1 - m[own])) for m in (p, q)], "probability": [p[own], q[own]],
                "entropy": [-(m * np.log(m)).sum(axis=1) for m in (p, q)]}
    x, y, x_label, y_label = compare(teacher, student).view(name)
    kind, _, kl = name.partition("-")
    np.testing.assert_allclose(x, expected[kind][0], rtol=1e-9)
    np.testing.assert_allclose(y, (p * np.log(p / q)).sum(axis=1) if kl else expected[kind][1], rtol=1e-9, atol=1e-12)
    assert "teacher" in x_label and ("KL" if kl else "student") in y_label


def test_overfit_is_underfit_seen_from_the_other_end():
    d = compare(*from_confidence([1, 2, 3, 4, 5, 6, 7, 8], [0, 2, 4, 4, 6, 5, 8, 9]))
    assert d.overfit(0.5) == 0.75 and d.overfit(0.25) == 1 and d.underfit(0.25) == 0.5


# --- blocks ---

class Rows:
    """Rows of a file: something with a shape, a dtype and slices, and nothing else."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.read = array, array.shape, array.dtype, []

    def __getitem__(self, rows):
        self.read.append(rows)
        return self.array[rows]


def test_blocks_do_not_change_the_numbers(monkeypatch, tmp_path):
    teacher, student, labels = logits(0, n=301), logits(1, n=301), np.arange(301) % 4
    whole = compare(teacher, student, labels).summary()
    monkeypatch.setattr(pointwise, "BLOCK", 4 * 50)
    assert compare(teacher, student, labels).summary() == whole
    np.save(tmp_path / "teacher.npy", teacher)
    mapped, rows, done = np.load(tmp_path / "teacher.npy", mmap_mode="r"), Rows(student), []
    assert compare(mapped, rows, labels, progress=lambda *at: done.append(at)).summary() == whole
    assert done == [(50 * i, 301) for i in range(1, 7)] + [(301, 301)]
    assert max(chosen.stop - (chosen.start or 0) for chosen in rows.read) == 50


def test_an_error_in_a_late_block_names_its_row(monkeypatch):
    monkeypatch.setattr(pointwise, "BLOCK", 2 * 10)
    p = np.full((40, 2), 0.5)
    p[33, 0] = 0.75
    with pytest.raises(ValueError, match=r"student_logits: .*sum of 1.25 .*in row 33; normalise them, or pass inputs="):
        compare(np.full((40, 2), 0.5), p)


# --- errors ---

GOOD = np.array([[0.0, 1.0, 2.0], [3.0, 1.0, 0.0]])


@pytest.mark.parametrize(("teacher", "student", "labels", "error", "message"), [
    (GOOD[0], GOOD, None, ValueError, r"teacher_logits: expected logits or .*, got shape \(3,\)"),
    (GOOD, GOOD[:, :2], None, ValueError, r"student_logits: expected shape \(2, 3\) like teacher_logits, got \(2, 2\)"),
    (GOOD, GOOD[:1], None, ValueError, r"student_logits: expected shape \(2, 3\) like teacher_logits, got \(1, 3\)"),
    (GOOD[:, :1], GOOD[:, :1], None, ValueError, r"teacher_logits: expected two classes or more, got shape \(2, 1\)"),
    (GOOD * np.nan, GOOD, None, ValueError, r"teacher_logits: expected finite numbers, got 6"),
    (GOOD, GOOD - np.inf, None, ValueError, r"student_logits: expected a class above -inf in every row, got none in "),
    (GOOD, GOOD + np.inf, None, ValueError, r"student_logits: expected finite numbers, got 6 NaN or \+inf"),
    ("logits.npy", GOOD, None, TypeError, r"teacher_logits: expected numbers, got 'logits.npy'"),
    (jnp.asarray(GOOD), torch.asarray(GOOD), None, TypeError, r"expected a JAX array .* got a PyTorch array"),
    (GOOD, GOOD, [0], ValueError, r"labels: expected shape \(2,\), one class a point, got \(1,\); pass the"),
    (GOOD, GOOD, np.eye(3)[:2], ValueError, r"labels: expected shape \(2,\).* for one-hot rows their argmax"),
    (GOOD, GOOD, [0.5, 1], ValueError, r"labels: expected whole numbers, got 0.5 among them"),
    (GOOD, GOOD, [0, 3], ValueError, r"labels: expected classes from 0 to 2, got 0 to 3"),
    (GOOD, GOOD, [-1, 2], ValueError, r"labels: expected classes from 0 to 2, got -1 to 2"),
    (GOOD, GOOD, [np.nan, 2], ValueError, r"labels: expected finite numbers"),
    (GOOD, GOOD, ["cat", "dog"], TypeError, r"labels: expected numbers"),
])
def test_compare_refuses(teacher, student, labels, error, message):
    with pytest.raises(error, match=message):
        compare(teacher, student, labels)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5, 25, math.nan, "0.25", None])
def test_a_fraction_lies_between_0_and_1(fraction):
    d = compare(GOOD, GOOD)
    for call in (lambda: d.slope("low", fraction), lambda: d.underfit(fraction)):
        with pytest.raises(ValueError, match=r"fraction: expected a number in \(0, 1\], got .*; a quarter is 0.25"):
            call()


def test_there_are_two_sides():
    with pytest.raises(ValueError, match=r"side: expected 'low' or 'high', got 'bottom'"):
        compare(GOOD, GOOD).slope("bottom")


@pytest.mark.parametrize(("options", "message"), [
    ({"reference": "student"}, r"reference: expected 'teacher' or 'label', got 'student'"),
    ({"reference": "label"}, r"labels: expected them for reference='label', got none"),
    ({"inputs": "softmax"}, r"inputs: expected 'auto', 'logits', 'probabilities', got 'softmax'"),
    ({"inputs": "probabilities"}, r"teacher_logits: expected probabilities, .* got a sum of 3 .*in row 0"),
    ({"masks": [True]}, r"masks\['mask'\]: expected 2 values true or false"),
    ({"masks": {"noisy": [0.5, 1]}}, r"masks\['noisy'\]: expected values true or false .* got 0.5"),
])
def test_compare_refuses_options(options, message):
    with pytest.raises(ValueError, match=message):
        compare(GOOD, GOOD, **options)


def test_what_needs_labels_or_points_says_so():
    d = compare(GOOD, GOOD)
    with pytest.raises(ValueError, match="calibration: expected labels to tell who is right, got none"):
        _ = d.calibration
    with pytest.raises(ValueError, match="mask: expected at least one true value, got none"):
        d.subset([False, False])
    with pytest.raises(ValueError, match=r"name: expected one of confidence, probability, .* got 'margin'"):
        d.view("margin")
