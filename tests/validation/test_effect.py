"""Values that can never take effect are refused, with the fix, before anything is trained."""

import json
from dataclasses import replace

import pytest

from validation import experiment
from validation.errors import UsageError
from validation.schedules import steps_per_epoch
from validation.settings import SETTINGS, effect, find, sizes

TO_ONE_HOT = ("--distillation.switch", "to_one_hot")
LATE = "epochs before the end of the training after 80, got 200 300 400; pass earlier ones"


@pytest.mark.parametrize(("arguments", "message"), [
    # 450 epochs of 48 steps, decays after 200, 300, 400
    ("resnet_cifar100 --student.epochs 80", f"--student.decay-epochs: expected {LATE}, or --scale-schedule to keep it"),
    ("resnet_cifar100 --student.epochs 80 --student.decay-epochs 200 300 400",
     f"--student.decay-epochs: expected {LATE}, or --student.schedule constant"),
    ("resnet_cifar100 --teacher.decay-epochs 200 450",
     "--teacher.decay-epochs: expected epochs before the end of the training after 450, got 200 450"),
    ("resnet_cifar100 --teacher.decay-epochs 200 449.99", "expected epochs up to the last step of the "
     "training, which begins at 449.979, got 200 449.99; pass earlier ones, or --teacher.schedule constant"),
    ("resnet_cifar100 --teacher.decay-epochs 300 200", "--teacher.decay-epochs: expected ascending epochs above 0, go"),
    ("resnet_cifar100 --teacher.decay-epochs 10 200",
     "--teacher.decay-epochs: expected epochs after the warm-up, which ends after 15, got 10 200; pass later ones"),
    ("resnet_cifar100 --teacher.decay-epochs", "--teacher.decay-epochs: expected one epoch or more with the schedule"),
    ("resnet_cifar100 --student.warmup-epochs 450",
     "--student.warmup-epochs: expected fewer than the 450 epochs of the training, got 450; pass fewer"),
    ("mlp_mnist --teacher.warmup-epochs 1 --teacher.batch-size 128",
     "--teacher.warmup-epochs: expected more than one step, of which an epoch has 1, as it has no effect otherwise"),
    ("mlp_mnist --teacher.decay-epochs 5", "--teacher.decay-epochs: expected it with --teacher.schedule steps, as it"),
    ("mlp_mnist --teacher.schedule cosine --teacher.decay-epochs 5", "--teacher.decay-epochs: expected it with"),
    ("mlp_mnist --teacher.schedule steps", "--teacher.decay-epochs: expected one epoch or more with the schedule step"),
    ("mlp_mnist --student.decay-factor 0.1", "--student.decay-factor: expected another number than 1, with --student."),
    ("resnet_cifar100 --student.decay-factor=1", "--student.decay-factor: expected another number than 1"),
    ("mlp_mnist --student.momentum 0.9", "--student.optimiser: expected sgd with a momentum, got adam"),
    ("resnet_cifar100 --student.optimiser adam",
     "got adam; pass --student.optimiser sgd, or --student.momentum 0 --student.no-nesterov"),
    # the switch of losses: 21,600 steps
    ("resnet_cifar100 --distillation.switch to_one_hot --distillation.switch-epoch 450",
     "--distillation.switch-epoch: expected a start before the end of the student's training (450 epochs, 21600 steps"),
    ("resnet_cifar100 --distillation.switch to_one_hot --distillation.switch-step 21600",
     "--distillation.switch-step: expected a start before the end"),
    ("resnet_cifar100_to_one_hot --student.epochs 300 --student.decay-epochs 200",
     "--distillation.switch-step: expected a start before the end of the student's training (300 epochs, 14400 steps), "
     "got 15000; pass an earlier one, or --scale-schedule"),
    ("resnet_cifar100 --distillation.switch to_one_hot --distillation.switch-step 21500",
     "--distillation.switch-window: expected a switch that is complete by the end of the student's training (450 "
     "epochs, 21600 steps), which leaves 100 steps from its start on, got 1000"),
    ("resnet8_mnist --distillation.switch to_distillation --distillation.switch-step 0",
     "--distillation.switch-step: expected a start after 0, or a --distillation.switch-window, got 0"),
    ("resnet8_mnist --distillation.switch-window 10", "--distillation.switch-window: expected it with --distillation."),
    ("resnet8_mnist --distillation.weight 0 --distillation.temperature 2",
     "--distillation.temperature: expected it with a positive --distillation.weight"),
    ("resnet8_mnist --distillation.weight 0 --distillation.switch to_one_hot --distillation.switch-step 5",
     "--distillation.switch: expected it with a positive --distillation.weight"),
    # examples
    ("resnet8_mnist --teacher.batch-size 9999", "--teacher.batch-size: expected at most the 4000 training examples, a"),
    ("resnet8_mnist --student.batch-size 9999", "--student.batch-size: expected at most the 4000 training examples, a"),
    ("resnet8_mnist --data.taught-share 0.02 --student.batch-size 64",
     "--teacher.batch-size: expected at most the 80 training examples"),
    ("mlp_mnist --data.train-examples 4001", "--data.train-examples: expected at most the 4000 examples of the traini"),
    ("mlp_mnist --data.label-noise 0.003", "--data.label-noise: expected a share of at least one of the 128 examples"),
    ("mlp_mnist --data.flip-to any", "--data.flip-to: expected it with --data.label-noise, as it has no effect otherw"),
    ("mlp_mnist --data.taught-share 0.003", "--data.taught-share: expected a share that gives the teacher some of the"),
    ("mlp_mnist --data.taught-share 0.999", "--data.taught-share: expected a share that gives the teacher some of the"),
    ("mlp_mnist --data.flip", "--data.normalise: expected it with augmented images, got False; pass it, or leave"),
    ("mlp_mnist --evaluation.watched 129", "--evaluation.watched: expected at most the 128 training examples, as it h"),
    ("mlp_mnist --evaluation.kept 129", "--evaluation.kept: expected at most the 128 training examples, as it has no"),
    # records: 20 epochs of 8 steps
    ("mlp_mnist --analysis.every 161", "--analysis.every: expected at most the 160 steps of the teacher's training, g"),
    ("mlp_mnist --student.epochs 2 --analysis.every 17", "at most the 16 steps of the student's training, got 17"),
    ("mlp_mnist --analysis.layers --analysis.every 2", "--analysis.every: expected it with --analysis.layers"),
    ("resnet20_resnet8_mnist --analysis.pairs 5", "--analysis.pairs: expected it with --analysis.layers of a student"),
    # scaling
    ("resnet_cifar100 --scale-schedule", "--scale-schedule: expected other epochs than the setting's, got 450 and 450"),
])
def test_a_value_without_effect_is_refused_with_the_fix(command, tmp_path, arguments, message):
    for more in (["--dry-run"], ["--no-download"]):
        code, out, err = command(*arguments.split(), *more)
        assert code == 2 and out == "" and err.startswith("error: ") and err.count("\n") == 1 and message in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("arguments", [
    "resnet_cifar100 --student.schedule constant --student.epochs 80",  # which carries decay epochs
    "resnet_cifar100 --student.epochs 80 --student.decay-epochs 30 60",
    "resnet_cifar100 --teacher.decay-epochs 15 200 449",
    "resnet_cifar100 --distillation.switch to_one_hot --distillation.switch-step 0 --distillation.switch-window 21600",
    "resnet_cifar100 --distillation.switch to_one_hot --distillation.switch-step 21599 --distillation.switch-window 0",
    "resnet20_digits --data.label-noise 0.1",  # of which 10,000 are watched
    "mlp_mnist --data.train-examples 4000 --evaluation.watched 4000 --evaluation.kept 1",
    "mlp_mnist --student.epochs 2 --analysis.every 16",
    "mlp_mnist --teacher.batch-size 9999",  # all in one batch
    "rf_noisy_mnist --data.train-examples 1",  # which carries label noise
    "mobilenet_cifar10 --data.no-flip",
    "resnet20_resnet8_mnist --analysis.layers stem --analysis.every 3",  # for its teacher's other students
    "resnet8_mnist --distillation.weight 0",
])
def test_what_takes_effect_and_what_a_setting_carries_is_not(command, arguments):
    code, _, err = command(*arguments.split(), "--dry-run")
    assert code == 0, err


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_passes_and_every_smoke_run_has_steps(name):
    setting, pool = find(name), sizes.EXAMPLES[find(name).data.name][0]
    effect.check(setting, pool)
    short = experiment.shortened(setting)
    for role, count in sizes.trained_on(short.data, pool).items():
        recipe, before = getattr(short, role), getattr(setting, role)
        assert steps_per_epoch(count, recipe) >= 2 and recipe.epochs == 1
        assert recipe.warmup_epochs == pytest.approx(before.warmup_epochs / before.epochs, rel=1e-5)
        assert recipe.decay_epochs == pytest.approx([epoch / before.epochs for epoch in before.decay_epochs], rel=1e-5)


