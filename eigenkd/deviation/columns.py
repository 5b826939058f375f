"""Which columns of a CSV hold logits, which name the points, and which are neither."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

# Headers of columns that name points; pandas writes its index under "" and reads it back as "Unnamed: 0".
_INDEX = re.compile(r"(unnamed: ?\d+.*)?", re.IGNORECASE)
_ID = re.compile(r"(.*[_\s.-])?(ids?|idx|index)|uuid|guid|(file|image)(_?(name|path))?|path", re.IGNORECASE)
_CAMEL = re.compile(r"\w*[a-z0-9](Id|ID|Idx|Index)s?")


@dataclass(frozen=True)
class Table:
    """A CSV file's numbers. values: (rows, columns), (rows,) of one column; text of a single column stays text.
    names: of the columns, () without a header. ids: (rows,) strings, or None. notes: which columns were left out.
    unnamed: whether the ids are an index without a name, which may have been numbered anew for each file."""

    values: Any
    names: tuple[str, ...] = ()
    ids: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    unnamed: bool = False


def read(path: str | Path, ids: Sequence[str] | None = None, drop: Sequence[str] = ()) -> Table:
    """The `Table` of a CSV file with commas; a first line of names, or of the numbers 0, 1, 2, ..., is its header.

    ids: the name or number of the column that names the points. Without it, the points are named by columns whose
    header is an id (id, index, image_id, filename, ...), by pandas' index and, in a file without a header, by a first
    column of different texts. drop: names or numbers of columns to leave out.

    Raises ValueError for text among the numbers, rows of different lengths, and columns that are not there.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        names, rows, lines = _begun(file)
        width = len(rows[0][1])
        out = {_find(column, names, width) for column in ([drop] if isinstance(drop, str | int) else drop)}
        asked = [] if ids is None else [_find(ids, names, width)]
        # Columns that may name the points are kept as text; the others become numbers at once.
        text = sorted({*asked, *_maybe_naming(rows[0][1], names)} - (out - {*asked}))
        numeric = [c for c in range(width) if c not in out and c not in text]
        numbers, cells = _cells(chain(rows, lines), width, numeric, text, names)
    chosen = asked or _naming(cells, numbers, names)
    left = sorted([*numeric, *(c for c in text if c not in chosen)])
    if not left:
        raise ValueError("no column of numbers next to those that name the points")
    notes = [f"{_title(c, names)} is left out" for c in sorted(out - {*chosen})]
    notes += [f"{_title(c, names)} names the points and is no logit" for c in chosen]
    values = _values(numbers, numeric, cells, left, names)
    return Table(values[:, 0] if len(left) == 1 else values, tuple(names[c] for c in left) if names else (),
                 np.array(cells[chosen[0]]) if chosen else None, tuple(notes),
                 bool(chosen) and not asked and not (names and _is_id(names[chosen[0]])))


