"""python -m validation.study NAME: runs what a study lacks, and prints its table; see --help and --list."""

import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

from tqdm import tqdm
from tyro.conf import FlagCreatePairsOff, Positional, arg

from validation import run, runs, workers
from validation.command_line import parsed
from validation.errors import UsageError, exit_code
from validation.interrupts import listening
from validation.plans import make_plans
from validation.registered import SOURCE
from validation.settings import Setting
from validation.studies import STUDIES, find
from validation.studies.tables import Row, differences, formatted

Switch = Annotated[bool, FlagCreatePairsOff]


@dataclass(frozen=True)
class StudyOptions:
    """Run a study: settings, values and seeds; finished runs are reused. It ends in a table of means and intervals."""

    names: Annotated[Positional[tuple[str, ...]], arg(metavar="NAME")] = ()
    """The study, or several; --list shows them."""
    seeds: tuple[int, ...] | None = None
    """Its seeds, in place of those that the study names."""
    out: Path = Path("runs")
    """The folder of the runs."""
    data_dir: Path = Path("data")
    download: Switch = False
    """Fetch a data set that is not on disk."""
    no_download: Switch = False
    """Never fetch one."""
    device: str = "auto"
    at_once: int | None = None
    """Runs at the same time, one thread each; by default one per CPU core, or one on a GPU."""
    list: Switch = False
    """Show the studies and exit."""
    dry_run: Switch = False
    """Show which runs are there and which are missing, and exit."""
    there: Switch = False
    """Train nothing: the table of the runs that are there."""
    differences: Switch = False
    """Of each variant from the first, seed by seed, in place of the variants themselves."""
    json: Switch = False
    """Print JSON: every run's numbers, and their means and intervals. The same as --format json."""
    format: Literal["text", "markdown", "csv", "json"] = "text"
    """Of the table."""

    def of_run(self, seeds):
        """The options of `validation.run` for these seeds."""
        return run.Options(seeds=tuple(seeds), device=self.device, data_dir=self.data_dir, download=self.download,
                           no_download=self.no_download, out=self.out)


def plans_of(study, options):
    """(variant, its `Plan`s, one a seed) of each variant; raises UsageError before anything is trained."""
    seeds = study.seeds if options.seeds is None else options.seeds
    return [(variant, make_plans(options.of_run(seeds), [variant.apply()])) for variant in study.variants()]


def found(variant, seeds, options):
    """The finished runs of a variant. Seeds that --out does not have are those of the committed records, if they are
    of the same data."""
    there = runs.find(variant.setting, variant.values, seeds, options.out)
    lacking = set(seeds) - {run.seed for run in there}
    if there and lacking and (source := there[0].configuration.get(SOURCE)):
        there += runs.find(variant.setting, variant.values | {SOURCE: source}, sorted(lacking), options.out)
    return sorted(there, key=lambda run: run.seed)


def there(planned, options):
    """The `found` runs of each variant, in their order."""
    return [found(variant, [plan.seed for plan in plans], options) for variant, plans in planned]


def missing(planned, finished):
    """The (variant, seed) that none of the `there` runs has."""
    return [(variant, plan.seed) for (variant, plans), runs in zip(planned, finished) for plan in plans
            if plan.seed not in {run.seed for run in runs}]


def train(wanted, options):
    """Trains each (variant, seed), several at once, with a bar that counts them."""
    at_once = min(len(wanted), options.at_once or automatic(options.device))
    with tqdm(total=len(wanted), unit="run", file=sys.stderr, disable=not wanted) as bar:
        workers.carry_out(one, [(*each, options) for each in wanted], at_once, bar.update)


def one(variant, seed, options):
    """Trains one run; what it prints of its progress is dropped, but for warnings and errors, which are raised."""
    setting = variant.apply()
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        if isinstance(setting, Setting):
            with run.listening() as stops:
                run.train_all(options.of_run([seed]), [setting], stops)
        else:
            from validation.device import choose, threads

            with threads(1):
                import_module(setting.runner).run(replace(setting, seed=seed), options.out,
                                                  device=choose(options.device), data_dir=options.data_dir)


