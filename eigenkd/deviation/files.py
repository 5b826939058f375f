"""Arrays from .npy, .npz, .safetensors and .csv files, large ones row by row; nothing is ever unpickled.

A pickle runs the code of whoever wrote it, so .pt, .pth and .pkl files and arrays of objects are refused.
"""

import json
import re
import warnings
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eigenkd.deviation import columns

ENDINGS = (".npy", ".npz", ".safetensors", ".csv")
FIX = "save it with numpy.save(path, array, allow_pickle=False)"
_HEADER_LIMIT = 100_000_000  # bytes; what the safetensors format permits
_NPY_HEADER_LIMIT = 10_000  # bytes, NumPy's own
_BFLOAT16 = "BF16"
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", _BFLOAT16: "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
           "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?"}


@dataclass(frozen=True)
class Rows:
    """An array in a file, of which a slice reads only its own rows, into memory that is freed with the slice.

    A memory map would do, but counts as the reader's memory until somebody else wants it. path: the file. shape,
    dtype: of the array, C order. offset: its first byte. bfloat16: stored as such, read as single precision.
    """

    path: Path
    shape: tuple
    stored: np.dtype
    offset: int
    bfloat16: bool = False

    @property
    def dtype(self):
        """The NumPy dtype that slices have."""
        return np.dtype(np.float32) if self.bfloat16 else self.stored

    @property
    def ndim(self):
        """The number of dimensions."""
        return len(self.shape)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """The array of the rows of a slice of step 1. TypeError for another index, ValueError for a shortened file."""
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
        if self.bfloat16:
            values = _widened(values)
        return values.reshape(shape)

    def __array__(self, dtype=None, copy=None):
        """All of it, for numpy.asarray."""
        return self[:].astype(dtype or self.dtype, copy=False)


def read(path):
    """The array in a file: a NumPy array, or `Rows` where its rows can be read one block at a time.

    path: a .npy, .npz, .safetensors or .csv file; `file.npz:name` or `file.safetensors:name` for one array of
    several. A .csv holds numbers between commas, one point a line; a first line of names, or of the column numbers
    0, 1, 2, ..., is left out, and so are columns that name the points (see `columns.read`); one column comes back as
    (n,). .npz and .csv are read whole.

    Raises FileNotFoundError for a missing file, ValueError for another ending or name, for pickles and for files
    that are not what their ending says.
    """
    path, name = split(path)
    arrays = read_all(path) if path.suffix.lower() in (".npz", ".safetensors") else None
    if arrays is None:
        if name is not None:
            raise ValueError(f"{path}:{name}: expected a path, since a {path.suffix} file holds one array without a "
                             f"name; drop ':{name}'")
        return _npy(path) if path.suffix.lower() == ".npy" else read_csv(path).values
    if name is None and len(arrays) != 1:
        raise ValueError(f"{path}: expected one array, got {len(arrays)}; name one as {path}:NAME, there are: "
                         f"{', '.join(sorted(arrays)) or 'none'}")
    name = next(iter(arrays)) if name is None else name
    if name not in arrays:
        raise ValueError(f"{path}:{name}: expected the name of an array in the file, got {name!r}; there are: "
                         f"{', '.join(sorted(arrays)) or 'none'}")
    return arrays[name]()


def read_all(path):
    """The arrays of an .npz or .safetensors file, name -> function that reads it. Raises what `read` raises."""
    return _npz(Path(path)) if Path(path).suffix.lower() == ".npz" else _safetensors(Path(path))


def split(path):
    """(path, name or None) of `file.npz:name`, with the ending and the existence of the file checked."""
    text = str(path)
    match = re.fullmatch(r"(.+?\.[A-Za-z]+):([^:/\\][^/\\]*)", text)
    path, name = (text, None) if match is None or Path(text).is_file() else match.groups()
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"{path}: expected a file that ends in {', '.join(ENDINGS)}, got {path.suffix or 'no ending'}"
                         f"; {FIX} (pickles, so .pt and .pkl, are never read: they can run code)")
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a file, found none; check the path")
    if not path.is_file():
        raise ValueError(f"{path}: expected a file, got a folder; name a file in it")
    return path, name


def _npy(path):
    with _clear(path, "an array as numpy.save writes it"), path.open("rb") as file:
        if (half := _bfloat16_header(file)) is not None:
            shape, columns_first = half
            rows = Rows(path, shape[::-1] if columns_first else shape or (1,), np.dtype("<u2"), file.tell(), True)
            if path.stat().st_size - file.tell() < 2 * int(np.prod(shape, dtype=object)):
                raise ValueError("fewer bytes than its header says: the file is cut off")
            return rows[:].T if columns_first else rows if shape else rows[:].reshape(())
        mapped = _numbers(np.load(path, mmap_mode="r", allow_pickle=False))
    if not mapped.flags.c_contiguous or mapped.ndim == 0 or mapped.dtype.kind in "US":
        return mapped
    return Rows(path, mapped.shape, mapped.dtype, mapped.offset)


