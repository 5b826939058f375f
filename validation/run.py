"""python -m validation.run NAME [NAME ...]: runs experiments of the paper; see --help and --list."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import AvoidSubcommands, FlagCreatePairsOff, Positional, arg

from validation import report
from validation.data.dataset import Source
from validation.errors import UsageError
from validation.progress import Progress
from validation.record import RunFolder, differences
from validation.settings import SETTINGS, Setting, find

Switch = Annotated[bool, FlagCreatePairsOff]


@dataclass(frozen=True)
class Options:
    """Run experiments of the paper: a teacher, its student, and what sets them apart.

    Every value of a setting is a flag too, to be given after its name: --student.epochs 80, --data.label-noise 0.
    --dry-run shows them all.
    """

    names: Annotated[Positional[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Settings to run, one or more; --list shows them."""
    seeds: tuple[int, ...] = (0,)
    """One run a seed."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto takes the fastest there is."""
    data_dir: Path = Path("data")
    """Where data sets are on disk, or go when downloaded."""
    download: Switch = False
    """Fetch a data set that is not on disk."""
    no_download: Switch = False
    """Never fetch one."""
    threads: int = 1
    """CPU threads; a run repeats bit for bit on as many. One is fastest for small networks on a busy machine."""
    out: Path = Path("runs")
    """Run folders go to OUT/SETTING/seedK."""
    smoke: Switch = False
    """Try everything in a second, on generated data; the result says so."""
    list: Switch = False
    """Show the settings and exit."""
    dry_run: Switch = False
    """Show what would be run and exit."""
    json: Switch = False
    """Print a JSON list on standard output, and nothing else there."""
    resume: Switch = True
    """Run anew where a run is finished, moving that one aside."""

    @property
    def fetch(self):
        """True, False, or None where the data set decides."""
        return True if self.download else False if self.no_download else None


@dataclass(frozen=True)
class Plan:
    """One run to be: the setting as it will be trained, its seed, where its data comes from, and what is there."""

    setting: Setting
    seed: int
    source: Source
    folder: RunFolder
    configuration: dict
    state: str
    """What is to be done: "run" it; "show" the finished run of this configuration that is there; "set aside" the
    finished run that is there and run; or "refuse", as that is another configuration's. A smoke run is in no one's way.
    """
    differences: list[str]
    """Between the configuration of the finished run that is there and this one's."""


def parse(arguments):
    """The options, and each named setting with the values that the command line overrides."""
    if sum(argument.split("=")[0] == "--seeds" for argument in arguments) > 1:
        raise UsageError("--seeds: expected once, with all seeds behind it, got it several times; pass --seeds 0 1 2")
    options, overrides = tyro.cli(Options, prog="python -m validation.run", args=arguments, return_unknown_args=True)
    if options.download and options.no_download:
        raise UsageError("--download: expected it or --no-download, got both; leave one out")
    if not options.seeds or min(options.seeds) < 0:
        got = " ".join(map(str, options.seeds)) or "none"
        raise UsageError(f"--seeds: expected whole numbers from 0 on, got {got}; pass for example --seeds 0 1 2")
    if options.threads < 1:
        raise UsageError(f"--threads: expected at least 1, got {options.threads}; leave it out for 1")
    settings = [find(name) for name in dict.fromkeys(options.names)]
    if not settings and (overrides or not options.list):
        raise UsageError(f"NAME: expected one or more of {', '.join(SETTINGS)}, got none; "
                         + ("put it before its own flags" if overrides else "see --list"))
    if overrides:
        settings = [tyro.cli(Setting, prog=f"python -m validation.run {setting.name}", default=setting, args=overrides,
                             config=(AvoidSubcommands,)) for setting in settings]
    return options, settings


def make_plans(options, settings):
    """One `Plan` for each setting and seed; reads what is in the folders and changes nothing."""
    from validation import experiment

    plans = []
    for setting in settings:
        if options.smoke:
            setting = experiment.shortened(setting)
        source = experiment.locate(setting, data_dir=options.data_dir, download=options.fetch, smoke=options.smoke)
        for seed in dict.fromkeys(options.seeds):
            folder = RunFolder(options.out, setting.name, seed)
            configuration = experiment.configuration(setting, seed, smoke=options.smoke, source=source)
            plans.append(Plan(setting, seed, source, folder, configuration,
                              *judge(folder, configuration, options.resume)))
    return plans


def judge(folder, configuration, resume):
    """The state of a `Plan`, and the differences behind it."""
    if not folder.is_finished():
        return "run", []
    if not resume:
        return "set aside", []
    lines = differences(folder.configuration() or {}, configuration)
    if not lines:
        return "show", []
    return "set aside" if folder.finished()["smoke"] else "refuse", lines


def carry_out(plan, options, device, progress):
    """The result of one run, trained now or found finished, with its folder and whether it is an old one."""
    from validation import experiment

    path, name = plan.folder.path, f"{plan.setting.name} seed {plan.seed}"
    if plan.state == "show":
        progress.note(f"{name}: already finished in {path}, this is its result (--no-resume runs it anew)")
        result = plan.folder.finished()
    else:
        if plan.state == "set aside":
            progress.note(f"{name}: the finished run in {path} moves to {plan.folder.set_aside()}")
        result = experiment.run(plan.setting, plan.seed, plan.folder, device=device, data_dir=options.data_dir,
                                download=options.fetch, smoke=options.smoke, progress=progress)
    return result | {"folder": str(path), "reused": plan.state == "show"}


def run_all(plans, options):
    """Carries out every plan, telling of each; nothing is trained if one of them is refused."""
    from validation.device import choose, threads

    device = choose(options.device)
    for plan in plans:
        if plan.state == "refuse":
            raise UsageError("--out: expected a free folder or a run of the same configuration, got "
                             f"{plan.folder.path} with another finished run; name another --out, or keep that one "
                             "aside with --no-resume\n  " + "\n  ".join(plan.differences))
    progress, results = Progress(), []
    for plan in plans:
        with threads(options.threads):
            results.append(carry_out(plan, options, device, progress))
        if not options.json:
            print(report.summary(results[-1]), flush=True)
    if not options.json:
        for line in report.over_seeds(results):
            print(line)
    return results


def main(arguments=None):
    """Returns the exit code: 0, 2 for what the user can mend, 130 after Ctrl-C."""
    try:
        options, settings = parse(sys.argv[1:] if arguments is None else arguments)
        if options.list:
            chosen = settings or list(SETTINGS.values())
            text, data = report.listing(chosen), [report.listed(setting) for setting in chosen]
        elif options.dry_run:
            plans = make_plans(options, settings)
            text, data = report.dry_run(plans), [report.planned(plan) for plan in plans]
        else:
            text, data = None, run_all(make_plans(options, settings), options)
        if options.json:
            print(json.dumps(data, indent=1, allow_nan=False))
        elif text:
            print(text)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, say: what was finished before stays finished
        print(f"error: {error}; mend that and give the same command again", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: a run that was under way has no result; the same command runs it again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
