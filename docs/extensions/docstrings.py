"""Docstrings as they are written: plain text with formulas, in which | and * are what they are in mathematics."""

import re

LITERAL = re.compile(r"(``.*?``|`[^`]*`|\*\*\w.*?\w\*\*)")
MATHEMATICS = re.compile(r"(?<!\\)(\||(?<!\*)\*(?!\*))")
OF_AN_OBJECT = re.compile(r"(?<!`)`(\.[^`]*)`(?!`)")  # `.value`: of the object at hand, not a name to look up


def prepare(_app, _what, _name, _object, _options, lines):
    """Escapes formulas outside of literals, examples and literal blocks."""
    example = block = False
    for i, line in enumerate(lines):
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        block = block and (not line.strip() or line.startswith(" "))
        if not example and not block:
            parts = LITERAL.split(OF_AN_OBJECT.sub(r"``\1``", line))
            parts[::2] = [MATHEMATICS.sub(r"\\\1", part) for part in parts[::2]]
            lines[i] = re.sub(r"^(\s*)\\\* ", r"\1* ", "".join(parts))  # a bullet
        block = block or line.endswith("::")


def setup(app):
    app.connect("autodoc-process-docstring", prepare, priority=400)  # before napoleon, whose own markup has asterisks
    return {"parallel_read_safe": True, "parallel_write_safe": True}
