"""Probabilities of zero: masked classes, single entries of -inf, masks' constants and whatever floats can hold."""

import json
import math

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eigenkd.deviation import compare, over_seeds, pointwise
from eigenkd.deviation.masking import Depths
from eigenkd.deviation.page import page

RNG = np.random.default_rng(0)
TEACHER = 2 * RNG.normal(size=(200, 5))
STUDENT = 1.4 * TEACHER + 0.3 * RNG.normal(size=TEACHER.shape)
CONSTANTS = {"float64": np.finfo(np.float64).min, "float32": np.finfo(np.float32).min,
             "float16": np.finfo(np.float16).min, "bfloat16": -3.3895313892515355e38, "1e9": -1e9, "1e4": -1e4,
             "infinite": -math.inf}
LIBRARIES = [pytest.param(np.asarray, id="numpy"), pytest.param(torch.asarray, id="torch"),
             pytest.param(jnp.asarray, id="jax")]


def put(rows, where, value):
    result = rows.copy()
    result[where] = value
    return result


def numbers(d):
    return [d.kl, d.agreement, d.underfit(), d.overfit(), np.mean(d.teacher_entropy), np.mean(d.student_entropy),
            *(getattr(d.slope(side), name) for side in ("low", "high") for name in ("value", "low", "high"))]


# --- masked classes ---

@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=CONSTANTS)
@pytest.mark.parametrize("classes", [[3], [0, 4]])
def test_a_class_masked_in_both_is_left_out(constant, classes):
    d = compare(put(TEACHER, np.s_[:, classes], constant), put(STUDENT, np.s_[:, classes], constant))
    without = compare(np.delete(TEACHER, classes, axis=1), np.delete(STUDENT, classes, axis=1))
    np.testing.assert_allclose(numbers(d), numbers(without), rtol=1e-12)
    assert d.left_out == tuple(classes) and d.summary()["left_out"]["classes"] == classes and d.infinite == {}
    said = "column 3," if classes == [3] else "columns 0, 4,"
    assert any(note.startswith(f"Left out: {said}") for note in d.verdict.notes)
    np.testing.assert_array_equal(d.teacher_class, np.delete(np.arange(5), classes)[without.teacher_class])
    assert f"({len(classes)} of them masked)" in page(d)


@pytest.mark.parametrize("array", LIBRARIES)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_masks_of_any_library_and_precision(array, dtype):
    lowest = np.finfo(dtype).min
    teacher, student = (put(rows, np.s_[:, 3], lowest).astype(dtype) for rows in (TEACHER, STUDENT))
    d = compare(array(teacher), array(student))
    without = compare(*(np.delete(rows, 3, axis=1) for rows in (teacher, student)))
    assert d.left_out == (3,)
    np.testing.assert_allclose(d.kl, without.kl, rtol=1e-4)
    np.testing.assert_allclose(d.slope().value, without.slope().value, rtol=1e-4)


@pytest.mark.parametrize("shift", ["logits + mask", "log-softmax"])
def test_a_mask_that_was_added_is_not_constant(shift):
    pair = [put(rows, np.s_[:, 2], rows[:, 2] - 1e4) for rows in (TEACHER, STUDENT)]
    if shift == "log-softmax":
        pair = [rows - np.log(np.exp(rows).sum(axis=1, keepdims=True)) for rows in pair]
    d = compare(*pair)
    assert d.left_out == (2,)
    np.testing.assert_allclose(numbers(d), numbers(compare(np.delete(TEACHER, 2, 1), np.delete(STUDENT, 2, 1))),
                               rtol=1e-9)


@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=CONSTANTS)
@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_class_masked_in_one_model_only_is_named_with_the_fix(constant, role):
    pair = {"teacher": TEACHER, "student": STUDENT} | {role: put((TEACHER, STUDENT)[role == "student"],
                                                                   np.s_[:, 3], constant)}
    with pytest.raises(ValueError, match=rf"{role}_logits: expected the classes that the \w+ has, got column 3 of "
                       rf"probability zero in all rows \(masked\) of the {role} only; drop {role}_logits\[:, 3\] and "
                       "the same of .*, mask both, or pass masked='keep'"):
        compare(*pair.values())
    names = ["cat", "dog", "bird", "cow", "pig"]
    with pytest.raises(ValueError, match=r"column 3 \(cow\)"):
        compare(*pair.values(), class_names=names)
    kept = compare(*pair.values(), masked="keep")
    if constant == -1e4:
        assert any("more than 1,000 nats below" in note for note in kept.verdict.notes) == (role == "student")
        assert kept.kl < 1e4
    else:
        assert ("kl" in kept.infinite) == (role == "student") == math.isinf(kept.kl)


