"""What is said before anything is run: --list and --dry-run."""

import json

from validation.settings import SETTINGS


def test_list_names_every_setting(command):
    code, out, _ = command("--list")
    lines = [line for line in out.splitlines() if line.startswith("  ")]
    rows = [line.split() for line in lines if not line.startswith(("  NAME", "  -"))]
    assert code == 0 and sorted(row[0] for row in rows) == sorted(SETTINGS)
    code, out, _ = command("--list", "--json")
    listed = json.loads(out)
    assert code == 0 and [setting["name"] for setting in listed] == list(SETTINGS)
    assert all(setting["configuration"]["setting"] == setting["name"] for setting in listed)


def test_list_groups_by_data_set_and_says_what_was_estimated(command):
    code, out, _ = command("--list", "--no-download")
    heads = [line for line in out.splitlines() if line and not line.startswith((" ", "*"))]
    assert code == 0 and [head.split()[0] for head in heads] == list(dict.fromkeys(
        setting.data.name for setting in SETTINGS.values()))
    assert "cifar100 (169 MB): missing, see --dry-run" in heads
    (line,) = [line for line in out.splitlines() if line.startswith("  resnet56_resnet20_cifar100 ")]
    assert "ResNet-56 to ResNet-20" in line and line.count("*") == 2 and out.splitlines()[-1].startswith("* estimated")
    (line,) = [line for line in out.splitlines() if line.startswith("  mlp_mnist ")]
    assert "4 s " in line and "*" not in line
    _, out, _ = command("resnet8_digits", "--list")
    assert "resnet8_digits" in out and "cifar" not in out


def test_dry_run_of_an_image_setting_says_size_time_and_what_is_missing(command, tmp_path):
    code, out, _ = command("resnet56_resnet20_cifar100", "--dry-run", "--no-download", "--teacher.epochs", 2)
    assert code == 0 and "parameters: 861,428 trained, 0 fixed; student's: 278,132" in out
    assert "data: MISSING: --no-download: expected CIFAR-100 in" in out and "without the values changed here" in out
    assert any("teacher.weight_decay" in line and "a guess:" in line for line in out.splitlines())
    _, out, _ = command("resnet56_resnet20_cifar100", "--dry-run", "--no-download", "--json")
    (plan,) = json.loads(out)
    assert plan["data"]["missing"] and plan["expected"]["measured"] == [] and plan["expected"]["gpu"] > 60
    # 60,000 logits of 100 classes for three networks, the student's weights; a teacher's; weights and momenta twice.
    assert plan["megabytes"] == {"run": 73, "teacher": 27, "checkpoints": 14} and not (tmp_path / "runs").exists()
