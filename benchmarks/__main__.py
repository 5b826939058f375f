"""python -m benchmarks [NAME ...] [--list]: measures, prints a table, and writes benchmarks/results/NAME.json.

python -m benchmarks gpu [--minutes 9]: runs what needs a GPU and has no record yet. Repeat it until nothing is left.
"""

import argparse
import json
import sys
from pathlib import Path
from textwrap import indent

from benchmarks import BENCHMARKS, load, question
from eigenkd import _atomic as atomic
from eigenkd.table import Cells, written

GPU = "Throughput and training that need a GPU and have no record yet; without a GPU it only lists them."
RESULTS = Path(__file__).parent / "results"


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure and record.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks (default: all)")
    parser.add_argument("--list", action="store_true", help="list the benchmarks and exit")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the records are saved")
    parser.add_argument("--minutes", type=float, default=60, help="gpu: stop after this time; the next call resumes")
    options = parser.parse_args(arguments)
    if options.list:
        rows = [*((name, question(name)) for name in BENCHMARKS), ("gpu", GPU)]
        print(written(Cells((), tuple(rows), align="ll")))
        return 0
    if "gpu" in options.names:
        if len(options.names) > 1:
            parser.error("gpu cannot be combined with other names; run it alone")
        from benchmarks import gpu  # imports PyTorch

        return gpu.main(options.out, options.minutes)
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join((*BENCHMARKS, 'gpu'))}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(options.names or BENCHMARKS):
        print(f"{name}: {question(name)}", flush=True)
        benchmark = load(name)
        record = benchmark.run()
        for table in (seconds, getattr(benchmark, "table", None)):
            if table and (cells := table(record)).rows:
                print(indent(written(cells), "  "))
        path = options.out / f"{name}.json"
        atomic.write(path, (json.dumps(record, indent=1) + "\n").encode())
        print(f"  {path}")
    return 0


def seconds(record):
    """The `Cells` of the candidates' times, if the record has any."""
    return Cells(("", "median, s", "least to greatest", "over the first", "difference"), tuple(
        (way, f"{time['median']:.4f}", f"{time['least']:.4f} to {time['greatest']:.4f}", f"{time['over_first']:.2f}",
         f"{time['difference']:.1e}" if "difference" in time else "")
        for way, time in record.get("seconds", {}).items()))


if __name__ == "__main__":
    sys.exit(main())
