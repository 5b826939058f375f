"""What the command line says: settings, plans and results, as text and as JSON-able mappings."""

import math

QUARTER = "0.25"


def listed(setting):
    """A setting for --list --json."""
    return {"name": setting.name, "title": setting.title, "data": setting.data.name, "model": setting.model.name,
            "expected_seconds": setting.expected_seconds, "configuration": setting.configuration(),
            "guesses": setting.guesses}


def listing(settings):
    """The table of --list."""
    rows = [("NAME", "DATA SET", "MODEL", "SECONDS", "WHAT")]
    rows += [(s.name, s.data.name, s.model.name, f"{s.expected_seconds:g}", s.title) for s in settings]
    return columns(rows)


def planned(plan):
    """A plan for --dry-run --json."""
    return {"configuration": plan.configuration, "guesses": plan.setting.guesses,
            "parameters": parameters(plan.setting), "data": {"source": plan.source.name, "note": plan.source.note},
            "expected_seconds": plan.setting.expected_seconds, "folder": str(plan.folder.path), "state": plan.state,
            "differences": plan.differences}


def parameters(setting):
    """The numbers of parameters of the setting's network: trained, and fixed in its embedding."""
    from validation.experiment import build

    embed, network, _ = build(setting, seed=0)
    trained, fixed = (sum(p.numel() for p in module.parameters()) for module in (network, embed))
    return {"trained": trained, "fixed": fixed}


def dry_run(plans):
    """The text of --dry-run: each setting's configuration once, then what would happen for each seed."""
    lines = []
    for setting in dict.fromkeys(plan.setting.name for plan in plans):
        mine = [plan for plan in plans if plan.setting.name == setting]
        chosen, counts = mine[0].setting, parameters(mine[0].setting)
        lines += [f"{chosen.name}: {chosen.title}"]
        rows = [(f"  {name}", str(value), f"a guess: {chosen.guesses[name]}" if name in chosen.guesses else "")
                for name, value in _flat(chosen.configuration())]
        lines += [columns(rows), f"  parameters: {counts['trained']:,} trained, {counts['fixed']:,} fixed",
                  f"  data: {mine[0].source.note}", f"  expected: about {chosen.expected_seconds:g} s a seed"]
        for plan in mine:
            lines += [f"  seed {plan.seed}: would {plan.state}, {plan.folder.path}"]
            lines += [f"    {line}" for line in plan.differences]
    return "\n".join(lines)


def summary(result):
    """A few lines on one run."""
    space, train = result["eigenspace"], result["deviation"]["train"]
    accuracy = result["accuracy"]
    return "\n".join([
        f"{result['setting']} seed {result['seed']}" + (" (smoke run on generated data)" if result["smoke"] else ""),
        f"  pairs exaggerated   {space['exaggerated']} of {space['pairs']}",
        f"  low slope           {interval(train['slope_low'][QUARTER])}, least confident quarter of the training set",
        f"  underfit            {train['underfit']:.2f} of that quarter",
        *(f"  {split + ' accuracy':<20}{accuracy[split]['teacher']:.3f} teacher, "
          f"{accuracy[split]['distilled']:.3f} distilled" for split in ("train", "test")),
        f"  data                {result['data']['source']}, sha256 {result['data']['sha256'][:12]}",
        f"  {result['seconds']:.1f} s, {result['folder']}",
    ])


def over_seeds(results):
    """One line for each setting that was run with several seeds: means and ranges."""
    lines = []
    for name in dict.fromkeys(result["setting"] for result in results):
        mine = [result for result in results if result["setting"] == name]
        if len(mine) > 1:
            train, pairs = [result["deviation"]["train"] for result in mine], mine[0]["eigenspace"]["pairs"]
            lines.append(
                f"{name} over {len(mine)} seeds, mean (range): "
                f"{_spread([r['eigenspace']['exaggerated'] for r in mine], 1)} of {pairs} pairs exaggerated, "
                f"low slope {_spread([d['slope_low'][QUARTER]['value'] for d in train])}, "
                f"underfit {_spread([d['underfit'] for d in train])}, "
                f"test accuracy {_spread([r['accuracy']['test']['teacher'] for r in mine])} teacher and "
                f"{_spread([r['accuracy']['test']['distilled'] for r in mine])} distilled")
    return lines


def interval(slope):
    """A slope of `eigenkd.deviation` with its 95 % interval."""
    if slope["value"] is None:
        return "undetermined"
    if slope["low"] is None:
        return f"{slope['value']:.2f}"
    return f"{slope['value']:.2f} [{slope['low']:.2f}, {slope['high']:.2f}]"


def _spread(values, digits=2):
    values = [value for value in values if value is not None]
    if not values:
        return "undetermined"
    ends = (f"{end:g}" if isinstance(end, int) else f"{end:.{digits}f}" for end in (min(values), max(values)))
    return f"{math.fsum(values) / len(values):.{digits}f} ({' to '.join(ends)})"


def _flat(mapping, prefix=""):
    """(dotted name, value) of every leaf."""
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def columns(rows):
    """Rows of strings as aligned text."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    padded = ([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]] for row in rows)
    return "\n".join("  ".join(row).rstrip() for row in padded)
