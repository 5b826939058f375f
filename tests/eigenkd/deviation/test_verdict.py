"""The words follow the numbers: every kind of side, every sentence, and what is too small to tell."""

import json
import re

import numpy as np
import pytest

from eigenkd._intervals import share_interval
from eigenkd.deviation import Slope, compare, over_seeds, verdict


def slope(value, half=0.05, points=200):
    return Slope(value, value - half, value + half, points)


def judge(low, underfit, high, overfit):
    """The verdict on shares of that many independent points."""
    return verdict.judge((low, underfit, share_interval(round(underfit * low.points), low.points)),
                         (high, overfit, share_interval(round(overfit * high.points), high.points)))


@pytest.mark.parametrize("value, half, beyond, kind", [
    (1.4, 0.05, 0.9, "exaggerates"), (1.4, 0.5, 0.9, "shifted"), (0.8, 0.05, 0.9, "shifted"),
    (1.4, 0.05, 0.5, "steeper"),
    (0.8, 0.05, 0.1, "reverse"), (0.8, 0.5, 0.1, "unclear"), (1.0, 0.05, 0.5, "neither"),
    (1.0, 4.0, 0.5, "unclear"), (1.4, 0.05, 0.55, "steeper")])
def test_kinds_of_a_side(value, half, beyond, kind):
    found = judge(slope(value, half), beyond, slope(1.0), 0.5)
    assert found.low.kind == kind and found.high.kind == "neither"
    assert f"{value:.2f} [{value - half:.2f}, {value + half:.2f}]" in found.low.sentence
    assert f"{beyond:.0%}" in found.low.sentence and "200 points" in found.low.sentence


@pytest.mark.parametrize("low, high, sentence", [
    ((1.4, 0.9), (1.4, 0.9), "on both sides"), ((1.4, 0.9), (1.0, 0.5), "on the low side"),
    ((1.0, 0.5), (1.4, 0.9), "on the high side"), ((0.7, 0.1), (0.7, 0.1), "reverse .* on both sides"),
    ((1.0, 0.5), (0.7, 0.1), "reverse of exaggeration on the high side"), ((1.0, 0.5), (1.0, 0.5), "No exaggeration"),
    ((1.4, 0.9), (0.7, 0.1), "on the low side, and shows the reverse on the high side")])
def test_sentences(low, high, sentence):
    found = judge(slope(low[0]), low[1], slope(high[0]), high[1])
    assert re.search(sentence, found.sentence)


@pytest.mark.parametrize("value, half, shown, words", [
    (1.0009, 0.0008, "1.0009 [1.0001, 1.0017]", "slightly exaggerates"),
    (1.04, 0.03, "1.04 [1.01, 1.07]", "slightly exaggerates"), (1.06, 0.03, "1.06 [1.03, 1.09]", "student exaggerates"),
    (0.98, 0.019, "0.980 [0.961, 0.999]", "confidence is slightly flatter"),
    (0.9, 0.03, "0.90 [0.87, 0.93]", "is flatter")])
def test_a_slope_next_to_one_is_said_to_be_slight_and_its_digits_show_the_side(value, half, shown, words):
    found = judge(slope(value, half), 0.9 if value > 1 else 0.1, slope(1.0, 0.1), 0.5)
    assert shown in found.low.sentence and words in found.sentence
    assert found.low.slight == found.low.sentence.endswith(", slightly.") == ("slightly" in words)
    share = 0.9 if value > 1 else 0.1
    strong = judge(slope(value, half), share, slope(1.4 if value > 1 else 0.6), share)
    assert "slightly" not in strong.sentence  # one side is not slight


def test_a_shift_beside_the_reverse_is_in_the_sentence_and_a_verdict_prints_as_sentences():
    found = judge(slope(1.0, 0.1), 0.95, slope(0.8), 0.1)
    assert (found.low.kind, found.high.kind) == ("shifted", "reverse")
    assert found.sentence.endswith("flatter than its teacher's there. On the low side it is less confident on most "
                                   "points, without a slope above 1.")
    assert str(found) == "\n".join([found.sentence, found.low.sentence, found.high.sentence])


def test_a_small_sample_is_said_to_be_too_small():
    found = judge(slope(3.0, points=19), 1.0, slope(3.0, points=19), 1.0)
    assert found.low.kind == found.high.kind == "too small"
    assert found.sentence == "The sample is too small to tell." and "at least 20" in found.low.sentence
    assert judge(slope(3.0, points=20), 1.0, slope(3.0, points=20), 1.0).low.kind == "exaggerates"


