"""A training of other epochs: its schedule in proportion."""

from dataclasses import replace

from validation.errors import UsageError


def stretched(recipe, ratio, keep=()):
    """The `Training` with warm-up, decay epochs and switches of the loss `ratio` times as late, but for the fields in
    `keep`."""
    late = {"warmup_epochs": _times(recipe.warmup_epochs, ratio),
            "decay_epochs": tuple(_times(epoch, ratio) for epoch in recipe.decay_epochs),
            "loss": replace(recipe.loss, terms=str(recipe.loss.schedule.stretched(ratio)))}
    return replace(recipe, **{name: value for name, value in late.items() if name not in keep})


def scaled(setting, before):
    """The `Setting`, which is `before` with other epochs, with the schedules of `before` in proportion to these.

    Values that the command line gave stay as they are. Raises UsageError where neither role has other epochs.
    """
    ratios = {role: getattr(setting, role).epochs / getattr(before, role).epochs for role in ("teacher", "student")}
    if set(ratios.values()) == {1.0}:
        raise UsageError("--scale-schedule: expected other epochs than the setting's, got "
                         f"{setting.teacher.epochs} and {setting.student.epochs}, which it has; pass --teacher.epochs, "
                         "--student.epochs or both, or leave it out")
    recipes = {role: stretched(getattr(setting, role), ratio, _given(setting, role)) for role, ratio in ratios.items()}
    return replace(setting, **recipes)


def _given(setting, part):
    """The fields of a part that the command line gave; of a loss its terms, which hold its switches."""
    names = {name.removeprefix(f"{part}.") for name in setting.given if name.startswith(f"{part}.")}
    return {"loss" if name == "loss.terms" else name for name in names}


def _times(epochs, ratio):
    """epochs * ratio to six digits, a whole number where it is one."""
    product = float(f"{epochs * ratio:.6g}")
    return int(product) if product == int(product) else product
