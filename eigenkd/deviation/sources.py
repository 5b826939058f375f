"""The files of one command, with their rows and columns in the teacher's order."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eigenkd.deviation import files, llama, topk_files
from eigenkd.deviation.alignment import order
from eigenkd.deviation.columns import Table


class Sources:
    """The teacher's file and the files that are read with it.

    teacher, students: paths. ids: None, a column of all CSV files, or paths of the teacher's ids and each student's.
    drop: columns of CSV files. chunks: how many chunks of llama.cpp's base files. vocabulary: how many tokens top-k
    files are of. classes: None, the classes' names, or the path of a file of them. Raises what `files.read` raises, and
    ValueError for ids that do not match and columns that do not exist.
    """

    teacher: str
    class_names: tuple[str, ...] | None

    def __init__(self, teacher: str, students: Sequence[str], ids: Sequence[str] | None = None,
                 drop: Sequence[str] = (), classes: Sequence[str] | None = None, chunks: int | None = None,
                 vocabulary: int | None = None) -> None:
        self._drop, self._models, self._chunks = tuple(drop), (teacher, *students), chunks
        self._vocabulary = vocabulary
        self._column, self._ids = _ids(ids, self._models)
        self._notes = []  # on labels and masks
        for column in self._drop:
            if not any(_has(path, column) for path in self._models):
                raise ValueError(f"--drop {column}: expected a column of the CSV files, got none of that name or "
                                 "number; check their headers")
        self.teacher, self._teacher = teacher, self._read(teacher)
        self.class_names = _class_names(classes, self._teacher)

    @property
    def has_tokens(self) -> bool:
        """Whether the teacher's rows are about tokens of texts."""
        values = self._teacher.values
        return values.ndim == 3 or getattr(values, "tokens", None) is not None

    def pair(self, path: str) -> tuple[Any, Any, tuple[str, ...]]:
        """(teacher's rows, student's rows in the same order, notes)."""
        teacher, student = self._teacher, self._read(path)
        notes = [f"{whose}: {note}." for whose, table in ((self.teacher, teacher), (path, student))
                 for note in table.notes]
        values, said = self._ordered(path, student)
        if teacher.names != student.names:
            columns, why = _columns(path, student.names, teacher.names)
            values, notes = values if columns is None else values[:, columns], [*notes, *why]
        return teacher.values, values, (*notes, *said, *self._notes)

    def column(self, path: str | None) -> np.ndarray | None:
        """An array with one value a point, in the teacher's order; None for no path."""
        return None if path is None else self._column_of(path)

    def masks(self, paths: Sequence[str]) -> dict[str, np.ndarray]:
        """name -> mask, in the teacher's order. A mask has the name of its array or else of its file."""
        masks = {}
        for given in paths:
            path, name = files.split(given)
            many = name is None and path.suffix.lower() in (".npz", ".safetensors")
            readers = files.read_all(path) if many else {name or path.stem: lambda given=given: self._column_of(given)}
            for called, reader in readers.items():
                if called in masks:
                    raise ValueError(f"--mask: expected different names, got {called!r} twice; rename one of the "
                                     "arrays")
                masks[called] = np.asarray(reader())
        return masks

    def _column_of(self, path):
        values, notes = self._ordered(path, self._read(path))
        self._notes += notes
        return np.asarray(values)

    def _ordered(self, path, table):
        """(the table's rows, in the teacher's order where both have ids; notes on what was done)."""
        expected = self._teacher.ids
        if table.ids is None or expected is None or np.array_equal(table.ids, expected):
            return table.values, []
        try:
            at = order(f"{path}: ids", table.ids, expected)
        except ValueError:
            if table.unnamed or self._teacher.unnamed:  # such an index may have been numbered anew for a file
                return table.values, [f"{path}: the ids are not those of {self.teacher}; the rows are taken in order."]
            raise
        return np.asarray(table.values)[at], [f"{path}: the rows are put in the teacher's order by their ids."]

    def _read(self, path):
        """The `Table` of any file; only a CSV file has names and ids of its own."""
        if llama.is_base(path):
            if self._vocabulary is not None and path in self._models:
                raise ValueError(f"--vocabulary: expected files of top-k log-probabilities, got {path}, which holds "
                                 "its own number; drop the flag")
            return Table(llama.BaseFile(path, self._chunks))
        if topk_files.is_topk(path):
            rows, notes = topk_files.read(path, self._vocabulary)
            return Table(rows, notes=tuple(notes))
        if self._chunks is not None and path in self._models:
            raise ValueError(f"--chunks: expected base files of llama-perplexity, got {path}; drop the flag")
        file, _ = files.split(path)
        if file.suffix.lower() == ".csv":
            model = path in self._models
            drop = [column for column in self._drop if _has(path, column)] if model else []
            table = files.read_csv(file, self._column if model or _has(path, self._column) else None, drop)
        else:
            table = Table(files.read(path))
        if path in self._ids:
            ids = np.asarray(files.read(self._ids[path]))
            if ids.shape != (table.values.shape[0],):
                raise ValueError(f"--ids {self._ids[path]}: expected {table.values.shape[0]} ids, one a row of {path}, "
                                 f"got shape {ids.shape}; name the file that belongs to {path}")
            table = Table(table.values, table.names, ids, table.notes)
        return table


def _columns(path, names, expected):
    """(indices that put columns of these names in the teacher's order or None, notes on it).

    Columns without a name in common, as many or not, are taken in order. Raises ValueError where some names are the
    teacher's, in another order, and some are not.
    """
    shared = set(names) & set(expected)
    if not shared or len(names) != len(expected) or len(set(names)) < len(names) or len(set(expected)) < len(expected):
        return None, []
    if len(shared) == len(names):
        return [names.index(name) for name in expected], [f"{path}: the columns are put in the teacher's order by "
                                                          "their names."]
    other = next(name for name in names if name not in shared)
    if moved := [name for name in names if name in shared and names.index(name) != expected.index(name)]:
        raise ValueError(f"{path}: expected the names of the teacher's columns, got {other!r} among them and "
                         f"{moved[0]!r} in another place; correct the header")
    return None, [f"{path}: the column {other!r} is taken for the teacher's {expected[names.index(other)]!r}."]


def _has(path, column):
    """Whether a path is that of a CSV file with such a column."""
    return Path(path).suffix.lower() == ".csv" and files.csv_has(files.split(path)[0], column)


def _ids(ids, paths):
    """(the column that names the points or None, path -> the path of its ids)."""
    if ids is None:
        return None, {}
    if len(ids) == len(paths) and len(ids) > 1:
        return None, dict(zip(paths, ids))
    if len(ids) == 1:
        if not any(str(path).lower().endswith(".csv") for path in paths):
            raise ValueError(f"--ids: expected {len(paths)} files, one for the teacher and one for each student, got "
                             f"{ids[0]!r} alone; only CSV files have a column of ids")
        return ids[0], {}
    raise ValueError(f"--ids: expected one column of CSV files, or {len(paths)} files, one for the teacher and one for "
                     f"each student, got {len(ids)}")


def _class_names(classes, teacher):
    """The names given, those in a file of them, or those of the teacher's columns; None for none."""
    if classes is None:
        return teacher.names or None
    if len(classes) == 1 and Path(classes[0]).suffix.lower() in files.ENDINGS:
        return np.asarray(files.read(classes[0])).ravel().tolist()
    return classes
