"""Each one-hot training is done once: found again by what decides it, checked, and done anew where it should be."""

import json

import pytest

from validation import run, teachers
from validation.settings import find


@pytest.fixture
def smoke(tmp_path, capsys):
    """smoke(*arguments) -> standard error of a smoke run that has to succeed, run folders in tmp_path."""

    def call(*arguments):
        assert run.main([*map(str, arguments), "--smoke", "--out", str(tmp_path)]) == 0
        return capsys.readouterr().err

    return call


def trained(err):
    """The roles of the networks that were trained, in order."""
    return [line.split(":")[0].strip() for line in err.splitlines() if ": epoch " in line]


def folders(tmp_path):
    return sorted(path.name for path in (tmp_path / "teachers").iterdir())


def test_students_of_one_teacher_share_it(smoke, tmp_path):
    assert trained(smoke("resnet8_mnist")) == ["teacher", "student"]
    assert trained(smoke("resnet20_resnet8_mnist")) == ["teacher", "student"]  # its one-hot ResNet-8 is there
    assert trained(smoke("resnet20_mnist")) == ["student"]  # the ResNet-20 is there
    assert len(folders(tmp_path)) == 2
    results = {name: json.loads((tmp_path / f"{name}@smoke=true/seed0/result.json").read_text())
               for name in ("resnet20_resnet8_mnist", "resnet20_mnist", "resnet8_mnist")}
    both, twenty, eight = results.values()
    assert both["teachers"] == {"teacher": twenty["teachers"]["teacher"], "one_hot": eight["teachers"]["teacher"]}
    assert both["accuracy"]["test"]["one_hot"] == eight["accuracy"]["test"]["teacher"]
    assert twenty["accuracy"]["test"]["one_hot"] == twenty["accuracy"]["test"]["teacher"]
    lines = (tmp_path / "resnet20_mnist@smoke=true/seed0/metrics.jsonl").read_text().splitlines()
    log = [json.loads(line) for line in lines]
    assert [line["role"] for line in log] == ["teacher", "student"]


def test_a_teacher_of_which_more_layers_were_recorded_serves_and_another_one_stays_where_it_is(smoke, tmp_path):
    """What is recorded decides no numbers: a teacher with more serves, one with less gets a neighbour."""
    smoke("resnet8_digits", "--analysis.layers", "stem")
    assert trained(smoke("resnet8_digits", "--analysis.layers")) == ["student"]
    again = smoke("resnet8_digits", "--analysis.layers", "stem", "classifier.linear")
    assert trained(again) == ["teacher", "student"] and "moves to" not in again
    assert trained(smoke("resnet8_digits", "--analysis.layers", "classifier.linear")) == ["student"]
    one, other = folders(tmp_path)
    assert one.split("-")[0] == other.split("-")[0]
    weights = {(tmp_path / "teachers" / name / "weights.safetensors").read_bytes() for name in (one, other)}
    assert len(weights) == 1


def test_another_seed_recipe_or_data_is_another_teacher_another_student_is_not(smoke, tmp_path):
    smoke("resnet8_digits")
    for changed in (["--student.batch-size", 8], ["--student.loss.temperature", 2], ["--student.optimiser", "sgd"]):
        assert "teacher" not in trained(smoke("resnet8_digits", *changed))
    for changed in (["--seeds", 1], ["--teacher.weight-decay", 0], ["--data.label-noise", 0.1], ["--model.depth", 14],
                    ["--precision", "bf16"]):
        assert trained(smoke("resnet8_digits", *changed)) == ["teacher", "student"]
    assert len(folders(tmp_path)) == 6


@pytest.mark.parametrize("name", ["weights.safetensors", "outputs.npz", "metrics.jsonl"])
def test_a_teacher_that_was_changed_is_trained_again_aloud(smoke, tmp_path, name):
    smoke("resnet8_digits")
    (folder,) = (tmp_path / "teachers").iterdir()
    content = bytearray((folder / name).read_bytes())
    whole = bytes(content)
    content[-20] ^= 1
    (folder / name).write_bytes(content)
    err = smoke("resnet8_digits", "--student.batch-size", 8)
    assert f"WARNING: the network in {folder} cannot be used: its {name} changed since it was written" in err
    assert trained(err) == ["teacher", "student"]
    assert (folder / name).read_bytes() == whole
    assert folders(tmp_path) == sorted([folder.name, f"previous-{folder.name}"])


def test_a_teacher_of_another_version_is_trained_again_aloud(smoke, tmp_path):
    smoke("resnet8_digits")
    (path,) = (tmp_path / "teachers").glob("*/result.json")
    result = json.loads(path.read_text())
    path.write_text(json.dumps({key: result[key] for key in result if key not in ("schema", "sha256")}))
    err = smoke("resnet8_digits", "--student.batch-size", 8)
    assert "it was made by an older version (schema 1, this one reads 3); it moves to" in err
    assert trained(err) == ["teacher", "student"]


