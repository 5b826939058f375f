"""Studies: what they vary, what they reuse, and the table that they end in, in each format."""

import csv
import hashlib
import json

import pytest

import validation.runs
from eigenkd._intervals import PERCENT, t_interval
from validation import sealed
from validation import study as command
from validation.address import same
from validation.errors import UsageError
from validation.settings import find
from validation.studies import STUDIES, Study, quantities
from validation.studies.study import Quantity

EPOCHS = ("teacher.epochs", "student.epochs")
SMALL = Study("small", "a small study", ("mlp_mnist",), vary={"model.hidden": (4, 6), EPOCHS: (1,)}, seeds=(0, 1),
              quantities=(quantities.accuracy("teacher"), quantities.gain(), quantities.pairs("linear1"),
                          Quantity("nothing", lambda result: None)))


@pytest.fixture
def small(monkeypatch, tmp_path, capsys):
    """small(*arguments) -> (exit code, standard output, standard error) of the small study, without committed runs."""
    monkeypatch.setitem(STUDIES, "small", SMALL)
    monkeypatch.setattr(validation.runs, "COMMITTED", tmp_path / "nothing")

    def call(*arguments):
        code = command.main(["small", "--out", str(tmp_path / "runs"), "--data-dir", str(tmp_path), *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_every_study_is_of_settings_and_values_that_there_are():
    assert STUDIES
    for name, study in STUDIES.items():
        assert study.name == name and study.quantities and study.seeds
        variants = study.variants()
        assert len({(variant.setting, str(variant.values)) for variant in variants}) == len(variants) > 0
        for variant in variants:
            configuration = variant.apply().configuration()
            for dotted, value in variant.values.items():
                found = configuration
                for key in dotted.split("."):
                    found = found[key]
                assert same(found, value)
            assert len(variant.labels) == len(study.header)


def test_names_that_vary_together_take_the_same_value():
    both = SMALL.variants()
    assert [variant.values for variant in both] == [{"model.hidden": hidden, **dict.fromkeys(EPOCHS, 1)}
                                                    for hidden in (4, 6)]
    assert SMALL.header == ("setting", "model.hidden", "teacher.epochs") and both[1].labels == ("mlp_mnist", "6", "1")
    assert both[0].apply().base == find("mlp_mnist")


def test_a_study_runs_what_is_missing_and_ends_in_a_table(small, tmp_path):
    code, out, _ = small("--dry-run")
    assert code == 0 and "4 of 4 runs missing" in out and not (tmp_path / "runs").exists()
    assert small("--seeds", "0", "--at-once", "1")[0] == 0
    code, out, _ = small("--dry-run")
    assert "2 of 4 runs missing" in out and out.count(": there") == 2 and out.count("would run") == 2
    assert small("--at-once", "2")[0] == 0
    assert "0 of 4 runs missing" in small("--dry-run")[1]

    code, out, _ = small("--json")
    data = json.loads(out)
    assert code == 0 and [variant["values"]["model.hidden"] for variant in data["variants"]] == [4, 6]
    for variant in data["variants"]:
        found = validation.runs.find("mlp_mnist", variant["values"], out=tmp_path / "runs")
        values = [100 * run.field("accuracy", "test", "teacher") for run in found]
        told = variant["quantities"]["test accuracy, teacher (%)"]
        assert list(told["by_seed"].values()) == values and list(told["by_seed"]) == ["0", "1"]
        interval = told["mean"], told["low"], told["high"]
        assert interval == pytest.approx(t_interval(values, PERCENT)) and told["seeds"] == 2
        assert variant["quantities"]["nothing"] == {"mean": None, "low": None, "high": None, "seeds": 0,
                                                    "by_seed": {"0": None, "1": None}}

    first, second = (variant["quantities"]["test accuracy, teacher (%)"]["by_seed"] for variant in data["variants"])
    minus = json.loads(small("--json", "--there", "--differences")[1])
    (changed,) = minus["variants"]
    assert data["minus"] is None and minus["minus"]["values"]["model.hidden"] == 4
    assert changed["values"]["model.hidden"] == 6 and changed["quantities"]["nothing"]["seeds"] == 0
    assert changed["quantities"]["test accuracy, teacher (%)"]["by_seed"] == {
        seed: second[seed] - first[seed] for seed in first}
    assert "of the differences from mlp_mnist, 4, 1, seed by seed" in small("--there", "--differences")[1]

    _, text, _ = small()
    lines = text.splitlines()
    assert lines[0].split()[:3] == ["setting", "model.hidden", "teacher.epochs"] and lines[0].endswith("seeds")
    mean = told["mean"]
    assert lines[3].split()[:3] == ["mlp_mnist", "6", "1"] and f"{mean:.2f} [" in lines[3] and "–" in lines[3]
    _, markdown, _ = small("--format", "markdown")
    assert markdown.startswith("| setting | model.hidden |")
    _, comma, _ = small("--format", "csv")
    header, _, last = csv.reader(comma.splitlines())
    assert header[3:6] == ["test accuracy, teacher (%)", "test accuracy, teacher (%) low",
                           "test accuracy, teacher (%) high"] and float(last[3]) == pytest.approx(mean)


def test_seeds_of_the_records_complete_those_of_the_run_folders(small, tmp_path):
    _, whole, _ = small("--json", "--at-once", "1")
    for folder in (tmp_path / "runs").glob("mlp_mnist@*/seed1"):
        kept = tmp_path / "nothing" / folder.parent.name / folder.name
        kept.parent.mkdir(parents=True)
        folder.rename(kept)
    assert "0 of 4 runs missing" in small("--dry-run")[1]
    assert small("--json")[1] == small("--json", "--there")[1] == whole
    for path in (tmp_path / "nothing").glob("*/seed1/config.json"):
        rewritten(path, data_source="other data")
    assert "2 of 4 runs missing" in small("--dry-run")[1]


def rewritten(path, **changes):
    """Changes a config.json, and the digests that cover it."""
    path.write_bytes(sealed.written(sealed.read(path.read_bytes()) | changes))
    result = path.with_name("result.json")
    there = sealed.read(result.read_bytes())
    there["files"]["config.json"] = hashlib.sha256(path.read_bytes()).hexdigest()
    result.write_bytes(sealed.written(there))


def test_mistakes_are_told_before_anything_is_trained(small, monkeypatch, tmp_path, capsys):
    for arguments, message in (
            (["--at-once", "0"], "error: --at-once: expected at least 1, got 0; leave it out"),
            (["--download", "--no-download"], "error: --download: expected it or --no-download"),
            (["--seeds", "0", "x"], "error: --seeds: expected whole numbers, got '0' 'x'; see python -m validation"),
            (["--at-once=many"], "error: --at-once: expected a whole number, got 'many'; see"),
            (["--seeds", "-1"], "error: --seeds: expected")):
        code, out, err = small(*arguments)
        assert code == 2 and out == "" and err.startswith(message), err
    assert command.main(["closed_form", "--differences"]) == 2
    assert capsys.readouterr().err.startswith("error: --differences: expected a study of several variants, got closed_")
    monkeypatch.setitem(STUDIES, "small", Study("small", "", ("mlp_mnist",), SMALL.quantities, {"model.wide": (1,)}))
    code, _, err = small()
    assert code == 2 and "got 'model.wide'" in err and not (tmp_path / "runs").exists()
    assert command.main([]) == command.main(["nothing"]) == 2 and command.main(["--list"]) == 0
    assert "optimisers" in capsys.readouterr().out
    with pytest.raises(UsageError, match="did you mean optimisers"):
        command.find("optimizers")


def test_a_damaged_run_is_named_and_run_again(small, tmp_path):
    _, whole, _ = small("--json", "--at-once", "1")
    folder = next((tmp_path / "runs").glob("mlp_mnist@*/seed0"))
    content = bytearray((folder / "result.json").read_bytes())
    content[content.index(b'"distilled": 0.') + 16] ^= 1
    (folder / "result.json").write_bytes(content)
    _, out, err = small("--dry-run")
    why = "its result.json changed since it was written (another SHA-256)"
    assert f"{folder}: would set aside and run again ({why})" in out and f"{folder} is left out: {why}; " in err
    code, again, err = small("--json", "--at-once", "1")
    assert code == 0 and again == whole and "1 to be trained" in err and err.count("is left out") == 1
    assert folder.with_name("previous-seed0").exists()


def test_values_may_have_labels_of_their_own():
    study = Study("grouped", "", ("mlp_mnist",), SMALL.quantities, {
        "model.hidden": (4, 6), "teacher": {"short": dict.fromkeys(EPOCHS, 1), "as it is": {}}})
    assert study.header == ("setting", "model.hidden", "teacher")
    assert [(variant.labels, variant.values) for variant in study.variants()[:2]] == [
        (("mlp_mnist", "4", "short"), {"model.hidden": 4, **dict.fromkeys(EPOCHS, 1)}),
        (("mlp_mnist", "4", "as it is"), {"model.hidden": 4})]


def test_what_is_there_is_shown_without_training(small, tmp_path):
    code, out, err = small("--there")
    assert code == 0 and not (tmp_path / "runs").exists()
    assert "0 of 4 runs are there, 4 missing" in err
    assert [line.split()[-1] for line in out.splitlines()[2:4]] == ["0", "0"] and "Data: none." in out
    assert small("--seeds", "0", "--at-once", "1")[0] == 0
    code, out, _ = small("--there", "--format", "csv")
    assert code == 0 and [row[-1] for row in csv.reader(out.splitlines())] == ["seeds", "1", "1"]


def test_a_result_of_before_a_quantity_is_named_with_the_fix(small, tmp_path):
    assert small("--seeds", "0", "--at-once", "1")[0] == 0
    folder = next((tmp_path / "runs").glob("mlp_mnist@*hidden=4*/seed0"))
    result = sealed.read((folder / "result.json").read_bytes())
    del result["accuracy"]
    (folder / "result.json").write_bytes(sealed.written(result))
    code, out, err = small("--there")
    assert code == 2 and out == ""
    assert f"{folder / 'result.json'} has no field 'accuracy', which 'test accuracy, teacher (%)' is read from; " in err
    assert f"compute it with: python -m validation.findings {folder}" in err


def test_many_quantities_of_few_variants_stand_below_one_another(small, monkeypatch):
    many = tuple(Quantity(f"number {k}", lambda result, k=k: float(k)) for k in range(5))
    monkeypatch.setitem(STUDIES, "small", Study("small", "a wide study", ("mlp_mnist",), many, SMALL.vary, (0,)))
    code, out, _ = small("--at-once", "1", "--format", "markdown")
    lines = out.replace("\\_", "_").splitlines()
    assert code == 0 and lines[0] == "| setting | mlp_mnist | mlp_mnist |" and lines[2] == "| model.hidden | 4 | 6 |"
    assert lines[4] == "| number 0 | 0.00 | 0.00 |" and lines[9] == "| seeds | 1 | 1 |"
