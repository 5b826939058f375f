"""The output of --list and --dry-run."""

import json
import re
import shlex

import pytest

from validation.settings import SETTINGS

from .running import ROOT

COMMANDS = [command for page in ("README.md", "docs/image_settings.md") for command in re.findall(
    r"^(?:\$ )?python -m validation.run (.*)$", (ROOT / page).read_text(), re.MULTILINE)]


def test_list_names_every_setting(command):
    code, out, _ = command("--list")
    lines = [line for line in out.splitlines() if line.startswith("  ")]
    rows = [line.split() for line in lines if not line.startswith(("  NAME", "  -"))]
    assert code == 0 and sorted(row[0] for row in rows) == sorted(SETTINGS)
    code, out, _ = command("--list", "--json")
    listed = json.loads(out)
    assert code == 0 and [setting["name"] for setting in listed] == list(SETTINGS)
    assert all(setting["configuration"]["setting"] == setting["name"] for setting in listed)


def test_list_groups_by_data_set_and_marks_estimates(command):
    code, out, _ = command("--list", "--no-download")
    heads = [line for line in out.splitlines() if line and not line.startswith((" ", "*"))]
    assert code == 0 and [head.split()[0] for head in heads] == list(dict.fromkeys(
        setting.data.set.name for setting in SETTINGS.values()))
    assert "cifar100 (169 MB): missing, see --dry-run" in heads
    (line,) = [line for line in out.splitlines() if line.startswith("  resnet56_resnet20_cifar100 ")]
    assert "ResNet-56 to ResNet-20" in line and line.count("*") == 2 and out.splitlines()[-1].startswith("* estimated")
    (line,) = [line for line in out.splitlines() if line.startswith("  mlp_mnist ")]
    assert "4 s " in line and "*" not in line
    _, out, _ = command("resnet8_digits", "--list")
    assert "resnet8_digits" in out and "cifar" not in out


def test_dry_run_of_an_image_setting_shows_size_time_and_missing_data(command, tmp_path):
    code, out, _ = command("resnet56_resnet20_cifar100", "--dry-run", "--no-download", "--teacher.epochs", 45,
                           "--scale-schedule")
    assert code == 0 and "parameters: 861,428 trained, 0 fixed; student's: 278,132" in out
    assert "data: MISSING: --no-download: expected CIFAR-100 in" in out and "; for the unchanged setting)" in out
    assert "  seed 0: cannot run before what is MISSING is there, " in out
    assert any("teacher.weight_decay" in line and "a guess:" in line for line in out.splitlines())
    _, out, _ = command("resnet56_resnet20_cifar100", "--dry-run", "--no-download", "--json")
    (plan,) = json.loads(out)
    assert plan["steps"] == {"teacher": 21_600, "student": 21_600}
    assert plan["over_epochs"]["teacher's learning rate"][:2] == [
        {"first": 0, "last": 15, "start": 0, "end": 1, "shape": "linear"},
        {"first": 15, "last": 200, "start": 1, "end": 1, "shape": "constant"}]
    assert plan["data"]["missing"] and plan["expected"]["measured"] == [] and plan["expected"]["gpu"] > 60
    # 60,000 logits of 100 classes for three networks and the student's weights; the teacher; two checkpoints.
    assert plan["megabytes"] == {"run": 73, "teacher": 27, "checkpoints": 14} and not (tmp_path / "runs").exists()
    _, out, _ = command("resnet56_resnet20_cifar100", "--dry-run", "--no-download", "--precision", "fp64", "--json")
    assert json.loads(out)[0]["megabytes"] == {"run": 146, "teacher": 55, "checkpoints": 28}


def test_dry_run_describes_learning_rates_and_loss_weights_over_the_training(command):
    code, out, _ = command("resnet_cifar100_to_one_hot", "--dry-run", "--no-download", "--student.epochs", 45,
                           "--scale-schedule")
    assert code == 0
    assert "  teacher's learning rate: rises from 0 to 1 by epoch 15, 1 until epoch 200, 0.1 until epoch 300" in out
    assert "  student's learning rate: rises from 0 to 1 by epoch 1.5, 1 until epoch 20, 0.1 until epoch 30" in out
    assert "  student's weight of distilled: 1 until epoch 31.25, falls from 1 to 0 by epoch 33.333" in out
    assert "  steps: teacher 21,600, student 2,160" in out


@pytest.mark.parametrize("arguments", COMMANDS)
def test_the_commands_of_the_pages_are_valid(command, arguments):
    code, _, err = command(*shlex.split(arguments, comments=True), "--dry-run")
    assert code == 0, err


def test_the_pages_have_commands():
    assert len(COMMANDS) > 5 and any("--scale-schedule" in arguments for arguments in COMMANDS)
