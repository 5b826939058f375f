"""The command line's summary of results."""

import math

QUARTER = "0.25"
NAMES = {"teacher": "teacher", "one_hot": "one-hot student", "distilled": "distilled student"}


def summary(result):
    """A few lines about one run, with the paper's accuracies if it gives them."""
    space, train = result["eigenspace"], result["deviation"]["train"]
    smoke = " (smoke run on generated data)" if result["smoke"] else ""
    lines = [f"{result['setting']} seed {result['seed']}{smoke}"]
    lines += [f"  pairs exaggerated   {layer}: " + ", ".join(
        f"{found[name]['exaggerated']} of {found[name]['pairs']} in {name}" for name in ("weights", "displacement"))
        for layer, found in space.items()]
    if fit := result["mislabelled"]:
        lines += ["  bottom directions   share of the fit: " + "; ".join(
            f"{role} {fit[f'{role}_mislabelled']['rest']:.0%} for mislabelled examples, "
            f"{fit[f'{role}_clean']['rest']:.0%} for clean ones" for role in ("teacher", "student"))]
    data, others = result["data"], "one_hot" in result["teachers"]
    if not result["smoke"] and not says_nothing(result):
        slope = interval(train["slope_low"][QUARTER])
        lines += [f"  low slope           {slope}, least confident quarter of the training set",
                  f"  underfit            {train['underfit']:.2f} of that quarter"]
    if not result["smoke"]:
        lines += [f"  at chance           {training}: no better than guessing" for training in at_chance(result)]
    published = None if result["smoke"] else result["published"]
    lines += [f"  {split + ' accuracy':<20}{_accuracies(result['accuracy'][split], others)}"
              + (f" (paper: {_accuracies(published['accuracy'][split], others)})" if published else "")
              for split in ("train", "test")]
    return "\n".join([*lines, f"  data                {data['source']}, sha256 {data['sha256'][:12]}",
                      f"  {result['seconds']:.1f} s, {result['folder']}"])


def at_chance(result):
    """The networks at chance, such as "the distilled student on the training set"."""
    sets, trained = {"train": "training", "test": "test"}, {"distilled", *result.get("teachers", ())}
    return [f"the {NAMES[name]} on the {sets[split]} set" for split, names in result.get("at_chance", {}).items()
            for name in names if name in trained]


def says_nothing(result, split="train"):
    """Whether teacher or student is at chance on a split; comparing the two there is then meaningless."""
    return not {"teacher", "distilled"}.isdisjoint(result.get("at_chance", {}).get(split, ()))


def _accuracies(accuracy, others):
    """others: whether the student has another architecture than its teacher, and thus its own one-hot training."""
    one_hot = f"{accuracy['one_hot']:.3f} one-hot student, " if others else ""
    return f"{accuracy['teacher']:.3f} teacher, {one_hot}{accuracy['distilled']:.3f} distilled"


def over_seeds(results):
    """Lines with means and ranges: one for each setting with several seeds, and one for each recorded layer."""
    lines = []
    for name in dict.fromkeys(result["setting"] for result in results):
        mine = [result for result in results if result["setting"] == name]
        if len(mine) > 1:
            train = [result["deviation"]["train"] for result in mine if not says_nothing(result)]
            lines.append(
                f"{name} over {len(mine)} seeds, mean (range): "
                f"low slope {_spread([d['slope_low'][QUARTER]['value'] for d in train])}, "
                f"underfit {_spread([d['underfit'] for d in train])}, "
                f"test accuracy {_spread([r['accuracy']['test']['teacher'] for r in mine])} teacher and "
                f"{_spread([r['accuracy']['test']['distilled'] for r in mine])} distilled")
            if silent := [str(result["seed"]) for result in mine if says_nothing(result)]:
                lines.append(f"  slope and underfit exclude seed {', '.join(silent)}: teacher or student at chance")
            for layer, found in mine[0]["eigenspace"].items():
                counts = [[result["eigenspace"][layer][name]["exaggerated"] for result in mine]
                          for name in ("weights", "displacement")]
                lines.append(f"  exaggerated pairs of {layer}, of {len(found['per_pair'])}: {_spread(counts[0], 1)} in "
                             f"weights, {_spread(counts[1], 1)} in displacement")
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
