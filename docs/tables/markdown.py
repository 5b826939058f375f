"""Tables in Markdown."""


def table(header, rows, right=()):
    """A table of these cells, which are Markdown; right: indices of the columns that are aligned on the right."""
    rule = ["---:" if i in right else "---" for i in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))
