"""Tables that paste into a paper: text, Markdown, LaTeX, and HTML for notebooks, from the same cells."""

import re
from dataclasses import dataclass
from html import escape
from math import isinf, isnan

FORMATS = ("text", "markdown", "latex")
NONE = "–"  # in place of a number that the data do not have
INFINITE = "∞"


@dataclass(frozen=True)
class Cells:
    """What the formats write out. header: the names of the columns, the first of labels. rows: of cells, as long as
    the header. notes: sentences that belong under the table."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def number(value, format=".3f"):
    """A number in a cell: "∞" and "-∞" for infinite ones, a dash for NaN."""
    return NONE if isnan(value) else f"{'-' * (value < 0)}{INFINITE}" if isinf(value) else f"{value:{format}}"


def written(content, format="text"):
    """The `Cells` as a string: "text", "markdown" or "latex" (booktabs). Raises ValueError for another format."""
    if format not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {format!r}")
    return {"text": _text, "markdown": _markdown, "latex": _latex}[format](content)


def html_table(content):
    """The `Cells` alone as an HTML table with its notes under it."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in content.header)
    body = "".join('<tr><th scope="row" style="text-align:left;font-weight:normal">' + escape(label) + "</th>"
                   + "".join(f'<td style="text-align:right">{escape(cell)}</td>' for cell in cells) + "</tr>"
                   for label, *cells in content.rows)
    notes = "<br>".join(escape(note) for note in content.notes)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p><small>{notes}</small></p>"


def _text(content):
    rows = [content.header, *content.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(content.header))]
    lines = ["  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
             for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*(line.rstrip() for line in lines), "", *content.notes])


_MARKDOWN = re.compile(r"([\\|`*_<>~#$])")


def _markdown(content):
    rows = [[_MARKDOWN.sub(r"\\\1", cell) for cell in row] for row in (content.header, *content.rows)]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * (len(content.header) - 1))
    notes = [_MARKDOWN.sub(r"\\\1", note) for note in content.notes]
    return "\n".join(lines) + "\n\n" + "  \n".join(notes)


_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
          "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "‖": r"$\|$", NONE: "--", "†": r"$^{\dagger}$",
          INFINITE: r"$\infty$", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}


def _latex(content):
    rows = [" & ".join(_escaped(cell) for cell in row) + r" \\" for row in (content.header, *content.rows)]
    notes = [f"% {note}" for note in content.notes]
    return "\n".join(["% \\usepackage{booktabs}", rf"\begin{{tabular}}{{l{'r' * (len(content.header) - 1)}}}",
                      r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule", r"\end{tabular}", *notes])


def _escaped(cell):
    """LaTeX's special characters escaped, negative numbers with a minus sign."""
    text = "".join(_LATEX.get(character, character) for character in cell)
    return re.sub(r"(?<![\w.])-(\d[\d.]*)", r"$-$\1", text)
