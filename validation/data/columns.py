"""What data sets in files with named columns share: which columns there are, the classes, and the split."""

from pathlib import Path

import numpy as np

from eigenkd._atomic import sha256
from validation.data.dataset import every_fifth, split
from validation.data.splits import Splits, own_source
from validation.errors import UsageError


def check_columns(table, path, wanted):
    """Raises UsageError unless the pandas.DataFrame `table` of the file `path` has the columns `wanted`: (flag, name).
    """
    fix = "name another" if len(table.columns) > 1 else "separate columns by commas, or by tabs in a .tsv file"
    for flag, name in wanted:
        if name not in table.columns:
            raise UsageError(f"{flag}: expected a column of {path} ({', '.join(map(str, table.columns))}), got "
                             f"{name!r}; {fix}")


def own_splits(name, parts, note, *, path, test_path, label):
    """(`Splits`, names of the classes) of a user's files, the sorted distinct labels of the training file.

    name: of the data set; parts: (inputs (n, ...), labels (n,) strings) of the file `path` and, if it is named, of
    `test_path`; otherwise every fifth example of a class is a test example. note: what the files hold, for people.
    label: the column of the labels. Raises UsageError for a single class, for one without a training example, and
    where no test example is left.
    """
    known = np.unique(parts[0][1])
    if len(known) < 2:
        raise UsageError(f"--data.set.label: expected at least two classes in the column {label!r} of {path}, got "
                         f"{len(known)}; name another column")
    if len(strangers := np.setdiff1d(parts[-1][1], known)):
        raise UsageError(f"--data.set.test-path: expected the classes of {path} ({_few(known)}), got "
                         f"{str(strangers[0])!r}; add training examples of it, or remove it")
    content = b"".join(Path(one).expanduser().read_bytes() for one in (path, test_path) if one)
    source = own_source(name, sha256(content), f"{sum(len(labels) for _, labels in parts):,} {note}, {len(known)} "
                        f"classes in {path}")
    numbered = [(inputs, np.searchsorted(known, labels).astype(np.int64)) for inputs, labels in parts]
    if len(numbered) == 2:
        return Splits(*numbered[0], *numbered[1], len(known), source), tuple(map(str, known))
    (_, labels), test = numbered[0], every_fifth(numbered[0][1])
    if not test.any():
        raise UsageError(f"--data.set.path: expected five rows or more in {path}, every fifth of which is a test row, "
                         f"got {len(labels)}; add rows, or name a test file with --data.set.test-path")
    if len(lone := np.setdiff1d(labels[test], labels[~test])):
        raise UsageError(f"--data.set.label: expected classes with two rows or more in the column {label!r} of {path}, "
                         f"got one row of {str(known[lone[0]])!r} ({len(known)} different values in {len(labels)} "
                         "rows); name a column of classes, or remove the row")
    return split(*numbered[0], len(known), source, test), tuple(map(str, known))


def _few(names, most=8):
    return ", ".join(map(str, names[:most])) + (", ..." if len(names) > most else "")
