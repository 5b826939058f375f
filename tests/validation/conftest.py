"""Small MNIST archives in the idx format, and the command line in this process."""

import json
import struct

import numpy as np
import pytest

from validation import run
from validation.data.mnist import FILES


def write_idx(path, array):
    """An idx file of bytes: magic number 0x0000080<ndim>, the sizes big-endian, the values."""
    header = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def archive(tmp_path):
    """A data folder with torchvision's four MNIST files, 200 and 50 random digits, and their arrays."""
    folder, rng = tmp_path / "data", np.random.default_rng(3)
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    arrays = {}
    for (split, kind), name in FILES.items():
        n = 200 if split == "train" else 50
        arrays[split, kind] = rng.integers(0, 256, (n, 28, 28)) if kind == "images" else np.arange(n) % 10
        write_idx(raw / name, arrays[split, kind])
    return folder, arrays


@pytest.fixture
def command(tmp_path, capsys):
    """command(*arguments) -> (exit code, standard output, standard error), run folders in tmp_path/runs."""

    def call(*arguments):
        code = run.main([*map(str, arguments), "--out", str(tmp_path / "runs"), "--data-dir", str(tmp_path / "data")])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def result_of(command):
    """result_of(*arguments) -> the result of a single run that must succeed."""

    def call(*arguments):
        code, out, err = command(*arguments, "--json")
        assert code == 0, err
        (result,) = json.loads(out)
        return result

    return call
