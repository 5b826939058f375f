"""DistillKit's parquet files: a sequence a row, with the teacher's top k of each next token, plain or compressed.

Compressed rows hold, in this order: `exact_k` values; the coefficients of a curve through the others; and for each bin
of residuals a scale and numbers of some bits. With delta encoding each value is the difference to the one before. Only
the exact ones are used: of the others the error is not known.
"""

from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from eigenkd.deviation.topk_rows import Rows

AT_ONCE = 4  # sequences that are Python objects at the same time
CONFIG = "compression_config.yaml"
DTYPES = {"float16": ("<f2", 2.0**-11), "bfloat16": ("<u2", 2.0**-8), "float32": ("<f4", 2.0**-24),
          "float64": ("<f8", 2.0**-53)}  # name -> (stored as, relative rounding)


def read(path: Path) -> tuple[Rows, int | None, Sequence[str]]:
    """(`Rows`, size of the vocabulary or None, notes) of a parquet file, or of all in a folder.

    Raises ValueError for other columns and contents, ImportError without pyarrow or pyyaml.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(f"{path}: expected pyarrow, which is missing; pip install 'eigenkd[tokens]'") from error
    path = Path(path)
    files = sorted(path.glob("*.parquet"), key=_numbered) if path.is_dir() else [path]
    rows, config, notes, number = Rows(), None, (), 0
    for file in files:
        with _whole(file):
            table = parquet.ParquetFile(file)
        names = set(table.schema_arrow.names)
        plain = {"token_ids", "top_values"} <= names
        if not plain and not {"compressed_logprobs", "bytepacked_indices"} <= names:
            raise ValueError(f"{file}: expected the columns token_ids and top_values, or compressed_logprobs and "
                             f"bytepacked_indices, got {', '.join(sorted(names))}; sample the logits again with "
                             "DistillKit")
        stored = _stored(table.schema_arrow.field("top_values").type) if plain else None
        if not plain and config is None:
            config = _config(file.parent / CONFIG)
            notes = (f"{config['exact_k']} of {config['k']} values of a token are exact and used; the others are "
                     "approximations of unknown error",)
        for row in _rows(file, table):
            try:
                ids, logs = (row["token_ids"], row["top_values"]) if plain else _decompressed(row, config)
                _add(rows, number, row.get("input_ids"), ids, logs)
            except (ValueError, TypeError, IndexError) as error:
                raise ValueError(f"{file}: expected top-k log-probabilities, got something else in sequence {number} "
                                 f"({' '.join(str(error).split())}); sample it again") from error
            number += 1
        kind = stored if plain else config["exact_dtype"]
        if rows.logs:  # compressed: differences of one sign, whose errors sum to twice that of the last value at most
            largest = np.abs(np.frombuffer(rows.logs)).max()
            rows.rounding = max(rows.rounding, (1 if plain else 2) * DTYPES[kind][1] * largest)
    return rows, None if config is None else config["d"], notes


def _stored(kind):
    """The name of the numbers in a column of lists of them."""
    while hasattr(kind, "value_type"):
        kind = kind.value_type
    return {"halffloat": "float16", "float": "float32"}.get(str(kind), "float64")


def _rows(file, table):
    """The rows of a parquet file as mappings, a few at a time."""
    batches = table.iter_batches(AT_ONCE)
    while True:
        with _whole(file):
            batch = next(batches, None)
            if batch is None:
                return
            batch = batch.to_pydict()
        yield from (dict(zip(batch, values)) for values in zip(*batch.values()))


@contextmanager
def _whole(file):
    """Turns what pyarrow raises on a damaged file into one ValueError."""
    from pyarrow import ArrowInvalid

    try:
        yield
    except (ArrowInvalid, OSError) as error:
        raise ValueError(f"{file}: expected a parquet file, got something else "
                         f"({' '.join(str(error).split())[:120]}); it may be cut off: write it again") from error


def _add(rows, number, text, ids, logs):
    if text is not None:
        rows.texts[number] = np.array(text, dtype=np.int64)
        if len(ids) not in (len(text), len(text) - 1):
            raise ValueError(f"{len(ids)} rows for {len(text)} tokens")
    for k, (tokens, values) in enumerate(zip(ids, logs, strict=True)):
        rows.add(number, k + 1, {int(token): (float(log), True) for token, log in zip(tokens, values, strict=True)})


def _numbered(path):
    digits = "".join(character for character in path.stem if character.isdigit())
    return int(digits or 0), path.name


def _config(path):
    if not path.is_file():
        raise ValueError(f"{path}: expected the file that DistillKit writes with compressed logits, found none; "
                         "copy it to them")
    try:
        import yaml
    except ImportError as error:
        raise ImportError(f"{path}: expected pyyaml, which is missing; pip install 'eigenkd[tokens]'") from error
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        config = {"d": int(found["d"]), "k": int(found["k"]), "exact_k": int(found["exact_k"]),
                  "exact_dtype": found.get("exact_dtype", "float32"), "delta": bool(found.get("delta_encoding", True))}
        DTYPES[config["exact_dtype"]]
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: expected d, k, exact_k and exact_dtype, got something else ({error}); copy it "
                         "again from where the logits were sampled") from error
    if config["exact_k"] < 1:
        raise ValueError(f"{path}: expected exact_k of 1 or more, got {config['exact_k']}: all values are "
                         "approximations of unknown error; sample the logits again with exact_k")
    return config


def _decompressed(row, config):
    """(ids, log-probabilities), (tokens, exact_k) each."""
    stored, _ = DTYPES[config["exact_dtype"]]
    count, width = config["exact_k"], np.dtype(stored).itemsize
    content = np.array(row["compressed_logprobs"], dtype=np.uint8)
    values = np.ascontiguousarray(content[:, : count * width]).view(stored)
    if config["exact_dtype"] == "bfloat16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    values = values.astype(float)
    if config["delta"]:
        values = np.cumsum(values, axis=1)
    bits = int(np.ceil(np.log2(config["d"])))
    stream = np.unpackbits(np.array(row["bytepacked_indices"], dtype=np.uint8), axis=1)[:, : count * bits]
    ids = stream.reshape(len(stream), count, bits) @ (1 << np.arange(bits - 1, -1, -1, dtype=np.int64))
    return ids, np.minimum(values, 0.0)
