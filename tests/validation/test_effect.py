"""Values that can never take effect raise before training, and the error gives the fix."""

import json
from dataclasses import replace

import pytest

from validation.errors import UsageError
from validation.schedules import steps_per_epoch
from validation.settings import SETTINGS, effect, find
from validation.smoke import shortened

TO_ONE_HOT = "resnet_cifar100 --student.loss.terms distilled~to~one_hot~at~"  # ~ stands for a blank
LATE = "epochs before the end of the training after 80, got 200 300 400; pass earlier ones"


@pytest.mark.parametrize(("arguments", "message"), [
    # 450 epochs of 48 steps, decays after 200, 300, 400
    ("resnet_cifar100 --student.epochs 80", f"--student.decay-epochs: expected {LATE}, or --scale-schedule to keep it"),
    ("resnet_cifar100 --student.epochs 80 --student.decay-epochs 200 300 400",
     f"--student.decay-epochs: expected {LATE}, or --student.schedule constant"),
    ("resnet_cifar100 --teacher.decay-epochs 200 450",
     "--teacher.decay-epochs: expected epochs before the end of the training after 450, got 200 450"),
    ("resnet_cifar100 --teacher.decay-epochs 200 449.99", "expected epochs up to the last step of the "
     "training, which starts at 449.979, got 200 449.99; pass earlier ones, or --teacher.schedule constant"),
    ("resnet_cifar100 --teacher.decay-epochs 300 200", "--teacher.decay-epochs: expected ascending epochs above 0, go"),
    ("resnet_cifar100 --teacher.decay-epochs 10 200",
     "--teacher.decay-epochs: expected epochs after the warm-up, which ends after 15, got 10 200; pass later ones"),
    ("resnet_cifar100 --teacher.decay-epochs", "--teacher.decay-epochs: expected at least one epoch with the schedule"),
    ("resnet_cifar100 --student.warmup-epochs 450",
     "--student.warmup-epochs: expected fewer than the 450 epochs of the training, got 450; pass fewer"),
    ("mlp_mnist --teacher.warmup-epochs 1 --teacher.batch-size 128",
     "--teacher.warmup-epochs: expected more than one step (an epoch has 1), as it has no effect otherwise"),
    ("mlp_mnist --teacher.decay-epochs 5", "--teacher.decay-epochs: expected use with --teacher.schedule steps, as"),
    ("mlp_mnist --teacher.schedule cosine --teacher.decay-epochs 5", "--teacher.decay-epochs: expected use with"),
    ("mlp_mnist --teacher.schedule steps", "--teacher.decay-epochs: expected at least one epoch with the schedule st"),
    ("mlp_mnist --student.decay-factor 0.1", "--student.decay-factor: expected a number other than 1, with --student."),
    ("resnet_cifar100 --student.decay-factor=1", "--student.decay-factor: expected a number other than 1"),
    ("mlp_mnist --student.momentum 0.9", "--student.optimiser: expected sgd with a momentum, got adam"),
    ("resnet_cifar100 --student.optimiser adam",
     "got adam; pass --student.optimiser sgd, or --student.momentum 0 --student.no-nesterov"),
    # the switch of losses: 21,600 steps
    (TO_ONE_HOT + "epoch~450", "--student.loss.terms: expected a switch that starts and is complete before the end of "
     "the training (450 epochs, 21600 steps), not from step 21600 to 21600, got 'distilled to one_hot at epoch 450'"),
    (TO_ONE_HOT + "step~21600", "--student.loss.terms: expected a switch that starts and is complete before the end"),
    ("resnet_cifar100_to_one_hot --student.epochs 300 --student.decay-epochs 200",
     "complete before the end of the training (300 epochs, 14400 steps), not from step 15000 to 16000, got 'distilled "
     "to one_hot at step 15000 over 1000 steps'; start it earlier or make it shorter, or --scale-schedule"),
    (TO_ONE_HOT + "step~21500~over~1000~steps", "not from step 21500 to 22500"),
    (TO_ONE_HOT + "step~0", "--student.loss.terms: expected a switch that starts after 0 or is gradual"),
    (TO_ONE_HOT + "50%~to~distilled~at~25%", "--student.loss.terms: expected switches in order, this one not before"),
    (TO_ONE_HOT + "10%~over~50%~to~distilled~at~25%", "expected switches in order, this one not before step 12960"),
    ("mlp_mnist --teacher.loss.terms distilled", "--teacher.loss.terms: expected terms of labels, one_hot and squared"),
    ("resnet8_mnist --student.loss.terms one_hot --student.loss.temperature 2",
     "--student.loss.temperature: expected use with distilled in --student.loss.terms"),
    ("resnet8_mnist --student.loss.smoothing 0.1", "--student.loss.smoothing: expected use with one_hot in --stud"),
    ("resnet8_mnist --teacher.loss.confidence-weight 1", "--teacher.loss.confidence-weight: expected use with"),
    # examples
    ("resnet8_mnist --teacher.batch-size 9999", "--teacher.batch-size: expected at most the 4000 training examples, a"),
    ("resnet8_mnist --student.batch-size 9999", "--student.batch-size: expected at most the 4000 training examples, a"),
    ("resnet8_mnist --data.teacher-fraction 0.02 --student.batch-size 64",
     "--teacher.batch-size: expected at most the 80 training examples"),
    ("mlp_mnist --student.batch-size 5000", "--student.batch-size: expected at most the 128 training examples, as it"),
    ("mlp_mnist --data.train-examples 4001", "--data.train-examples: expected at most the 4000 examples of the traini"),
    ("mlp_mnist --data.label-noise 0.003", "--data.label-noise: expected a share of at least one of the 128 examples"),
    ("mlp_mnist --data.flip-to any", "--data.flip-to: expected use with --data.label-noise, as it has no effect other"),
    ("mlp_mnist --data.teacher-fraction 0.003", "--data.teacher-fraction: expected a fraction that gives t"),
    ("mlp_mnist --data.teacher-fraction 0.999", "--data.teacher-fraction: expected a fraction that gives t"),
    ("mlp_mnist --evaluation.evaluated 129", "--evaluation.evaluated: expected at most the 128 training examples"),
    ("mlp_mnist --evaluation.every 21", "--evaluation.every: expected at most the 20 epochs of the training"),
    ("mlp_mnist --evaluation.snapshots 5 21", "--evaluation.snapshots: expected at most the 20 epochs of the student"),
    ("mlp_mnist --evaluation.saved-logits 129", "--evaluation.saved-logits: expected at most the 128 training"),
    # records: 20 epochs of 8 steps
    ("mlp_mnist --analysis.every 161", "--analysis.every: expected at most the 160 steps of the teacher's training, g"),
    ("mlp_mnist --student.epochs 2 --analysis.every 17", "at most the 16 steps of the student's training, got 17"),
    ("mlp_mnist --analysis.layers --analysis.every 2", "--analysis.every: expected use with --analysis.layers"),
    ("resnet20_resnet8_mnist --analysis.pairs 5", "--analysis.pairs: expected use with --analysis.layers and a st"),
    # scaling
    ("resnet_cifar100 --scale-schedule", "--scale-schedule: expected other epochs than the setting's, got 450 and 450"),
])
def test_a_value_without_effect_raises_and_the_error_gives_the_fix(command, tmp_path, arguments, message):
    for more in (["--dry-run"], ["--no-download"]):
        code, out, err = command(*(word.replace("~", " ") for word in arguments.split()), *more)
        assert code == 2 and out == "" and err.startswith("error: ") and err.count("\n") == 1 and message in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("arguments", [
    "resnet_cifar100 --student.schedule constant --student.epochs 80",  # the setting has decay epochs
    "resnet_cifar100 --student.epochs 80 --student.decay-epochs 30 60",
    "resnet_cifar100 --teacher.decay-epochs 15 200 449",
    TO_ONE_HOT + "step~0~over~21600~steps",
    TO_ONE_HOT + "step~21599",
    TO_ONE_HOT + "25%~over~25%~to~distilled~at~50%",
    "resnet20_digits --data.label-noise 0.1",  # the setting evaluates 10,000
    "mlp_mnist --data.train-examples 4000 --evaluation.evaluated 4000 --evaluation.saved-logits 1",
    "mlp_mnist --student.epochs 2 --analysis.every 16",
    "mlp_mnist --student.epochs 2 --evaluation.every 20 --evaluation.snapshots 1 2",
    "mlp_mnist --teacher.batch-size 128",  # all in one batch
    "rf_noisy_mnist --data.train-examples 1",  # the setting has label noise
    "mobilenet_cifar10 --data.view.no-flip",
    "resnet20_resnet8_mnist --analysis.layers stem --analysis.every 3",  # other students reuse its teacher
    "resnet8_mnist --student.loss.terms one_hot",
])
def test_values_with_effect_and_values_of_a_setting_do_not_raise(command, arguments):
    code, _, err = command(*(word.replace("~", " ") for word in arguments.split()), "--dry-run")
    assert code == 0, err


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_valid_and_every_smoke_run_has_steps(name):
    setting = find(name)
    pool = setting.data.set.examples[0]
    effect.check(setting, pool)
    short = shortened(setting)
    for role, count in short.data.counts(pool).items():
        recipe, before = getattr(short, role), getattr(setting, role)
        assert steps_per_epoch(count, recipe) >= 2 and recipe.epochs == 1
        assert recipe.warmup_epochs == pytest.approx(before.warmup_epochs / before.epochs, rel=1e-5)
        assert recipe.decay_epochs == pytest.approx([epoch / before.epochs for epoch in before.decay_epochs], rel=1e-5)


