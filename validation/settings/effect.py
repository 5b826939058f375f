"""Checks for values that can never take effect; they raise before training, and errors name the command-line flag.

A schedule that does not fit into its training always raises. Other values without effect, such as a temperature without
distillation, may be part of a setting; they raise only if the command line gives them.
"""

from functools import reduce

from validation.schedules import steps_per_epoch
from validation.settings.checks import require

OF_TERMS = {"temperature": "distilled", "divergence": "distilled", "confidence_weight": "distilled",
            "confidence_temperature": "distilled", "smoothing": "one_hot"}  # values that only this term of a loss uses


def check(setting, pool):
    """Raises UsageError for a value that can never take effect with a training pool of `pool` examples."""
    data, counts = setting.data, setting.data.counts(pool)
    examples, taught = counts["student"], counts["teacher"]
    require(examples <= pool, "--data.train-examples", f"at most the {pool} examples of the training pool", examples,
            "pass fewer, or None for all of them")
    require(data.teacher_fraction == 1 or 0 < taught < examples, "--data.teacher-fraction",
            f"a fraction that gives the teacher some but not all of the {examples} training examples",
            data.teacher_fraction)
    per_epoch = {}
    for role, count in counts.items():
        recipe = getattr(setting, role)
        require(count >= recipe.batch_size or not recipe.drop_last, f"--{role}.batch-size",
                f"at most the {count} training examples, as smaller batches are dropped", recipe.batch_size,
                f"pass a smaller one, or --{role}.no-drop-last")
        per_epoch[role] = steps_per_epoch(count, recipe)
        _check_learning_rate(recipe, role, per_epoch[role], setting.given)
        _check_switches(recipe, role, per_epoch[role], setting.given)
    require(max(setting.evaluation.snapshots, default=0) <= setting.student.epochs, "--evaluation.snapshots",
            f"at most the {setting.student.epochs} epochs of the student", setting.evaluation.snapshots,
            "pass earlier ones, or none: --evaluation.snapshots")
    _check_records(setting, {role: getattr(setting, role).epochs * steps for role, steps in per_epoch.items()})
    for name, needed in _idle(setting, counts, per_epoch).items():
        require(name not in setting.given, _flag(name), f"{needed}, as it has no effect otherwise",
                reduce(getattr, name.split("."), setting), "leave it out")


def _check_learning_rate(recipe, role, per_epoch, given):
    steps, warmup = recipe.epochs * per_epoch, recipe.warmup_epochs
    require(warmup * per_epoch < steps, f"--{role}.warmup-epochs",
            f"fewer than the {recipe.epochs} epochs of the training", warmup,
            _fix("pass fewer", role, f"{role}.warmup_epochs", given))
    if recipe.schedule == "steps":
        flag, named, constant = f"--{role}.decay-epochs", f"{role}.decay_epochs", f"--{role}.schedule constant"
        require(recipe.decay_epochs, flag, "at least one epoch with the schedule steps", "none",
                f"pass some, or {constant}")
        require(recipe.decay_epochs[-1] < recipe.epochs, flag,
                f"epochs before the end of the training after {recipe.epochs}", recipe.decay_epochs,
                _fix("pass earlier ones", role, named, given, constant))
        require(recipe.decay_epochs[-1] * per_epoch <= steps - 1, flag,
                f"epochs up to the last step of the training, which starts at {(steps - 1) / per_epoch:.6g}",
                recipe.decay_epochs, f"pass earlier ones, or {constant}")
        require(recipe.decay_epochs[0] >= warmup, flag, f"epochs after the warm-up, which ends after {warmup}",
                recipe.decay_epochs, f"pass later ones, or a shorter --{role}.warmup-epochs")


def _check_switches(recipe, role, per_epoch, given):
    """Switches of the loss must be in order and be complete before the end of training."""
    steps, before, terms = recipe.epochs * per_epoch, 0.0, recipe.loss.schedule
    end, flag, name = f"{recipe.epochs} epochs, {steps} steps", f"--{role}.loss.terms", f"{role}.loss.terms"
    for switch in terms.switches:
        start, window = (each.steps(per_epoch, recipe.epochs) for each in (switch.start, switch.window))
        require(start > 0 or window, flag, "a switch that starts after 0 or is gradual", repr(str(terms)),
                "start it later, or start with its second mixture")
        require(start >= before, flag, f"switches in order, this one not before step {before:g}",
                repr(str(terms)), "start it later")
        require(start <= steps - 1 and start + window <= steps, flag,
                f"a switch that starts and is complete before the end of the training ({end}), not from step {start:g} "
                f"to {start + window:g}", repr(str(terms)),
                _fix("start it earlier or make it shorter", role, name, given))
        before = start + window


def _check_records(setting, steps):
    """steps: role -> number of training steps."""
    if setting.analysis.layers:
        role = min(("teacher", "student")[:1 + setting.is_self_distillation], key=steps.get)
        require(setting.analysis.every <= steps[role], "--analysis.every",
                f"at most the {steps[role]} steps of the {role}'s training", setting.analysis.every,
                "pass fewer, or record no layers: --analysis.layers")


def _idle(setting, counts, per_epoch):
    """Dotted name of each value without effect -> what it would need to take effect."""
    data, evaluation, examples = setting.data, setting.evaluation, counts["student"]
    flipped = round(data.label_noise * examples) > 0
    layers = bool(setting.analysis.layers)
    pairs = layers and setting.is_self_distillation
    recorded = "use with --analysis.layers and a student of the teacher's architecture"
    effective = {
        "data.label_noise": (flipped or not data.label_noise, f"a share of at least one of the {examples} examples"),
        "data.flip_to": (flipped, "use with --data.label-noise"),
        "analysis.every": (layers, "use with --analysis.layers"),
        "analysis.bottom": (layers, "use with --analysis.layers"),
        "analysis.top": (pairs or (layers and flipped), recorded),
        "analysis.pairs": (pairs, recorded),
    }
    epochs = max(getattr(setting, role).epochs for role in per_epoch)
    effective["evaluation.every"] = evaluation.every <= epochs, f"at most the {epochs} epochs of the training"
    effective |= {f"evaluation.{name}": (
        (count := getattr(evaluation, name)) is None or count <= examples, f"at most the {examples} training examples")
        for name in ("evaluated", "saved_logits")}
    for role, steps in per_epoch.items():
        recipe = getattr(setting, role)
        decays, terms = recipe.schedule == "steps", recipe.loss.schedule.names
        effective |= {f"{role}.loss.{value}": (term in terms, f"use with {term} in --{role}.loss.terms")
                      for value, term in OF_TERMS.items()}
        effective |= {
            f"{role}.batch_size": (recipe.batch_size <= counts[role], f"at most the {counts[role]} training examples"),
            f"{role}.warmup_epochs": (recipe.warmup_epochs * steps > 1 or not recipe.warmup_epochs,
                                      f"more than one step (an epoch has {steps})"),
            f"{role}.decay_epochs": (decays or not recipe.decay_epochs, f"use with --{role}.schedule steps"),
            f"{role}.decay_factor": (decays and recipe.decay_factor != 1,
                                     f"a number other than 1, with --{role}.schedule steps"),
        }
    return {name: needed for name, (has_effect, needed) in effective.items() if not has_effect}


def _fix(smaller, role, name, given, *others):
    """The fix for a value that does not fit into its training; a value of the setting can also be scaled."""
    scalable = f"{role}.epochs" in given and name not in given
    return ", or ".join([smaller, *(["--scale-schedule to keep it in proportion"] if scalable else []), *others])


def _flag(name):
    return f"--{name.replace('_', '-')}"
