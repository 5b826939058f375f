"""A student compared with its teacher: 50,000 x 100 logits in memory, and files of 1,000 classes in bounded memory."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.timing import machine, side_by_side
from eigenkd import deviation
from eigenkd.deviation import files

MEMORY = (50_000, 100)
# 1281167 is ImageNet's training set: each file in the temporary folder takes 5.1 GB.
STREAMED = (int(os.environ.get("EIGENKD_BENCHMARK_POINTS", 100_000)), 1000)
DTYPES = ("float32", "float16")
ROWS = 10_000  # rows that the benchmark itself writes and reads at a time

# Runs in its own process, so that its peak memory is that of this task alone. Linux: VmHWM, because ru_maxrss includes
# the memory of the parent at the fork.
STREAM = """
import json, re, resource, sys, time
from pathlib import Path
import numpy as np
from eigenkd import deviation
from eigenkd.deviation import files
begin = time.perf_counter()
found = deviation.compare(files.read(sys.argv[1]), files.read(sys.argv[2]), np.asarray(files.read(sys.argv[3])))
compared = time.perf_counter()
found.summary()
finished, status = time.perf_counter(), Path("/proc/self/status")
peak = (int(re.search(r"VmHWM:\\s*(\\d+)", status.read_text()).group(1)) if status.exists()
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(json.dumps({"compare": compared - begin, "summary": finished - compared, "peak_mb": peak / 1024}))
"""


def run():
    """The record: seconds and peak memory.

    In memory, compare and summary are compared with exp of every entry. On files, a process that does both is compared
    with reading the files once (from the system's cache if they fit) and with exp; its peak memory is recorded.
    """
    rng = np.random.default_rng(0)
    teacher, student, labels = _logits(rng, *MEMORY, np.float32)
    record = {"question": __doc__, "memory": MEMORY, "streamed": STREAMED, "machine": machine("numpy", "eigenkd")}
    seconds = side_by_side({
        "50,000 x 100, exp alone": lambda: [np.exp(f) for f in (teacher, student)],
        "50,000 x 100, compare": lambda: deviation.compare(teacher, student, labels),
        "50,000 x 100, compare and summary": lambda: deviation.compare(teacher, student, labels).summary(),
    }, rounds=5)
    with tempfile.TemporaryDirectory() as folder:
        for dtype in DTYPES:
            paths = _written(rng, Path(folder), dtype)
            runs = []
            what = f"{STREAMED[0]:,} x 1,000 {dtype}"
            seconds |= side_by_side({
                f"{what}, read": lambda paths=paths: _read(paths[:2]),
                f"{what}, exp alone": lambda paths=paths: _exp(paths[:2]),
                f"{what}, all": lambda paths=paths, runs=runs: runs.append(_stream(paths)),
            }, rounds=3)
            record[dtype] = {name: max(one[name] for one in runs) for name in runs[0]}
            record[dtype]["file_mb"] = paths[0].stat().st_size / 2**20
            for path in paths[:2]:
                path.unlink()
    return {**record, "seconds": seconds}


def _logits(rng, n, classes, dtype):
    labels = rng.integers(classes, size=n)
    teacher = rng.standard_normal((n, classes), dtype=np.float32)
    teacher[np.arange(n), labels] += rng.gamma(4, 2, size=n)
    student = 1.2 * teacher + 0.3 * rng.standard_normal((n, classes), dtype=np.float32)
    return teacher.astype(dtype), student.astype(dtype), labels


def _written(rng, folder, dtype):
    """The paths of teacher, student and labels, written in blocks."""
    n, classes = STREAMED
    paths = [folder / f"{name}_{dtype}.npy" for name in ("teacher", "student", "labels")]
    arrays = [np.lib.format.open_memmap(path, "w+", dtype, (n, classes)) for path in paths[:2]]
    labels = np.empty(n, dtype=np.int64)
    for begin in range(0, n, ROWS):
        rows = slice(begin, min(n, begin + ROWS))
        arrays[0][rows], arrays[1][rows], labels[rows] = _logits(rng, rows.stop - begin, classes, dtype)
    for array in arrays:
        array.flush()
    np.save(paths[2], labels)
    return paths


def _read(paths):
    """Reads both files once, as bytes, into one buffer."""
    buffer = bytearray(2**22)
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def _exp(paths):
    """Computes the exponential of every entry, on one thread, block by block, in single precision."""
    for path in paths:
        rows = files.read(path)
        for begin in range(0, len(rows), 1000):
            np.exp(rows[begin:begin + 1000], dtype=np.float32)


def _stream(paths):
    done = subprocess.run([sys.executable, "-c", STREAM, *map(str, paths)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)
