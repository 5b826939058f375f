"""Tables: one row per example, one column per feature, and one column for the class."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from validation.data.columns import check_columns, own_splits
from validation.data.dataset import InFile, stamp
from validation.errors import UsageError, unreadable


@dataclass(frozen=True)
class Table(InFile):
    """A CSV file with a header, or a TSV file (by its extension): numeric feature columns and one class column."""

    name: Literal["table"] = "table"
    path: str = ""
    """The file with the training rows."""
    test_path: str = ""
    """The file with the test rows and the same columns; by default every fifth row of a class is a test row."""
    label: str = "label"
    """The column of the class; its sorted distinct values are the classes."""
    drop: tuple[str, ...] = ()
    """Columns that are not features, such as an id."""

    def read(self):
        return _read(self.path, self.test_path, self.label, self.drop, stamp(self.path, self.test_path))


@lru_cache(maxsize=2)
def _read(path, test_path, label, drop, stamps):
    """(`Splits`, names of the classes); stamps: changes with the files."""
    parts = [_columns("--data.set.path", path, label, drop)]
    if test_path:
        parts.append(_columns("--data.set.test-path", test_path, label, drop))
        if parts[1][0] != parts[0][0]:
            raise UsageError(f"--data.set.test-path: expected the columns of {path}, got {', '.join(parts[1][0])} "
                             f"instead of {', '.join(parts[0][0])}; use the same columns in both files")
    note = f"rows, {len(parts[0][0])} features"
    return own_splits(Table.name, [part[1:] for part in parts], note, path=path, test_path=test_path, label=label)


def _columns(flag, path, label, drop):
    """(names of the features, features (n, p) float32, labels (n,) strings) of one file."""
    import pandas

    file = Path(path).expanduser()
    try:
        table = pandas.read_csv(file, sep="\t" if file.suffix.lower() == ".tsv" else ",")
    except OSError as error:
        raise unreadable(flag, "a .csv or .tsv file with a header", path, error) from error
    except ValueError as error:  # of pandas, a ParserError for one
        raise UsageError(f"{flag}: expected a .csv or .tsv file with a header, got {path} ({error}); name "
                         "another") from error
    check_columns(table, path, (("--data.set.label", label), *(("--data.set.drop", name) for name in drop)))
    table = table.drop(columns=[name for name in table.columns if str(name).startswith("Unnamed: ")])  # pandas' index
    labels, features = table[label], table.drop(columns=[label, *drop])
    if labels.isna().any():
        raise UsageError(f"{flag}: expected a class in each row, got none in row {int(labels.isna().argmax()) + 2} of "
                         f"{path}; fill it in, or remove the row")
    for name in features.columns:
        if not pandas.api.types.is_numeric_dtype(features[name]):
            raise UsageError(f"--data.set.drop: expected numbers in the column {name!r} of {path}, got "
                             f"{features[name].iloc[0]!r}; encode it as numbers, or drop it with --data.set.drop "
                             f"{name}")
        if (bad := ~np.isfinite(features[name].to_numpy(np.float64))).any():
            raise UsageError(f"{flag}: expected a finite number in the column {name!r} of {path}, got "
                             f"{features[name].iloc[int(bad.argmax())]} in row {int(bad.argmax()) + 2}; fill it in, or "
                             "remove the row")
    if not len(features.columns) or not len(features):
        raise UsageError(f"{flag}: expected rows with at least one feature in {path}, got {features.shape}; check the "
                         "file")
    return list(features.columns), features.to_numpy(np.float32), labels.astype(str).to_numpy(str)
