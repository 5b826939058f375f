"""What a user can fix."""

import difflib
import os
import sys
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


def unreadable(flag, what, path, error):
    """A `UsageError` for a file or folder that an OSError keeps from being read; what: what was expected."""
    why = "no path" if not str(path) else f"{path}, which is not there" if isinstance(error, FileNotFoundError) else (
        f"{path}, which cannot be read ({error.strerror})")
    return UsageError(f"{flag}: expected {what}, got {why}; name another, or check the spelling")


@contextmanager
def blaming(flag):
    """Makes a `UsageError` of a ValueError that is raised inside, and names the flag to change."""
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{error} ({flag})") from error


def exit_code(work, interrupted="interrupted: finished runs are kept, and the same command runs the others"):
    """The exit code of a command whose work is work(): what that returns, 0 for None; 2 with one line on standard error
    for a `UsageError` or an OSError such as a full disk; 130 after Ctrl-C, 143 after SIGTERM."""
    try:
        return work() or 0
    except BrokenPipeError:  # the reader of the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (UsageError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"\n{interrupted}", file=sys.stderr)
        return getattr(stop, "code", 130)
