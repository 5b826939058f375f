"""The paper's texts: MNLI and QQP of GLUE, IMDB, and AG News; from your files, or from the Hugging Face hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from validation.data.dataset import check_data_dir
from validation.data.splits import Source, Splits
from validation.data.texts import ENDINGS, Texts, columns
from validation.errors import UsageError
from validation.models.pretrained import library


class Corpus(Texts):
    """A published data set of texts: data_dir/<name>/train.* and test.* (parquet, TSV, CSV or JSONL with the columns of
    the hub), else the cache of the Hugging Face hub, else a download into it."""

    repository: ClassVar[str]
    files: ClassVar[tuple[str, str]]
    """The parquet files of the training and the test examples in the repository."""
    columns: ClassVar[tuple[str, ...]] = ("text",)
    on_first_use: ClassVar[bool] = True

    @property
    def texts(self):
        return len(self.columns)

    def locate(self, data_dir, download):
        folder = check_data_dir(data_dir) / self.name
        if _own(folder):
            return Source(self.name, f"{self.title} from {folder}")
        if self._cached():
            return Source(self.name, f"{self.title} from the cache of the Hugging Face hub")
        page = f"https://huggingface.co/datasets/{self.repository}"
        if download is not False:
            return Source(self.name, f"{self.title}, {self.megabytes:.0f} MB to be downloaded from {page}",
                          megabytes=self.megabytes)
        message = (f"--no-download: expected {self.title} in {folder} (train and test, each a file that ends in "
                   f"{', '.join(ENDINGS)} with the columns {', '.join((*self.columns, 'label'))}) or in the cache of "
                   "the Hugging Face hub, found none; omit --no-download to download it, or save "
                   f"{' and '.join(self.files)} of {page} as train.parquet and test.parquet in {folder}")
        return Source(self.name, message, missing=message)

    def load(self, data_dir, download):
        source = self.located(data_dir, download)
        paths = _own(check_data_dir(data_dir) / self.name) or self._cached() or self._downloaded(data_dir)
        parts = []
        for path, count in zip(paths, self.examples):
            texts, labels = columns("--data-dir", path, self.columns, "label")
            if len(texts) != count:
                raise UsageError(f"--data-dir: expected the {count:,} examples of {self.title} in {path}, got "
                                 f"{len(texts):,}; use the published file, or read your own with --data.set texts")
            parts += [texts, self._numbers(labels, path)]
        return Splits(*parts, self.classes, source)

    def _numbers(self, labels, path):
        """Labels (n,) int64 of numbers or names of classes."""
        known = {str(i): i for i in range(self.classes)} | {name: i for i, name in enumerate(self.class_names)}
        if strangers := set(np.unique(labels)) - known.keys():
            raise UsageError(f"--data-dir: expected labels from 0 to {self.classes - 1} or "
                             f"{', '.join(self.class_names)} in {path}, got {str(min(strangers))!r}; use the published "
                             "file")
        return np.array([known[label] for label in labels], dtype=np.int64)

    def _cached(self):
        """The two files in the hub's cache, or None."""
        try:
            return self._fetched(local_files_only=True)
        except (UsageError, OSError, ValueError):  # not installed, or not there: its error is both of the latter
            return None

    def _downloaded(self, data_dir):
        try:
            return self._fetched()
        except UsageError:
            raise
        except Exception as error:  # the hub's client raises errors of several libraries
            why = " ".join(str(error).split())[:200]
            raise UsageError(f"--download: expected to download {self.title} ({self.megabytes:.0f} MB) from the "
                             f"Hugging Face hub, got: {why}; try again, or see --no-download for where to put the "
                             "files") from error

    def _fetched(self, **how):
        download = library("huggingface_hub").hf_hub_download
        return [Path(download(self.repository, file, repo_type="dataset", **how)) for file in self.files]


def _own(folder):
    """The user's files of training and test examples, or None."""
    found = [next((path for ending in ENDINGS if (path := folder / f"{part}{ending}").is_file()), None)
             for part in ("train", "test")]
    return found if all(found) else None


@dataclass(frozen=True)
class MNLI(Corpus):
    """Pairs of sentences; whether the second follows from the first. The test set is the matched validation set."""

    name: Literal["mnli"] = "mnli"
    title: ClassVar = "MNLI"
    licence: ClassVar = "OANC, and others by source (Williams et al. 2018)"
    repository: ClassVar = "nyu-mll/glue"
    files: ClassVar = ("mnli/train-00000-of-00001.parquet", "mnli/validation_matched-00000-of-00001.parquet")
    columns: ClassVar = ("premise", "hypothesis")
    class_names: ClassVar = ("entailment", "neutral", "contradiction")
    classes: ClassVar = 3
    examples: ClassVar = (392_702, 9_815)
    megabytes: ClassVar = 54
    tokens: ClassVar = 40


@dataclass(frozen=True)
class QQP(Corpus):
    """Pairs of questions; whether they ask the same. The test set is GLUE's validation set."""

    name: Literal["qqp"] = "qqp"
    title: ClassVar = "QQP"
    licence: ClassVar = "Quora's terms of use, non-commercial"
    repository: ClassVar = "nyu-mll/glue"
    files: ClassVar = ("qqp/train-00000-of-00001.parquet", "qqp/validation-00000-of-00001.parquet")
    columns: ClassVar = ("question1", "question2")
    class_names: ClassVar = ("not_duplicate", "duplicate")
    classes: ClassVar = 2
    examples: ClassVar = (363_846, 40_430)
    megabytes: ClassVar = 37
    tokens: ClassVar = 30


@dataclass(frozen=True)
class IMDB(Corpus):
    """Reviews of films; whether they are negative or positive."""

    name: Literal["imdb"] = "imdb"
    title: ClassVar = "IMDB"
    licence: ClassVar = "none given; reviews of IMDb's users, for research (Maas et al. 2011)"
    repository: ClassVar = "stanfordnlp/imdb"
    files: ClassVar = ("plain_text/train-00000-of-00001.parquet", "plain_text/test-00000-of-00001.parquet")
    class_names: ClassVar = ("neg", "pos")
    classes: ClassVar = 2
    examples: ClassVar = (25_000, 25_000)
    megabytes: ClassVar = 42
    tokens: ClassVar = 270


@dataclass(frozen=True)
class AGNews(Corpus):
    """The beginnings of news; their topic."""

    name: Literal["ag_news"] = "ag_news"
    title: ClassVar = "AG News"
    licence: ClassVar = "none given; for research (Zhang et al. 2015)"
    repository: ClassVar = "fancyzhx/ag_news"
    files: ClassVar = ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet")
    class_names: ClassVar = ("World", "Sports", "Business", "Sci/Tech")
    classes: ClassVar = 4
    examples: ClassVar = (120_000, 7_600)
    megabytes: ClassVar = 20
    tokens: ClassVar = 53
