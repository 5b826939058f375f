"""The figures and tables of when distillation helps, from made-up runs whose numbers are known."""

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text

import validation.runs
from eigenkd._intervals import share_interval
from eigenkd.table import NONE
from paper_figures import FIGURES, TABLES, phase
from paper_figures.choice import Choice
from tests.paper_figures.made_up_studies import write_closed_form, write_studies, write_variant
from validation.runs import Unusable
from validation.studies import STUDIES

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def no_committed_records(monkeypatch, tmp_path):
    monkeypatch.setattr(validation.runs, "COMMITTED", tmp_path / "committed")


def shown_in(figure):
    return " ".join(" ".join(text.get_text() for text in figure.findobj(Text)).split())


def variants(name):
    return {variant.labels[1:]: variant for variant in STUDIES[name].variants()}


def test_gains_are_set_beside_the_closed_form_at_the_fit_of_the_teacher(tmp_path):
    """At 90 % the made-up closed form loses two points; a student that fits 80 % is matched where 0.9 x = 0.8."""
    write_studies(tmp_path, gain=lambda variant, seed: 1.0 if variant.values.get("data.teacher_fraction") else -1.0)
    found, closed = phase.cells(Choice(tmp_path))
    assert len(found) == 18 and sorted(closed) == [0, 1]
    for cell in found:
        np.testing.assert_allclose(cell.measured, [[90, 80, 1 if cell.fraction == 0.5 else -1]] * 2)
        np.testing.assert_allclose(cell.predicted, -2)
    assert phase.agreement(found, 0) == phase.agreement(found, 1) == (30, 36)
    low, high = share_interval(30, 36)
    said = f"in 30 of 36 runs (83 % [{100 * low:.0f}, {100 * high:.0f}])"
    figure = FIGURES["phase"].draw(Choice(tmp_path))
    assert shown_in(figure).count(said) == 2
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["0%", "20%", "40%"]
    assert [text.get_text() for text in figure.axes[0].texts].count("+1.0") == 3
    table = TABLES["table_phase"].draw(Choice(tmp_path))
    assert len(table.rows) == 18 and table.rows[0] == (
        "0", "5 epochs", "90.00 [90.00, 90.00]", "80.00 [80.00, 80.00]", "-1.00 [-1.00, -1.00]",
        "-2.00 [-2.00, -2.00]", "-2.00 [-2.00, -2.00]", "2")
    assert sum("30 of 36 runs" in note and "gains differ by 1.33 points" in note for note in table.notes) == 2


def test_without_a_closed_form_gains_are_shown_alone(tmp_path):
    write_variant(tmp_path, variants("teacher_fit")["0.2", "60 epochs"], 0, 0.5)
    figure = FIGURES["phase"].draw(Choice(tmp_path))
    assert "agree" not in shown_in(figure)
    (row,) = TABLES["table_phase"].draw(Choice(tmp_path)).rows
    assert row[4:] == ("0.50", NONE, NONE, "1")
    write_closed_form(tmp_path, 1)  # of another seed: other labels
    assert TABLES["table_phase"].draw(Choice(tmp_path)).rows[0][5] == NONE
    with pytest.raises(Unusable, match=r"make them with: python -m validation.study teacher_fit$"):
        FIGURES["phase"].draw(Choice(tmp_path / "nowhere"))


def test_a_gain_of_exactly_nothing_has_no_sign_to_agree(tmp_path):
    write_variant(tmp_path, variants("teacher_fit")["0.2", "60 epochs"], 0, 0.0)
    write_closed_form(tmp_path, 0)
    assert phase.agreement(phase.cells(Choice(tmp_path))[0], 0) == (0, 0)
    assert "in 0 of 0 runs" in shown_in(FIGURES["phase"].draw(Choice(tmp_path)))


