"""Rows of which only the top k are known: their bounds hold for every row that they may be, and exact numbers are
exact."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eigenkd.deviation import Stream, Tokens, TopK, bounds, compare

RNG = np.random.default_rng(0)
N, V = 90, 30
TEACHER = 2 * RNG.normal(size=(N, V))
STUDENT = 1.2 * TEACHER + 0.5 * RNG.normal(size=(N, V))
LABELS = RNG.integers(V, size=N)


def log_softmax(logits):
    top = logits.max(axis=1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))


def best(logits, k, also=None, **options):
    """The top k of full rows, and single tokens `also` (n, m)."""
    log = log_softmax(np.asarray(logits, float))
    ids = np.argsort(-log, axis=1, kind="stable")[:, :k]
    top = np.ones(ids.shape, bool)
    if also is not None:
        new = np.where((also[:, :, None] == ids[:, None, :]).any(axis=2), -1, also)
        ids, top = np.concatenate([ids, new], axis=1), np.concatenate([top, np.zeros(new.shape, bool)], axis=1)
    values = np.where(ids < 0, -np.inf, np.take_along_axis(log, np.maximum(ids, 0), axis=1))
    return TopK(ids, values, log.shape[1], top=top, **{"rounding": 1e-12} | options)


@pytest.fixture(scope="module")
def full():
    return compare(TEACHER, STUDENT, LABELS)


NAMES = ("divergence", "reverse", "jensen_shannon", "teacher_entropy", "student_entropy", "student_confidence")


def inside(found, full, names=NAMES):
    for name in names:
        value = np.asarray(getattr(full, name))
        low, high = found.scores[f"low:{name}"], found.scores[f"high:{name}"]
        assert (low <= value + 1e-9).all() and (value <= high + 1e-9).all(), name
        known = ~np.isnan(getattr(found, name)) & (high - low < 1e-8)
        np.testing.assert_allclose(getattr(found, name)[known], value[known], atol=1e-8)


# --- bounds ---

@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.3, 2.0, 8.0]))
def test_the_true_numbers_lie_between_the_bounds(seed, k, m, scale):
    rng = np.random.default_rng(seed)
    teacher = scale * rng.normal(size=(8, 12))
    student = teacher * rng.uniform(0.3, 2) + scale * rng.uniform(0, 1.5) * rng.normal(size=(8, 12))
    full = compare(teacher, student)
    floor = log_softmax(student).min()
    inside(compare(best(teacher, k), student), full)
    inside(compare(teacher, best(student, m)), full)
    inside(compare(best(teacher, k), best(student, m, floor=floor)), full)
    inside(compare(best(teacher, k), best(student, m, also=np.argsort(-teacher, axis=1)[:, :k])), full)


def test_bounds_shrink_to_the_value_as_more_is_known(full):
    widths = []
    for k in (2, 8, 16, 29):
        found = compare(best(TEACHER, k), STUDENT)
        low, high = found.bounds["divergence"]
        assert low <= full.kl <= high
        widths.append(high - low)
    assert widths == sorted(widths)[::-1] and widths[-1] < 1e-3 * full.kl
    whole = compare(best(TEACHER, V, rounding=0.0), STUDENT)
    assert whole.bounds == {} and whole.kl == pytest.approx(full.kl, rel=1e-9)
    assert whole.summary()["jensen_shannon"] == pytest.approx(full.summary()["jensen_shannon"], rel=1e-9)


def test_a_tails_mass_keeps_its_digits_where_the_known_ones_sum_to_nearly_one():
    """By arbitrary precision: a top token whose rest is 1e-13, where 1 - sum has three digits."""
    rest = 1.2345678e-13
    log = math.log1p(-rest)
    student = np.log([[0.7, 0.2, 0.1]])
    found = compare(TopK([[0]], [[log]], 3, rounding=0.0), student)
    with mpmath.workdps(50):
        p = mpmath.e ** mpmath.mpf(log)
        known, tail = p * (mpmath.mpf(log) - mpmath.log(mpmath.mpf("0.7"))), 1 - p
        low = known + tail * mpmath.log(tail / mpmath.mpf("0.3"))
        phi = mpmath.mpf(log) - mpmath.log(tail)
    assert found.teacher_confidence[0] == pytest.approx(float(phi), rel=1e-12)
    assert found.scores["low:divergence"][0] == pytest.approx(float(low), rel=1e-9)
    entropy = found.scores["high:teacher_entropy"][0] - found.scores["low:teacher_entropy"][0]
    assert 0 <= entropy <= rest * math.log(2) * 1.01  # the tail is one token, or two of half its mass


def test_without_a_floor_kl_has_no_upper_bound_and_says_so(full):
    found = compare(best(TEACHER, 5), best(STUDENT, 5))
    low, high = found.bounds["divergence"]
    assert 0 < low < full.kl and math.isinf(high)
    assert any("without a floor of the student's other tokens it has no upper "
               "bound" in note for note in found.verdict.notes)
    assert found.summary()["kl"] is None and f"{low:.3g} to ∞" in found.table()


def test_rounding_widens_the_bounds():
    exact, rounded = (compare(best(TEACHER, 5, rounding=r), STUDENT).bounds["divergence"] for r in (0.0, 0.01))
    assert rounded[0] < exact[0] - 0.005 and rounded[1] > exact[1] + 0.005
    half = best(TEACHER, 5, rounding=2.0**-9)  # half precision of numbers between 2 and 4
    coarse = TopK(half.ids, half.log_probs.astype(np.float16).astype(float), V, rounding=2.0**-9)
    inside(compare(coarse, STUDENT), compare(TEACHER, STUDENT), ("divergence", "reverse", "jensen_shannon"))


# --- what is exact ---

def test_confidences_are_exact_where_the_student_knows_the_teachers_token(full):
    top = TEACHER.argmax(axis=1)[:, None]
    for student in (STUDENT, best(STUDENT, 3, also=top)):
        found = compare(best(TEACHER, 3), student)
        np.testing.assert_allclose(found.teacher_confidence, full.teacher_confidence, atol=1e-9)
        np.testing.assert_allclose(found.student_confidence, full.student_confidence, atol=1e-9)
        assert found.slope().value == pytest.approx(full.slope().value, rel=1e-9)
        assert found.underfit() == full.underfit() and found.overfit() == full.overfit()
        assert found.agreement == full.agreement and found.verdict.low.sentence == full.verdict.low.sentence
    np.testing.assert_array_equal(found.teacher_class, full.teacher_class)
    np.testing.assert_array_equal(found.student_class, full.student_class)


def test_what_the_students_top_k_leave_open_is_said(full):
    found = compare(best(TEACHER, 3), best(STUDENT, 1))
    unknown = np.isnan(found.student_confidence)
    np.testing.assert_array_equal(unknown, full.teacher_class != full.student_class)
    low = found.slope()
    assert math.isnan(low.value) and low.reason.startswith("the student's confidence is not known on ")
    assert any(f"On {unknown.sum()} of {N} points the student's probability of the teacher's class" in note
               for note in found.verdict.notes)
    less = found._less()
    known = ~np.isnan(less)
    np.testing.assert_array_equal(less[known], (full.student_confidence < full.teacher_confidence)[known])
    assert (known & unknown).any()  # the bound alone decides some
    assert found.verdict.low.kind == "undetermined"
    assert "–" in found.table()


def test_a_student_that_only_scored_the_teachers_tokens_is_enough(full):
    """vLLM's prompt_logprob_token_ids: the log-probabilities of the teacher's top k, and nothing else."""
    ids = best(TEACHER, 4).ids
    values = np.take_along_axis(log_softmax(STUDENT), ids, axis=1)
    found = compare(best(TEACHER, 4), TopK(ids, values, V, top=np.zeros(ids.shape, bool)))
    np.testing.assert_allclose(found.student_confidence, full.student_confidence, atol=1e-9)
    inside(found, full)
    sure = np.exp(values).max(axis=1) >= 1 - np.exp(values).sum(axis=1)
    np.testing.assert_array_equal(found.scores["unsure"], ~sure)
    assert math.isnan(found.agreement)


def test_labels_give_perplexities_where_they_are_known(full):
    found = compare(best(TEACHER, 3, also=LABELS[:, None]), STUDENT, LABELS)
    np.testing.assert_allclose(found.scores["teacher_nll"], full.scores["teacher_nll"], atol=1e-9)
    np.testing.assert_allclose(found.scores["student_nll"], full.scores["student_nll"], atol=1e-9)
    assert found.calibration.teacher.nll == pytest.approx(full.calibration.teacher.nll)
    assert found.calibration.teacher.accuracy == full.calibration.teacher.accuracy
    assert found.groups.both.share == full.groups.both.share and "NLL, nats" in found.table()
    assert math.isnan(compare(best(TEACHER, 3), STUDENT, LABELS).calibration.teacher.nll)


# --- the same model ---

def test_blocks_merge_and_rows_are_left_out():
    labels = np.where(np.arange(N) % 7 == 0, -100, LABELS)
    whole = compare(best(TEACHER, 5), STUDENT, labels, groups=np.arange(N) // 9)
    stream = Stream()
    for rows in (slice(40, N), slice(0, 40)):
        stream.update(best(TEACHER[rows], 5), STUDENT[rows], labels[rows], groups=np.arange(N)[rows] // 9)
    found = stream.result()
    assert found.bounds == {name: pytest.approx(ends) for name, ends in whole.bounds.items()}
    assert found.points == whole.points == (labels != -100).sum()
    half = whole.subset(np.arange(whole.points) < 30)
    assert half.bounds["divergence"][0] == pytest.approx(whole.scores["low:divergence"][:30].mean())


def test_blocks_are_small_where_the_vocabulary_is_large(monkeypatch):
    expected = compare(best(TEACHER, 5), STUDENT)
    found = bounds.points(best(TEACHER, 5), STUDENT, None, np.arange(N), block=7)
    np.testing.assert_array_equal(found["low:divergence"], expected.scores["low:divergence"])


# --- mistakes ---

GOOD = {"ids": [[0, 1], [2, 0]], "log_probs": [[-0.5, -1.5], [-0.1, -3.0]], "vocabulary": 4}


@pytest.mark.parametrize(("change", "message"), [
    ({"ids": [[0, 1]]}, r"expected ids and log_probs of one shape .n, k., got \(1, 2\) and \(2, 2\)"),
    ({"ids": [[0.0, 1], [2, 0]]}, "expected ids that are whole numbers, got dtype float64"),
    ({"ids": [[0, 4], [2, 0]]}, r"expected ids from 0 to 3, got 4 in row 0; name the size of the vocabulary"),
    ({"ids": [[0, 1], [2, 2]]}, "expected different ids in a row, got 2 in row 1"),
    ({"ids": [[0, 1], [-1, -1]]}, "expected a known token in every row, got -1 in row 1"),
    ({"log_probs": [[-0.5, -1.5], [np.nan, -3.0]]}, "expected log-probabilities, at most 0, got nan in row 1"),
    ({"log_probs": [[12.5, 3.0], [-0.1, -3.0]]}, "got 12.5 in row 0; pass natural logarithms .*, not logits"),
    ({"log_probs": [[-0.5, -0.5], [-0.1, -3.0]]}, "expected probabilities that sum to at most 1, got 1.21306 in row "
                                                  "0"),
])
def test_rows_that_cannot_be_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        TopK(**GOOD | change)
    assert TopK(**GOOD).shape == (2, 4)


def test_what_does_not_go_with_top_k_rows_is_refused():
    with pytest.raises(ValueError, match="reference: expected 'teacher' for top-k rows, got 'label'"):
        compare(best(TEACHER, 3), STUDENT, LABELS, reference="label")
    with pytest.raises(ValueError, match="inputs: expected logits with top-k rows, got probabilities"):
        compare(best(TEACHER, 3), np.exp(log_softmax(STUDENT)))
    with pytest.raises(ValueError, match=r"student_logits: expected shape \(90, 30\) like .*, got \(90, 29\)"):
        compare(best(TEACHER, 3), STUDENT[:, 1:])
    with pytest.raises(ValueError, match="update: expected blocks alike"):
        Stream().update(best(TEACHER, 3), STUDENT).update(TEACHER, STUDENT)


@pytest.mark.parametrize(("change", "message"), [
    ({0: [1, 2, 9]}, "student: expected the tokens of teacher, got others from token 2 of sequence 0 on"),
    ({0: [1, 2]}, "student: expected the 3 tokens of sequence 0 of teacher, got 2, the same as far as both go"),
    ({1: [4]}, "student: expected the sequences of teacher, got none of number 1, which student has and teacher has "
               "not"),
])
def test_other_texts_are_refused(change, message):
    def rows(name, texts):
        texts = {k: np.array(text) for k, text in texts.items()}
        where = Tokens(np.zeros(2, int), np.array([1, 2]), texts)
        return TopK([[0], [1]], [[-0.5], [-0.1]], 9, path=name, tokens=where)

    texts = {0: [1, 2, 3]}
    assert compare(rows("teacher", texts), rows("student", texts)).tokens.context(1) == (1, 2)
    with pytest.raises(ValueError, match=message):
        compare(rows("teacher", texts), rows("student", texts | change))
