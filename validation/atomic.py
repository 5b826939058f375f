"""Files that are whole or not there, whenever the power goes: written under another name, flushed, renamed."""

import hashlib
import os
from pathlib import Path


def write(path, content):
    """Makes `path` hold these bytes: whoever looks finds the old file or the new one, never a part of it."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        put(temporary, content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)  # a full disk: give back what was taken of it
        raise
    flush(path.parent)


def put(path, content):
    """Writes bytes to `path` itself and flushes them to the disk."""
    with Path(path).open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def flush(folder):
    """Makes what was renamed, made or removed in a folder outlast a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(content):
    """The hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()
