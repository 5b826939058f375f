"""Values that can never take effect: each is refused before anything is trained, in the words of the command line.

A schedule that does not fit into its training is refused whoever named it. Other values that have no effect, such as a
switch's window without a switch, may be part of a setting, but are refused where the command line gave them.
"""

from validation.schedules import distillation_weight, steps_per_epoch, switch_start
from validation.settings.sizes import trained_on
from validation.settings.sound import require


def check(setting, pool):
    """Raises UsageError for a value of the setting that can never take effect with a training pool of `pool` examples.
    """
    data, counts = setting.data, trained_on(setting.data, pool)
    examples, taught = counts["student"], counts["teacher"]
    require(examples <= pool, "--data.train-examples", f"at most the {pool} examples of the training pool", examples,
            "pass fewer, or leave the flag out for all of them")
    require(data.taught_share == 1 or 0 < taught < examples, "--data.taught-share",
            f"a share that gives the teacher some of the {examples} training examples, not all", data.taught_share)
    per_epoch = {}
    for role, count in counts.items():
        recipe = getattr(setting, role)
        require(count >= recipe.batch_size or not recipe.drop_last, f"--{role}.batch-size",
                f"at most the {count} training examples, as smaller batches are dropped", recipe.batch_size,
                f"pass a smaller one, or --{role}.no-drop-last")
        per_epoch[role] = steps_per_epoch(count, recipe)
        _check_learning_rate(recipe, role, per_epoch[role], setting.given)
    _check_switch(setting.distillation, setting.student, per_epoch["student"], setting.given)
    _check_records(setting, {role: getattr(setting, role).epochs * steps for role, steps in per_epoch.items()})
    for name, needed in _idle(setting, examples, per_epoch).items():
        part, _, field = name.partition(".")
        require(name not in setting.given, _flag(name), f"{needed}, as it has no effect otherwise",
                getattr(getattr(setting, part), field), "leave it out")


def _check_learning_rate(recipe, role, per_epoch, given):
    steps, warmup = recipe.epochs * per_epoch, recipe.warmup_epochs
    require(warmup * per_epoch < steps, f"--{role}.warmup-epochs",
            f"fewer than the {recipe.epochs} epochs of the training", warmup,
            _fix("pass fewer", role, f"{role}.warmup_epochs", given))
    if recipe.schedule == "steps":
        flag, named, constant = f"--{role}.decay-epochs", f"{role}.decay_epochs", f"--{role}.schedule constant"
        require(recipe.decay_epochs, flag, "one epoch or more with the schedule steps", "none",
                f"pass some, or {constant}")
        require(recipe.decay_epochs[-1] < recipe.epochs, flag,
                f"epochs before the end of the training after {recipe.epochs}", recipe.decay_epochs,
                _fix("pass earlier ones", role, named, given, constant))
        require(recipe.decay_epochs[-1] * per_epoch <= steps - 1, flag,
                f"epochs up to the last step of the training, which begins at {(steps - 1) / per_epoch:.6g}",
                recipe.decay_epochs, f"pass earlier ones, or {constant}")
        require(recipe.decay_epochs[0] >= warmup, flag, f"epochs after the warm-up, which ends after {warmup}",
                recipe.decay_epochs, f"pass later ones, or a shorter --{role}.warmup-epochs")


def _check_switch(distillation, recipe, per_epoch, given):
    if distillation.switch == "none":
        return
    by = "switch_epoch" if distillation.switch_step is None else "switch_step"
    name, value = f"distillation.{by}", getattr(distillation, by)
    start, window, steps = switch_start(distillation, per_epoch), distillation.switch_window, recipe.epochs * per_epoch
    end = f"{recipe.epochs} epochs, {steps} steps"
    require(start > 0 or window, _flag(name), "a start after 0, or a --distillation.switch-window", value,
            "pass one of the two, or leave the switch out")
    unswitched = distillation.weight if distillation.switch == "to_one_hot" else 0.0
    require(not distillation.weight or distillation_weight(distillation, steps - 1, per_epoch) != unswitched,
            _flag(name), f"a start before the end of the student's training ({end})", value,
            _fix("pass an earlier one", "student", name, given))
    require(start + window <= steps, "--distillation.switch-window",
            f"a switch that is complete by the end of the student's training ({end}), which leaves "
            f"{max(0, int(steps - start))} steps from its start on", window,
            _fix("pass fewer steps or an earlier start", "student", "distillation.switch_window", given))


def _check_records(setting, steps):
    """steps: of a whole training, by role."""
    if setting.analysis.layers:
        role = min(("teacher", "student")[:1 + setting.is_self_distillation], key=steps.get)
        require(setting.analysis.every <= steps[role], "--analysis.every",
                f"at most the {steps[role]} steps of the {role}'s training", setting.analysis.every,
                "pass fewer, or no layers: --analysis.layers")


def _idle(setting, examples, per_epoch):
    """The dotted name of each value that has no effect -> what it would need to have one."""
    data, distillation, evaluation = setting.data, setting.distillation, setting.evaluation
    flipped = round(data.label_noise * examples) > 0
    layers, switched = bool(setting.analysis.layers), distillation.switch != "none"
    pairs, recorded = layers and setting.is_self_distillation, "it with --analysis.layers of a student like its teacher"
    effective = {
        "data.label_noise": (flipped or not data.label_noise, f"a share of at least one of the {examples} examples"),
        "data.flip_to": (flipped, "it with --data.label-noise"),
        "distillation.temperature": (distillation.weight > 0, "it with a positive --distillation.weight"),
        "distillation.switch": (distillation.weight > 0 or not switched, "it with a positive --distillation.weight"),
        "distillation.switch_window": (switched or not distillation.switch_window, "it with --distillation.switch"),
        "analysis.every": (layers, "it with --analysis.layers"),
        "analysis.bottom": (layers, "it with --analysis.layers"),
        "analysis.top": (pairs or (layers and flipped), recorded),
        "analysis.pairs": (pairs, recorded),
    }
    effective |= {f"evaluation.{name}": (
        (count := getattr(evaluation, name)) is None or count <= examples, f"at most the {examples} training examples")
        for name in ("watched", "kept")}
    for role, steps in per_epoch.items():
        recipe = getattr(setting, role)
        decays = recipe.schedule == "steps"
        effective |= {
            f"{role}.warmup_epochs": (recipe.warmup_epochs * steps > 1 or not recipe.warmup_epochs,
                                      f"more than one step, of which an epoch has {steps}"),
            f"{role}.decay_epochs": (decays or not recipe.decay_epochs, f"it with --{role}.schedule steps"),
            f"{role}.decay_factor": (decays and recipe.decay_factor != 1,
                                     f"another number than 1, with --{role}.schedule steps"),
        }
    return {name: needed for name, (has_effect, needed) in effective.items() if not has_effect}


def _fix(smaller, role, name, given, *others):
    """What to do about a value that does not fit into a training: one that was named for other epochs can be scaled."""
    scalable = f"{role}.epochs" in given and name not in given
    return ", or ".join([smaller, *(["--scale-schedule to keep it in proportion"] if scalable else []), *others])


def _flag(name):
    return f"--{name.replace('_', '-')}"
