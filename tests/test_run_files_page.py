"""docs/run_files.md names every field of real runs, with its type."""

import json
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from eigenkd import deviation

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "run_files.md").read_text()
NAMES = {  # what <...> stands for in a field; no other name may stand there
    "split": "train|test", "network": "teacher|one_hot|distilled", "role": "teacher|student", "side": "low|high",
    "bound": "value|low|high", "definition": "weights|displacement", "fraction": r"0\.1|0\.25|0\.5",
    "kind": "clean|mislabelled", "group": "both|only_teacher|only_student|neither",
    "gains": "measured|predicted|linear",
    "accuracies": "train_accuracy|test_accuracy", "end": "last|best", "kernel": "tangent|inputs|features",
    "model": r"student|one_hot|Q\d_0|\d bits|equal KL",
    "mean": "kl|reverse|change|less_confident|entropy_change|flipped",
    "prefix": "(?:inputs_|features_)?", "layer": r"[\w.]+", "file": r"[\w.]+", "library": r"\w+",
}
TYPES = {"float": (int, float), "int": int, "str": str, "bool": bool, "list": list, "mapping": dict}
KINDS = {"float": "f", "int": "iu", "bool": "b"}


class Field(NamedTuple):
    """A row of the page. The type of an array is "(n, k) float", that of a value may end in "?" for null."""

    file: str
    name: str
    type: str

    def is_of(self, path):
        """Whether it describes this dotted path, or, if it is a mapping, one that holds it."""
        return _pattern(self.name, self.type.startswith("mapping")).fullmatch(path) is not None

    def takes(self, value):
        """Whether the value has its type and, of an array, its number of axes."""
        if isinstance(value, np.ndarray):
            axes, _, kind = self.type.rpartition(" ")
            return value.dtype.kind in KINDS.get(kind, "") and len(re.findall(r"[^(),]+", axes)) == value.ndim
        if self.type.startswith("mapping"):
            return True  # or what a mapping holds
        wanted = self.type.removesuffix("?")
        if value is None:
            return self.type.endswith("?")
        return isinstance(value, TYPES[wanted]) and isinstance(value, bool) == (wanted == "bool")


@cache
def _pattern(name, whole):
    parts = re.split(r"<(\w+)>", name)
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = [f"(?:{NAMES[part]})" for part in parts[1::2]]
    return re.compile("".join(parts) + (r"(\..*)?" if whole else ""))


@cache
def fields():
    """The rows of all tables."""
    sections = re.findall(r"^## ([\w.]+)[^\n]*\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return [Field(file, *row) for file, text in sections
            for row in re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", text, re.MULTILINE)]


def unexplained(file, mapping):
    """The dotted paths of a mapping that the page does not describe, or describes with another type."""
    return {f"{file}: {path}" for path, value in _leaves(mapping)
            if not any(field.file == file and field.is_of(path) and field.takes(value) for field in fields())}


def _leaves(value, path=""):
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    else:
        yield path, value


@pytest.mark.parametrize("kind", sorted({folder.name.partition("@")[0] for folder in (ROOT / "records").iterdir()}))
def test_every_field_of_the_records_is_on_the_page(kind):
    found = set()
    for run in (ROOT / "records").glob(f"{kind}*/seed*"):
        if run.parent.name.partition("@")[0] == kind and (run.name == "seed0" or "@" not in run.parent.name):
            for file in ("result.json", "config.json"):
                found |= unexplained(file, json.loads((run / file).read_text()))
            if (log := run / "metrics.jsonl").exists():
                found |= unexplained(log.name, json.loads(log.read_text().splitlines()[-1]))
            for path in run.glob("*.npz"):
                with np.load(path) as arrays:
                    found |= unexplained(path.name, dict(arrays))
    assert not found


def test_the_numbers_of_a_new_deviation_are_on_the_page():
    logits = np.random.default_rng(0).normal(size=(2, 100, 4))
    summary = deviation.compare(*logits, np.arange(100) % 4).summary()
    assert not unexplained("result.json", {"deviation": {"train": summary}})


def test_a_field_that_is_missing_or_of_another_type_is_noticed():
    assert unexplained("result.json", {"accuracy": {"train": {"someone": 0.5}}})
    assert unexplained("result.json", {"seconds": "3"}) and unexplained("result.json", {"seconds": None})
    assert unexplained("outputs.npz", {"mislabelled": np.zeros((3, 2), dtype=bool)})
    assert not unexplained("outputs.npz", {"mislabelled": np.zeros(3, dtype=bool)})
