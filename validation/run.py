"""python -m validation.run NAME [NAME ...]: runs experiments of the paper; see --help and --list."""

import json
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import AvoidSubcommands, FlagCreatePairsOff, Positional, arg

from validation import listing, report
from validation.address import changes
from validation.command_line import parsed
from validation.data import DATASETS, VIEWS
from validation.errors import UsageError, unknown
from validation.interrupts import listening
from validation.models import MODELS
from validation.plans import make_plans, planned_again
from validation.progress import Progress
from validation.settings import SETTINGS, Setting, find
from validation.settings.scaling import scaled

Switch = Annotated[bool, FlagCreatePairsOff]
PARTS = {"--model": MODELS, "--student-model": {**MODELS, "none": None}, "--data.set": DATASETS, "--data.view": VIEWS}


@dataclass(frozen=True)
class Options:
    """Run experiments of the paper: a teacher, its student, and what sets them apart.

    Every value of a setting is a flag too, to be given after its name: --student.epochs 80, --data.label-noise 0.
    --dry-run shows them all; one that can never take effect is refused. --model and --student-model take the name of
    another network, such as resnet, whose own values are flags as well: --student-model mlp --student-model.hidden 50;
    --student-model none is self-distillation.
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
    """Run folders go to OUT/SETTING/seedK, of changed settings to OUT/SETTING@CHANGES/seedK."""
    smoke: Switch = False
    """Try everything in a second, on generated data; the result says so."""
    list: Switch = False
    """Show the settings and exit."""
    dry_run: Switch = False
    """Show what would be run and exit."""
    json: Switch = False
    """Print a JSON list on standard output, and nothing else there."""
    resume: Switch = True
    """With --no-resume: train again, and move an existing run and its teacher aside first."""
    checkpoint_every: str = "60s"
    """Steps (500) or time (30s, 10m, 1h) between two checkpoints; it changes no result."""
    scale_schedule: Switch = False
    """With other epochs than the setting's: decay epochs, warm-ups and loss switches in proportion."""
    compile: Literal["auto", "on", "off"] = "auto"
    """torch.compile: on rounds differently and starts a minute later; auto is on for long trainings on a GPU."""

    @property
    def fetch(self):
        """True, False, or None where the data set decides."""
        return True if self.download else False if self.no_download else None


def parse(arguments):
    """The options, and each named setting with the values that the command line overrides."""
    if sum(argument.split("=")[0] == "--seeds" for argument in arguments) > 1:
        raise UsageError("--seeds: expected once, with all seeds behind it, got it several times; pass --seeds 0 1 2")
    options, overrides = parsed(Options, "python -m validation.run", arguments, return_unknown_args=True)
    if options.download and options.no_download:
        raise UsageError("--download: expected it or --no-download, got both; leave one out")
    if not options.seeds or min(options.seeds) < 0:
        got = " ".join(map(str, options.seeds)) or "none"
        raise UsageError(f"--seeds: expected whole numbers from 0 on, got {got}; pass for example --seeds 0 1 2")
    if options.threads < 1:
        raise UsageError(f"--threads: expected at least 1, got {options.threads}; leave it out for 1")
    settings = [find(name) for name in dict.fromkeys(options.names)]
    if not settings and (overrides or not options.list):
        raise UsageError("NAME: expected one or more settings, such as rf_noisy_mnist or resnet8_mnist, got none; "
                         + ("put it before its own flags" if overrides else "see --list"))
    if overrides or options.scale_schedule:
        settings = [changed(setting, overridden(setting, overrides), options.scale_schedule) for setting in settings]
    return options, settings


def overridden(setting, arguments):
    """The setting with the values that the command line gives. What --model, --student-model, --data.set and
    --data.view name is put in place first: its own values are flags then too."""
    named, others = {}, []
    arguments = iter(arguments)
    for argument in arguments:
        flag, _, name = argument.partition("=")
        if flag not in PARTS:
            others.append(argument)
            continue
        known, name = PARTS[flag], name or next(arguments, "")
        if name not in known:
            raise unknown(flag, name, known)
        named[flag.removeprefix("--").replace("-", "_")] = known[name] and known[name]()
    given = frozenset(flag[2:].replace("-", "_").replace(".no_", ".") for flag in (
        argument.partition("=")[0] for argument in others if argument.startswith("--")))
    data = replace(setting.data, **{part.removeprefix("data."): value for part, value in named.items()
                                    if part.startswith("data.")})
    models = {part: value for part, value in named.items() if not part.startswith("data.")}
    return parsed(Setting, f"python -m validation.run {setting.name}", others, config=(AvoidSubcommands,),
                  default=replace(setting, data=data, given=given, **models))


