"""The output of --list and --dry-run: settings and plans, as text and as JSON mappings."""

from dataclasses import asdict
from textwrap import indent

from eigenkd.table import Cells, written
from validation import costs
from validation.models.pretrained import Missing, NotFetched
from validation.schedules import in_words, learning_rate_pieces, steps_per_epoch, weight_pieces

DEVICES = {"cpu": "2 CPU CORES", "gpu": "ONE H100"}
FETCHED = "not on this machine, to be downloaded from the Hugging Face hub by the run"
UNITS = (("days", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def listed(setting):
    """The entry of a setting in --list --json."""
    return {"name": setting.name, "title": setting.title, "data": setting.data.set.name, "models": setting.networks,
            "megabytes": setting.data.set.megabytes, "expected": expected(setting),
            "configuration": setting.configuration(), "guesses": setting.guesses}


def listing(settings, locate):
    """The tables of --list, one per data set; locate(dataset) returns the `Source` that would be used."""
    lines, estimated = [], False
    for dataset in {setting.data.set.name: setting.data.set for setting in settings}.values():
        source = locate(dataset)
        state = ("missing, see --dry-run" if source.missing else
                 "to be downloaded" if source.megabytes else source.note)
        lines += [f"{dataset.name} ({dataset.megabytes:,g} MB): {state}"]
        rows = []
        for setting in settings:
            if setting.data.set.name == dataset.name:
                times = [duration(costs.expected(setting), device) for device in DEVICES]
                estimated |= any("*" in time for time in times)
                rows.append((setting.name, setting.networks, *times, setting.title))
        table = Cells(("NAME", "MODELS", *DEVICES.values(), "WHAT"), tuple(rows), align="lllll")
        lines += [indent(written(table), "  "), ""]
    return "\n".join([*lines, *(["* estimated, not measured; one seed"] if estimated else [])]).rstrip()


def planned(plan):
    """The entry of a plan in --dry-run --json."""
    counts, megabytes, missing = sizes_of(plan)
    return {"configuration": plan.configuration, "guesses": plan.setting.guesses,
            "parameters": counts, "missing": missing, "expected": expected(plan.setting),
            "data": {"source": plan.source.name, "note": plan.source.note, "missing": bool(plan.source.missing),
                     "megabytes_to_fetch": plan.source.megabytes},
            "megabytes": megabytes, "folder": str(plan.folder.path), "state": plan.state,
            "steps": steps(plan),
            "over_epochs": {name: [asdict(piece) for piece in pieces] for name, pieces in over_epochs(plan).items()}}


def dry_run(plans):
    """The text of --dry-run: the configuration of each setting, then what would happen for each seed."""
    lines = []
    for name in dict.fromkeys(plan.setting.name for plan in plans):
        mine = [plan for plan in plans if plan.setting.name == name]
        chosen, source = mine[0].setting, mine[0].source
        lines += [f"{chosen.name}: {chosen.title}"]
        rows = [(key, str(value), f"a guess: {chosen.guesses[key]}" if key in chosen.guesses else "")
                for key, value in _flat(chosen.configuration())]
        lines += [indent(written(Cells((), tuple(rows), align="lll")), "  ")]
        lines += [f"  {name}: {in_words(pieces)}" for name, pieces in over_epochs(mine[0]).items()]
        lines += ["  steps: " + ", ".join(f"{role} {count:,}" for role, count in steps(mine[0]).items())]
        counts, sizes, missing = sizes_of(mine[0])
        networks = f"MISSING: {missing}" if missing else FETCHED
        lines += [f"  parameters: {_counts(counts)}" if counts else f"  networks: {networks}"]
        lines += [f"  data: {'MISSING: ' if source.missing else ''}{source.note}"]
        if sizes:
            lines += [f"  disk: about {sizes['run']:,} MB per seed and {sizes['checkpoints']:,} MB more while it runs; "
                      f"the teacher {sizes['teacher']:,} MB, once for all its students"]
        unchanged = "; for the unchanged setting" if chosen.given else ""
        lines += [f"  time: {duration(costs.expected(chosen), 'cpu')} per seed on two CPU cores, "
                  f"{duration(costs.expected(chosen), 'gpu')} on one H100 (* estimated{unchanged})"]
        for plan in mine:
            why = f" and run again ({plan.why})" if plan.why else ""
            lacking = plan.state != "show" and (missing or source.missing)
            would = "cannot run before what is MISSING is there" if lacking else f"would {plan.state}"
            lines += [f"  seed {plan.seed}: {would}{why}, {plan.folder.path}"]
    return "\n".join(lines)


def expected(setting):
    """Seconds by device, and the devices whose time was measured."""
    times = costs.expected(setting)
    return {"cpu": times.cpu, "gpu": times.gpu, "measured": list(times.measured)}


def parameters(setting, data_dir="data"):
    """The numbers of parameters: trained ones of the teacher, fixed ones of its embedding, and the student's if it has
    another architecture. Raises `pretrained.Missing` without the files of a pretrained network."""
    from validation.assembly import build

    embeddings, networks = build(setting, 0, data_dir, download=False)
    counted = {"trained": networks["teacher"], "fixed": embeddings["teacher"]}
    if not setting.is_self_distillation:
        counted["student"] = networks["student"]
    return {name: sum(p.numel() for p in module.parameters()) for name, module in counted.items()}


def over_epochs(plan):
    """Name -> list of `schedules.Piece` for learning rates and weights of loss terms over the training."""
    found = {}
    for role in ("teacher", "student"):
        recipe = getattr(plan.setting, role)
        found[f"{role}'s learning rate"] = learning_rate_pieces(recipe)
        weights = weight_pieces(recipe.loss.schedule, recipe.epochs, steps_per_epoch(plan.examples[role], recipe))
        found |= {f"{role}'s weight of {name}": pieces for name, pieces in weights.items()}
    return found


def steps(plan):
    """Role -> number of training steps."""
    return {role: recipe.epochs * steps_per_epoch(plan.examples[role], recipe)
            for role in ("teacher", "student") for recipe in [getattr(plan.setting, role)]}


def sizes_of(plan):
    """(`parameters`, estimated sizes on disk in MB, what is missing); without the files of a pretrained network the
    first two are None, and nothing is missing if the run may download them. The sizes are those of the run folder, the
    checkpoints and the teacher's folder."""
    try:
        counts = parameters(plan.setting, plan.data_dir)
    except Missing as missing:
        fetched = isinstance(missing, NotFetched) and plan.download is not False
        return None, None, "" if fetched else str(missing)
    sizes = costs.kept_bytes(plan.setting, counts)
    return counts, {name: max(1, round(count / 1e6)) for name, count in sizes.items()}, ""


def _counts(counts):
    student = f"; student's: {counts['student']:,}" if "student" in counts else ""
    return f"{counts['trained']:,} trained, {counts['fixed']:,} fixed{student}"


def duration(times, device):
    """A time of `costs.expected` in words, with * where it is estimated."""
    seconds = getattr(times, device)
    if seconds is None:
        return "unknown"
    unit, size = next(((unit, size) for unit, size in UNITS if seconds >= 1.5 * size), UNITS[-1])
    return f"{max(1, round(seconds / size))} {unit}{'' if device in times.measured else '*'}"


def _flat(mapping, prefix=""):
    """Yields (dotted name, value) of every leaf."""
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
