"""Findings are computed from the saved arrays of a run, and can be recomputed."""

import json

import pytest

from validation import findings, sealed


@pytest.fixture
def run(command, tmp_path):
    """The folder of a run with recorded layers and mislabelled examples."""
    assert command("rf_noisy_mnist", "--smoke")[0] == 0
    return tmp_path / "runs/rf_noisy_mnist@smoke=true/seed0"


def result(run):
    return sealed.read((run / "result.json").read_bytes())


def test_recomputed_findings_equal_those_of_the_run(run, capsys):
    before = (run / "result.json").read_bytes()
    assert findings.main([str(run)]) == 0
    assert capsys.readouterr().out == f"{run}: unchanged\n" and (run / "result.json").read_bytes() == before


def test_differing_findings_are_named_and_corrected(run, capsys):
    right = result(run)
    wrong = json.loads(json.dumps(right))
    wrong["accuracy"]["test"]["distilled"], wrong["seconds"] = 0.5, 7
    del wrong["mislabelled"], wrong["eigenspace"]["head"]["weights"]
    (run / "result.json").write_bytes(sealed.written(wrong))
    assert findings.main([str(run), "--json"]) == 0
    changed = json.loads(capsys.readouterr().out)[str(run)]
    assert "accuracy.test.distilled" in changed and any(name.startswith("mislabelled.") for name in changed)
    assert any(name.startswith("eigenspace.head.weights.") for name in changed) and "seconds" not in changed
    assert result(run) == right | {"seconds": 7}


def test_runs_without_a_result_or_arrays_raise(run, tmp_path, capsys):
    (run / "outputs.npz").unlink()
    assert findings.main([str(run)]) == 2
    assert f"RUN: expected a run with its arrays, got {run} without outputs.npz" in capsys.readouterr().err
    assert findings.main([str(tmp_path / "nowhere")]) == 2
    assert "RUN: expected the folder of a finished run" in capsys.readouterr().err
