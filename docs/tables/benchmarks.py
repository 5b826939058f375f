"""The records of `python -m benchmarks`: what was measured, against what, and the numbers."""

import json
from importlib import import_module
from pathlib import Path

from benchmarks import BENCHMARKS
from benchmarks.__main__ import seconds
from eigenkd.table import written

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


def pages():
    """name -> Markdown."""
    records = {name: json.loads(path.read_text()) for name in BENCHMARKS if (path := RESULTS / f"{name}.json").exists()}
    return {"benchmarks.md": "\n\n".join(_section(name, record) for name, record in records.items())}


def _section(name, record):
    parts = [f"## {name}", record["question"]]
    for table in (seconds, getattr(import_module(f"benchmarks.{name}"), "table", None)):
        if table and (cells := table(record)).rows:
            parts.append(written(cells, "markdown"))
    notes = record.get("notes", {})
    parts += ["\n".join(f"- *{what}*: {note}" for what, note in notes.items())] if notes else []
    machine = record.get("machine")
    if machine:
        versions = ", ".join(f"{library} {version}" for library, version in machine["versions"].items())
        parts.append(f"{machine['cores']} cores of {machine['processor']}, Python {machine['python']}, {versions}.")
    return "\n\n".join(parts)
