"""Files that are whole or absent even after a power failure: written under another name, flushed, renamed."""

import hashlib
import os
import re
import secrets
from pathlib import Path

_PARTIAL = re.compile(r"\.[0-9a-f]{16}\.partial")


def write(path, content):
    """Make `path` hold these bytes: a reader finds the old file or the new one, never a part of it.

    Several processes may write the same path at once; the last to finish wins. Raises OSError, and then leaves the
    old file as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        put(temporary, content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush(path.parent)


def put(path, content):
    """Write bytes to `path` itself and flush them to the disk."""
    with Path(path).open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def flush(folder):
    """Make renamed, new and removed files of a folder outlast a power failure."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def discard_partial(folder):
    """Remove what `write` left in a folder when its process was killed. The caller holds the folder's lock."""
    for path in Path(folder).iterdir():
        if _PARTIAL.fullmatch(path.name):
            path.unlink(missing_ok=True)


def sha256(content):
    """The hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()
