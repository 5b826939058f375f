"""Scaling of schedules to another number of epochs."""

from dataclasses import replace

from validation.errors import UsageError


def stretched(recipe, ratio, keep=()):
    """The `Training` with warm-up, decay epochs and loss switches scaled by `ratio`, except the fields in `keep`."""
    late = {"warmup_epochs": _times(recipe.warmup_epochs, ratio),
            "decay_epochs": tuple(_times(epoch, ratio) for epoch in recipe.decay_epochs),
            "loss": replace(recipe.loss, terms=str(recipe.loss.schedule.stretched(ratio)))}
    return replace(recipe, **{name: value for name, value in late.items() if name not in keep})


def scaled(setting, before):
    """The `Setting` with the schedules of `before` scaled to its own number of epochs.

    Values from the command line are not changed. Raises UsageError if neither role has another number of epochs.
    """
    ratios = {role: getattr(setting, role).epochs / getattr(before, role).epochs for role in ("teacher", "student")}
    if set(ratios.values()) == {1.0}:
        raise UsageError("--scale-schedule: expected other epochs than the setting's, got "
                         f"{setting.teacher.epochs} and {setting.student.epochs}; pass --teacher.epochs, "
                         "--student.epochs or both, or omit the flag")
    recipes = {role: stretched(getattr(setting, role), ratio, _given(setting, role)) for role, ratio in ratios.items()}
    return replace(setting, **recipes)


def _given(setting, part):
    """The fields of a part that the command line gave; `loss` is one of them if its terms were given."""
    names = {name.removeprefix(f"{part}.") for name in setting.given if name.startswith(f"{part}.")}
    return {"loss" if name == "loss.terms" else name for name in names}


def _times(epochs, ratio):
    """epochs * ratio to six digits, as an int if it is whole."""
    product = float(f"{epochs * ratio:.6g}")
    return int(product) if product == int(product) else product
