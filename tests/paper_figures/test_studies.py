"""The figures and tables of when distillation helps, from made-up runs whose numbers are known."""

import json
import re

import matplotlib
import numpy as np
import pytest

from eigenkd.deviation.clusters import share_interval
from eigenkd.table import NONE
from paper_figures import FIGURES, TABLES, phase, switching
from paper_figures.captions import legend_of
from paper_figures.choice import Choice
from tests.paper_figures.looking import check_whole, shown_in
from tests.paper_figures.made_up_studies import write_closed_form, write_studies, write_variant
from validation.runs import Unusable
from validation.studies import STUDIES
from validation.studies.study import Variant

matplotlib.use("Agg")


pytestmark = pytest.mark.usefixtures("no_committed_records")


def variants(name):
    return {variant.labels[1:]: variant for variant in STUDIES[name].variants()}


def test_gains_are_set_beside_the_closed_form_at_the_fit_of_the_teacher(tmp_path):
    """At 90 % the made-up closed form loses two points; a student that fits 80 % is matched where 0.9 x = 0.8."""
    write_studies(tmp_path, gain=lambda variant, seed: 1.0 if variant.values.get("data.teacher_fraction") else -1.0,
                  names=("teacher_fit",))
    found, closed = phase.cells(FIGURES["phase"].found(Choice(tmp_path)))
    assert len(found) == 18 and sorted(closed) == [0, 1]
    for cell in found:
        np.testing.assert_allclose(cell.measured, [[90, 80, 1 if cell.fraction == 0.5 else -1]] * 2)
        np.testing.assert_allclose(cell.predicted, -2)
    assert phase.agreement(found, 0) == phase.agreement(found, 1)
    low, high = share_interval(np.arange(36) < 30, np.arange(36) % 2)
    figure = FIGURES["phase"].draw(Choice(tmp_path))
    assert f"sign of 30 of 36 measured gains (83 % [{100 * low:.0f}, {100 * high:.0f}])" in shown_in(figure)
    text = FIGURES["phase"].page(FIGURES["phase"].found(Choice(tmp_path)))
    traces = json.loads(re.search(r'newPlot\("phase", (.*), layout,', text)[1])
    bands, points = ([trace for trace in traces if trace["type"] == kind] for kind in ("heatmap", "scatter"))
    assert len(bands) == 6 and [len(trace["x"]) for trace in points] == [30, 6]
    assert points[0]["text"][0] == (
        "<b>cnn_fashion_mnist_noisy@data.label_noise=0,student.epochs=5,teacher.epochs=5</b>, seed 0<br>"
        "gain on test: -1.00 points<br>labels right: teacher 90.0 %, student 80.0 %<br>"
        "closed form: -2.00 trained as long, -2.00 at the student's own fit")
    assert all(len(trace["z"][0]) == len(trace["x"]) and len(trace["y"]) == 2 for trace in bands)
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
    assert "The student gains +0.5 to +0.5 points" in shown_in(figure)
    (row,) = TABLES["table_phase"].draw(Choice(tmp_path)).rows
    assert row[4:] == ("0.50", NONE, NONE, "1")
    write_closed_form(tmp_path, 1)  # of another seed: other labels
    assert TABLES["table_phase"].draw(Choice(tmp_path)).rows[0][5] == NONE
    with pytest.raises(Unusable, match=r"with: python -m validation.study teacher_fit && python -m .* closed_form$"):
        FIGURES["phase"].draw(Choice(tmp_path / "nowhere"))


def test_a_gain_of_exactly_nothing_has_no_sign_to_agree(tmp_path):
    write_variant(tmp_path, variants("teacher_fit")["0.2", "60 epochs"], 0, 0.0)
    write_closed_form(tmp_path, 0)
    assert phase.agreement(phase.cells(FIGURES["phase"].found(Choice(tmp_path)))[0], 0)[:2] == (0, 0)
    assert "sign of 0 of 0 measured gains" in shown_in(FIGURES["phase"].draw(Choice(tmp_path)))


