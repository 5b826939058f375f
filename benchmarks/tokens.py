"""Tokens of a language model, streamed: time next to one exp of every logit, and memory for a vocabulary of 152,000."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import machine, side_by_side
from eigenkd import deviation
from eigenkd.deviation.llama import CAPS, MAGIC, TOP, BaseFile
from eigenkd.table import Cells

VOCABULARY, ROWS = 152_000, 64  # of the timed block
STREAMED, AT_ONCE = 2_048, 64  # tokens of that vocabulary in a process of its own, in blocks
TOKENS, FEW = 1_000_000, 64  # the numbers that are kept do not depend on the vocabulary: so many tokens of a small one

# Runs in its own process, so that its peak memory is that of this task alone (Linux: VmHWM).
STREAM = """
import json, re, resource, sys, time
from pathlib import Path
import numpy as np
from eigenkd.deviation import Stream, token_page
tokens, vocabulary, at_once, out = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
def peak():
    status = Path("/proc/self/status")
    kb = (int(re.search(r"VmHWM:\\\\s*(\\\\d+)", status.read_text()).group(1)) if status.exists()
          else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return kb / 1024
rng, stream, busy = np.random.default_rng(0), Stream(inputs="logits"), 0.0
teacher = 2 * rng.standard_normal((at_once, vocabulary), dtype=np.float32)
student = teacher + 0.5 * rng.standard_normal((at_once, vocabulary), dtype=np.float32)
record = {"before_mb": peak()}
for begin in range(0, tokens, at_once):
    shift = rng.standard_normal(dtype=np.float32)
    block = [(rows * (1 + 0.1 * shift)).reshape(1, at_once, -1) for rows in (teacher, student)]
    labels = rng.integers(vocabulary, size=(1, at_once))
    start = time.perf_counter()
    stream.update(*block, labels)
    busy += time.perf_counter() - start
record |= {"update_s": busy, "streamed_mb": peak()}
start = time.perf_counter()
found = stream.result()
found.summary()
record |= {"summary_s": time.perf_counter() - start, "summary_mb": peak()}
if out:
    start = time.perf_counter()
    text = token_page.page(found)
    record |= {"page_s": time.perf_counter() - start, "page_mb": len(text.encode()) / 2**20}
print(json.dumps(record))
"""


def run():
    """The record: seconds of the update of a block next to exp of its entries, and of processes that stream."""
    rng = np.random.default_rng(0)
    teacher = 2 * rng.standard_normal((ROWS, VOCABULARY), dtype=np.float32)
    student = teacher + 0.5 * rng.standard_normal((ROWS, VOCABULARY), dtype=np.float32)
    labels, buffer = rng.integers(VOCABULARY, size=ROWS), np.empty_like(teacher)
    spent, stream = {}, deviation.Stream(inputs="logits")

    def spending(name, task, *args, **options):
        def timed():
            begin = time.process_time()
            task(*args, **options)
            spent.setdefault(name, []).append(time.process_time() - begin)
        return timed

    def exp(**options):
        for rows in (teacher, student):
            np.exp(rows, **options)

    what = f"{ROWS} x {VOCABULARY:,} float32"
    with tempfile.TemporaryDirectory() as folder:
        files = [base_file(Path(folder) / f"{k}.kld", rows) for k, rows in enumerate((teacher, student))]
        seconds = side_by_side({
            f"{what}, exp of both": spending("exp", exp),
            f"{what}, exp of both into one array that is kept": spending("exp into a kept array", exp, out=buffer),
            f"{what}, update": spending("update", stream.update, teacher, student, labels),
            f"{what}, base files of llama.cpp": spending("base files", lambda: deviation.compare(
                *map(BaseFile, files)))}, rounds=15)
    return {"question": __doc__, "machine": machine("numpy", "eigenkd"), "seconds": seconds,
            "cpu_seconds": {name: min(times) for name, times in spent.items()}, "load": os.getloadavg(),
            "wide": {"tokens": STREAMED, "vocabulary": VOCABULARY} | _stream(STREAMED, VOCABULARY, AT_ONCE, ""),
            "long": {"tokens": TOKENS, "vocabulary": FEW} | _stream(TOKENS, FEW, 500, "page")}


def base_file(path, logits):
    """The path of a base file of llama.cpp with these logits (rows, vocabulary), one chunk."""
    rows, vocabulary = logits.shape
    header = np.array([2 * rows + 2, vocabulary, 1, *range(2 * rows + 2)], "<i4")
    log = logits - logits.max(axis=1, keepdims=True)
    log -= np.log(np.exp(log).sum(axis=1, keepdims=True))
    largest = log.max(axis=1, keepdims=True)
    least = np.maximum(log.min(axis=1, keepdims=True), largest - CAPS[0])
    scale = (largest - least) / TOP
    codes = np.pad(np.rint(np.maximum(log - least, 0) / scale), ((0, 0), (0, vocabulary % 2))).astype("<u2")
    numbers = np.concatenate([scale, least], axis=1).astype("<f4").view("<u2")
    path.write_bytes(MAGIC + header.tobytes() + np.concatenate([numbers, codes], axis=1).tobytes())
    return path


def table(record):
    """The `Cells` of the processes that stream."""
    names = {"update_s": "updates, s", "summary_s": "result and summary, s", "before_mb": "memory before, MB",
             "streamed_mb": "peak after the updates, MB", "summary_mb": "peak after the summary, MB",
             "page_s": "page, s", "page_mb": "page, MB"}
    wide, long = record["wide"], record["long"]
    spent = record["cpu_seconds"]
    notes = (f"processor time of an update, all threads: {spent['update'] / spent['exp']:.2f} times exp of both, "
             f"{spent['update'] / spent['exp into a kept array']:.2f} times exp into an array that is kept; of base "
             f"files {spent['base files'] / spent['exp']:.2f} and "
             f"{spent['base files'] / spent['exp into a kept array']:.2f} times",)
    return Cells(("", *(f"{of['tokens']:,} tokens of {of['vocabulary']:,}" for of in (wide, long))),
                 tuple((label, *(f"{of[name]:.2f}" if name in of else "" for of in (wide, long)))
                       for name, label in names.items()), notes)


def _stream(tokens, vocabulary, at_once, out):
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "stream.py"
        program.write_text(STREAM.replace("\\\\", "\\"))
        command = [sys.executable, str(program), str(tokens), str(vocabulary), str(at_once), out]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)
