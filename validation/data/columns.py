"""What data sets in files with named columns share: which columns there are, the classes, and the split."""

from pathlib import Path

import numpy as np

from eigenkd._atomic import sha256
from validation.data.dataset import split
from validation.data.splits import Splits, own_source
from validation.errors import UsageError


def check_columns(table, path, wanted):
    """Raises UsageError unless the pandas.DataFrame `table` of the file `path` has the columns `wanted`: (flag, name).
    """
    for flag, name in wanted:
        if name not in table.columns:
            raise UsageError(f"{flag}: expected a column of {path} ({', '.join(map(str, table.columns))}), got "
                             f"{name!r}; name another")


def own_splits(name, parts, note, *, path, test_path, label):
    """(`Splits`, names of the classes) of a user's files, the sorted distinct labels of the training file.

    name: of the data set; parts: (inputs (n, ...), labels (n,) strings) of the file `path` and, if it is named, of
    `test_path`; otherwise every fifth example of a class is a test example. note: what the files hold, for people.
    label: the column of the labels. Raises UsageError for a single class, and for one that only the test file has.
    """
    known = np.unique(parts[0][1])
    if len(known) < 2:
        raise UsageError(f"--data.set.label: expected at least two classes in the column {label!r} of {path}, got "
                         f"{len(known)}; name another column")
    if len(strangers := np.setdiff1d(parts[-1][1], known)):
        raise UsageError(f"--data.set.test-path: expected the classes of {path}, got {str(strangers[0])!r}; add "
                         "training examples of it, or remove it")
    content = b"".join(Path(one).expanduser().read_bytes() for one in (path, test_path) if one)
    source = own_source(name, sha256(content), f"{sum(len(labels) for _, labels in parts):,} {note}, {len(known)} "
                        f"classes in {path}")
    numbered = [(inputs, np.searchsorted(known, labels).astype(np.int64)) for inputs, labels in parts]
    splits = (split(*numbered[0], len(known), source) if len(numbered) == 1 else
              Splits(*numbered[0], *numbered[1], len(known), source))
    return splits, tuple(map(str, known))
