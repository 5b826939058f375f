"""python -m benchmarks [NAME ...] [--list]: measures, prints a table, and writes benchmarks/results/NAME.json.

python -m benchmarks gpu [--minutes 9]: what needs a GPU and has no record yet; by itself, and as often as it takes.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks import BENCHMARKS

GPU = "What needs a GPU and has no record yet: images a second, trainings; lists it, where there is none."
RESULTS = Path(__file__).parent / "results"


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure and record.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks (default: all)")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and stop")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the records go")
    parser.add_argument("--minutes", type=float, default=60, help="gpu: stop after so many; the next call goes on")
    options = parser.parse_args(arguments)
    if options.list:
        for name, module in BENCHMARKS.items():
            print(f"{name:<14} {module.__doc__}")
        print(f"{'gpu':<14} {GPU}")
        return 0
    if "gpu" in options.names:
        if len(options.names) > 1:
            parser.error("gpu is a command of its own; give it without other names")
        from benchmarks import gpu  # PyTorch comes with it

        return gpu.main(options.out, options.minutes)
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join((*BENCHMARKS, 'gpu'))}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(options.names or BENCHMARKS):
        print(f"{name}: {BENCHMARKS[name].__doc__}", flush=True)
        record = BENCHMARKS[name].run()
        for way, time in record.get("seconds", {}).items():
            difference = f", difference {time['difference']:.1e}" if "difference" in time else ""
            print(f"  {way:<49} {time['median']:9.4f} s  ({time['least']:.4f} to {time['greatest']:.4f})  "
                  f"{time['over_first']:6.2f} x the first{difference}")
        for line in getattr(BENCHMARKS[name], "table", lambda record: ())(record):
            print(f"  {line}")
        path = options.out / f"{name}.json"
        path.write_text(json.dumps(record, indent=1) + "\n")
        print(f"  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