def test_mislabelled_images_are_set_apart_and_gains_are_shown_by_noise(tmp_path):
    write_studies(tmp_path, names=("noisy_labels",))
    figure = FIGURES["fig4a"].draw(Choice(tmp_path))
    *scatters, gains = figure.axes
    assert [ax.get_title().split()[0] for ax in scatters] == ["10%", "20%", "40%"]
    assert [[len(points.get_offsets()) for points in ax.collections] for ax in scatters] == [
        [45, 3, 2], [40, 5, 5], [30, 10, 10]]
    assert "underfits 70.0 % of the mislabelled points that its unsure teacher has fitted" in shown_in(figure)
    check_whole(figure)
    np.testing.assert_allclose(gains.get_lines()[0].get_ydata(), [1, 2])
    with pytest.raises(Unusable, match=r"on stand-in data with: python -m validation.study noisy_labels$"):
        FIGURES["fig4a"].draw(Choice(tmp_path / "nowhere"))


def test_switched_losses_are_shown_by_when_next_to_the_closed_form(tmp_path):
    losses = {(teacher, loss): variant for (teacher, loss), variant in variants("loss_switching").items()
              if teacher == "half the data" and loss in ("distilled", "distilled to one_hot at 75%")}
    paths = {loss: [write_variant(tmp_path, variant, seed, -1.0 if loss == "distilled" else 1.0) for seed in (0, 1)]
             for (_, loss), variant in losses.items()}
    over_time, by_share = (FIGURES[name].draw(Choice(tmp_path)) for name in ("fig4b", "loss_switching"))
    for figure in (over_time, by_share):
        check_whole(figure)
        assert [ax.get_title() for ax in figure.axes] == ["teacher: half the data (fits 90\u00a0% of the labels)"]
        assert "changes the student by +2.00 [2.00, 2.00] points (half the data, at 75%)" in shown_in(figure)
    assert [list(line.get_ydata()) for line in over_time.axes[0].get_lines()[:2]] == [
        pytest.approx([54, 64, 74]), pytest.approx([66, 76])]  # from the last epoch before the switch
    assert not [line for line in by_share.axes[0].get_lines() if line.get_marker() == "x"]
    for seed in (0, 1):
        write_closed_form(tmp_path, seed)
    [by_share] = FIGURES["loss_switching"].draw(Choice(tmp_path)).axes
    crosses = {line.get_xdata()[0]: line.get_ydata()[0] for line in by_share.get_lines() if line.get_marker() == "x"
               and len(line.get_xdata())}
    assert crosses == {102: pytest.approx(-2), 73.8: pytest.approx(0)}
    def exactly(points):
        return f"{points:.2f} [{points:.2f}, {points:.2f}]"

    assert TABLES["table_switching"].draw(Choice(tmp_path)).rows == (
        ("half the data", "distilled", exactly(74), exactly(-1), NONE, NONE, exactly(-2), "2"),
        ("half the data", "distilled to one_hot at 75%", exactly(76), exactly(1), exactly(2), NONE, exactly(0), "2"))
    for folder in paths["distilled to one_hot at 75%"]:
        (folder / "metrics.jsonl").unlink()
    with pytest.raises(Unusable, match=r"seed0 has no metrics.jsonl; make them with: .*; on stand-in data with: .*"
                                       r"study loss_switching$"):
        FIGURES["fig4b"].draw(Choice(tmp_path))
    assert FIGURES["loss_switching"].status(Choice(tmp_path)).kind == "drawn"
    with pytest.raises(Unusable, match=r"with: python -m validation.study loss_switching && python -m .* closed_form$"):
        FIGURES["loss_switching"].draw(Choice(tmp_path / "nowhere"))


