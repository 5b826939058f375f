"""Options of a command from a dataclass; a value that cannot be read is a `UsageError` of one line."""

import re
import sys
from contextlib import redirect_stderr
from io import StringIO

import tyro

from validation.errors import UsageError

WORDS = {"[INT [INT ...]]": "whole numbers", "INT": "a whole number", "FLOAT": "a number",
         "[FLOAT [FLOAT ...]]": "numbers"}


def parsed(options, prog, arguments, **how):
    """What tyro.cli makes of the arguments. Raises UsageError, with the flag, for a value that it cannot read; all else
    that is wrong ends in tyro's own text and SystemExit."""
    said = StringIO()
    try:
        with redirect_stderr(said):
            return tyro.cli(options, prog=prog, args=arguments, **how)
    except SystemExit as stop:
        text = " ".join(re.sub(r"\x1b\[[\d;]*m|[^\x00-\x7f]", " ", said.getvalue()).split())
        flag = re.search(r"Error parsing (--[\w.-]+)", text)
        if flag is None or stop.code == 0:
            sys.stderr.write(said.getvalue())
            raise
        form = re.search(rf"helptext: {flag[1]} (\S+(?: \[\w+ \.\.\.\]\S*)?)", text)
        expected = form[1].replace("{None}|", "").strip("{}") if form else "another value"
        if "," in expected:
            expected = f"one of {', '.join(expected.split(','))}"
        raise UsageError(f"{flag[1]}: expected {WORDS.get(expected, expected)}, got {_given(flag[1], arguments)}; see "
                         f"{prog} --help") from None


def _given(flag, arguments):
    """The words that the arguments have behind a flag."""
    words = [word for argument in arguments for word in argument.split("=", 1)]
    behind = words[words.index(flag) + 1:] if flag in words else words
    end = next((k for k, word in enumerate(behind) if word.startswith("--")), len(behind))
    return " ".join(map(repr, behind[:end])) or "none"
