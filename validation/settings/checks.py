"""Checks of the values of a setting; errors name the command-line flag."""

import math

from validation.errors import UsageError
from validation.settings.loss import check as check_loss


def check(setting):
    """Raises UsageError, which names the command-line flag, for invalid values."""
    for part in ("model", "student_model"):
        model = getattr(setting, part)
        for name, value in () if model is None else vars(model).items():
            sound = not isinstance(value, int | float) or value > 0 or isinstance(value, bool)
            require(sound, f"--{part.replace('_', '-')}.{name}", "a positive number", value)
    _check_data(setting.data)
    for role in ("teacher", "student"):
        _check_training(getattr(setting, role), f"--{role}")
    require(not setting.teacher.loss.needs_teacher, "--teacher.loss.terms", "terms of labels, one_hot and squared",
            setting.teacher.loss.terms)
    _check_analysis(setting.analysis)
    _check_evaluation(setting.evaluation)


def _check_data(data):
    require(data.train_examples is None or data.train_examples >= 1, "--data.train-examples", "at least 1",
            data.train_examples)
    require(0 <= data.label_noise <= 1, "--data.label-noise", "a share from 0 to 1", data.label_noise)
    require(0 < data.teacher_fraction <= 1, "--data.teacher-fraction", "a fraction above 0, up to 1",
            data.teacher_fraction)


def _check_training(recipe, flag):
    require(recipe.epochs >= 1, f"{flag}.epochs", "at least 1", recipe.epochs)
    require(recipe.batch_size >= 1, f"{flag}.batch-size", "at least 1", recipe.batch_size)
    for name in ("learning_rate", "decay_factor"):
        value = getattr(recipe, name)
        require(_positive(value), f"{flag}.{name.replace('_', '-')}", "a positive number", value)
    require(0 <= recipe.momentum < 1, f"{flag}.momentum", "a number from 0 to below 1", recipe.momentum)
    require(recipe.optimiser == "sgd" or not (recipe.momentum or recipe.nesterov), f"{flag}.optimiser",
            "sgd with a momentum", recipe.optimiser,
            f"pass {flag}.optimiser sgd, or {flag}.momentum 0 {flag}.no-nesterov")
    require(recipe.momentum > 0 or not recipe.nesterov, f"{flag}.momentum", "a positive momentum with Nesterov", 0)
    require(0 <= recipe.weight_decay < math.inf, f"{flag}.weight-decay", "0 or more", recipe.weight_decay)
    require(recipe.warmup_epochs >= 0, f"{flag}.warmup-epochs", "0 or more", recipe.warmup_epochs)
    check_loss(recipe.loss, flag)
    rising = list(recipe.decay_epochs) == sorted(set(recipe.decay_epochs)) and min(recipe.decay_epochs, default=1) > 0
    require(rising, f"{flag}.decay-epochs", "ascending epochs above 0", recipe.decay_epochs)


def _check_analysis(analysis):
    require(analysis.pairs >= 1, "--analysis.pairs", "at least 1", analysis.pairs)
    require(analysis.every >= 1, "--analysis.every", "at least 1 step", analysis.every)
    for side in ("top", "bottom"):
        first, end = getattr(analysis, side)
        enough = first >= 0 and end - first >= analysis.pairs
        require(enough, f"--analysis.{side}", f"a range of {analysis.pairs} indices or more", (first, end))


def _check_evaluation(evaluation):
    for name in ("every", "evaluated", "saved_logits"):
        count = getattr(evaluation, name)
        require(count is None or count >= 1, f"--evaluation.{name.replace('_', '-')}", "at least 1", count)
    epochs = evaluation.snapshots
    require(list(epochs) == sorted(set(epochs)) and min(epochs, default=1) > 0, "--evaluation.snapshots",
            "ascending epochs above 0", epochs)


def _positive(value):
    return value > 0 and math.isfinite(value)


def require(holds, flag, expected, got, fix="pass another value or leave the flag out"):
    """Raises UsageError with this message unless `holds`; a tuple is written as on the command line."""
    if not holds:
        got = " ".join(map(str, got)) if isinstance(got, tuple | list) else got
        raise UsageError(f"{flag}: expected {expected}, got {got}; {fix}")