def test_a_teacher_without_a_switched_student_has_no_panel(tmp_path):
    by_loss = variants("loss_switching")
    for key in (("interpolating", "distilled"), ("half the data", "distilled"),
                ("half the data", "one_hot to distilled at 25%")):
        write_variant(tmp_path, by_loss[key], 0, 1.0)
    [ax] = FIGURES["fig4b"].draw(Choice(tmp_path)).axes
    assert ax.get_title().startswith("teacher: half the data ")
    assert FIGURES["fig24"].status(Choice(tmp_path)).kind == "missing"
    write_variant(tmp_path, by_loss["stopped after 15 epochs", "distilled to one_hot at 25%"], 0, 1.0)
    figure = FIGURES["fig24"].draw(Choice(tmp_path))
    [ax] = figure.axes
    assert ax.get_title().startswith("teacher: stopped after 15 epochs ")


def test_gradual_switches_and_longer_students_are_drawn_and_in_the_table(tmp_path):
    for name, losses in (("loss_switching", ("distilled", "one_hot", "distilled to one_hot at 50%")),
                         ("loss_switching_gradual", ("distilled to one_hot at 50% over 25%",)),
                         ("loss_switching_long", ("distilled", "distilled to one_hot at epoch 45"))):
        for loss in losses:
            write_variant(tmp_path, variants(name)["interpolating", loss], 0, 1.0)
    figure = FIGURES["fig24"].draw(Choice(tmp_path))
    check_whole(figure)
    assert [ax.get_title().partition(" (")[0].replace("\n", " ") for ax in figure.axes] == [
        "teacher: interpolating", "teacher: interpolating, student trained three times as long"]
    assert len(figure.axes[0].get_lines()) == 4  # the sudden switch is left to Fig. 4b, the last one is the teacher
    assert "(interpolating, at 50% over 25%)" in shown_in(figure)
    rows = {row[:2]: row[2:] for row in TABLES["table_switching"].draw(Choice(tmp_path)).rows}
    long = "interpolating, student trained three times as long"
    assert {loss for teacher, loss in rows if teacher == long} == {"distilled", "distilled to one_hot at epoch 45"}
    assert rows["interpolating", "distilled to one_hot at 50% over 25%"][2] == "0.00"
    assert rows[long, "distilled to one_hot at epoch 45"][2] == "0.00"
    write_closed_form(tmp_path, 0)
    rows = {row[:2]: row[2:] for row in TABLES["table_switching"].draw(Choice(tmp_path)).rows}
    assert rows[long, "distilled"][4] == NONE and rows["interpolating", "distilled"][4] != NONE


def test_a_curve_begins_at_its_switch():
    lines = [{"epoch": epoch, "step": 100 * epoch} for epoch in (5, 10, 15, 20)]
    begins = {"distilled": 5, "distilled to one_hot at 50%": 10, "distilled to one_hot at 25% over 25%": 5,
              "one_hot to distilled at epoch 17": 15, "one_hot to distilled at step 1500 over 100 steps": 15}
    assert {loss: switching.since(loss, lines)[0]["epoch"] for loss in begins} == begins


def test_switches_at_a_step_are_those_of_the_papers_settings(tmp_path):
    """Fig. 24 of CIFAR-100 needs the registered settings with their switch at 15,000 steps, next to the plain one."""
    for setting in ("resnet_cifar100", "resnet_cifar100_to_one_hot", "resnet_cifar100_to_distillation"):
        write_variant(tmp_path, Variant(setting, {}, (setting,)), 0, 1.0)
    [ax] = FIGURES["fig24"].draw(Choice(tmp_path)).axes
    assert list(legend_of(ax)) == [
        "distilled throughout", "distilled to one-hot", "one-hot to distilled", "the teacher"]
    assert switching.split("distilled to one_hot at step 15000 over 1000 steps") == ("distilled to one_hot", 100)
    assert switching.split("one_hot to distilled at 25%") == ("one_hot to distilled", 25)
    assert switching.split("distilled") == ("distilled", None)


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