def test_mislabelled_images_are_set_apart_and_gains_are_shown_by_noise(tmp_path):
    write_studies(tmp_path, names=("noisy_labels",))
    figure = FIGURES["noisy_labels"].draw(Choice(tmp_path))
    *scatters, gains = figure.axes
    assert [ax.get_title().split()[0] for ax in scatters] == ["10%", "20%", "40%"]
    assert [[len(points.get_offsets()) for points in ax.collections] for ax in scatters] == [
        [45, 3, 2], [40, 5, 5], [30, 10, 10]]
    assert "70% of mislabelled, 70% of clean underfit" in shown_in(figure)
    np.testing.assert_allclose(gains.get_lines()[0].get_ydata(), [1, 2])
    with pytest.raises(Unusable, match=r"make them with: python -m validation.study noisy_labels$"):
        FIGURES["noisy_labels"].draw(Choice(tmp_path / "nowhere"))


def test_switched_losses_are_shown_by_when_next_to_the_closed_form(tmp_path):
    losses = {(teacher, loss): variant for (teacher, loss), variant in variants("loss_switching").items()
              if teacher == "half the data" and loss in ("distilled", "distilled to one_hot at 75%")}
    for (_, loss), variant in losses.items():
        for seed in (0, 1):
            write_variant(tmp_path, variant, seed, -1.0 if loss == "distilled" else 1.0)
    over_time, by_share = FIGURES["loss_switching"].draw(Choice(tmp_path)).axes
    assert over_time.get_title() == "Teacher: half the data (dashed)"
    assert [list(line.get_ydata()) for line in over_time.get_lines()[:2]] == [
        pytest.approx([54, 64, 74]), pytest.approx([56, 66, 76])]
    assert len([line for line in by_share.get_lines() if line.get_marker() == "x"]) == 0
    for seed in (0, 1):
        write_closed_form(tmp_path, seed)
    _, by_share = FIGURES["loss_switching"].draw(Choice(tmp_path)).axes
    crosses = {line.get_xdata()[0]: line.get_ydata()[0] for line in by_share.get_lines() if line.get_marker() == "x"}
    assert crosses == {102: pytest.approx(-2), 73.8: pytest.approx(0)}
    (folder,) = (tmp_path / "cnn_fashion_mnist_noisy@data.label_noise=0,data.teacher_fraction=0.5").glob("seed0")
    (folder / "metrics.jsonl").unlink()
    with pytest.raises(Unusable, match=r"has no metrics.jsonl: .* --data.teacher-fraction 0.5 --seeds 0$"):
        FIGURES["loss_switching"].draw(Choice(tmp_path))
    with pytest.raises(Unusable, match=r"make them with: python -m validation.study loss_switching$"):
        FIGURES["loss_switching"].draw(Choice(tmp_path / "nowhere"))


def test_a_strength_is_chosen_on_one_half_and_measured_on_the_other(tmp_path):
    """A made-up student is better by a point more on odd images; the best of each family is chosen."""
    gains = {"distilled": -1.0, "weight p^2": 3.0, "smoothing 0.3": -5.0, "smoothing 0.1": -4.0, "smoothing 0.5": -4.0}
    for (_, student), variant in variants("intervention").items():
        for seed in (0, 1):
            if variant.values["data.label_noise"] == 0.2:
                write_variant(tmp_path, variant, seed, gains.get(student, -3.0) + seed)
    table = TABLES["table_intervention"].draw(Choice(tmp_path))
    found = {row[1]: float(row[2].split()[0]) for row in table.rows}
    assert [row[0] for row in table.rows] == ["0.2"] * 5 and {row[3] for row in table.rows} == {"2"}
    # half a point more on odd images, on average, and half a point more by the second seed
    assert found == {"distilled": 0.0, "weights by confidence": 4.0, "temperatures by confidence": 0.0,
                     "label smoothing": 0.0, "early stopping": 0.0}
    with pytest.raises(Unusable, match=r"make them with: python -m validation.study intervention$"):
        TABLES["table_intervention"].draw(Choice(tmp_path / "nowhere"))