def changed(setting, overridden, scale_schedule=False):
    """The overridden setting, as its title says, without the guesses of values that were given. Of a network of another
    kind no layers are recorded but those that are named."""
    if scale_schedule:
        overridden = scaled(overridden, setting)
    if overridden.model.name != setting.model.name and overridden.analysis.layers == setting.analysis.layers:
        overridden = replace(overridden, analysis=replace(overridden.analysis, layers=()))
    given = {".".join(path) for path in changes(overridden.configuration(), setting.configuration())}
    if not given:
        return overridden
    guesses = {name: why for name, why in setting.guesses.items() if name not in given}
    return replace(overridden, title=f"{setting.title}, changed", guesses=guesses,
                   base=setting.base or setting)


def carry_out(plan, options, engine, progress, renewed):
    """The result of one run, trained now or found finished, with its folder and whether it is an old one."""
    from validation import experiment

    path, name, group = plan.folder.path, f"{plan.setting.name} seed {plan.seed}", engine.group
    if plan.state == "show":
        progress.note(f"{name}: already finished in {path}, this is its result (--no-resume runs it again)")
        result = plan.folder.finished()
        plan.folder.clear_checkpoints()  # of a run that died between its result and this
    else:
        if plan.state == "set aside":
            group.on_first(lambda: progress.note(f"{name}: {path} moves to {plan.folder.set_aside()}: {plan.why}"))
        engine = replace(engine, compiled=is_compiled(plan.setting, options, engine.device))
        result = experiment.run(plan, engine=engine, progress=progress, renewed=renewed)
    return result | {"folder": str(path), "reused": plan.state == "show"}


def run_all(plans, options, engine):
    """Carries out every plan and reports each."""
    from validation.device import threads

    first = engine.group.first
    progress, results, renewed = Progress(silent=not first), [], None if options.resume else set()
    engine.group.wait()
    for plan in plans:
        with threads(options.threads), ExitStack() as stack:
            plan = planned_again(plan, options.resume, engine.group.on_first)
            if plan.state != "show":
                engine.group.on_first(lambda plan=plan: stack.enter_context(plan.folder.lock()))
                plan = planned_again(plan, options.resume, engine.group.on_first)  # another may have finished it
            results.append(carry_out(plan, options, engine, progress, renewed))
        if not options.json and first:
            print(report.summary(results[-1]), flush=True)
    if not options.json and first:
        for line in report.over_seeds(results):
            print(line)
    return results


def is_compiled(setting, options, device):
    """Whether networks go through torch.compile: it pays on a GPU, for a million images of a training or more."""
    if options.compile != "auto" or options.smoke:
        return options.compile == "on"
    images = setting.teacher.epochs * (setting.data.train_examples or setting.data.set.examples[0])
    return device.type == "cuda" and setting.data.view.name == "images" and images >= 1e6


def train_all(options, settings, interrupts):
    """The results of all runs that the command line asks for."""
    from validation.checkpoint import Interval
    from validation.device import choose
    from validation.distributed import processes
    from validation.engine import Engine

    interval, device = Interval(options.checkpoint_every), choose(options.device)
    with processes(device) as group:
        engine = Engine(device, interval, interrupts=interrupts, group=group)
        results = run_all(make_plans(options, settings), options, engine)
    return results if group.first else None


def main(arguments=None):
    """Returns the exit code: 0, 2 for what the user can fix, 130 after Ctrl-C, 143 after SIGTERM."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        options, settings = parse(arguments)
        if options.list:
            chosen = settings or list(SETTINGS.values())
            text = listing.listing(chosen, lambda dataset: dataset.locate(options.data_dir, options.fetch))
            data = [listing.listed(setting) for setting in chosen]
        elif options.dry_run:
            from validation.checkpoint import Interval
            from validation.device import choose

            Interval(options.checkpoint_every), choose(options.device)
            plans = make_plans(options, settings)
            text, data = listing.dry_run(plans), [listing.planned(plan) for plan in plans]
        else:
            with listening() as interrupts:
                text, data = None, train_all(options, settings, interrupts)
        if options.json and data is not None:
            print(json.dumps(data, indent=1, allow_nan=False))
        elif text:
            print(text)
    except UsageError as error:
        _say(f"error: {error}")
        return 2
    except BrokenPipeError:  # whoever read what is printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # a full disk, say: what was finished before stays finished
        _say(f"error: {error}; what was trained up to the last checkpoint is kept: fix that and give the same command "
             "again")
        return 2
    except KeyboardInterrupt as stop:
        _say("\ninterrupted: what was trained so far is kept; the same command"
             + (", without --no-resume," if "--no-resume" in arguments else "") + " resumes from there")
        return getattr(stop, "code", 130)
    return 0


def _say(text):
    """On standard error, once where torchrun has started several processes."""
    if os.environ.get("RANK", "0") == "0":
        print(text, file=sys.stderr)


def leave(code):
    """Ends the process. One of several ends at once: torchrun would take an abort of PyTorch's threads, which now and
    then happens while the interpreter is torn down, for a failure of work that is done."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    leave(main())
