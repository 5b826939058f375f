"""The settings and the studies, from their registries."""

from docs.tables.markdown import table
from validation.listing import expected
from validation.settings import SETTINGS
from validation.studies import STUDIES

UNITS = (("days", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def pages():
    """name -> Markdown."""
    return {"settings.md": _settings(), "studies.md": _studies()}


def _settings():
    rows = []
    for setting in SETTINGS.values():
        times = expected(setting)
        rows.append((f"`{setting.name}`", setting.title, setting.data.set.name, setting.networks,
                     f"{setting.teacher.epochs}, {setting.student.epochs}", str(len(setting.guesses)),
                     *(_time(times, device) for device in ("cpu", "gpu"))))
    header = ("setting", "what", "data", "networks", "epochs: teacher, student", "guesses", "two CPU cores", "one H100")
    return table(header, rows, right=(5, 6, 7))


def _studies():
    rows = [(f"`{study.name}`", study.title, ", ".join(f"`{name}`" for name in study.settings),
             ", ".join(f"`{name}`" for name in study.header[1:]) or "–", str(len(study.variants())), str(len(study.seeds)),
             ", ".join(quantity.title for quantity in study.quantities)) for study in STUDIES.values()]
    header = ("study", "what", "settings", "varied", "rows", "seeds", "quantities")
    return table(header, rows, right=(4, 5))


def _time(times, device):
    seconds = times[device]
    if seconds is None:
        return "unknown"
    unit, size = next(((unit, size) for unit, size in UNITS if seconds >= 1.5 * size), UNITS[-1])
    estimated = "" if device in times["measured"] else r"\*"
    return f"{max(1, round(seconds / size))} {unit}{estimated}"
