"""`Stream`: the same as `compare` of the whole, in any order, split and merge."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eigenkd.deviation import Stream, compare
from eigenkd.deviation.measured import POINTWISE

RNG = np.random.default_rng(0)
N, CLASSES = 120, 6
TEACHER = 2 * RNG.normal(size=(N, CLASSES))
STUDENT = 1.3 * TEACHER + 0.4 * RNG.normal(size=(N, CLASSES))
LABELS = np.where(np.arange(N) % 11 == 3, -100, TEACHER.argmax(axis=1))
TEXTS = np.arange(N) // 8
MASKED = np.where(np.arange(CLASSES) == 4, -np.inf, 0)


def streamed(blocks, teacher=TEACHER, student=STUDENT, labels=LABELS, groups=TEXTS, masks=None, stream=None, **options):
    stream = Stream(**options) if stream is None else stream
    for at in blocks:
        stream.update(teacher[at], student[at], None if labels is None else labels[at],
                      groups=None if groups is None else groups[at],
                      masks=None if masks is None else {name: mask[at] for name, mask in masks.items()})
    return stream


def numbers(value):
    if isinstance(value, dict):
        return {name: numbers(part) for name, part in value.items()}
    plain = value is None or isinstance(value, str | list | tuple)
    return value if plain else pytest.approx(value, rel=1e-9, abs=1e-12)


def same(found, expected):
    assert found.summary() == numbers(expected.summary())
    for name in (*POINTWISE, "rows", "labels", "clusters"):
        if getattr(expected, name) is None:
            assert getattr(found, name) is None
            continue
        a, b = (np.asarray(getattr(d, name)) for d in (found, expected))
        np.testing.assert_allclose(a[np.argsort(found.rows)], b, rtol=1e-12, atol=1e-13, err_msg=name)


# --- the whole ---

@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(1, N - 1), max_size=12), st.integers(0, 10**6))
def test_any_split_is_the_whole(cuts, seed):
    masks = {"odd": np.arange(N) % 2 == 1}
    expected = compare(TEACHER, STUDENT, LABELS, groups=TEXTS, masks=masks)
    blocks = np.split(np.arange(N), sorted(cuts))
    blocks = [block for block in blocks if block.size]
    same(streamed(blocks, masks=masks).result(), expected)
    order = np.random.default_rng(seed).permutation(len(blocks))
    found = streamed([blocks[k] for k in order], masks=masks).result().summary()
    assert found == numbers(expected.summary())


@pytest.mark.parametrize("depth", [-np.inf, -1e9, -1e4])
@pytest.mark.parametrize("reference", ["teacher", "label"])
def test_masked_classes_are_those_of_the_whole_though_blocks_see_them_late(depth, reference):
    """A class that only some rows mask is none; one that all rows mask is left out, also for points of that label."""
    teacher, student = TEACHER.copy(), STUDENT.copy()
    teacher[:, 4] = student[:, 4] = depth
    labels = np.where(np.arange(N) % 30 == 5, 4, LABELS)
    whole = compare(teacher, student, labels, reference=reference)
    assert whole.left_out == (4,)
    found = streamed(np.arange(N)[:, None], teacher, student, labels, None, reference=reference).result()
    same(found, whole)
    np.testing.assert_array_equal(found.scores["far"], whole.scores["far"])
    for last in (0, N - 1):  # one row that shows the class to be in use, wherever it comes
        teacher[last, 4] = student[last, 4] = 0.0
        found = streamed(np.split(np.arange(N), 5), teacher, student, None, None).result()
        assert found.left_out == () == compare(teacher, student).left_out
        teacher[last, 4] = student[last, 4] = depth


def test_classes_masked_in_one_model_are_refused_at_the_end():
    stream = streamed([np.arange(60), np.arange(60, N)], TEACHER + MASKED)
    with pytest.raises(ValueError, match="teacher_logits: expected the classes that the student has, got column 4"):
        stream.result()
    assert streamed([np.arange(60), np.arange(60, N)], TEACHER + MASKED, masked="keep").result().points == 109


def test_a_column_of_zero_probabilities_is_refused_by_a_stream():
    p = np.exp(TEACHER + MASKED)
    p /= p.sum(axis=1, keepdims=True)
    assert compare(p, p).left_out == (4,)
    with pytest.raises(ValueError, match="result: expected probabilities above zero in every column, got column 4"):
        streamed([slice(0, 50), slice(50, N)], p, p).result()


def test_other_libraries_stay_what_they_are():
    teacher, student = torch.asarray(TEACHER), torch.asarray(STUDENT)
    found = streamed([slice(0, 50), slice(50, N)], teacher, student, LABELS).result()
    assert isinstance(found.jensen_shannon, torch.Tensor)
    same(found, compare(teacher, student, LABELS, groups=TEXTS))


# --- merging ---

def test_streams_of_processes_merge_to_the_whole():
    parts = [streamed([block]) for block in np.split(np.arange(N), [30, 31, 90])]
    first = pickle.loads(pickle.dumps(parts[0]))  # as a process sends it
    for other in parts[1:]:
        first.merge(pickle.loads(pickle.dumps(other)))
    same(first.result(), compare(TEACHER, STUDENT, LABELS, groups=TEXTS))
    assert parts[1].result().points == 1 - (LABELS[30] == -100)
    empty = Stream().merge(parts[0])
    same(empty.merge(Stream()).result(), parts[0].result())


def test_a_result_may_be_followed_by_more():
    stream = streamed([slice(0, 50)])
    same(stream.result(), compare(TEACHER[:50], STUDENT[:50], LABELS[:50], groups=TEXTS[:50]))
    same(streamed([slice(50, N)], stream=stream).result(), compare(TEACHER, STUDENT, LABELS, groups=TEXTS))


def test_a_sequence_without_labelled_points_keeps_its_number():
    shape = (4, N // 4, TEACHER.shape[1])
    rows = shape[0] * shape[1]
    teacher, student, labels = (x[:rows].reshape(shape[: 1 + x.ndim]) for x in (TEACHER, STUDENT, LABELS.copy()))
    labels = labels.copy()
    labels[1] = -100
    stream = Stream()
    for k in range(4):
        stream.update(teacher[k:k + 1], student[k:k + 1], labels[k:k + 1])
    np.testing.assert_array_equal(stream.result().tokens.sequences, compare(teacher, student, labels).tokens.sequences)


def test_a_block_without_labelled_points_only_counts():
    stream = Stream().update(TEACHER[:5], STUDENT[:5], np.full(5, -100))
    with pytest.raises(ValueError, match="result: expected points, got none"):
        stream.result()
    found = stream.update(TEACHER[5:], STUDENT[5:], LABELS[5:]).result()
    assert found.unlabelled == 5 + (LABELS[5:] == -100).sum() and found.rows[0] == 5


# --- mistakes ---

@pytest.mark.parametrize(("options", "message"), [
    ({"reference": "both"}, "reference: expected 'teacher' or 'label', got 'both'"),
    ({"inputs": "text"}, "inputs: expected 'auto', 'logits', 'probabilities', got 'text'"),
    ({"masked": "drop"}, "masked: expected 'refuse' or 'keep', got 'drop'"),
])
def test_options_are_checked_first(options, message):
    with pytest.raises(ValueError, match=message):
        Stream(**options)


@pytest.mark.parametrize(("change", "message"), [
    ({"teacher": TEACHER[:, :5], "student": STUDENT[:, :5], "labels": np.zeros(N, int)}, "got classes 5 after 6"),
    ({"labels": None}, r"got of labels, groups and masks \['groups'\] after \['groups', 'labels'\]"),
    ({"groups": None}, r"got of labels, groups and masks \['labels'\] after \['groups', 'labels'\]"),
    ({"masks": {"odd": TEXTS % 2}}, r"got of labels, groups and masks \['groups', 'labels', 'mask:odd'\] after"),
    ({"groups": TEXTS[:4, None]}, r"groups: expected shape \(120,\), a number or a name a point, got \(4, 1\)"),
    ({"teacher": np.where(np.arange(N)[:, None] == 7, np.nan, TEACHER)}, "got 6 NaN or .inf value.s. from row 7 on"),
])
def test_a_block_that_does_not_fit_is_refused_and_changes_nothing(change, message):
    stream = streamed([slice(None)])
    with pytest.raises(ValueError, match=message):
        streamed([slice(None)], **change, stream=stream)
    same(stream.result(), compare(TEACHER, STUDENT, LABELS, groups=TEXTS))


def test_other_streams_are_refused():
    with pytest.raises(TypeError, match="other: expected a Stream, got Deviation"):
        Stream().merge(compare(TEACHER, STUDENT))
    with pytest.raises(ValueError, match="other: expected a stream of reference='teacher', got 'label'"):
        Stream().merge(Stream(reference="label"))
    with pytest.raises(ValueError, match="update: expected blocks alike, got classes 5 after 6"):
        streamed([slice(None)]).merge(streamed([slice(None)], TEACHER[:, :5], STUDENT[:, :5], None))
