"""Which points are underfit, next to counting them one by one."""

import numpy as np
import pytest

from validation.underfit import by_label, mislabelled_points


@pytest.fixture
def logits():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 3)), rng.normal(size=(40, 3))


def confidence(f, c):
    others = np.delete(f, c)
    return f[c] - np.log(np.exp(others).sum())


def counted(teacher, student):
    """(x, y, low), point by point."""
    x = np.array([confidence(f, f.argmax()) for f in teacher])
    y = np.array([confidence(g, f.argmax()) for f, g in zip(teacher, student)])
    return x, y, x <= sorted(x)[9]


def test_mislabelled_and_clean_points_apart(logits):
    wrong = np.arange(40) % 4 == 0
    x, y, low = counted(*logits)
    labels = np.arange(40) % 3
    fitted = np.array([f.argmax() == c for f, c in zip(logits[0], labels)])
    found = mislabelled_points(*logits, labels, wrong)
    pairs = [(a < b) + 0.5 * (a == b) for a in x[wrong] for b in x[~wrong]]
    assert found["separation"] == pytest.approx(np.mean(pairs))
    for name, of in (("mislabelled", wrong), ("clean", ~wrong)):
        assert found[name] == {
            "points": of.sum(), "confidence": pytest.approx(np.median(x[of])), "low": pytest.approx(low[of].mean()),
            "underfit_low": pytest.approx((y < x)[of & low].mean()), "underfit": pytest.approx((y < x)[of].mean()),
            "fitted": pytest.approx(fitted[of].mean()),
            "underfit_fitted": pytest.approx((y < x)[of & low & fitted].mean())}


def test_points_of_one_kind_are_not_set_apart(logits):
    assert mislabelled_points(*logits, np.zeros(40), np.zeros(40, bool)) == {}
    assert mislabelled_points(*logits, np.zeros(40), np.ones(40, bool)) == {}


def test_a_kind_without_points_in_the_low_quarter_has_no_share_there(logits):
    teacher, student = logits
    teacher[0] = [9, 0, 0]
    found = mislabelled_points(teacher, student, np.zeros(40), np.arange(40) == 0)
    assert found["mislabelled"]["low"] == 0 and found["mislabelled"]["underfit_low"] is None
    assert found["separation"] == 0


def test_confidence_on_the_labels_class(logits):
    teacher, student = logits
    labels = np.arange(40) % 3
    x, y, low = counted(teacher, student)
    underfit = set(np.flatnonzero(low & (y < x)))
    wrong = {i for i in range(40) if labels[i] not in (teacher[i].argmax(),) or labels[i] != student[i].argmax()}
    found = by_label(teacher, student, labels)
    assert found["either_wrong"] == {"of_underfit": pytest.approx(len(underfit & wrong) / len(underfit)),
                                     "are_underfit": pytest.approx(len(underfit & wrong) / len(wrong)),
                                     "overlap": pytest.approx(len(underfit & wrong) / len(underfit | wrong))}
    own = [np.array([confidence(f, c) for f, c in zip(role, labels)]) for role in (teacher, student)]
    quarter = own[0] <= sorted(own[0])[9]
    assert found["underfit"] == pytest.approx((own[1] < own[0])[quarter].mean())
    assert found["slope_low"]["0.25"]["value"] == pytest.approx(np.polyfit(own[0][quarter], own[1][quarter], 1)[0])
