"""The .safetensors format: a length, a JSON header, and the tensors' bytes one after another to the end of the file.

What the safetensors library refuses is refused.
"""

import json
from pathlib import Path

import numpy as np

from eigenkd.deviation.rows import Rows
from eigenkd.typing import Shape

_LONGEST = 100_000_000  # bytes of a header, the format's limit
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
           "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?"}
_BITS = {name: 8 * np.dtype(stored).itemsize for name, stored in _DTYPES.items()} | {
    "C64": 64, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F6_E2M3": 6,
    "F6_E3M2": 6, "F4": 4}  # those that NumPy does not have as well


def entries(path: Path) -> dict[str, tuple[str, Shape, int]]:
    """name -> (dtype, shape, offset in the file) of the tensors of a file.

    Raises ValueError for a header that is not strict UTF-8 and JSON, that has a key twice, sizes that are no whole
    numbers, and tensors that do not fill the rest of the file, in order and without holes.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _LONGEST):
            raise ValueError(f"{size} bytes, too few for its header")
        if not length:
            raise ValueError("a header of 0 bytes")
        header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_object, parse_float=_refused,
                            parse_constant=_refused)
    if not isinstance(header, dict):
        raise ValueError("a header that is no mapping")
    if not _is_metadata(header.pop("__metadata__", None)):
        raise ValueError("a header whose __metadata__ is no mapping of strings")
    spans = {name: _span(name, entry) for name, entry in header.items()}
    at = 0
    for name, (first, last) in sorted(spans.items(), key=lambda item: item[1]):
        if first != at:
            raise ValueError(f"{name!r} at byte {first}, where the tensors before it end at {at}")
        at = last
    if 8 + length + at != size:
        raise ValueError(f"{size} bytes, where the header says {8 + length + at}")
    return {name: (entry["dtype"], tuple(entry["shape"]), 8 + length + spans[name][0])
            for name, entry in header.items()}


def read(path: Path, dtype: str, shape: Shape, offset: int) -> Rows | np.ndarray:
    """The `Rows` of a tensor, or a NumPy array of no dimensions. Raises ValueError for a dtype that NumPy has not."""
    if dtype not in _DTYPES:
        raise ValueError(f"dtype {dtype}, which is none of {', '.join(_DTYPES)}")
    rows = Rows(path, shape or (1,), np.dtype(_DTYPES[dtype]), offset, dtype == "BF16")
    return rows if shape else rows[:].reshape(())


def _span(name, entry):
    """(first, last) byte of a tensor, checked against its dtype and shape."""
    try:
        dtype, shape, (first, last) = entry["dtype"], entry["shape"], entry["data_offsets"]
        bits = _BITS[dtype]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{name!r} without a known dtype, a shape and two data_offsets") from error
    numbers = [*shape, first, last] if isinstance(shape, list) else [None]
    if not all(type(number) is int and 0 <= number < 2**64 for number in numbers):
        raise ValueError(f"{name!r} with sizes that are no whole numbers")
    if 8 * (last - first) != bits * int(np.prod(shape, dtype=object)):
        raise ValueError(f"{last - first} bytes for {name!r} of shape {tuple(shape)} and dtype {dtype}")
    return first, last


def _object(pairs):
    """A JSON object as a mapping of names that can be printed, each of them once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a header that has a name twice")
    for name in found:
        name.encode("utf-8")  # raises UnicodeEncodeError for half a surrogate pair
    return found


def _refused(number):
    raise ValueError(f"the number {number} in its header, which is not whole")


def _is_metadata(found):
    return found is None or (isinstance(found, dict) and all(isinstance(value, str) for value in found.values()))
