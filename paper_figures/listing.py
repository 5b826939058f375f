"""The table of --list: what each figure and table shows and rests on, and the command for what is missing."""

import shutil
import textwrap

from eigenkd.table import Cells, written

NARROW, WIDE = 80, 160  # characters of a line, where the terminal does not say or is wider
HEADER = ("NAME", "STATUS", "SHOWS, AND RESTS ON", "MISSING RUNS ARE MADE BY")


def listing(entries, statuses, whole, width=None):
    """The table as text. statuses: an `entry.Status` each, or a sentence; whole: whether all commands are shown,
    and not the first alone; width: of a line, by default the terminal's."""
    width = min(width or shutil.get_terminal_size((120, 24)).columns, WIDE)
    told = [_cells(entry, status, whole) for entry, status in zip(entries, statuses)]
    first = [max(map(len, (HEADER[k], *(row[k][0] for row in told)))) for k in (0, 1)]
    rest = max(NARROW, width) - sum(first) - 6
    widths = (*first, rest * 2 // 5, rest - rest * 2 // 5)
    rows = []
    for row in told:
        columns = [[line for text in texts for line in textwrap.wrap(
            text, wide, break_on_hyphens=False, subsequent_indent="  ")] for texts, wide in zip(row, widths)]
        rows += [tuple(column[k] if k < len(column) else "" for column in columns)
                 for k in range(max(map(len, columns)))]
    return written(Cells(HEADER, tuple(rows), align="llll"))


def _cells(entry, status, whole):
    """The four cells of an entry, each a list of paragraphs."""
    also = f" (also: {', '.join(entry.aliases)})" if entry.aliases else ""
    shows = f"{entry.shows}{also}"
    if isinstance(status, str):
        return [entry.name], ["not drawn"], [shows, status], []
    own, instead = ((lines if whole or len(lines) < 2 else (f"{lines[0]} (and {len(lines) - 1} more: --list "
                                                            f"{entry.name})",)) for lines in (status.own,
                                                                                              status.instead))
    if status.kind == "missing":
        own = own or ("no setting of this version has its data",)
        own = (*own, *(f"on stand-in data: {line}" for line in instead))
    return [entry.name], [status.kind], list(filter(None, (shows, status.rests_on))), list(own)
