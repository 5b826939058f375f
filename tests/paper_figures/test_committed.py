"""The records that come with a checkout: all that the pages tell of, of settings as they are, of trained students."""

import json
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest

import paper_figures.__main__ as command
from paper_figures import records
from validation.function_space.study import AWAY, Study
from validation.record import COMMITTED
from validation.settings import find

RUNS = {"rf_noisy_mnist": 30, "mlp_mnist": 20, **dict.fromkeys(  # seeds of each
    ("rf_noisy_mnist_sgd", "mlp_mnist_sgd", "mlp_mnist_adam_1e-3", "cnn_fashion_mnist", "cnn_fashion_mnist_sgd",
     "resnet8_mnist", "resnet8_digits", "resnet20_digits", "resnet56_digits"), 5)}
STUDIES = {*AWAY, *(Study(width=width, loss=loss) for width in (64, 256, 1024, 4096)
                    for loss in ("squared", "cross_entropy"))}
FOLDERS = sorted(result.parent.relative_to(COMMITTED) for result in COMMITTED.rglob("result.json"))


def read(folder, name):
    return json.loads((COMMITTED / folder / name).read_text())


def folders(*, function_space):
    return [folder for folder in FOLDERS if (folder.parts[0] == "function_space") == function_space]


def test_there_is_a_record_of_every_seed_that_the_pages_tell_of():
    assert Counter(str(folder.parent) for folder in FOLDERS) == RUNS | {
        study.name.removesuffix("/seed0"): 5 for study in STUDIES}


@pytest.mark.parametrize("name", RUNS)
def test_runs_are_of_settings_as_they_are_and_their_students_have_learned(name):
    """A student that ends at chance measures nothing of the theory."""
    seeds = [folder for folder in folders(function_space=False) if folder.parent.name == name]
    assert len(seeds) == RUNS[name]
    for folder in seeds:
        run = records.Run(COMMITTED / folder, read(folder, "result.json"))
        assert (run.field("setting"), f"seed{run.field('seed')}") == (name, folder.name)
        assert not run.field("smoke") and not run.field("dirty")
        assert records.changed(run, find(name)) == []
        accuracy = run.field("accuracy", "train")
        assert accuracy["distilled"] > 0.7 * accuracy["teacher"], folder
        if folder.name == "seed0":
            assert len(run.arrays("outputs.npz", "student_test")[0]) == run.field("deviation", "test", "points")


def test_studies_of_function_space_are_what_their_folders_say():
    assert len(folders(function_space=True)) == 75
    for folder in folders(function_space=True):
        study, result = Study(**read(folder, "config.json")), read(folder, "result.json")
        assert study.name == str(folder) and result.items() >= asdict(study).items()
        assert not result["smoke"] and not result["dirty"] and result["exact"] == study.exact
        assert all(0 < result["drift"][role] < 0.5 for role in ("teacher", "student")), folder


def test_students_in_function_space_have_learned():
    """Most of what their teacher has learned of the targets' square."""
    seen = [folder for folder in folders(function_space=True) if (COMMITTED / folder / "gains.npz").exists()]
    assert {folder.name for folder in seen} == {"seed0"} and len(seen) == len(STUDIES)
    for folder in seen:
        with np.load(COMMITTED / folder / "gains.npz") as stored:
            learned = {role: stored["size"] ** 2 @ stored[f"measured_{role}"] for role in ("teacher", "student")}
            assert learned["teacher"] > 0.5 * stored["size"] @ stored["size"]
        assert learned["student"] > 0.6 * learned["teacher"], folder


def test_what_is_committed_is_enough_to_draw_all_that_has_been_run(tmp_path, monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr(command, "save", lambda made, name, out: drawn.append(name))
    names = ["rf_noisy_mnist", "mlp_mnist", "mlp_mnist_two", "mlp_mnist_deeper", "cnn_fashion_mnist", "exaggeration",
             "mislabelled", "confidence", "gains", "gains_over_time", "gains_away", "table_eigenspace", "table_gains"]
    places = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "figures")]
    assert command.main([*names, *places]) == 0 and drawn == names
    assert command.main(["mlp_mnist", "--seed", "3", *places]) == 1
    said = capsys.readouterr().err
    assert "the records that come with a checkout have the arrays of their lowest seed alone" in said
    assert said.strip().endswith("make it with: python -m validation.run mlp_mnist --seeds 3")
