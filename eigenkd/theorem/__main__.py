"""python -m eigenkd.theorem SPECTRUM --teacher-time T [T ...] --student-time S: the theorem decided, as a table."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from eigenkd import filters
from eigenkd.deviation import files
from eigenkd.table import FORMATS
from eigenkd.theorem.summary import ROWS, Report, report, report_generations


class Parser(argparse.ArgumentParser):
    """One line for a wrong argument, as for every other mistake."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def parser(prog: str = "python -m eigenkd.theorem") -> argparse.ArgumentParser:
    """The command line."""
    result = Parser(prog=prog, description="Theorem 4.1 for your spectrum or data: along every eigendirection, the "
                    "gain of a student next to that of a teacher that is trained on the labels alone and matched at "
                    "the pivot, with the certified gap between them.", epilog="Files are .npy, .npz, .safetensors or "
                    ".csv; one array of several is FILE:NAME. Times are in units of 1/eigenvalue of X X^T: learning "
                    "rate times steps, for the loss (1/2)||X b - y||^2.")
    result.add_argument("spectrum", metavar="FILE", help="eigenvalues of K = X X^T (one number each), or features X, "
                        "a row a sample; with --kernel the kernel matrix K")
    result.add_argument("--teacher-time", metavar="T", type=float, nargs="+", required=True, help="when the teacher is "
                        "stopped; several for several generations, each taught by the one before")
    result.add_argument("--student-time", metavar="S", type=float, required=True, help="when the student is stopped")
    result.add_argument("--pivot", metavar="K", type=int, default=0, help="the direction at which the two are matched: "
                        "0 (default) for the largest eigenvalue")
    result.add_argument("--kernel", action="store_true", help="FILE is a kernel matrix")
    result.add_argument("--rows", metavar="N", type=int, help=f"directions in the table, the pivot among them "
                        f"(default: {ROWS}; all with --format csv or json)")
    result.add_argument("--format", choices=FORMATS, default="text", help="the table's format (default: text); csv and "
                        "json print the table alone on stdout, and the sentences on stderr")
    return result


def main(arguments: Sequence[str] | None = None, prog: str = "python -m eigenkd.theorem") -> int:
    """Print the table; 0, or 2 after a user's mistake."""
    options = parser(prog).parse_args(arguments)
    try:
        found, source = run(options)
        bare = options.format in ("csv", "json")
        rows = options.rows or (len(found.eigenvalues) if bare else ROWS)
        table = found.table(options.format, rows)
    except (ValueError, TypeError, OSError, MemoryError) as error:
        print(f"error: {' '.join(str(error).split()) or 'out of memory'}", file=sys.stderr)
        return 2
    try:
        print("% " * (options.format == "latex") + source, file=sys.stderr if bare else sys.stdout)
        print("\n" * (not bare) + table, flush=True)
    except BrokenPipeError:  # the reader of the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def run(options: argparse.Namespace) -> tuple[Report, str]:
    """(report, what the eigenvalues are from) of the command. Raises ValueError, TypeError or OSError for mistakes."""
    if options.rows is not None and options.rows < 1:
        raise ValueError(f"--rows: expected a whole number from 1 on, got {options.rows}; leave it out for {ROWS}")
    for name, times in (("--teacher-time", options.teacher_time), ("--student-time", [options.student_time])):
        if not all(time >= 0 for time in times):
            raise ValueError(f"{name}: expected numbers >= 0, got {' '.join(f'{time:g}' for time in times)}; inf is a "
                             f"training without end")
    eigenvalues, source = spectrum_of(np.asarray(files.read(options.spectrum)), options.kernel)
    if len(options.teacher_time) == 1:
        return report(eigenvalues, options.student_time, options.teacher_time[0], options.pivot), source
    generations = [filters.flow(time) for time in (*options.teacher_time, options.student_time)]
    return report_generations(eigenvalues, generations, options.pivot), source


def spectrum_of(values: np.ndarray, kernel: bool) -> tuple[np.ndarray, str]:
    """(eigenvalues, descending, and a sentence on what they are from), from eigenvalues, features X or a kernel K."""
    from eigenkd import kernel_flow, linear_flow

    if not kernel and (values.ndim == 1 or (values.ndim == 2 and 1 in values.shape)):
        return np.sort(values.ravel())[::-1], f"{values.size} eigenvalues, as given."
    if values.ndim != 2:
        raise ValueError(f"FILE: expected eigenvalues (k,) or a matrix (n, p), got shape {values.shape}; name "
                         f"the array of one of these")
    flow = kernel_flow(values, np.zeros(len(values))) if kernel else linear_flow(values, np.zeros(len(values)))
    of = f"the kernel of {len(values)} samples" if kernel else \
        f"X X^T, from {values.shape[0]} samples of {values.shape[1]} features"
    return np.asarray(flow.spectrum.eigenvalues), f"{flow.spectrum.described.capitalize()}: eigenvalues of {of}."


if __name__ == "__main__":
    sys.exit(main())