def test_no_resume_trains_the_teacher_again_but_once_a_command(smoke, tmp_path):
    smoke("resnet8_mnist")
    err = smoke("resnet8_mnist", "resnet20_resnet8_mnist", "--no-resume")
    assert trained(err) == ["teacher", "student", "teacher", "student"]  # the ResNet-8 was new by then
    assert len([name for name in folders(tmp_path) if name.startswith("previous-")]) == 1


def test_a_teachers_result_says_smoke_and_what_it_is(smoke, tmp_path):
    smoke("resnet8_digits")
    (folder,) = (tmp_path / "teachers").iterdir()
    result = json.loads((folder / "result.json").read_text())
    assert result["smoke"] is True and result["kind"] == "one-hot training" and result["seed"] == 0
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "metrics.jsonl", "outputs.npz",
                                                              "result.json", "trajectory.npz", "weights.safetensors"]
    assert result["files"].keys() == {"config.json", "metrics.jsonl", "outputs.npz", "trajectory.npz",
                                      "weights.safetensors"}


def test_the_paper_s_students_share_their_teachers():
    """By configuration alone: the rows of Table 2 that have the same teacher name the same folder."""

    def folder(name, role="teacher"):
        setting = find(name).configuration() | {"seed": 0, "smoke": False, "data_source": "it"}
        return teachers.folder_of("runs", teachers.configurations(setting)[role]).name.split("-")[0]

    assert folder("resnet_cifar100") == folder("resnet56_resnet20_cifar100") == folder("resnet56_mobilenet_cifar100")
    assert folder("resnet56_mobilenet_cifar100", "one_hot") == folder("mobilenet_cifar100")
    assert folder("resnet_imagenet") == folder("resnet_imagenet_early") == folder("resnet_imagenet_late")
    assert len({folder(name) for name in ("resnet_cifar100", "resnet_cifar100_v2", "resnet_cifar100_noisy",
                                          "resnet_cifar10", "resnet_cifar100_half_teacher")}) == 5


def test_the_one_hot_student_is_trained_on_all_examples_whatever_the_teachers_share(smoke, tmp_path):
    """So that it is the teacher of the setting in which its network is taught everything, to the same bits."""
    smoke("resnet8_mnist")
    (eight,) = (tmp_path / "teachers").iterdir()
    weights = (eight / "weights.safetensors").read_bytes()
    half = ("resnet20_resnet8_mnist", "--data.teacher-fraction", 0.5)
    assert trained(smoke(*half)) == ["teacher", "student"]  # its one-hot ResNet-8 is there
    assert trained(smoke("resnet20_mnist")) == ["teacher", "student"]  # that ResNet-20 was taught one half
    assert trained(smoke(*half, "--no-resume")) == ["teacher", "one_hot", "student"]
    result = json.loads(next(tmp_path.glob("resnet20_resnet8_mnist@*/seed0/result.json")).read_text())
    assert result["teachers"]["one_hot"].split("-")[0] == f"teachers/{eight.name.split('-')[0]}"
    assert (eight / "weights.safetensors").read_bytes() == weights


def test_a_student_of_its_teachers_network_does_not_take_its_teachers_folder(smoke, tmp_path):
    smoke("resnet8_digits", "--data.teacher-fraction", 0.5, "--student-model", "resnet", "--student-model.depth", 8)
    (log,) = tmp_path.glob("resnet8_digits@*/seed0/metrics.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["role"] for line in lines] == ["teacher", "one_hot", "student"] and len(folders(tmp_path)) == 2


def test_a_one_hot_student_that_diverges_is_blamed_on_its_own_flag(tmp_path, capsys):
    assert run.main(["mlp_mnist", "--student-model", "mlp", "--student-model.hidden", "20", "--student.optimiser",
                     "sgd", "--student.learning-rate", "1e30", "--smoke", "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: --student.learning-rate: expected a finite loss") and "than 1e+30" in error


def test_last_and_best_epoch_stand_apart():
    log = [{"role": "teacher", "epoch": epoch, "step": 10 * epoch, "loss": 1.0, "train_accuracy": 0.9,
            "test_accuracy": accuracy} for epoch, accuracy in enumerate((0.2, 0.7, 0.7, 0.6), start=1)]
    ends = teachers.ends(log)
    assert (ends["best"]["epoch"], ends["best"]["test_accuracy"]) == (2, 0.7)
    assert (ends["last"]["epoch"], ends["last"]["test_accuracy"]) == (4, 0.6)
