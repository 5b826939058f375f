"""One table in every format."""

import csv
import io
import json
import re

import pytest

from eigenkd.table import FORMATS, Cells, html_table, written

TABLE = Cells(("name", "what", "share"), (("a_b", "x, y", "-0.5"), ("longer", "", "12.25")), ("A note.",), align="ll")


def test_text_is_aligned_column_by_column():
    assert written(TABLE).splitlines() == [
        "name    what  share", "------  ----  -----", "a_b     x, y   -0.5", "longer        12.25", "", "A note."]
    assert written(Cells((), (("a", "1"), ("bcd", "23")))).splitlines() == ["a     1", "bcd  23"]
    assert written(Cells(("of", "text"), (("a", ""), ("b", "left")), align="ll")).splitlines()[2] == "a"


def test_markdown_and_latex_have_the_same_sides_and_no_note_where_there_is_none():
    assert written(TABLE, "markdown").splitlines()[:3] == [
        "| name | what | share |", "|---|---|---:|", r"| a\_b | x, y | -0.5 |"]
    assert r"\begin{tabular}{llr}" in written(TABLE, "latex") and r"a\_b & x, y & $-$0.5 \\" in written(TABLE, "latex")
    alone = Cells(TABLE.header, TABLE.rows)
    assert written(alone, "markdown").endswith("| 12.25 |") and "%" not in written(alone, "latex").partition("\n")[2]


def test_csv_and_json_hold_the_cells_as_they_are():
    assert list(csv.reader(io.StringIO(written(TABLE, "csv")))) == [list(row) for row in (TABLE.header, *TABLE.rows)]
    assert json.loads(written(TABLE, "json")) == {
        "header": list(TABLE.header), "rows": [list(row) for row in TABLE.rows], "notes": ["A note."]}


def test_html_has_the_same_sides():
    assert re.findall(r"text-align:(\w+)", html_table(TABLE)) == ["left", "left", "right"] * 2


def test_another_format_is_refused():
    with pytest.raises(ValueError, match=f"format: expected one of {', '.join(FORMATS)}, got 'pdf'"):
        written(TABLE, "pdf")