def test_probabilities_of_zero_in_a_column_are_a_masked_class():
    def softmax(rows):
        return np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)

    teacher, student = (softmax(put(rows, np.s_[:, 1], -math.inf)) for rows in (TEACHER, STUDENT))
    d = compare(teacher, student)
    assert d.left_out == (1,) and d.inputs == "probabilities"
    np.testing.assert_allclose(numbers(d), numbers(compare(np.delete(TEACHER, 1, 1), np.delete(STUDENT, 1, 1))),
                               rtol=1e-9)
    with pytest.raises(ValueError, match=r"student_logits: .* got column 1 of probability zero"):
        compare(softmax(TEACHER), student)
    assert compare(softmax(TEACHER), student, masked="keep").clipped == 200


def test_large_logits_are_no_masks():
    rows = 1e4 * TEACHER
    d = compare(rows, rows)
    assert d.left_out == () and d.infinite == {} and d.kl == 0
    top2 = np.sort(rows, axis=1)[:, -2:]
    np.testing.assert_allclose(d.teacher_confidence, top2[:, 1] - top2[:, 0])


def test_one_class_in_use_is_none_to_compare():
    masked = put(TEACHER, np.s_[:, 1:], -math.inf)
    with pytest.raises(ValueError, match="expected two classes or more that are not masked, got 1 of 5"):
        compare(masked, masked)
    with pytest.raises(ValueError, match="masked: expected 'refuse' or 'keep', got 'drop'"):
        compare(TEACHER, STUDENT, masked="drop")


@pytest.mark.parametrize("row", [0, 60, 199])
def test_blocks_decide_as_the_whole_array_does(row, monkeypatch):
    """A class is masked only if it is in all rows of all blocks; one row in any block makes it a class."""
    pair = [put(rows, np.s_[:, 3], -math.inf) for rows in (TEACHER, STUDENT)]
    some = [put(rows, np.s_[row, 3], 1.0) for rows in pair]
    whole, partly = compare(*pair).summary(), compare(*some).summary()
    assert whole["left_out"]["classes"] == [3] and partly["left_out"]["classes"] == []
    monkeypatch.setattr(pointwise, "BLOCK", 5 * 30)
    assert compare(*pair).summary() == whole and compare(*some).summary() == partly
    with pytest.raises(ValueError, match="got column 3 of probability zero in all rows"):
        compare(some[0], pair[1])


def test_rows_of_a_file_are_read_once_where_nothing_is_masked(monkeypatch):
    class Rows:
        def __init__(self, array):
            self.array, self.shape, self.dtype, self.read = array, array.shape, array.dtype, 0

        def __getitem__(self, chosen):
            self.read += len(self.array[chosen])
            return self.array[chosen]

    monkeypatch.setattr(pointwise, "BLOCK", 5 * 10)
    teacher, student = Rows(TEACHER), Rows(STUDENT)
    compare(teacher, student, inputs="logits")
    assert teacher.read == student.read == 210  # all, and the first block once more


def test_depths_of_parts_merge_into_those_of_the_whole():
    rows = put(put(TEACHER, np.s_[:, 2], -1e4), np.s_[50:, 0], -math.inf)
    whole = Depths.of(rows, "logits")
    merged = Depths.of(rows[:70], "logits").merge(Depths.of(rows[70:], "logits"))
    np.testing.assert_array_equal(whole.nearest, merged.nearest)
    np.testing.assert_array_equal(whole.farthest, merged.farthest)
    assert whole.masked().tolist() == [False, False, True, False, False]


# --- single entries ---

@pytest.mark.parametrize("constant", [-math.inf, -1e9, np.finfo(np.float32).min, np.finfo(np.float64).min])
def test_a_single_entry_is_a_probability_of_zero(constant):
    hidden = np.zeros(TEACHER.shape, dtype=bool)
    hidden[[3, 50, 70], 2] = True
    in_both = compare(put(TEACHER, hidden, constant), put(STUDENT, hidden, constant), inputs="logits")
    assert in_both.infinite == {} and math.isfinite(in_both.kl)
    one = compare(np.delete(TEACHER[3:4], 2, 1), np.delete(STUDENT[3:4], 2, 1))
    np.testing.assert_allclose([in_both.divergence[3], in_both.teacher_entropy[3], in_both.student_confidence[3]],
                               [one.kl, one.teacher_entropy[0], one.student_confidence[0]], rtol=1e-12)
    in_teacher = compare(put(TEACHER, hidden, constant), STUDENT, inputs="logits")
    assert math.isfinite(in_teacher.kl)
    d = compare(TEACHER, put(STUDENT, hidden, constant), inputs="logits")
    assert np.flatnonzero(np.isinf(d.divergence)).tolist() == [3, 50, 70]
    assert "on 3 of 200 points (rows 3, 50, 70) the student gives probability zero" in d.infinite["kl"]