def _npz(path):
    def reader(name, member):
        def load():
            with _clear(f"{path}:{name}", "an array as numpy.savez writes it"):
                with zipfile.ZipFile(path) as archive, archive.open(member) as file:
                    if (half := _bfloat16_header(file)) is not None:
                        shape, columns_first = half
                        values = _widened(np.frombuffer(file.read(), "<u2"))
                        return values.reshape(shape, order="F" if columns_first else "C")
                with np.load(path, allow_pickle=False) as file:
                    return _numbers(file[name])
        return load

    with _clear(path, "an archive as numpy.savez writes it"):
        if not zipfile.is_zipfile(path):
            raise ValueError("no zip archive, or a part of one")
        with zipfile.ZipFile(path) as archive:
            return {member.removesuffix(".npy"): reader(member.removesuffix(".npy"), member)
                    for member in archive.namelist()}


def _bfloat16_header(file):
    """(shape, whether columns come first) of an .npy stream of bfloat16, read up to its numbers; else None.

    NumPy has no such type: ml_dtypes, and with it JAX, writes it as two bytes without a meaning, or by its name.
    """
    if file.read(6) != b"\x93NUMPY":
        return None
    major = file.read(2)[:1]
    length = int.from_bytes(file.read(2 if major == b"\x01" else 4), "little")
    text = file.read(min(length, _NPY_HEADER_LIMIT))
    if not re.search(rb"'descr':\s*'([<|=]?V2|bfloat16)'", text):
        return None
    shape, order = (re.search(pattern, text) for pattern in (rb"'shape':\s*\(([\d,\s]*)\)",
                                                             rb"'fortran_order':\s*(True|False)"))
    if shape is None or order is None:
        raise ValueError("a header without a shape")
    return tuple(map(int, re.findall(rb"\d+", shape[1]))), order[1] == b"True"


def _widened(bits):
    """bfloat16, given as unsigned integers, in single precision."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _numbers(array):
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{type(array).__name__}")
    if array.dtype.kind not in "biufcUS":
        raise ValueError("a pickle" if array.dtype.hasobject else f"dtype {array.dtype}")
    return array


def _safetensors(path):
    def reader(name, entry):
        def load():
            with _clear(f"{path}:{name}", "an array that NumPy can hold"):
                return _tensor(path, entry, begin)
        return load

    with _clear(path, "a file as safetensors.numpy.save_file writes it"), path.open("rb") as file:
        size = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _HEADER_LIMIT):
            raise ValueError(f"{size} bytes, too few for its header")
        entries = json.loads(file.read(length))
        if not isinstance(entries, dict):
            raise ValueError("a header that is no mapping")
        begin = 8 + length
        entries = {name: entry for name, entry in entries.items() if name != "__metadata__"}
        if (end := begin + max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)) > size:
            raise ValueError(f"{size} bytes of {end}: the file is cut off")
    return {name: reader(name, entry) for name, entry in entries.items()}


def _tensor(path, entry, begin):
    if entry["dtype"] not in _DTYPES:
        raise ValueError(f"dtype {entry['dtype']}, which is none of {', '.join(_DTYPES)}")
    stored, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(int(size) for size in entry["shape"])
    first, last = (int(offset) for offset in entry["data_offsets"])
    if min(first, *shape, 0) < 0 or last - first != int(np.prod(shape, dtype=object)) * stored.itemsize:
        raise ValueError(f"{last - first} bytes for shape {shape} of {entry['dtype']}")
    rows = Rows(path, shape or (1,), stored, begin + first, entry["dtype"] == _BFLOAT16)
    return rows if shape else rows[:].reshape(())


def read_csv(path, ids=None, drop=()):
    """The `columns.Table` of a .csv file. ids, drop: as `columns.read`. Raises as `read`."""
    with _clear_csv(path):
        return columns.read(path, ids, drop)


def csv_has(path, column):
    """Whether a .csv file has a column of that name or number. Raises as `read`."""
    with _clear_csv(path):
        return columns.has(path, column)


def _clear_csv(path):
    return _clear(path, "numbers between commas, as many on every line", "write it with numpy.savetxt(path, array, "
                  "delimiter=',')")


@contextmanager
def _clear(path, expected, fix=FIX):
    """Turns whatever fails inside into one ValueError: file, expected, came, fix."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's on damaged headers
            yield
    except (OSError, MemoryError):
        raise  # of the machine, not of what is in the file
    except Exception as error:  # a damaged file makes its reader raise whatever it likes
        came = " ".join(str(error).split()).split("; use ")[0].rstrip(".")
        if "pickle" in came or "Python objects" in came:
            came = "a pickle, which is never read since it can run code"
        raise ValueError(f"{path}: expected {expected}, got {came}; {fix}") from error