@pytest.mark.parametrize("arguments", [
    ("resnet8_digits", "--data.teacher-fraction", "0.09"),  # 129 of 1438; a few of a smoke run's 64
    ("mlp_mnist", "--teacher.drop-last", "--teacher.batch-size", "128"),
    ("resnet8_digits", "--evaluation.evaluated", "500", "--analysis.every", "300"),
    ("resnet_imagenet", "--student.loss.terms", "distilled to one_hot at epoch 89"),
])
def test_values_of_a_full_run_are_valid_in_a_smoke_run(command, arguments):
    code, _, err = command(*arguments, "--smoke")
    assert code == 0, err


def test_a_setting_used_in_python_is_checked_against_the_actual_number_of_examples():
    setting = replace(find("resnet8_mnist"), data=replace(find("resnet8_mnist").data, label_noise=0.0))
    effect.check(setting, 128)
    with pytest.raises(UsageError, match=r"^--teacher.batch-size: expected at most the 127 training examples"):
        effect.check(setting, 127)


def test_the_pool_of_the_full_mnist_is_larger(command, archive):
    code, out, _ = command("mlp_mnist", "--data.train-examples", 50_000, "--dry-run", "--json")
    assert code == 0 and json.loads(out)[0]["steps"] == {"teacher": 62_500, "student": 62_500}
