"""The linear probe: which examples networks and probes see, the rate of flips, and paired differences."""

import json

import numpy as np
import pytest

from benchmarks import BENCHMARKS, __main__, linear_probe, load
from eigenkd import risk


@pytest.mark.parametrize("task, network_sees, classes", [("transfer", range(5), 5), ("same classes", range(10), 10)])
def test_probes_use_only_digits_that_the_network_has_not_seen(task, network_sees, classes, monkeypatch):
    seen = {}

    def frozen_features(images, labels, seed):
        seen.update(images=images.reshape(len(images), -1), labels=labels)
        return lambda images: images.reshape(len(images), -1)

    monkeypatch.setattr(linear_probe, "frozen_features", frozen_features)
    *parts, found = linear_probe.probe_data(task, 3)
    assert found == classes
    assert set(seen["labels"]) == set(network_sees)
    images = [seen["images"], *(part for part, _ in parts)]
    assert [len(part) for part in images[1:]] == [linear_probe.TRAIN, linear_probe.VALIDATION, linear_probe.TEST]
    rows = np.concatenate(images)
    assert len(np.unique(rows, axis=0)) == len(rows)
    for _, labels in parts:
        assert set(labels) == set(range(classes))
    assert not np.array_equal(linear_probe.probe_data(task, 4)[0][0], parts[0][0])


def test_features_depend_only_on_the_seed_and_the_digits():
    rng = np.random.default_rng(0)
    images, labels = rng.random((60, 1, 28, 28), dtype=np.float32), rng.integers(5, size=60)
    first, again, other = (linear_probe.frozen_features(images, labels, seed)(images) for seed in (0, 0, 1))
    assert first.shape == (60, linear_probe.FEATURES + 1)
    np.testing.assert_array_equal(first[:, -1], 1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_labels_flip_at_the_given_rate_to_every_other_class():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 20_000)
    flipped = linear_probe.flipped(labels, 0.3, 4, rng)
    shares = np.array([[np.mean(flipped[labels == a] == b) for b in range(4)] for a in range(4)])
    error = (0.3 * 0.7 / 20_000) ** 0.5
    np.testing.assert_allclose(shares, risk.flip_mean(np.eye(4), 0.3), atol=5 * error)
    np.testing.assert_array_equal(linear_probe.flipped(labels, 0.0, 4, rng), labels)


def rows():
    for seed, (teacher, student) in enumerate([(0.5, 0.6), (0.7, 0.9), (0.6, 0.6)]):
        for family, accuracy in (("teacher", teacher), ("student", student)):
            yield {"task": "t", "seed": seed, "rate": 0.2, "criterion": "gcv", "family": family, "accuracy": accuracy,
                   "squared error": 1 - accuracy, "parameters": {"time": 1.0, "teacher_time": [np.inf, 2.0][seed % 2]}}


def test_differences_are_computed_per_seed():
    teacher, student = linear_probe.summary(rows())
    assert teacher["accuracy, less the teacher's"] == {"mean": 0, "standard_error": 0}
    assert student["accuracy"]["mean"] == pytest.approx(0.7)
    difference = student["accuracy, less the teacher's"]
    assert difference["mean"] == pytest.approx(0.1)
    assert difference["standard_error"] == pytest.approx(0.1 / 3**0.5)
    assert student["squared error, less the teacher's"]["mean"] == pytest.approx(-0.1)
    assert student["infinite"] == {"time": 0, "teacher_time": pytest.approx(2 / 3)}
    _, row = linear_probe.table({"results": [teacher, student]}).rows
    assert row[:6] == ("t", "20%", "gcv", "student", "70.00", "+10.00 ± 5.77")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(rows of two seeds, the folder of their record)."""
    folder, rows = tmp_path_factory.mktemp("records"), []
    one_seed = linear_probe.one_seed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_probe, "one_seed", lambda task, seed: rows.append(one_seed(task, seed)) or rows[-1])
        for name, value in {"TASKS": {"transfer": ""}, "SEEDS": range(2), "RATES": (0.2,), "EPOCHS": 1, "TRAIN": 60,
                            "VALIDATION": 40, "TEST": 100}.items():
            patch.setattr(linear_probe, name, value)
        assert __main__.main(["linear_probe", "--out", str(folder)]) == 0
    return rows, folder


def test_larger_families_have_better_oracles_and_no_criterion_beats_its_oracle(small):
    found = {(row["criterion"], row["family"]): row for row in small[0][0]}
    for family in linear_probe.FAMILIES:
        for criterion in ("validation", "gcv", "loo"):
            row = found[criterion, family]
            assert row["squared error"] >= found["oracle squared", family]["squared error"] * (1 - 1e-6)
            assert row["accuracy"] <= found["oracle error", family]["accuracy"]
    best = {family: found["oracle squared", family]["squared error"] for family in linear_probe.FAMILIES}
    assert best["teacher"] >= best["student"] * (1 - 1e-9)
    assert best["student"] >= max(best["chain"], best["mixture"]) * (1 - 1e-9)


def test_the_record_has_one_row_per_criterion_and_family_and_a_table(small):
    assert "linear_probe" in BENCHMARKS and load("linear_probe") is linear_probe
    rows, folder = small
    record = json.loads((folder / "linear_probe.json").read_text())
    assert len(record["results"]) == 5 * len(linear_probe.FAMILIES)
    assert record["seeds"] == len(rows) == 2 and "torch" in record["machine"]["versions"]
    for row in record["results"]:
        values = [one["accuracy"] for seed in rows for one in seed
                  if (one["criterion"], one["family"]) == (row["criterion"], row["family"])]
        assert row["accuracy"]["mean"] == pytest.approx(np.mean(values))
    assert ("transfer", "20%", "oracle squared", "ridge") in {row[:4] for row in linear_probe.table(record).rows}
