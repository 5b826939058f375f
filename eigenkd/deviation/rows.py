"""An array in a file, of which a slice reads its own rows alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Rows:
    """An array in a file. A slice reads its own rows, into memory that is freed with the slice.

    The pages of a memory map would count as the process's memory until the system needs them. path: the file. shape,
    stored: the array's shape and its dtype in the file, C order. offset: its first byte. bfloat16: whether `stored`
    are the bits of bfloat16 numbers, which are read in single precision.
    """

    path: Path
    shape: tuple
    stored: np.dtype
    offset: int
    bfloat16: bool = False

    @property
    def dtype(self) -> np.dtype:
        """The NumPy dtype that slices have."""
        return np.dtype(np.float32) if self.bfloat16 else self.stored

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """The rows of a slice of step 1. TypeError for another index, ValueError for a shortened or damaged file."""
        if not isinstance(rows, slice) or rows.step not in (None, 1):
            raise TypeError(f"{self.path}: expected a slice of rows such as [0:100], got [{rows!r}]; "
                            "for other indices take numpy.asarray first")
        begin, end, _ = rows.indices(self.shape[0])
        shape = (max(end - begin, 0), *self.shape[1:])
        width = int(np.prod(self.shape[1:], dtype=np.int64))
        count = shape[0] * width
        values = np.fromfile(self.path, self.stored, count, offset=self.offset + begin * width * self.stored.itemsize)
        if values.size != count:
            raise ValueError(f"{self.path}: expected {count} numbers from row {begin} on, got {values.size}; the file "
                             "became shorter while it was read")
        try:
            return decoded(values, self.bfloat16).reshape(shape)
        except ValueError as error:
            raise ValueError(f"{self.path}: expected an array as NumPy writes it, got {error}; write the file "
                             "again") from error

    def reshape(self, shape: Sequence[int]) -> "Rows":
        """The same numbers in another shape of as many."""
        return replace(self, shape=tuple(shape))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The whole array, for numpy.asarray."""
        return self[:].astype(dtype or self.dtype, copy=False)


def decoded(stored: np.ndarray, bfloat16: bool = False) -> np.ndarray:
    """Numbers as a file holds them, (count,): bfloat16's bits become single precision, the others stay as they are.

    Raises ValueError for bytes that no writer leaves: truth values other than 0 and 1, text that is no Unicode.
    """
    if bfloat16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    kind = stored.dtype.kind
    if kind == "b" and (value := stored.view(np.uint8).max(initial=0)) > 1:
        raise ValueError(f"the byte {value} among truth values, which are 0 or 1")
    if kind == "S" and stored.view(np.uint8).max(initial=0) > 127:
        raise ValueError("text that is not ASCII; write it as str")
    if kind == "U":
        codes = stored.astype(stored.dtype.newbyteorder("=")).view(np.uint32)
        if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
            raise ValueError("text that is not Unicode")
    return stored
