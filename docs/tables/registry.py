"""The settings and the studies, from their registries."""

from docs.tables.markdown import table
from validation import costs
from validation.listing import DEVICES, duration
from validation.settings import SETTINGS
from validation.studies import STUDIES


def pages():
    """name -> Markdown."""
    return {"settings.md": _settings(), "studies.md": _studies()}


def _settings():
    rows = []
    for setting in SETTINGS.values():
        times = costs.expected(setting)
        rows.append((f"`{setting.name}`", setting.title, setting.data.set.name, setting.networks,
                     f"{setting.teacher.epochs}, {setting.student.epochs}", str(len(setting.guesses)),
                     *(duration(times, device).replace("*", r"\*") for device in DEVICES)))
    header = ("setting", "what", "data", "networks", "epochs: teacher, student", "guesses", "two CPU cores", "one H100")
    return table(header, rows, right=(5, 6, 7))


def _studies():
    rows = [(f"`{study.name}`", study.title, ", ".join(f"`{name}`" for name in study.settings),
             ", ".join(f"`{name}`" for name in study.header[1:]) or "–", str(len(study.variants())),
             str(len(study.seeds)),
             ", ".join(quantity.title for quantity in study.quantities)) for study in STUDIES.values()]
    header = ("study", "what", "settings", "varied", "rows", "seeds", "quantities")
    return table(header, rows, right=(4, 5))
