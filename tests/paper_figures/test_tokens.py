"""The figure and the table of language models' tokens, from made-up runs whose numbers are known."""

import matplotlib
import numpy as np
import pytest

from paper_figures import FIGURES, TABLES
from paper_figures.choice import Choice
from tests.paper_figures.looking import check_whole, shown_in
from validation.address import address
from validation.language_models.measurement import EDGES
from validation.language_models.setting import LANGUAGE_MODELS
from validation.record import Folder
from validation.registered import as_it_stands

matplotlib.use("Agg")
pytestmark = pytest.mark.usefixtures("no_committed_records")
CHANGES = {"student": -0.2, "one_hot": -0.4, "equal KL": 0.1, "Q4_0": 0.01, "3 bits": 0.05, "Q8_0": 0.001}


def compared(change, seed):
    """What a run keeps of a model that changes the confidence by so many nats, and by a hundredth more each seed."""
    means = {"kl": [0.1, 0, 1], "reverse": [0.1, 0, 1], "change": [change + seed / 100, -1, 1],
             "less_confident": [0.5, 0, 1], "entropy_change": [0.3, 0, 1], "flipped": [0.2, 0, 1]}
    parts = [{"confidence": f"{k}"} | means | {"change": [k * change + seed / 100, -1, 1]} for k in range(10)]
    return means | {"slope": {"low": [1.1, 1, 1.2], "high": [0.9, 0.8, 1.0]}, "underfit": 0.6, "overfit": 0.4,
                    "log_perplexity_ratio": [0.05, 0, 0.1], "by_confidence": parts}


def write(runs, seed, arrays=True):
    configuration = as_it_stands(LANGUAGE_MODELS)
    folder = Folder(runs, address(LANGUAGE_MODELS.name, configuration, configuration, seed))
    folder.begin(configuration | {"seed": seed})
    if arrays:
        counts = np.arange(3600, dtype=np.uint16).reshape(60, 60)
        folder.save("densities", edges=EDGES, student=counts, Q4_0=counts, **{"equal KL": counts[::-1]})
    measured = {name: compared(change, seed) for name, change in CHANGES.items()}
    folder.finish({"setting": LANGUAGE_MODELS.name, "seed": seed, "smoke": False,
                   "data": {"source": "wordnet", "note": "made up"}, "measured": {"test": measured, "train": measured}})


def test_the_change_of_confidence_is_drawn_along_the_teachers(tmp_path):
    write(tmp_path, 2, arrays=False)
    write(tmp_path, 0)
    figure = FIGURES["tokens"].draw(Choice(tmp_path))
    check_whole(figure)
    assert ("At about equal KL (0.100 and 0.100 nats) the student's confidence changes by -0.19 [-0.32, -0.06] nats, "
            "that of rounded weights by +0.11 [-0.02, +0.24]") in " ".join(figure.get_suptitle().split())
    student, rounded, curves = figure.axes
    np.testing.assert_array_equal(student.collections[0].get_array(), np.arange(3600).reshape(60, 60).T)
    np.testing.assert_array_equal(rounded.collections[0].get_array(), np.arange(3600).reshape(60, 60)[::-1].T)
    drawn = {bars.get_label(): bars[0].get_ydata() for bars in curves.containers}
    assert list(drawn) == ["distilled student", "same network on the text alone", "rounded weights, equal KL", "Q4_0"]
    np.testing.assert_allclose(drawn["distilled student"], -0.2 * np.arange(10) + 0.01)
    assert "densities of seed 0" in shown_in(figure)


def test_one_seed_has_no_bars(tmp_path):
    write(tmp_path, 2)
    figure = FIGURES["tokens"].draw(Choice(tmp_path))
    assert "changes by -0.18 nats, that of rounded weights by +0.12" in " ".join(figure.get_suptitle().split())
    check_whole(figure)


def test_the_table_has_a_row_a_model(tmp_path):
    for seed in range(2):
        write(tmp_path, seed, arrays=not seed)
    made = TABLES["table_tokens"].draw(Choice(tmp_path))
    assert len(made.rows) == 12 and made.rows[0][:4] == (
        "held out", "distilled student", "0.1000 [0.1000, 0.1000]", "-0.195 [-0.259, -0.131]")
    assert {row[0] for row in made.rows} == {"held out", "training"} and "Means over 2 seeds" in made.notes[0]