@pytest.mark.parametrize("arguments", [
    ("resnet8_digits", "--data.taught-share", "0.09"),  # 129 of 1438; of a smoke run's 64 more than none
    ("mlp_mnist", "--teacher.drop-last", "--teacher.batch-size", "128"),
    ("resnet8_digits", "--evaluation.watched", "500", "--analysis.every", "300"),
    ("resnet_imagenet", *TO_ONE_HOT, "--distillation.switch-epoch", "89"),
])
def test_what_a_whole_run_can_have_a_smoke_run_tries_out(command, arguments):
    code, _, err = command(*arguments, "--smoke")
    assert code == 0, err


def test_a_setting_used_in_python_is_checked_by_the_true_number_of_examples():
    setting = replace(find("resnet8_mnist"), data=replace(find("resnet8_mnist").data, label_noise=0.0))
    effect.check(setting, 128)
    with pytest.raises(UsageError, match=r"^--teacher.batch-size: expected at most the 127 training examples"):
        effect.check(setting, 127)


def test_a_full_mnist_is_known_to_be_larger(command, archive):
    code, out, _ = command("mlp_mnist", "--data.train-examples", 50_000, "--dry-run", "--json")
    assert code == 0 and json.loads(out)[0]["steps"] == {"teacher": 62_500, "student": 62_500}
