"""Tables from the same cells: text for a terminal, Markdown, LaTeX, CSV, JSON, and HTML for notebooks."""

import csv
import io
import json
import re
from dataclasses import dataclass
from html import escape
from math import isinf, isnan
from typing import Any

FORMATS = ("text", "markdown", "latex", "csv", "json")
NONE = "–"  # in place of a number that the data do not have
INFINITE = "∞"


@dataclass(frozen=True)
class Cells:
    """The contents of a table.

    header: the names of the columns, of text alone it may be empty; rows: of cells, each as long as the others; notes:
    sentences under the table. Cells are text, for "csv" and "json" also numbers, None where there is none. align: "l"
    or "r" for each of the first columns, those after it being "r".
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]  # text, but for JSON numbers too
    notes: tuple[str, ...] = ()
    align: str = "l"

    @property
    def sides(self) -> str:
        """"l" or "r" for each column."""
        return self.align.ljust(len((self.header, *self.rows)[-1]), "r")


def number(value: float, format: str = ".3f") -> str:
    """A number in a cell: "∞" and "-∞" for infinite ones, a dash for NaN."""
    return NONE if isnan(value) else f"{'-' * (value < 0)}{INFINITE}" if isinf(value) else f"{value:{format}}"


def written(content: Cells, format: str = "text") -> str:
    """The `Cells` as a string: "text", "markdown", "latex" (booktabs), "csv" without notes, or "json".

    Raises ValueError for another format.
    """
    if format not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {format!r}")
    return {"text": _text, "markdown": _markdown, "latex": _latex, "csv": _csv, "json": _json}[format](content)


def html_table(content: Cells) -> str:
    """The `Cells` alone as an HTML table with its notes under it."""
    sides = ["left" if side == "l" else "right" for side in content.sides]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in content.header)
    body = "".join(f'<tr><th scope="row" style="text-align:{sides[0]};font-weight:normal">' + escape(label) + "</th>"
                   + "".join(f'<td style="text-align:{side}">{escape(cell)}</td>'
                             for side, cell in zip(sides[1:], cells)) + "</tr>" for label, *cells in content.rows)
    notes = "<br>".join(escape(note) for note in content.notes)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p><small>{notes}</small></p>"


def _text(content):
    rows = [row for row in (content.header, *content.rows) if row]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) if side == "l" else cell.rjust(width)
                       for cell, width, side in zip(row, widths, content.sides)).rstrip() for row in rows]
    if content.header:
        lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*lines, *(["", *content.notes] if content.notes else [])])


_MARKDOWN = re.compile(r"([\\|`*_<>~#$])")


def _markdown(content):
    rows = [[_MARKDOWN.sub(r"\\\1", cell) for cell in row] for row in (content.header, *content.rows)]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "".join("---|" if side == "l" else "---:|" for side in content.sides))
    notes = [_MARKDOWN.sub(r"\\\1", note) for note in content.notes]
    return "\n".join(lines) + ("\n\n" + "  \n".join(notes) if notes else "")


_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
          "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "‖": r"$\|$", NONE: "--", "†": r"$^{\dagger}$",
          INFINITE: r"$\infty$", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}


def _latex(content):
    rows = [" & ".join(_escaped(cell) for cell in row) + r" \\" for row in (content.header, *content.rows)]
    notes = [f"% {note}" for note in content.notes]
    return "\n".join(["% \\usepackage{booktabs}", rf"\begin{{tabular}}{{{content.sides}}}",
                      r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule", r"\end{tabular}", *notes])


def _escaped(cell):
    """LaTeX's special characters escaped, negative numbers with a minus sign."""
    text = "".join(_LATEX.get(character, character) for character in cell)
    return re.sub(r"(?<![\w.])-(\d[\d.]*)", r"$-$\1", text)


def _csv(content):
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows([content.header, *content.rows])
    return lines.getvalue().rstrip("\n")


def _json(content):
    return json.dumps({"header": content.header, "rows": content.rows, "notes": content.notes}, ensure_ascii=False,
                      indent=1)