def automatic(device):
    """How many runs go at the same time: on a GPU one, else one a CPU core."""
    from validation.device import choose

    return 1 if choose(device).type == "cuda" else len(os.sched_getaffinity(0))


def rows_of(planned, finished, options):
    """A `Row` a variant. Raises UsageError where a run cannot be read, and, unless only what is there is asked for,
    where a variant has none."""
    for (variant, plans), mine in zip(planned, finished):
        if not mine and not options.there:
            runs.require(variant.setting, variant.values, [plan.seed for plan in plans], options.out)
    return [Row(variant, mine) for (variant, _), mine in zip(planned, finished)]


def dry_run(planned, finished):
    """Each run: its folder, its state ("there", or what would be done), and why a run there would be set aside."""
    states = []
    for (_, plans), mine in zip(planned, finished):
        folders = {run.seed: str(run.folder) for run in mine}  # among the records, maybe
        states += [{"folder": folders[plan.seed], "state": "there", "why": ""} if plan.seed in folders else
                   {"folder": str(plan.folder.path), "state": plan.state, "why": plan.why} for plan in plans]
    return states


def dry_run_text(study, states):
    """The same for people."""
    lacking = sum(one["state"] != "there" for one in states)
    lines = [f"{study.name}: {study.title}; {lacking} of {len(states)} runs missing"]
    for one in states:
        why = f" and run again ({one['why']})" if one["why"] else ""
        lines.append(f"  {one['folder']}: " + ("there" if one["state"] == "there" else f"would {one['state']}{why}"))
    return "\n".join(lines)


def parse(arguments):
    """The options and the studies that they name."""
    options = parsed(StudyOptions, "python -m validation.study", arguments)
    if options.download and options.no_download:
        raise UsageError("--download: expected it or --no-download, got both; leave one out")
    if options.seeds is not None and (not options.seeds or min(options.seeds) < 0):
        raise UsageError("--seeds: expected whole numbers from 0 on, got "
                         f"{' '.join(map(str, options.seeds)) or 'none'}; leave it out for those of the study")
    if options.at_once is not None and options.at_once < 1:
        raise UsageError(f"--at-once: expected at least 1, got {options.at_once}; leave it out")
    if not options.names and not options.list:
        raise UsageError(f"NAME: expected a study ({', '.join(STUDIES)}), got none; see --list")
    studies = [find(name) for name in dict.fromkeys(options.names)]
    if options.differences and (alone := [study.name for study in studies if len(study.variants()) == 1]):
        raise UsageError(f"--differences: expected a study of several variants, got {alone[0]}, which has one; leave "
                         "it out")
    return options, studies


def main(arguments=None):
    """Returns the exit code: 0, 2 for what the user can fix, 130 after Ctrl-C, 143 after SIGTERM."""
    return exit_code(lambda: _work(sys.argv[1:] if arguments is None else arguments))


def _work(arguments):
    options, studies = parse(arguments)
    if options.list:
        width = max(map(len, STUDIES)) + 2
        print("\n".join(f"{study.name:<{width}}{len(study.variants())} variants x {len(study.seeds)} seeds: "
                        f"{study.title}" for study in STUDIES.values()))
    as_json = options.json or options.format == "json"
    for study in () if options.list else studies:
        with runs.telling(_say):
            planned = plans_of(study, options)
            finished = there(planned, options)
            lacking = missing(planned, finished)
        if options.dry_run:
            states = dry_run(planned, finished)
            print(json.dumps(states, indent=1) if as_json else dry_run_text(study, states))
            continue
        runs_in_all = sum(len(plans) for _, plans in planned)
        print(f"{study.name}: {runs_in_all - len(lacking)} of {runs_in_all} runs are there, "
              f"{len(lacking)} {'missing' if options.there else 'to be trained'}", file=sys.stderr)
        if lacking and not options.there:
            with listening():
                train(lacking, options)
            with runs.telling(_say):
                finished = there(planned, options)
        rows = rows_of(planned, finished, options)
        rows = differences(rows) if options.differences else rows
        print(formatted(study, rows, "json" if as_json else options.format))


def _say(text):
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
