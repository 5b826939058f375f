"""Data sets of texts: one text per example, or several such as a premise and a hypothesis."""

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from validation.data import generated
from validation.data.columns import check_columns, own_splits
from validation.data.dataset import Dataset, InFile, stamp
from validation.errors import UsageError, unreadable

TEXT = np.dtypes.StringDType()
ENDINGS = (".parquet", ".tsv", ".csv", ".jsonl")


class Texts(Dataset):
    """The base class of data sets of texts: inputs are (n, parts) of strings, `array`s."""

    texts: ClassVar[int] = 1
    """The number of texts of an example."""
    tokens: ClassVar[float] = 32
    """The mean number of tokens of an example, for estimates of the time."""

    @property
    def shape(self):
        return (self.texts,)

    def generate(self, train, test):
        return generated.texts(self.texts, self.classes, train, test)


def array(rows):
    """An array (n, parts) of texts."""
    return np.array(rows, dtype=TEXT).reshape(len(rows), -1)


@dataclass(frozen=True)
class OwnTexts(InFile, Texts):
    """Your own texts: a parquet, TSV, CSV or JSONL file with one row per example."""

    name: Literal["texts"] = "texts"
    path: str = ""
    """The file with the training texts."""
    test_path: str = ""
    """The file with the test texts and the same columns; by default every fifth row of a class is a test row."""
    text: tuple[str, ...] = ("text",)
    """The column of the text, or the columns of a pair."""
    label: str = "label"
    """The column of the class; its sorted distinct values are the classes."""

    @property
    def texts(self):
        return len(self.text)

    def read(self):
        return _read(self.path, self.test_path, self.text, self.label, stamp(self.path, self.test_path))


@lru_cache(maxsize=2)
def _read(path, test_path, text, label, stamps):
    """(`Splits`, names of the classes); stamps: changes with the files."""
    parts = [columns("--data.set.path", path, text, label)]
    if test_path:
        parts.append(columns("--data.set.test-path", test_path, text, label))
    return own_splits(OwnTexts.name, parts, "texts", path=path, test_path=test_path, label=label)


def columns(flag, path, text, label):
    """(texts (n, parts), labels (n,) strings) of a file. Raises UsageError, which names the flag."""
    import pandas

    table = read_table(flag, path)
    check_columns(table, path, (*(("--data.set.text", name) for name in text), ("--data.set.label", label)))
    for name in (*text, label):
        if (odd := ~table[name].map(pandas.api.types.is_scalar).astype(bool)).any():
            raise UsageError(f"{flag}: expected a text or a number of {name!r} in each row, got a "
                             f"{type(table[name][int(odd.argmax())]).__name__} in row {int(odd.argmax()) + 1} of "
                             f"{path}; write it as a text")
        empty = table[name].isna() | ((table[name] == "") & (name == label))  # a text may be empty
        if empty.any():
            raise UsageError(f"{flag}: expected a value of {name!r} in each row, got none in row "
                             f"{int(empty.argmax()) + 1} of {path}; fill it in, or remove the row")
    if not len(table):
        raise UsageError(f"{flag}: expected rows in {path}, got none; check the file")
    return array(table[list(text)].astype(str).to_numpy().tolist()), table[label].astype(str).to_numpy(str)


def read_table(flag, path):
    """The pandas.DataFrame of a file, read as its name's ending says; no quotes in TSV."""
    import pandas

    file = Path(path).expanduser()
    read = {".parquet": pandas.read_parquet,
            ".tsv": lambda file: pandas.read_csv(file, sep="\t", quoting=csv.QUOTE_NONE, keep_default_na=False),
            ".csv": lambda file: pandas.read_csv(file, keep_default_na=False),
            ".jsonl": lambda file: pandas.read_json(file, lines=True, dtype=False)}.get(file.suffix.lower())
    if read is None:
        raise UsageError(f"{flag}: expected a file that ends in {', '.join(ENDINGS)}, got {path or 'none'}; name "
                         "another")
    try:
        return read(file)
    except ImportError as error:
        raise UsageError(f"{flag}: expected the package pyarrow for {path}, got none; install it with: python -m pip "
                         "install 'eigenkd[text]'") from error
    except OSError as error:
        raise unreadable(flag, "a file with a row for each text", path, error) from error
    except ValueError as error:  # a ParserError, or pyarrow's ArrowInvalid
        raise UsageError(f"{flag}: expected rows with named columns in {path}, got: "
                         f"{' '.join(str(error).split())[:200]}; check the file") from error
