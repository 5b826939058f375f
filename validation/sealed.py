"""JSON files that carry the SHA-256 of their own contents, so that a reader notices a file that has changed.

The digest is taken of the values, not of the bytes: of the mapping without it, with sorted keys and no spaces.
"""

import json

from eigenkd import _atomic as atomic

SEAL = "sha256"


class Broken(ValueError):
    """Bytes are not a sealed JSON file; the message is the end of a sentence that begins with the file's name."""


class Unsealed(Broken):
    """A JSON file carries no digest. `mapping`: what it holds."""

    def __init__(self, mapping):
        super().__init__("carries no SHA-256")
        self.mapping = mapping


def digest(mapping):
    """The hexadecimal SHA-256 of a JSON-able mapping: equal for mappings that JSON writes in the same way."""
    plain = json.loads(json.dumps(mapping, allow_nan=False))
    return atomic.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())


def written(mapping, indent=1):
    """The bytes of a JSON file of the mapping and its digest; indent None: on one line."""
    separators = (",", ":") if indent is None else None
    return (json.dumps({**mapping, SEAL: digest(mapping)}, indent=indent, separators=separators, allow_nan=False)
            + "\n").encode()


def read(content):
    """The mapping in the bytes of a JSON file, without its digest.

    Raises `Unsealed` for a mapping without a digest, and `Broken` for everything else that `written` did not write.
    """
    try:
        mapping = json.loads(content.decode("utf-8"))
        if not isinstance(mapping, dict):
            raise Broken("is no mapping")
        if SEAL not in mapping:
            raise Unsealed(mapping)
        claimed = mapping.pop(SEAL)
        if claimed != digest(mapping):
            raise Broken("changed since it was written (another SHA-256)")
    except Broken:
        raise
    except (ValueError, RecursionError) as error:
        raise Broken(f"cannot be read as JSON ({error})") from error
    return mapping
