"""Docstrings as they are written: plain text with formulas, in which | and * are what they are in mathematics."""

import re

LITERAL = re.compile(r"(``.*?``|`[^`]*`|\*\*\w.*?\w\*\*)", re.DOTALL)
MATHEMATICS = re.compile(r"(?<!\\)(\||(?<!\*)\*(?!\*))")
BULLET = re.compile(r"^(\s*)\\\* ", re.MULTILINE)


def prepare(_app, _what, _name, _object, _options, lines):
    """Escapes formulas outside of literals, examples and literal blocks."""
    lines[:] = "\n".join(text if as_it_is else _escaped(text) for as_it_is, text in _parts(lines)).split("\n")


def _parts(lines):
    """(whether it is an example or a literal block, text) of the parts of a docstring, in its order."""
    example = block = False
    parts = []
    for line in lines:
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        block = block and (not line.strip() or line.startswith(" "))
        if parts and parts[-1][0] == (example or block):
            parts[-1][1].append(line)
        else:
            parts.append((example or block, [line]))
        block = block or line.endswith("::")
    return [(as_it_is, "\n".join(text)) for as_it_is, text in parts]


def _escaped(text):
    parts = LITERAL.split(text)
    parts[::2] = [MATHEMATICS.sub(r"\\\1", part) for part in parts[::2]]
    # `.value` is of the object at hand, not a name to look up.
    parts[1::2] = [f"`{part}`" if part.startswith("`.") else part for part in parts[1::2]]
    return BULLET.sub(r"\1* ", "".join(parts))


def setup(app):
    app.connect("autodoc-process-docstring", prepare, priority=400)  # before napoleon, whose own markup has asterisks
    return {"parallel_read_safe": True, "parallel_write_safe": True}