def test_what_cannot_be_told_is_not_called_absent():
    small, wide, plain = slope(1.0, points=5), slope(1.0, half=3.0), slope(1.0)
    assert "cannot be told from these points" in judge(wide, 0.5, small, 0.5).sentence
    assert judge(plain, 0.5, small, 0.5).sentence == (
        "No exaggeration of the teacher's confidence is shown on the low side; on the high side it cannot be told.")
    assert "cannot be told" in judge(Slope(np.nan, np.nan, np.nan, 50, "none"), 0.5, wide, 0.5).sentence


def test_seeds_that_disagree_show_nothing():
    """Shares 1, 1 and 0 over seeds are no majority, however many points each seed has."""
    pairs = [exaggerated(seed, 1.2, n=2000) for seed in range(3)]
    pairs[2] = pairs[2][0], pairs[2][0] * 1.2 - 10 * (np.arange(5) == pairs[2][0].argmax(axis=1)[:, None])
    deviations = [compare(*pair) for pair in pairs]
    assert [d.overfit() for d in deviations] == [1, 1, 0]
    found = over_seeds(deviations).verdict.high
    assert found.kind != "exaggerates" and "67% [0%, 100%]" in found.sentence


def test_ties_are_said_to_be_in():
    rows = np.array([[3.0, 0.0]] * 150 + [[1.0, 0.0]] * 50 + [[0.5, 0.0]] * 20)
    found = compare(rows, 1.1 * rows).verdict
    assert "(70 points, ties included)" in found.low.sentence and "(150 points, ties included)" in found.high.sentence


def test_no_slope_is_made_up():
    rng = np.random.default_rng(0)
    rows = np.stack([rng.permutation([3.0, 1.0, 0.0]) for _ in range(200)])
    d = compare(rows, rng.normal(size=(200, 3)))
    assert d.verdict.low.kind == "undetermined" and "equally confident on all" in d.verdict.low.sentence
    json.dumps(d.summary(), allow_nan=False)


@pytest.mark.parametrize("share, n", [(0.0, 30), (0.5, 30), (0.9, 400), (1.0, 10)])
def test_the_interval_of_a_share_contains_it_and_covers(share, n):
    low, high = share_interval(round(share * n), n)
    assert -1e-12 <= low <= share <= high <= 1 + 1e-12
    k = np.random.default_rng(0).binomial(n, 0.6, size=4000)
    covered = [share_interval(i, n) for i in k.tolist()]
    assert 0.92 < np.mean([a <= 0.6 <= b for a, b in covered]) < 0.99


def exaggerated(seed, c=1.5, n=400):
    """Logits of a wide margin, and c times them: slope near c."""
    rng = np.random.default_rng(seed)
    teacher = rng.normal(size=(n, 5))
    teacher[np.arange(n), rng.integers(5, size=n)] += 12 + 6 * rng.random(n)
    return teacher, c * teacher


@pytest.mark.parametrize("c", [0.7, 1.5, 3.0])
def test_logits_scaled_by_c_have_a_slope_near_c_where_the_margin_is_large(c):
    d = compare(*exaggerated(0, c))
    for side in ("low", "high"):
        assert d.slope(side, 0.5).value == pytest.approx(c, rel=0.1)
    kinds = {0.7: "reverse", 1.5: "exaggerates", 3.0: "exaggerates"}
    assert d.verdict.high.kind == kinds[c]


# --- seeds ---

def test_seeds_are_means_with_t_intervals():
    deviations = [compare(*exaggerated(seed, 1.2 + 0.1 * seed)) for seed in range(3)]
    seeds = over_seeds(deviations)
    values = [d.slope("high").value for d in deviations]
    found = seeds.slope("high")
    assert found.value == pytest.approx(np.mean(values))
    assert found.high - found.value == pytest.approx(4.302652729911275 * np.std(values, ddof=1) / 3**0.5, rel=1e-9)
    assert seeds.overfit() == 1 and seeds.agreement == 1
    assert seeds.kl == pytest.approx(np.mean([d.kl for d in deviations]))
    summary = json.loads(json.dumps(seeds.summary(), allow_nan=False))
    assert len(summary["seeds"]) == 3 and "over 3 seeds" in summary["verdict"]["notes"][0]


def test_a_seed_without_a_slope_leaves_none():
    good, flat = exaggerated(0), np.tile([[3.0, 0.0, 0.0, 0.0, 0.0]], (400, 1))
    found = over_seeds([compare(*good), compare(flat, good[1])]).slope()
    assert np.isnan(found.value) and found.reason.startswith("1 of 2 seeds have none (the teacher is equally confident")


def test_one_seed_is_not_enough():
    with pytest.raises(ValueError, match="deviations: expected two or more, got 1"):
        over_seeds([compare(*exaggerated(0))])
    with pytest.raises(TypeError, match="deviations: expected what compare returns, got tuple"):
        over_seeds([exaggerated(0), exaggerated(1)])
