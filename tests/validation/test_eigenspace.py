import json

import numpy as np
import pytest

from validation.eigenspace import draw_pairs, exaggerated_pairs, fit_shares
from validation.errors import UsageError
from validation.settings.setting import Eigenspace


def test_pairs_are_drawn_without_replacement_from_their_ranges():
    analysis, everything = Eigenspace(("head",)), []
    for seed in range(40):
        pairs = draw_pairs(analysis, seed, 128)
        assert pairs.shape == (15, 2)
        assert sorted(pairs[:, 0]) == list(range(15)) and len(set(pairs[:, 1])) == 15
        everything += pairs[:, 1].tolist()
    assert set(everything) == set(range(20, 60))
    np.testing.assert_array_equal(draw_pairs(analysis, 3, 128), draw_pairs(analysis, 3, 60))
    assert (draw_pairs(analysis, 3, 128) != draw_pairs(analysis, 4, 128)).any()


@pytest.mark.parametrize("directions, count, top, bottom", [
    (27, 6, range(6), range(9, 27)),
    (9, 2, range(2), range(3, 9)),
    (2, 1, range(1), range(1, 2)),
])
def test_with_fewer_directions_the_ranges_are_scaled_down(directions, count, top, bottom):
    pairs = np.concatenate([draw_pairs(Eigenspace(("stem",)), seed, directions) for seed in range(60)])
    assert len(pairs) == 60 * count
    assert set(pairs[:, 0]) == set(top) and set(pairs[:, 1]) == set(bottom)


def test_a_single_direction_raises():
    with pytest.raises(UsageError, match=r"--analysis.layers: expected layers with at least two eigendirections"):
        draw_pairs(Eigenspace(("head",)), 0, 1)


def test_a_pair_is_exaggerated_if_the_student_makes_less_progress_along_the_bottom():
    # Columns: a top direction, bottom ones with less and with more progress of the student, and an unlearned one.
    time = np.linspace(0, 1, 50)
    teacher = np.stack([time, time, time, 0 * time], axis=1)
    student = np.stack([time, time**2, np.sqrt(time), 0 * time], axis=1)
    paths = (np.stack([path, path[:, [0, 2, 1, 3]]], axis=1) for path in (teacher, student))  # displacements: swapped
    found = exaggerated_pairs(*paths, np.array([[0, 1], [0, 2], [3, 1]]))
    assert found["per_pair"][2] == {"top": 3, "bottom": 1, "weights": None, "displacement": None}
    assert found["per_pair"][0]["weights"] > 0.95 and found["per_pair"][0]["displacement"] < 0.05
    assert found["per_pair"][1]["weights"] < 0.05 and found["per_pair"][1]["displacement"] > 0.95
    for name in ("weights", "displacement"):
        assert found[name].keys() == {"share", "low", "high", "exaggerated", "pairs", "p_pairs"}
        assert (found[name]["exaggerated"], found[name]["pairs"]) == (1, 2)
    json.dumps(found, allow_nan=False)


def test_with_orthogonal_examples_each_direction_fits_one_example():
    """Orthogonal rows of decreasing length: the share of a direction is the share of one example's margin."""
    rows, labels = np.diag([4.0, 3.0, 2.0, 1.0]), np.array([0, 1, 0, 1])
    before, after = np.ones((4, 2)), np.ones((4, 2)) + np.array([[3.0, 0], [0, 1], [1, 0], [0, 5]])
    found = fit_shares(rows, np.array([False, False, True, True]), labels, {"teacher": (before, after)})
    np.testing.assert_allclose(found["eigenvalues"], [16, 9, 4, 1])
    np.testing.assert_allclose(found["teacher_clean"], [0.75, 0.25, 0, 0], atol=1e-12)
    np.testing.assert_allclose(found["teacher_mislabelled"], [0, 0, 1 / 6, 5 / 6], atol=1e-12)
