"""Arrays from .npy, .npz, .safetensors and .csv files, large ones row by row; nothing is ever unpickled.

A pickle runs the code of whoever wrote it, so .pt, .pth and .pkl files and arrays of objects are refused. A file whose
sizes or checksums disagree with its content is refused; docs/deviation.md says which damage cannot be noticed.
"""

import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eigenkd.deviation import archive, columns, llama, npy, safetensors, topk_files

ENDINGS = (".npy", ".npz", ".safetensors", ".csv")
FIX = "save it with numpy.save(path, array, allow_pickle=False)"


def read(path: str | Path, vocabulary: int | None = None) -> Any:
    """What is in a file: a NumPy array, or something that `compare` and `Stream` read one block at a time.

    path: a .npy, .npz, .safetensors or .csv file, or a base file of llama.cpp, of any name, or top-k
    log-probabilities (`topk_files.read`; vocabulary: how many tokens there are); `file.npz:name` or
    `file.safetensors:name` for one array of several. A .csv holds numbers between commas, one point a line. A first
    line of names, or of the column numbers 0, 1, 2, ..., is left out, and so are columns that name the points (see
    `columns.read`). One column has the shape (n,). .npz and .csv files are read whole.

    Raises FileNotFoundError for a missing file, ValueError for another ending or name, for pickles and for files
    that are damaged or not what their ending says.
    """
    if llama.is_base(path):
        return llama.BaseFile(path)
    if topk_files.is_topk(path):
        return topk_files.read(path, vocabulary)[0]
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


def read_all(path: str | Path) -> dict[str, Callable[[], Any]]:
    """The arrays of an .npz or .safetensors file, name -> function that reads it. Raises what `read` raises."""
    return _npz(Path(path)) if Path(path).suffix.lower() == ".npz" else _safetensors(Path(path))


def split(path: str | Path) -> tuple[Path, str | None]:
    """(path, name or None) of `file.npz:name`, with the ending and the existence of the file checked."""
    text = str(path)
    match = re.fullmatch(r"(.+?\.[A-Za-z]+):([^:/\\][^/\\]*)", text)
    path, name = (text, None) if match is None or Path(text).is_file() else match.groups()
    path = Path(path)
    if path.suffix.lower() == ".gguf":
        raise ValueError(f"{path}: expected a file of logits, got a model; write one with llama-perplexity -m {path} "
                         "-f text.txt --kl-divergence-base FILE.kld")
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"{path}: expected a file that ends in {', '.join(ENDINGS)}, got {path.suffix or 'no ending'}"
                         f"; {FIX} (pickles, so .pt and .pkl, are never read: they can run code)")
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a file, found none; check the path")
    if not path.is_file():
        raise ValueError(f"{path}: expected a file, got a folder; name a file in it")
    if not path.stat().st_size:
        raise ValueError(f"{path}: expected an array, got an empty file; write it again (the disk may have been full)")
    return path, name


def _npy(path):
    with _clear(path, "an array as numpy.save writes it"):
        return npy.read(path)


def _npz(path):
    def reader(name, member):
        def load():
            with _clear(f"{path}:{name}", "an array as numpy.savez writes it"):
                return archive.read(path, member)
        return load

    with _clear(path, "an archive as numpy.savez writes it"):
        return {name: reader(name, member) for name, member in archive.names(path).items()}


def _safetensors(path):
    def reader(name, entry):
        def load():
            with _clear(f"{path}:{name}", "an array that NumPy can hold"):
                return safetensors.read(path, *entry)
        return load

    with _clear(path, "a file as safetensors.numpy.save_file writes it"):
        return {name: reader(name, entry) for name, entry in safetensors.entries(path).items()}


def read_csv(path: str | Path, ids: Sequence[str] | None = None, drop: Sequence[str] = ()) -> columns.Table:
    """The `columns.Table` of a .csv file. ids, drop: as `columns.read`. Raises as `read`."""
    with _clear_csv(path):
        return columns.read(path, ids, drop)


def csv_has(path: str | Path, column: str | int) -> bool:
    """Whether a .csv file has a column of that name or number. Raises as `read`."""
    with _clear_csv(path):
        return columns.has(path, column)


def _clear_csv(path):
    return _clear(path, "numbers between commas, as many on every line", "write it with numpy.savetxt(path, array, "
                  "delimiter=',')")


@contextmanager
def _clear(path, expected, fix=f"{FIX}, or copy the file again"):
    """Turns whatever the reader of a damaged file raises into one ValueError: file, expected, came, fix."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's and zipfile's on damaged headers
            yield
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the machine; those of decompressors have no number
        came = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        if came == "a pickle":
            came, fix = "a pickle, which is never read since it can run code", FIX
        raise ValueError(f"{path}: expected {expected}, got {came}; {fix}") from error
