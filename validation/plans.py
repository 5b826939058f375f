"""What a command is going to do, before anything is trained: one `Plan` for each setting and seed."""

from dataclasses import dataclass
from pathlib import Path

from validation.data import generated
from validation.data.dataset import Source
from validation.errors import UsageError
from validation.record import RunFolder, differences
from validation.settings import Setting, effect
from validation.smoke import shortened


@dataclass(frozen=True)
class Plan:
    """One run to be: the setting as it will be trained, its seed, where its data comes from, and what is there."""

    setting: Setting
    seed: int
    source: Source
    folder: RunFolder
    configuration: dict
    state: str
    """What is to be done: "run" it; "resume" the unfinished run of this configuration that is there; "show" the
    finished one; "set aside" the run that is there and run; or "refuse", as that is another configuration's. A smoke
    run is in no one's way.
    """
    differences: list[str]
    """Between the configuration of the run that is there and this one's."""
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
    dataset = setting.data.set
    source = dataset.locate(data_dir, download)
    pool = source.examples or dataset.examples[0]
    setting.data.view.check(dataset)
    effect.check(setting, pool)
    if smoke:
        setting, source = shortened(setting), generated.SOURCE
    folder = RunFolder(out, setting.name, seed)
    configuration = setting.configuration() | {"seed": seed, "smoke": smoke, "data_source": source.name}
    return Plan(setting, seed, source, folder, configuration, *judge(folder, configuration, resume),
                setting.data.counts(pool), smoke, Path(data_dir), download)


def judge(folder, configuration, resume):
    """The state of a `Plan`, and the differences behind it."""
    there, finished = folder.configuration(), folder.is_finished()
    if not finished and not under_way(folder, there):
        return "run", []
    if not resume:
        return "set aside", []
    lines = differences(there or {}, configuration)
    if not lines:
        return ("show" if finished else "resume"), []
    smoke = folder.finished()["smoke"] if finished else there["smoke"]
    return "set aside" if smoke else "refuse", lines


def under_way(folder, configuration):
    """Whether an unfinished run of this configuration has got so far that something of it is kept."""
    from validation import teachers

    if configuration is None:
        return False
    try:
        mine = [teachers.folder_of(folder.out, wanted) for wanted in teachers.configurations(configuration).values()]
    except KeyError:  # a configuration of other times
        mine = []
    return folder.has_checkpoints() or any(teacher.has_checkpoints() for teacher in mine)


def refuse(plans):
    """Raises UsageError where a plan's folder holds a run of another configuration, with the differences."""
    for plan in plans:
        if plan.state == "refuse":
            what = "finished" if plan.folder.is_finished() else "unfinished"
            raise UsageError("--out: expected a free folder or a run of the same configuration, got "
                             f"{plan.folder.path} with another {what} run; name another --out, or keep that one "
                             "aside with --no-resume\n  " + "\n  ".join(plan.differences))
