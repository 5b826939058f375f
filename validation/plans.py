"""What a command is going to do, before anything is trained: one `Plan` for each setting and seed."""

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from validation.address import address
from validation.data import generated
from validation.data.splits import Source
from validation.record import CONFIGURATION, Damaged, Folder
from validation.registered import as_it_stands, base_of, data_set
from validation.settings import Setting, effect
from validation.smoke import shortened

OTHER = "another configuration made it: another version of eigenkd, or other data"
ANEW = "--no-resume"


@dataclass(frozen=True)
class Plan:
    """A planned run: the setting as it will be trained, its seed, where its data comes from, and what is there."""

    setting: Setting
    seed: int
    source: Source
    folder: Folder
    configuration: dict
    state: str
    """What is to be done: "run" it; "resume" the unfinished run that is there; "show" the finished one; or "set aside"
    the run that is there and run: with --no-resume, and where it is damaged or another version made it."""
    why: str
    """The reason for which a run is set aside; empty for the other states."""
    examples: dict[str, int]
    """How many each role is trained on."""
    smoke: bool = False
    data_dir: Path = Path("data")
    download: bool | None = None
    """Whether data that is not on disk may be fetched; None where the data set decides."""


def make_plans(options, settings):
    """One `Plan` for each setting and seed; reads what is in the folders and changes nothing.

    Raises UsageError for values that can never take effect, of a smoke run those of the run that it tries out.
    """
    return [plan_of(setting, seed, out=options.out, data_dir=options.data_dir, download=options.fetch,
                    smoke=options.smoke, resume=options.resume)
            for setting in settings for seed in dict.fromkeys(options.seeds)]


def plan_of(setting, seed, *, out="runs", data_dir="data", download=None, smoke=False, resume=True):
    """The `Plan` of one run; the arguments are those of the command line. Raises as `make_plans`."""
    base, dataset = base_of(setting), data_set(setting)
    source, registered = dataset.locate(data_dir, download), as_it_stands(base)
    pool, counts = source.examples or dataset.examples[0], {}
    if isinstance(setting, Setting):
        setting.data.view.check(dataset)
        effect.check(setting, pool)
        counts = setting.data.counts(pool)
    if smoke:
        setting, source = shortened(setting), generated.SOURCE
        registered = shortened(base).configuration() | {"smoke": False, "data_source": source.name}
        counts = setting.data.counts(pool)
    configuration = setting.configuration() | {"seed": seed, "smoke": smoke, "data_source": source.name}
    folder = Folder(out, address(setting.name, configuration, registered, seed))
    return Plan(setting, seed, source, folder, configuration, *judge(folder, configuration, resume), counts, smoke,
                Path(data_dir), download)


@contextmanager
def held(plan, note):
    """A block in which no other process works on the plan's run. Yields the plan as it is then: to be run, with what
    was there moved aside, or to be shown."""
    plan = planned_again(plan)
    with nullcontext() if plan.state == "show" else plan.folder.lock(note):
        plan = planned_again(plan)  # another process may have finished it
        if plan.state == "set aside":
            note(f"{plan.folder.path} moves to {plan.folder.set_aside()}: {plan.why}")
        yield plan


def planned_again(plan, resume=True, on_first=lambda work: work()):
    """The plan with the state that its run has now; on_first: of the processes that share the work."""
    state, why = on_first(lambda: judge(plan.folder, plan.configuration, resume))
    return replace(plan, state=state, why=why)


def judge(folder, configuration, resume):
    """(state, why) of a `Plan`."""
    if not folder.is_finished():
        if is_under_way(folder, configuration):
            return ("resume", "") if resume else ("set aside", ANEW)
        return ("set aside", OTHER) if folder.has_checkpoints() else ("run", "")
    try:
        folder.verify()
        if folder.configuration() == configuration:
            return ("show", "") if resume else ("set aside", ANEW)
        return "set aside", OTHER
    except Damaged as error:
        return "set aside", error.reason


def is_under_way(folder, configuration):
    """Whether an unfinished run of this configuration has got so far that something of it is kept."""
    from validation import teachers

    try:
        wanted = teachers.configurations(configuration).values() if folder.has(CONFIGURATION) else ()
    except KeyError:  # a run that rests on no teachers
        wanted = ()
    return folder.has_checkpoints(configuration) or any(
        teachers.folder_of(folder.out, one).has_checkpoints(one) for one in wanted)
