"""WordNet's definitions of nouns, from Debian's package wordnet-base: which of its classes a definition belongs to."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from validation.data import published
from validation.data.dataset import check_data_dir
from validation.data.splits import Source, Splits
from validation.data.texts import Texts, array
from validation.errors import UsageError

FILE, DEBIAN, DEBIANS = "data.noun", Path("/usr/share/wordnet"), "Debian's package wordnet-base"
DIGEST = "sha256:fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2"  # WordNet 3.0
FIRST = 4  # the number of "act" among the lexicographer files; 3, the top of the hierarchy, is left out
FILES = ("act", "animal", "artifact", "attribute", "body", "cognition", "communication", "event", "feeling", "food",
         "group", "location", "motive", "object", "person", "phenomenon", "plant", "possession", "process", "quantity",
         "relation", "shape", "state", "substance", "time")
COUNTS = {"artifact": 11_568, "person": 11_046, "plant": 7_910, "animal": 7_270, "act": 6_641, "communication": 5_525,
          "state": 3_541, "location": 3_155}  # definitions of each class
KEPT = 10  # every tenth definition of a class is kept for testing


@dataclass(frozen=True)
class WordNet(Texts):
    """The definitions of WordNet's nouns in the eight largest classes, the lexicographer files: artifact, person, ...

    A definition of words in several classes is left out, and so are examples of usage. The file is data_dir/wordnet's,
    else Debian's.
    """

    name: Literal["wordnet"] = "wordnet"
    tests: int = 5_000
    """The number of test examples, evenly spaced among those that are kept for testing, a tenth of each class."""
    title: ClassVar = "WordNet's noun definitions"
    licence: ClassVar = "WordNet 3.0 license, Princeton University: any use, with its notice kept"
    classes: ClassVar = len(COUNTS)
    megabytes: ClassVar = 15.3
    tokens: ClassVar = 15.7

    def __post_init__(self):
        if not 1 <= self.tests <= sum(count // KEPT for count in COUNTS.values()):
            raise UsageError("--data.set.tests: expected 1 to "
                             f"{sum(count // KEPT for count in COUNTS.values()):,} test examples, got {self.tests}; "
                             "leave it out for 5,000")

    @property
    def class_names(self):
        return tuple(COUNTS)

    @property
    def examples(self):
        return sum(count - count // KEPT for count in COUNTS.values()), self.tests

    def locate(self, data_dir, download):
        own = check_data_dir(data_dir) / self.name
        for folder in (own, DEBIAN):
            if (folder / FILE).is_file():
                return Source(self.name, f"{self.title} of {DEBIANS if folder == DEBIAN else folder}")
        message = (f"--data-dir: expected {FILE} of WordNet 3.0 in {DEBIAN} ({DEBIANS}) or in {own}, found none; "
                   f"install the package, or put the file of Princeton's WordNet 3.0 into {own}")
        return Source(self.name, message, missing=message)

    def load(self, data_dir, download):
        source = self.located(data_dir, download)
        own = check_data_dir(data_dir) / self.name / FILE
        texts, labels = definitions(own if own.is_file() else DEBIAN / FILE)
        test = np.zeros(len(labels), dtype=bool)
        for number in range(self.classes):
            test[np.flatnonzero(labels == number)[KEPT - 1 :: KEPT]] = True
        kept = np.flatnonzero(test)
        kept = kept[np.arange(self.tests) * len(kept) // self.tests]
        return Splits(texts[~test], labels[~test], texts[kept], labels[kept], self.classes, source)


@lru_cache(maxsize=1)
def definitions(path):
    """(texts (n, 1), labels (n,)) in the file's order, each definition once. Raises UsageError for another file."""
    lines = published.checked(path, DIGEST, "WordNet 3.0's nouns").decode().splitlines()
    classes = {}
    for line in lines:
        if not line.startswith("  "):  # of the licence
            entry, _, gloss = line.partition(" | ")
            definition = gloss.partition('; "')[0].strip()
            classes.setdefault(definition, set()).add(int(entry.split()[1]) - FIRST)
    numbers = {FILES.index(name): number for number, name in enumerate(COUNTS)}
    found = [(text, numbers[min(files)]) for text, files in classes.items()
             if len(files) == 1 and min(files) in numbers]
    return array([[text] for text, _ in found]), np.array([number for _, number in found], dtype=np.int64)