def test_an_infinite_divergence_is_announced_in_every_format():
    d = compare(TEACHER, put(STUDENT, np.s_[7, :4], -math.inf), np.full(200, 2), masks={"odd": np.arange(200) % 2 == 1})
    assert d.kl == math.inf and d.subset(np.arange(200) != 7).infinite == {}
    where = "on 1 of 200 points (row 7) the student gives probability zero"
    for format, cell in (("text", "∞"), ("markdown", "∞"), ("latex", r"$\infty$")):
        text = d.table(format)
        (row,) = [line for line in text.splitlines() if line.lstrip("| ").startswith("KL(teacher")]
        assert row.count(cell) == 2 and "KL(teacher ‖ student), all points: " + where in text
        assert "inf" not in text.replace("infinite", "").replace(r"\infty", "") and "nan" not in text
        assert "KL(teacher ‖ student), odd: on 1 of 100 points (row 7)" in text
    assert "∞" in d._repr_html_() and where in d._repr_html_()
    whole = page(d)
    assert "∞" in whole and where in whole and '"hidden":1' in whole and ">inf<" not in whole
    summary = json.loads(json.dumps(d.summary(), allow_nan=False))
    assert summary["kl"] is None and where in summary["infinite"]["kl"]
    assert summary["calibration"]["student"]["nll"] is None and "label" in summary["infinite"]["student_nll"]
    seeds = over_seeds([d, compare(TEACHER, STUDENT, np.full(200, 2))])
    assert seeds.kl == math.inf and seeds.infinite["kl"].startswith("1 of 2 seeds: on 1 of 200")
    assert json.loads(json.dumps(seeds.summary(), allow_nan=False))["kl"] is None
    assert "∞" in seeds.table("text") and "1 of 2 seeds" in seeds.table("latex") and "∞" in page(seeds)


def test_an_infinite_confidence_is_a_reason_and_no_slope():
    teacher = put(TEACHER, np.s_[:40, 1:], -math.inf)
    d = compare(teacher, STUDENT)
    assert np.isinf(d.teacher_confidence[:40]).all() and math.isfinite(d.kl)
    assert d.slope("low").reason is None and math.isnan(d.slope("high").value)
    assert d.slope("high").reason == "confidence is infinite on 40 of the 50 points (a probability of 0 or 1)"
    assert "on 40 of 200 points (rows 0, 1, 2, 3, 4, ...)" in d.infinite["teacher_confidence"]
    assert [row["teacher_confidence"] for row in d.per_class if row["class"] == 0] == [math.inf]
    d.plot()


def test_a_probability_that_rounds_to_zero_in_the_teacher_asks_nothing_of_the_student():
    d = compare([[0.0, -1e4, 1.0], [0.0, 0.0, 1.0]], [[0.0, -math.inf, 1.0], [0.0, 0.0, 1.0]])
    assert d.kl == 0
    assert compare([[0.0, -900, 1.0], [0.0, 0.0, 1.0]], [[0.0, -math.inf, 1.0], [0.0, 0.0, 1.0]]).kl == math.inf


def test_a_logit_at_the_top_of_single_precision():
    d = compare(np.array([[3e38, -3e38, 0]], dtype=np.float32), np.array([[0, 1, 2]], dtype=np.float32), masked="keep")
    assert d.teacher_entropy[0] == 0 and d.teacher_confidence[0] == math.inf
    np.testing.assert_allclose(d.kl, np.log(1 + np.e + np.e**2), rtol=1e-6)


@pytest.mark.parametrize("bad, message", [
    (math.nan, "student_logits: expected finite numbers, got 1 NaN or .inf value.* from row 9 on"),
    (math.inf, "student_logits: expected finite numbers, got 1 NaN or .inf value.* from row 9 on"),
])
def test_what_is_no_probability_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        compare(TEACHER, put(STUDENT, np.s_[9, 1], bad))
    with pytest.raises(ValueError, match="teacher_logits: expected a class above -inf in every row, got none in row 9"):
        compare(put(TEACHER, 9, -math.inf), STUDENT)


# --- against arbitrary precision ---

# None lies 1e3 or 1e6 next to the others, where the definitions change over.
EXTREMES = {"float16": [-65504.0, 65504.0, -6e4, 2e3], "float32": [-3.4028234663852886e38, 3e38, -1e9, 1e30, -1e4],
            "float64": [-1.7976931348623157e308, 1e308, -1e9, 1e30, -1e4, -1e5]}


