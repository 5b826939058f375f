"""WordNet, from Debian's package wordnet-base: nouns' definitions with their classes, and all of its English text."""

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
DIGESTS = {  # WordNet 3.0
    FILE: "sha256:fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2",
    "data.adj": "sha256:c89120dfc1f046ddff4a631bf9b7e9fa1a36b5e86565a23bf82dbe14f30b88a7",
    "data.adv": "sha256:444a63bf3955080ab7524f5079cfc07ff9bc682cb98bdb1db73b0fb9829f1139",
    "data.verb": "sha256:adcf43e35b581e8036d8b5a52d63d9cd3d3b4870b2720d3c03c799df44777bc2",
}
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
        message = _missing(FILE, own)
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
    lines = published.checked(path, DIGESTS[FILE], "WordNet 3.0's nouns").decode().splitlines()
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


@lru_cache(maxsize=1)
def glosses(data_dir):
    """WordNet's English: of each set of synonyms the definition and its examples of usage, a tuple of strings such as
    'be on the verge of sleeping; "The students were drowsing in the 8 AM class"'.

    No definition is there twice: of sets with the same one, the first stays. Files are data_dir/wordnet's, else
    Debian's. Raises UsageError for missing and for other files.
    """
    own, found = check_data_dir(data_dir) / WordNet.name, {}
    for file, digest in DIGESTS.items():
        path = next((folder / file for folder in (own, DEBIAN) if (folder / file).is_file()), None)
        if path is None:
            raise UsageError(_missing(file, own))
        for line in published.checked(path, digest, f"WordNet 3.0's {file}").decode().splitlines():
            if not line.startswith("  "):  # of the licence
                gloss = line.partition(" | ")[2].strip()
                found.setdefault(gloss.partition('; "')[0], gloss)
    return tuple(found.values())


def _missing(file, own):
    return (f"--data-dir: expected {file} of WordNet 3.0 in {DEBIAN} ({DEBIANS}) or in {own}, found none; "
            f"install the package, or put the file of Princeton's WordNet 3.0 into {own}")
