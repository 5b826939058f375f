"""What a command is going to do, before anything is trained: one `Plan` for each setting and seed."""

from dataclasses import dataclass

from validation.address import address
from validation.data.dataset import Source
from validation.record import SCHEMA, Folder
from validation.settings import Setting


@dataclass(frozen=True)
class Plan:
    """One run to be: the setting as it will be trained, its seed, where its data comes from, and what is there."""

    setting: Setting
    seed: int
    source: Source
    folder: Folder
    configuration: dict
    state: str
    """What is to be done: "run" it; "resume" the unfinished run that is there; "show" the finished one; or "set aside"
    the run that is there and run: with --no-resume, and where another version of the package made it."""


def make_plans(options, settings):
    """One `Plan` for each setting and seed; reads what is in the folders and changes nothing."""
    from validation import experiment

    plans = []
    for setting in settings:
        if options.smoke:
            setting = experiment.shortened(setting)
        source = experiment.locate(setting, data_dir=options.data_dir, download=options.fetch, smoke=options.smoke)
        for seed in dict.fromkeys(options.seeds):
            configuration = experiment.configuration(setting, seed, smoke=options.smoke, source=source)
            where = address(setting.name, configuration, experiment.registered(setting.name, smoke=options.smoke), seed)
            folder = Folder(options.out, where)
            plans.append(Plan(setting, seed, source, folder, configuration,
                              judge(folder, configuration, options.resume)))
    return plans


def judge(folder, configuration, resume):
    """The state of a `Plan`."""
    there, finished = folder.configuration(), folder.is_finished()
    if not finished and not under_way(folder, there):
        return "run"
    if not resume or there != configuration or (finished and folder.finished().get("schema") != SCHEMA):
        return "set aside"
    return "show" if finished else "resume"


def under_way(folder, configuration):
    """Whether an unfinished run of this configuration has got so far that something of it is kept."""
    from validation import teachers

    if configuration is None:
        return False
    try:
        mine = [teachers.folder_of(folder.out, wanted) for wanted in teachers.configurations(configuration).values()]
    except KeyError:  # a configuration of another version
        mine = []
    return folder.has_checkpoints() or any(teacher.has_checkpoints() for teacher in mine)
