"""NumPy's .npy format: a header, and as many bytes as it says."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from eigenkd.deviation.rows import Rows, decoded

_LENGTH = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}  # version -> bytes of the header's length
_LONGEST = 10_000  # bytes of a header, NumPy's own limit


@dataclass(frozen=True)
class Header:
    """What a header says. shape; stored: the dtype of the bytes; bfloat16: whether they are bfloat16 numbers;
    columns_first: Fortran order; begin: the first byte after the header."""

    shape: tuple
    stored: np.dtype
    bfloat16: bool
    columns_first: bool
    begin: int

    @property
    def nbytes(self) -> int:
        """How many bytes the numbers take."""
        return int(np.prod(self.shape, dtype=object)) * self.stored.itemsize

    def array(self, stored: np.ndarray) -> np.ndarray:
        """The array of this header from its numbers (count,) as they are in the file. Raises as `rows.decoded`."""
        return decoded(stored, self.bfloat16).reshape(self.shape, order="F" if self.columns_first else "C")


def read(path: Path) -> Rows | np.ndarray:
    """The array of an .npy file: `Rows` where rows lie one after another, else a NumPy array or memory map.

    Raises ValueError as `header` does.
    """
    with path.open("rb") as file:
        found = header(file, path.stat().st_size)
    numbers = found.stored.kind not in "US"
    if numbers and found.shape and not found.columns_first:
        return Rows(path, found.shape, found.stored, found.begin, found.bfloat16)
    if numbers and found.columns_first and found.nbytes and not found.bfloat16:
        return np.memmap(path, found.stored, "r", found.begin, found.shape, "F")
    return found.array(np.fromfile(path, found.stored, offset=found.begin))


def header(file: BinaryIO, size: int) -> Header:
    """The `Header` of an .npy stream of `size` bytes, which is then read up to its numbers.

    Raises ValueError for a stream that does not begin as .npy files do, a header that NumPy cannot read or that holds
    no numbers, and another size than the header says. A wrong dtype or shape of the same size cannot be noticed.
    """
    begun = file.read(8)
    if begun[:6] != b"\x93NUMPY":
        raise ValueError("a pickle" if begun[:1] == b"\x80" else f"a file that begins with the bytes {begun[:6]!r}")
    if (width := _LENGTH.get(begun[6:])) is None:
        raise ValueError(f"a header of the unknown version {tuple(begun[6:])}")
    length = int.from_bytes(file.read(width), "little")
    text = file.read(min(length, _LONGEST + 1))
    if len(text) != length or length > _LONGEST or not text.endswith(b"\n"):
        raise ValueError(f"a header that does not end after the {length} bytes that it says")
    shape, columns_first, stored = _fields(text)
    bfloat16 = stored == np.dtype("V2")  # NumPy has no such type: ml_dtypes, and with it JAX, writes two plain bytes
    if stored.kind not in "biufcUS" and not bfloat16:
        raise ValueError("a pickle" if stored.hasobject else f"dtype {stored}")
    if min(shape, default=0) < 0:
        raise ValueError(f"shape {shape}")
    found = Header(shape, np.dtype("<u2") if bfloat16 else stored, bfloat16, columns_first and len(shape) > 1,
                   8 + width + length)
    if size - found.begin != found.nbytes:
        raise ValueError(f"{size - found.begin} bytes of numbers, where shape {shape} of "
                         f"{'bfloat16' if bfloat16 else stored} takes {found.nbytes}")
    return found


def _fields(text):
    """(shape, fortran_order, dtype) of the text of a header."""
    text = text.replace(b"'bfloat16'", b"'<V2'     ")  # which NumPy knows only once ml_dtypes is imported
    try:
        return np.lib.format.read_array_header_2_0(io.BytesIO(len(text).to_bytes(4, "little") + text))
    except Exception as error:  # the parser of Python raises whatever it likes, MemoryError for example
        raise ValueError("a header that NumPy cannot read") from error
