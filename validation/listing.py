"""What the command line says before anything is run: settings and plans, as text and as JSON-able mappings."""

from textwrap import indent

from eigenkd.table import Cells, written
from validation.data import DATASETS
from validation.settings import find
from validation.settings.setting import network_title
from validation.settings.sizes import kept_bytes

DEVICES = {"cpu": "2 CPU CORES", "gpu": "ONE H100"}
UNITS = (("days", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def listed(setting):
    """A setting for --list --json."""
    return {"name": setting.name, "title": setting.title, "data": setting.data.name, "models": models(setting),
            "megabytes": DATASETS[setting.data.name].SIZE_MB, "expected": expected(setting),
            "configuration": setting.configuration(), "guesses": setting.guesses}


def listing(settings, locate):
    """The tables of --list, one for each data set; locate(name) -> the `Source` that it would come from."""
    lines, estimated = [], False
    for name in dict.fromkeys(setting.data.name for setting in settings):
        source = locate(name)
        state = ("missing, see --dry-run" if source.missing else
                 "to be fetched" if source.megabytes else source.note)
        lines += [f"{name} ({DATASETS[name].SIZE_MB:,g} MB): {state}"]
        rows = []
        for setting in settings:
            if setting.data.name == name:
                times = [_time(setting.expected, device) for device in DEVICES]
                estimated |= any("*" in time for time in times)
                rows.append((setting.name, models(setting), *times, setting.title))
        table = Cells(("NAME", "MODELS", *DEVICES.values(), "WHAT"), tuple(rows), align="lllll")
        lines += [indent(written(table), "  "), ""]
    return "\n".join([*lines, *(["* estimated, not measured; one seed"] if estimated else [])]).rstrip()


def planned(plan):
    """A plan for --dry-run --json."""
    return {"configuration": plan.configuration, "guesses": plan.setting.guesses,
            "parameters": parameters(plan.setting), "expected": expected(plan.setting),
            "data": {"source": plan.source.name, "note": plan.source.note, "missing": bool(plan.source.missing),
                     "megabytes_to_fetch": plan.source.megabytes},
            "megabytes": kept_megabytes(plan.setting), "folder": str(plan.folder.path), "state": plan.state}


def dry_run(plans):
    """The text of --dry-run: each setting's configuration once, then what would happen for each seed."""
    lines = []
    for name in dict.fromkeys(plan.setting.name for plan in plans):
        mine = [plan for plan in plans if plan.setting.name == name]
        chosen, source = mine[0].setting, mine[0].source
        lines += [f"{chosen.name}: {chosen.title}"]
        rows = [(key, str(value), f"a guess: {chosen.guesses[key]}" if key in chosen.guesses else "")
                for key, value in _flat(chosen.configuration())]
        lines += [indent(written(Cells((), tuple(rows), align="lll")), "  ")]
        lines += [f"  parameters: {_counts(parameters(chosen))}"]
        lines += [f"  data: {'MISSING: ' if source.missing else ''}{source.note}"]
        sizes = kept_megabytes(chosen)
        lines += [f"  disk: about {sizes['run']:,} MB a seed, {sizes['checkpoints']:,} MB more while it runs; its "
                  f"teacher {sizes['teacher']:,} MB, once for all its students"]
        listed_so = "" if chosen.configuration() == find(name).configuration() else ", without the values changed here"
        lines += [f"  time: {_time(chosen.expected, 'cpu')} a seed on two CPU cores, "
                  f"{_time(chosen.expected, 'gpu')} on one H100 (* estimated{listed_so})"]
        for plan in mine:
            lines += [f"  seed {plan.seed}: would {plan.state}, {plan.folder.path}"]
    return "\n".join(lines)


def models(setting):
    """The networks, such as "ResNet-56 to ResNet-20"."""
    return " to ".join(network_title(model) for model in (setting.model, setting.student_model) if model)


def expected(setting):
    """Seconds by device, and which of them were measured."""
    times = setting.expected
    return {"cpu": times.cpu, "gpu": times.gpu, "measured": list(times.measured)}


def parameters(setting):
    """The numbers of parameters: trained of the teacher, fixed in its embedding, trained of another student."""
    from validation.experiment import build

    embed, networks = build(setting, seed=0)
    counted = {"trained": networks["teacher"], "fixed": embed}
    if "one_hot" in networks:
        counted["student"] = networks["one_hot"]
    return {name: sum(p.numel() for p in module.parameters()) for name, module in counted.items()}


def kept_megabytes(setting):
    """Estimated sizes on the disk in MB: of a run folder, of its checkpoints, of its teacher's folder."""
    sizes = kept_bytes(setting, parameters(setting))
    return {name: max(1, round(count / 1e6)) for name, count in sizes.items()}


def _counts(counts):
    student = f"; student's: {counts['student']:,}" if "student" in counts else ""
    return f"{counts['trained']:,} trained, {counts['fixed']:,} fixed{student}"


def _time(times, device):
    seconds = getattr(times, device)
    if seconds is None:
        return "unknown"
    unit, size = next(((unit, size) for unit, size in UNITS if seconds >= 1.5 * size), UNITS[-1])
    return f"{max(1, round(seconds / size))} {unit}{'' if device in times.measured else '*'}"


def _flat(mapping, prefix=""):
    """(dotted name, value) of every leaf."""
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