def has(path: str | Path, column: str | int) -> bool:
    """Whether a CSV file has a column of that name or number."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        names, rows, _ = _begun(file)
    return str(column) in names or (re.fullmatch(r"\d+", str(column)) is not None and int(column) < len(rows[0][1]))


def _begun(file):
    """(names or [] without a header, the first two lines under it, the other lines); a line is (number, cells)."""
    lines = enumerate(csv.reader(file, skipinitialspace=True), start=1)
    lines = ((k, line) for k, line in lines if any(line) and not (len(line) == 1 and line[0].isspace()))
    rows = [(line[0], [cell.strip() for cell in line[1]]) for line in (next(lines, None), next(lines, None)) if line]
    names = []
    if rows and _is_header(rows[0][1], rows[1][1] if len(rows) > 1 else None):
        names = rows.pop(0)[1]
    if not rows:
        raise ValueError("no line of numbers")
    if names and len(names) != len(rows[0][1]):
        raise ValueError(f"a header of {len(names)} names above {len(rows[0][1])} columns")
    return names, rows, lines


def _cells(lines, width, numeric, text, names):
    """((rows, numeric columns) numbers, text column -> its cells) of the lines (number, cells)."""
    numbers, cells = [], {c: [] for c in text}
    for k, line in lines:
        if len(line) != width:
            raise ValueError(f"the number of columns changed from {width} to {len(line)} in line {k}")
        try:
            numbers.append(np.array([float(line[c]) for c in numeric]))
        except ValueError:
            wrong = True
        else:
            wrong = "_" in "".join(line)  # Python accepts underscores in numbers; no other program writes them
        if wrong and (c := next((c for c in numeric if not _is_number(line[c])), None)) is not None:
            raise _no_number(line[c], k, c, names)
        for c in text:
            cells[c].append(line[c].strip())
    return np.array(numbers), cells


def _values(numbers, numeric, cells, left, names):
    """(rows, columns left): the numbers, with text columns converted; or the text of a single column."""
    if not set(left) & set(cells):
        return numbers
    if len(left) == 1 and not any(_is_number(cell) or re.search(r"[;\t]", cell) for cell in cells[left[0]]):
        return np.array(cells[left[0]])[:, None]
    columns = dict(zip(numeric, numbers.T))
    for c in set(left) & set(cells):
        if (k := next((k for k, cell in enumerate(cells[c]) if not _is_number(cell)), None)) is not None:
            raise _no_number(cells[c][k], k + 1 + bool(names), c, names)
        columns[c] = np.array(cells[c], dtype=float)
    return np.stack([columns[c] for c in left], axis=1)


def _no_number(cell, line, c, names):
    return ValueError(f"could not convert string {cell!r} to a number in line {line}, {_title(c, names)} (--drop "
                      f"{names[c] if names else c} leaves the column out, --ids takes it as the points' names)")


def _maybe_naming(cells, names):
    """The columns that may name the points, by their header and first cell; without a header the first one as well."""
    return [c for c, cell in enumerate(cells) if not _is_number(cell)
            or (_INDEX.fullmatch(names[c]) or _is_id(names[c]) if names else c == 0)]


def _naming(cells, numbers, names):
    """The text columns that name the points, by their header or, without a header, by their content."""
    alone = numbers.shape[1] == 0
    if not names:
        first = cells.get(0, [])
        different = not alone and len(set(first)) == len(first) and not any(map(_is_number, first))
        return [0] if first and (different or _counts(first, numbers)) else []
    naming = [c for c in cells if all(not _is_number(cell) or _is_whole(cell) for cell in cells[c])]
    index = [c for c in naming if _INDEX.fullmatch(names[c])]
    found = [c for c in naming if _is_id(names[c])] + index
    return found if not alone or len(found) < len(cells) else index[:1] if len(cells) > 1 else []


def _counts(first, numbers):
    """Whether the first column counts the rows from 0 or 1, as pandas' index does, next to columns of fractions."""
    if len(first) < 3 or not all(map(_is_whole, first)):
        return False
    begin = float(first[0])
    counts = begin in (0, 1) and all(float(cell) == begin + k for k, cell in enumerate(first))
    return counts and bool((numbers != np.floor(numbers)).any())


def _is_header(first, second):
    """Whether the first line holds names or, as pandas writes them, column numbers instead of a point's numbers."""
    numbers = [cell for cell in first if _is_number(cell)]
    counted = numbers and numbers in ([str(k + begin) for k in range(len(numbers))] for begin in (0, 1))
    if len(numbers) == len(first):
        return len(first) > 2 and first == [str(column) for column in range(len(first))]
    if second is None or len(second) != len(first):
        return not numbers
    below = any(not _is_number(a) and _is_number(b) for a, b in zip(first, second))
    if not numbers and not below:  # text over text: a column of class names
        return first[0].lower() in ("label", "labels", "class", "classes", "target", "targets", "name", "y") or (
            any(_is_id(cell) for cell in first))
    naming = any(_INDEX.fullmatch(cell) or _is_id(cell) for cell in first)
    return (below and not numbers) or ((below or naming) and bool(counted) and len(numbers) > 1)


def _find(column, names, width):
    """The position of a column given by its name or its number."""
    if str(column) in names:
        return names.index(str(column))
    if re.fullmatch(r"\d+", str(column)) and int(column) < width:
        return int(column)
    there = ", ".join(map(repr, names[:8])) + ", ..." * (len(names) > 8) if names else f"0 to {width - 1}"
    raise ValueError(f"no column {str(column)!r} among {there}")


def _is_id(name):
    return bool(_ID.fullmatch(name) or _CAMEL.fullmatch(name))


def _is_whole(cell):
    return _is_number(cell) and float(cell).is_integer()


def _title(c, names):
    return f"column {names[c]!r}" if names and names[c] else f"column {c}"


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
