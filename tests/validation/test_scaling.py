"""--scale-schedule scales the schedule with the number of epochs."""

import json
from dataclasses import replace

import pytest

from validation import run
from validation.errors import UsageError
from validation.settings import find
from validation.settings.scaling import scaled


def parsed(*arguments):
    _, (setting,) = run.parse([*arguments, "--scale-schedule"])
    return setting


def test_decay_epochs_and_warm_up_keep_their_share_of_the_training():
    setting = parsed("resnet_cifar100", "--student.epochs", "45")
    student = setting.student
    assert (student.epochs, student.warmup_epochs, student.decay_epochs) == (45, 1.5, (20, 30, 40))
    assert all(isinstance(epoch, int) for epoch in student.decay_epochs)  # as on the command line
    assert setting.teacher == find("resnet_cifar100").teacher
    assert "student.decay_epochs" not in setting.guesses and "teacher.warmup_epochs" in setting.guesses
    odd = parsed("resnet_cifar100", "--student.epochs", "80").student
    assert (odd.warmup_epochs, odd.decay_epochs) == (2.66667, (35.5556, 53.3333, 71.1111))
    longer = parsed("resnet_cifar100", "--teacher.epochs", "900").teacher
    assert (longer.warmup_epochs, longer.decay_epochs) == (30, (400, 600, 800))


def test_values_from_the_command_line_are_not_scaled():
    student = parsed("resnet_cifar100", "--student.epochs", "45", "--student.decay-epochs", "30", "40").student
    assert (student.warmup_epochs, student.decay_epochs) == (1.5, (30, 40))
    student = parsed("resnet_cifar100_to_one_hot", "--student.epochs", "45", "--student.loss.terms",
                     "distilled to one_hot at step 1500 over 100 steps").student
    assert student.loss.terms == "distilled to one_hot at step 1500 over 100 steps" and student.warmup_epochs == 1.5
    student = parsed("resnet_cifar100_to_one_hot", "--student.epochs", "45", "--student.loss.temperature", "2").student
    assert (student.loss.terms, student.loss.temperature) == ("distilled to one_hot at step 1500 over 100 steps", 2)


@pytest.mark.parametrize(("name", "epochs", "terms"), [
    ("resnet_cifar100_to_one_hot", 45, "distilled to one_hot at step 1500 over 100 steps"),
    ("resnet_imagenet_late", 45, "one_hot to 0.9 one_hot + 0.1 distilled at epoch 22.5"),
    ("resnet_imagenet_late", 30, "one_hot to 0.9 one_hot + 0.1 distilled at epoch 15"),
    ("resnet_cifar100", 45, "distilled"),  # no switch to scale
])
def test_a_loss_switch_is_scaled_with_its_training(name, epochs, terms):
    assert parsed(name, "--student.epochs", str(epochs)).student.loss.terms == terms
    assert parsed(name, "--teacher.epochs", str(epochs)).student.loss == find(name).student.loss


def test_scaling_without_other_epochs_raises():
    setting = find("resnet_cifar100")
    with pytest.raises(UsageError, match=r"^--scale-schedule: expected other epochs .* got 450 and 450.*; pass"):
        scaled(setting, setting)
    same = replace(setting, student=replace(setting.student, epochs=450))
    with pytest.raises(UsageError, match="--scale-schedule"):
        scaled(same, setting)


def test_a_scaled_run_has_a_dry_run_and_a_smoke_run(command):
    arguments = ("resnet8_digits", "--teacher.epochs", 10, "--student.epochs", 10, "--scale-schedule")
    code, out, _ = command(*arguments, "--dry-run", "--json")
    (plan,) = json.loads(out)
    assert code == 0 and plan["configuration"]["student"]["decay_epochs"] == [4.33333, 6.66667, 9]
    code, _, err = command(*arguments, "--smoke")
    assert code == 0, err
