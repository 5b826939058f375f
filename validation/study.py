"""python -m validation.study NAME: runs what a study lacks, and prints its table; see --help and --list."""

import csv
import io
import json
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from threading import Thread, Timer
from typing import Annotated, Literal

from tqdm import tqdm
from tyro.conf import FlagCreatePairsOff, Positional, arg

from eigenkd._intervals import t_interval
from eigenkd.table import Cells, written
from validation import run, runs
from validation.command_line import parsed
from validation.errors import UsageError, exit_code
from validation.interrupts import listening
from validation.plans import make_plans
from validation.registered import SOURCE
from validation.settings import Setting
from validation.studies import STUDIES, find

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
    json: Switch = False
    """Print JSON: every run's numbers, and their means and intervals. The same as --format json."""
    format: Literal["text", "markdown", "csv", "json"] = "text"
    """Of the table."""

    def of_run(self, seeds):
        """The options of `validation.run` for these seeds."""
        return run.Options(seeds=tuple(seeds), device=self.device, data_dir=self.data_dir, download=self.download,
                           no_download=self.no_download, out=self.out)


@dataclass(frozen=True)
class Row:
    """A variant of a study with its finished runs, in the order of seeds."""

    variant: object
    found: list

    def by_seed(self, quantity):
        """{seed: number or None}. Raises UsageError where a run's result was made before the quantity was measured."""
        return {one.seed: quantity.of_run(one) for one in self.found}


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


def missing(planned, options):
    """The (variant, seed) that neither the run folders nor the committed records have."""
    lacking = []
    for variant, plans in planned:
        there = {run.seed for run in found(variant, [plan.seed for plan in plans], options)}
        lacking += [(variant, plan.seed) for plan in plans if plan.seed not in there]
    return lacking


def carry_out(wanted, options):
    """Runs each (variant, seed), several at once, with a bar that counts them. Raises the first error, once those that
    are under way have ended."""
    workers = min(len(wanted), options.at_once or automatic(options.device))
    with tqdm(total=len(wanted), unit="run", file=sys.stderr, disable=not wanted) as bar:
        if workers <= 1:
            for variant, seed in wanted:
                one(variant, seed, options)
                bar.update()
            return
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_the_parent) as pool:
            try:
                for done in as_completed([pool.submit(_one, variant, seed, options) for variant, seed in wanted]):
                    done.result()
                    bar.update()
            except BaseException as error:
                for worker in active_children() if isinstance(error, KeyboardInterrupt) else ():
                    worker.terminate()
                pool.shutdown(cancel_futures=True)
                raise


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


def _one(variant, seed, options):
    """`one` in a process of the pool, which ends soon after it is stopped, even if the pool is broken by then."""
    try:
        one(variant, seed, options)
    except KeyboardInterrupt:
        end = Timer(60, os._exit, [1])
        end.daemon = True
        end.start()
        raise


def _end_with_the_parent():
    """Stops this process when the one that started it is gone, however that ended."""
    def follow():
        parent_process().join()
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=follow, daemon=True).start()


def automatic(device):
    """How many runs go at the same time: on a GPU one, else one a CPU core."""
    from validation.device import choose

    return 1 if choose(device).type == "cuda" else len(os.sched_getaffinity(0))


def rows_of(study, planned, options):
    """A `Row` a variant. Raises UsageError where a run cannot be read, and, unless only what is there is asked for,
    where a variant has none."""
    rows = []
    for variant, plans in planned:
        seeds = [plan.seed for plan in plans]
        there = found(variant, seeds, options)
        if not there and not options.there:
            runs.require(variant.setting, variant.values, seeds, options.out)
        rows.append(Row(variant, there))
    return rows


def table(study, rows):
    """The study's `Cells`: a row a variant, the mean and Student's 95 % interval over seeds of each quantity; a column
    a variant where there are more than twice as many quantities."""
    cells = []
    for row in rows:
        numbers = (quantity.in_words(row.found) for quantity in study.quantities)
        cells.append((*row.variant.labels, *numbers, str(len(row.found))))
    header = (*study.header, *(quantity.title for quantity in study.quantities), "seeds")
    sources = sorted({one.field("data", "note") for row in rows for one in row.found})
    note = (f"{study.title}. Mean and Student's 95 % interval over seeds, of shares cut at 0 and 100 %. "
            f"Data: {'; '.join(sources) or 'none'}.")
    if len(study.quantities) > 2 * len(cells):
        header, *cells = zip(header, *cells)
        return Cells(header, tuple(cells), (note,))
    return Cells(header, tuple(cells), (note,), align="l" * len(study.header))


def as_data(study, rows):
    """The table as a JSON-able list, a mapping a variant, with each run's number by its seed."""
    listed = []
    for row in rows:
        quantities = {}
        for quantity in study.quantities:
            values = quantity.over(row.found)
            mean, low, high = t_interval(values, quantity.within) if len(values) > 1 else (values or [None]) * 3
            quantities[quantity.title] = {"mean": mean, "low": low, "high": high, "seeds": len(values), "by_seed": {
                str(seed): value for seed, value in row.by_seed(quantity).items()}}
        listed.append({"setting": row.variant.setting, "values": row.variant.values, "quantities": quantities})
    return {"study": study.name, "title": study.title, "variants": listed}


def as_csv(study, rows):
    """The table with a column for each number: mean, low and high of each quantity."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*study.header, *(f"{quantity.title}{part}" for quantity in study.quantities
                                      for part in ("", " low", " high")), "seeds"])
    for row, variant in zip(rows, as_data(study, rows)["variants"]):
        numbers = [value[part] for value in variant["quantities"].values() for part in ("mean", "low", "high")]
        writer.writerow([*row.variant.labels, *numbers, len(row.found)])
    return file.getvalue().rstrip("\n")


def formatted(study, rows, format):
    """The study's table in one of the formats."""
    if format == "json":
        return json.dumps(as_data(study, rows), indent=1, allow_nan=False)
    return as_csv(study, rows) if format == "csv" else written(table(study, rows), format)


def dry_run(planned, lacking):
    """Each run: its folder, its state ("there", or what would be done), and why a run there would be set aside."""
    names = {(id(variant), seed) for variant, seed in lacking}
    return [{"folder": str(plan.folder.path), "state": plan.state, "why": plan.why}
            if (id(variant), plan.seed) in names else {"folder": str(plan.folder.path), "state": "there", "why": ""}
            for variant, plans in planned for plan in plans]


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
    return options, [find(name) for name in dict.fromkeys(options.names)]


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
            lacking = missing(planned, options)
        if options.dry_run:
            states = dry_run(planned, lacking)
            print(json.dumps(states, indent=1) if as_json else dry_run_text(study, states))
            continue
        runs_in_all = sum(len(plans) for _, plans in planned)
        print(f"{study.name}: {runs_in_all - len(lacking)} of {runs_in_all} runs are there, "
              f"{len(lacking)} {'missing' if options.there else 'to be trained'}", file=sys.stderr)
        if not options.there:
            with listening():
                carry_out(lacking, options)
        with runs.telling(_say):
            rows = rows_of(study, planned, options)
        print(formatted(study, rows, "json" if as_json else options.format))


def _say(text):
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
