"""The committed records: every result that the docs report, of unchanged settings, with trained students."""

import warnings
from collections import Counter
from dataclasses import asdict, replace

import pytest

import paper_figures.__main__ as command
import validation.runs
from paper_figures import FIGURES, TABLES
from paper_figures.choice import Choice
from validation.address import address
from validation.function_space.setting import AWAY, FUNCTION_SPACE, FunctionSpace
from validation.record import COMMITTED
from validation.runs import ANY, LeftOut, as_it_stands, find
from validation.studies import STUDIES

RUNS = {"rf_noisy_mnist": 30, "mlp_mnist": 20, **dict.fromkeys(  # seeds of each
    ("rf_noisy_mnist_sgd", "mlp_mnist_sgd", "mlp_mnist_adam_1e-3", "cnn_fashion_mnist", "cnn_fashion_mnist_sgd",
     "resnet8_mnist", "resnet8_digits", "resnet20_digits", "resnet56_digits"), 5)}
VARIED = ("noisy_labels", "teacher_fit", "loss_switching", "loss_switching_gradual", "loss_switching_long",
          "intervention", "ablations", "closed_form", "language", "language_models")  # of which there are records
WITHOUT_ARRAYS = ("cnn_fashion_mnist_sgd",)
WHOLE = ("noisy_labels", "label_class", "teacher_fit", "loss_switching", "intervention", "ablations", "language",
         "language_models")  # all of their runs
FUNCTION_SPACES = {*AWAY, *(FunctionSpace(width=width, loss=loss) for width in (64, 256, 1024, 4096)
                            for loss in ("squared", "cross_entropy"))}


@pytest.fixture(autouse=True)
def committed(monkeypatch):
    monkeypatch.setattr(validation.runs, "COMMITTED", COMMITTED)


@pytest.fixture
def found():
    """All records; each must have the current schema and be readable."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", LeftOut)
        return [run for name in validation.runs.REGISTERED for run in find(name, ANY, out="nowhere")]


def test_every_record_is_found_in_the_folder_of_its_configuration(found):
    assert sorted(run.folder for run in found) == sorted(COMMITTED.glob("*/seed*"))
    changed = {variant.setting: [] for study in VARIED for variant in STUDIES[study].variants()}
    for run in found:
        setting = validation.runs.REGISTERED[run.value("setting")]
        assert run.folder == COMMITTED / address(setting.name, run.configuration, as_it_stands(setting), run.seed)
        assert not run.field("smoke") and not run.checks
        changed.get(setting.name, []).append(run.folder)
        assert run.name == setting.name or setting is FUNCTION_SPACE or setting.name in changed
    assert Counter(run.value("setting") for run in found if run.value("setting") not in changed) == RUNS | {
        "function_space": 5 * len(FUNCTION_SPACES)}
    varied = {run.folder for study in VARIED for variant in STUDIES[study].variants()
              for run in find(variant.setting, variant.values, out="nowhere")}
    assert {folder for folders in changed.values() for folder in folders} == varied


@pytest.mark.parametrize("name", WHOLE)
def test_a_study_is_whole(name):
    study = STUDIES[name]
    for variant in study.variants():
        assert [run.seed for run in find(variant.setting, variant.values, out="nowhere")] == list(study.seeds), variant


@pytest.mark.parametrize("name", RUNS)
def test_records_are_of_unchanged_settings_and_their_students_have_learned(name):
    """A student at chance measures nothing of the theory."""
    seeds = find(name, out="nowhere")
    assert len(seeds) == RUNS[name]
    for run in seeds:
        accuracy = run.field("accuracy", "train")
        assert accuracy["distilled"] > 0.7 * accuracy["teacher"], run.folder
        if run.seed == 0 and name not in WITHOUT_ARRAYS:
            assert len(run.arrays("outputs.npz", "student_train")[0]) == run.field("deviation", "train", "points")


def test_function_space_records_match_their_folder_names():
    studies = find("function_space", ANY, out="nowhere")
    assert len(studies) == 5 * len(FUNCTION_SPACES) == 75
    for run in studies:
        study = FunctionSpace(**{name: run.value(name) for name in asdict(FUNCTION_SPACE)})
        assert study in {replace(one, seed=run.seed) for one in FUNCTION_SPACES} and run.field("exact") == study.exact
        assert all(0 < run.field("drift", role) < 0.5 for role in ("teacher", "student")), run.folder


def test_students_in_function_space_have_learned():
    """Each student has learned more than 60 % of the squared targets that its teacher has learned."""
    seen = find("function_space", ANY, seeds=0, out="nowhere")
    assert len(seen) == len(FUNCTION_SPACES)
    for run in seen:
        size, teacher, student = run.arrays("gains.npz", "size", "measured_teacher", "measured_student")
        assert size**2 @ teacher > 0.5 * size @ size
        assert size**2 @ student > 0.6 * (size**2 @ teacher), run.folder


def test_the_committed_records_suffice_for_all_their_figures(tmp_path, capsys):
    (tmp_path / "runs").mkdir()
    choice = Choice(tmp_path / "runs")
    for name in ("fig1b", "fig17", "fig18", "fig19", "fig20", "fig21", "fig22", "fig23", "fig4a", "exaggeration",
                 "gains", "gains_over_time", "gains_away", "phase", "tokens", "loss_switching", "confidence_mnist",
                 "confidence_digits"):
        assert FIGURES[name].status(choice).kind in ("drawn", "in part", "stand-in"), name
    for name in ("table2", "table3", "table_eigenspace", "table_gains", "table_phase", "table_tokens"):
        assert TABLES[name].draw(choice).rows
    places = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "figures")]
    assert command.main(["mlp_mnist", "--seed", "3", *places]) == 1
    said = capsys.readouterr().err
    assert "mlp_mnist/seed3 has no trajectory.npz: of the records, only the lowest seed has all files" in said
    assert said.strip().endswith("make them with: python -m validation.run mlp_mnist --seeds 3")
