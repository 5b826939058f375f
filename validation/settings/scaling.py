"""A training of other epochs: its schedule in proportion."""

from dataclasses import replace

from validation.errors import UsageError


def stretched(recipe, ratio, keep=()):
    """The `Training` with warm-up and decay epochs `ratio` times as late, but for the fields in `keep`."""
    late = {"warmup_epochs": _times(recipe.warmup_epochs, ratio),
            "decay_epochs": tuple(_times(epoch, ratio) for epoch in recipe.decay_epochs)}
    return replace(recipe, **{name: value for name, value in late.items() if name not in keep})


def scaled(setting, before):
    """The `Setting`, which is `before` with other epochs, with the schedules of `before` in proportion to these.

    Values that the command line gave stay as they are; the loss switch goes with the student's epochs. Raises
    UsageError where neither role has other epochs.
    """
    ratios = {role: getattr(setting, role).epochs / getattr(before, role).epochs for role in ("teacher", "student")}
    if set(ratios.values()) == {1.0}:
        raise UsageError("--scale-schedule: expected other epochs than the setting's, got "
                         f"{setting.teacher.epochs} and {setting.student.epochs}, which it has; pass --teacher.epochs, "
                         "--student.epochs or both, or leave it out")
    recipes = {role: stretched(getattr(setting, role), ratio, _given(setting, role)) for role, ratio in ratios.items()}
    switch = setting.distillation
    moved = {} if switch.switch == "none" else {
        "switch_epoch": switch.switch_epoch and _times(switch.switch_epoch, ratios["student"]),
        "switch_step": switch.switch_step and round(switch.switch_step * ratios["student"]),
        "switch_window": switch.switch_window and max(1, round(switch.switch_window * ratios["student"]))}
    kept = _given(setting, "distillation")
    return replace(setting, **recipes, distillation=replace(
        switch, **{name: value for name, value in moved.items() if name not in kept}))


def _given(setting, part):
    return {name.removeprefix(f"{part}.") for name in setting.given if name.startswith(f"{part}.")}


def _times(epochs, ratio):
    """epochs * ratio to six digits, a whole number where it is one."""
    product = float(f"{epochs * ratio:.6g}")
    return int(product) if product == int(product) else product
