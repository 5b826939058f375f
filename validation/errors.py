"""What a user can fix."""

import difflib
from contextlib import contextmanager

SEVERAL = 12  # names that a message has room for


class UsageError(Exception):
    """A mistake in what the user asked for: its message names the argument, what was expected, what came, the fix."""


def unknown(what, name, known):
    """A `UsageError` for a name that is not in `known`, with the nearest known name and all of them."""
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    if close and len(known) > SEVERAL:
        return UsageError(f"{what}: expected a name of --list, got {name!r}; did you mean {', '.join(close)}?")
    hint = f" did you mean {close[0]}?" if close else ""
    return UsageError(f"{what}: expected one of {', '.join(sorted(known))}; got {name!r};{hint or ' see --list'}")


@contextmanager
def blaming(flag):
    """Makes a `UsageError` of a ValueError that is raised inside, and names the flag to change."""
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{error} ({flag})") from error