def exact(row, y=None):
    """(entries' log-probabilities, -inf where masked; phi of class y) with 50 digits, by the definitions alone."""
    largest = max(row)
    live = [-mpmath.inf if f == -math.inf or mpmath.mpf(largest) - mpmath.mpf(f) >= 10**6 or
            (f == -65504.0 and mpmath.mpf(largest) - mpmath.mpf(f) >= 1000) else mpmath.mpf(f) for f in row]
    total = mpmath.fsum(mpmath.exp(f - largest) for f in live)
    logs = [f - largest - mpmath.log(total) for f in live]
    if y is None:
        return logs
    others = mpmath.fsum(mpmath.exp(f - largest) for c, f in enumerate(live) if c != y)
    phi = mpmath.inf if others == 0 else live[y] - largest - mpmath.log(others)
    return logs, phi


def exact_divergence(t, s):
    terms = []
    for a, b in zip(t, s):
        if a <= -1000:
            continue  # zero in every precision
        if b == -mpmath.inf:
            return mpmath.inf
        terms.append(mpmath.exp(a) * (a - b))
    return mpmath.fsum(terms)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(list(EXTREMES)), st.booleans())
def test_rows_of_any_floats_are_those_of_arbitrary_precision(seed, dtype, masked):
    """With -inf, masked columns and extreme entries: the reference's numbers, or an infinity that is announced."""
    rng = np.random.default_rng(seed)
    n, classes = 12, 5
    pair = []
    hidden = rng.random(classes) < (0.3 if masked else 0)
    hidden[:2] = False
    for _ in range(2):
        rows = 3 * rng.normal(size=(n, classes))
        at = rng.random(rows.shape) < 0.15
        rows[at] = rng.choice([-math.inf, *EXTREMES[dtype]], size=at.sum())
        rows[~np.isfinite(rows).any(axis=1), 0] = 0
        rows[:, hidden] = rng.choice([-math.inf, np.finfo(dtype).min])
        rows[(rows == -math.inf).all(axis=1), 0] = 0
        pair.append(rows.astype(dtype))
    labels = rng.integers(classes, size=n)
    d = compare(*pair, labels, inputs="logits", masked="keep")
    eps = max(np.finfo(dtype).eps if dtype != "float16" else 0, np.finfo(d.divergence.dtype).eps)
    with mpmath.workdps(50):
        for i in range(n):
            teacher, student = ([float(f) for f in rows[i]] for rows in pair)
            y = int(np.argmax(teacher))
            (t, phi_t), (s, phi_s) = exact(teacher, y), exact(student, y)
            found = [d.teacher_confidence[i], d.student_confidence[i], d.divergence[i], d.scores["student_nll"][i],
                     d.teacher_entropy[i]]
            entropy = -mpmath.fsum(mpmath.exp(f) * f for f in t if f != -mpmath.inf)
            for value, wanted in zip(found, (phi_t, phi_s, exact_divergence(t, s), -s[labels[i]], entropy)):
                wanted = float(wanted)
                assert not math.isnan(value)
                if math.isinf(wanted):
                    assert value == wanted
                else:
                    scale = max(1.0, abs(wanted), *(abs(f) for f in (float(x) for x in (*t, *s)) if math.isfinite(f)))
                    assert abs(value - wanted) <= 200 * eps * scale
    for name, values in (("kl", d.divergence), ("teacher_confidence", d.teacher_confidence),
                         ("student_confidence", d.student_confidence), ("student_nll", d.scores["student_nll"])):
        assert (name in d.infinite) == bool(np.isinf(values).any())
    summary = json.dumps(d.summary(), allow_nan=False)
    assert "NaN" not in summary and "nan" not in d.table()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(["float32", "float64"]))
def test_the_size_of_blocks_never_matters(seed, dtype):
    rng = np.random.default_rng(seed)
    pair = []
    for _ in range(2):
        rows = rng.normal(size=(30, 4))
        rows[rng.random(rows.shape) < 0.1] = -math.inf
        rows[:, 3] = rng.choice([-1e4, -1e9, -math.inf]) if rng.random() < 0.7 else rows[:, 3]
        rows[(rows == -math.inf).all(axis=1), 0] = 0
        pair.append(rows.astype(dtype))

    def outcome():
        try:
            return compare(*pair, inputs="logits").summary()
        except ValueError as error:
            return str(error)

    whole = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pointwise, "BLOCK", 4 * int(rng.integers(1, 20)))
        assert outcome() == whole


@pytest.mark.parametrize("far", [2e3, 1e7])
def test_a_network_that_predicts_one_class_throughout_is_kept(far):
    """It has diverged: no class is masked by that, or, under "keep", by as far as a mask's constant."""
    teacher = np.full((30, 5), -far) - np.arange(150).reshape(30, 5)
    teacher[:, 2] = 0
    found = compare(teacher, teacher + 1, np.arange(30) % 5, masked="keep", inputs="logits")
    assert found.kl == 0 and found.agreement == 1
    if far < 1e6:
        assert compare(teacher, teacher + 1, inputs="logits").kl == 0
