"""python -m eigenkd.risk X Y [--inputs training] [--teacher-time T]: when to stop, whether to distil, which weight."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from math import inf, isfinite
from typing import Any, NoReturn, TypeAlias

import numpy as np

from eigenkd import kernel_flow, linear_flow
from eigenkd.deviation import alignment, columns, files
from eigenkd.flow import LinearFlow
from eigenkd.risk import flip_noise, noise_variance, tune
from eigenkd.risk.advisor import CERTAIN, GUESSED, Advice, advise, shown
from eigenkd.table import FORMATS, Cells, written

Row: TypeAlias = tuple[Any, ...]  # numbers, words, None
HEADER = ("teacher's time", "squared error", "by distilling", "its standard error", "z", "verdict", "pays above noise",
          "weight", "its error", "by mixing")
ENDS = {0.0: " (no training at all: by this estimate these labels are noise to the model)",
        inf: " (train to the end: by this estimate nothing is gained by stopping early)"}
MOST_CLASSES = 20  # different whole numbers that may be classes
MULTIPLES = (1 / 4, 1 / 2, 1, 2, 4, 16, 64)  # of the best stopping time


class Parser(argparse.ArgumentParser):
    """One line for a wrong argument, as for every other mistake."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def parser(prog: str = "python -m eigenkd.risk") -> argparse.ArgumentParser:
    """The command line."""
    result = Parser(prog=prog, description="For a linear model (or kernel regression) trained by "
                    "gradient flow on your features and labels: when to stop it, whether a student of it has less "
                    "risk, and with which weight to mix teacher and labels. Squared error; from these data alone.",
                    epilog="Files are .npy, .npz, .safetensors or .csv; one array of several is FILE:NAME. Times are "
                    "in units of 1/eigenvalue of X X^T: learning rate times steps, for the loss (1/2)||X b - y||^2.")
    result.add_argument("features", metavar="X", help="features, a row a sample; with --kernel a kernel matrix")
    result.add_argument("labels", metavar="Y", help="numbers, a row a sample; or classes (integers or names) with "
                        "--classes, which become one-hot columns")
    result.add_argument("--drop", nargs="+", default=(), metavar="COLUMN", help="columns of X, a .csv file, to leave "
                        "out, by name or number")
    result.add_argument("--ids", metavar="COLUMN", help="the column of X, a .csv file, that names the samples. "
                        "Where Y has names too, its rows are put into the order of X")
    result.add_argument("--classes", action="store_true", help="the labels are classes")
    result.add_argument("--kernel", action="store_true", help="X is the kernel between the samples")
    result.add_argument("--intercept", action="store_true", help="fit an intercept, which is not distilled")
    result.add_argument("--inputs", choices=("new", "training"), default="new", help="the inputs that the risk is "
                        "about: new ones (default, by exact leave-one-out errors) or the training inputs")
    result.add_argument("--noise", type=float, metavar="V", help="variance of the labels, summed over outputs; "
                        "estimated where it is left out")
    result.add_argument("--flipped", type=float, metavar="RATE", help="share of flipped classes, which gives the noise")
    result.add_argument("--teacher-time", type=float, metavar="T", help="also judge a teacher stopped at this time")
    result.add_argument("--student-time", type=float, metavar="S", help="the student's time (default: the teacher's)")
    result.add_argument("--format", choices=FORMATS, default="text", help="the table's format (default: text); csv and "
                        "json print the table alone on stdout, and the sentences on stderr")
    return result


def main(arguments: Sequence[str] | None = None, prog: str = "python -m eigenkd.risk") -> int:
    """Print the advice and the table; 0, or 2 after a user's mistake."""
    options = parser(prog).parse_args(arguments)
    try:
        sentences, table = run(options)
    except (ValueError, TypeError, OSError, MemoryError) as error:
        print(f"error: {' '.join(str(error).split()) or 'out of memory'}", file=sys.stderr)
        return 2
    bare = options.format in ("csv", "json")
    try:
        print("\n".join(sentences), file=sys.stderr if bare else sys.stdout)
        print("\n" * (not bare) + written(table, options.format), flush=True)
    except BrokenPipeError:  # the reader of the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def run(options: argparse.Namespace) -> tuple[list[str], Cells]:
    """(sentences, table) of the command. Raises ValueError, TypeError or OSError for mistakes."""
    check(options)
    X, y = samples(options)
    y = one_hot(y) if options.classes else numbers(y)
    flow = kernel_flow(X, y) if options.kernel else linear_flow(X, y, intercept=options.intercept)
    noise = given_noise(options, flow)
    known = options.noise is not None or options.flipped is not None
    best = tune(flow, "teacher", "loo") if options.inputs == "new" else tune(flow, "teacher", "sure", noise=noise)
    time = best.parameters["time"]
    where = "new" if options.inputs == "new" else "training"
    sentences = [f"{flow.samples} samples, {flow.targets.shape[1]} output(s), rank {flow.spectrum.rank}; noise of the "
                 f"labels {noise:.4g} ({'given' if known else 'estimated'}).",
                 f"Stop at {time:.4g}{ENDS.get(time, '')}: squared error on {where} inputs {best.value:.4g}"
                 f"{', with the noise of new labels' if where == 'new' else ''}."]
    mean = np.mean(np.sum((flow.targets - flow.targets.mean(axis=0)) ** 2, axis=-1)) * (
        flow.samples / max(flow.samples - 1, 1)) ** 2  # its leave-one-out error
    if where == "new" and not options.intercept and flow.samples > 2 and mean < best.value:
        sentences.append(f"Predicting the mean of the labels alone has {mean:.4g}: the labels are not centred. " + (
            "Centre the kernel and the labels." if options.kernel else "Add --intercept."))
    if not options.kernel and X.ndim == 2 and X.shape[0] == X.shape[1] and np.array_equal(X, X.T):
        sentences.append("X is a symmetric matrix; add --kernel if it is one.")
    if best.value < 0:
        sentences.append("An unbiased estimate of an error close to 0 may be negative.")
    if not options.classes and y.ndim == 1 and 1 < np.unique(y).size <= MOST_CLASSES and not np.any(y % 1):
        sentences.append(f"The labels are {np.unique(y).size} different whole numbers; add --classes if they are "
                         f"classes.")
    times = [time * factor for factor in MULTIPLES] if 0 < time < inf else list(tune_range(flow))
    given = noise if known else None
    if options.teacher_time is not None:
        sentences += ["", str(advice_on(flow, options.teacher_time, options, given))]
    rows = tuple(row(advice_on(flow, T, options, given)) for T in times)
    rows = tuple(map(finite if options.format in ("csv", "json") else text, rows))
    return sentences, Cells(HEADER, rows, (
        "By distilling: estimated change of the squared error (less than 0: better) by a student trained for "
        f"{'the same time' if options.student_time is None else f'{options.student_time:g}'}; a verdict where it is "
        f"more than {CERTAIN:g} standard errors, none where it is less than a millionth of the error.",
        "Weight: the best one of the teacher in targets that mix teacher and labels, of any sign; none where the data "
        "do not determine it, as students of either hardly differ.",
        "Distilling is compared with this teacher: where it helps, stopping earlier may do as well.",
        *([f"From half to twice the best time ({time:.4g}) the sign of a change is least sure."]
          if 0 < time < inf else []),
        *([GUESSED] if where == "training" and not known else [])))


def samples(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """(X, Y) of the files, Y in the order of X where both name the samples."""
    X, Y = features(options), labels(options)
    x, y = as_matrix(np.asarray(X.values), options), np.asarray(Y.values)
    if y.dtype.kind == "U" and y.ndim == 1 and len(y) == len(x) + 1 and y[0] not in y[1:]:
        y = y[1:]  # names of classes under a header, which looks like one of them
    if X.ids is None or Y.ids is None or X.unnamed or Y.unnamed:
        return x, y
    return x, y[alignment.order("Y", Y.ids, X.ids, owner="X")]


def features(options: argparse.Namespace) -> columns.Table:
    """X as the file has it, without the columns that are to be left out."""
    if options.features.lower().endswith(".csv"):
        path, _ = files.split(options.features)
        for column in options.drop:
            if not files.csv_has(path, column):
                raise ValueError(f"--drop {column}: expected a column of {options.features}, got none of that name or "
                                 "number; check its header")
        return files.read_csv(path, options.ids, options.drop)
    if options.ids is not None or options.drop:
        raise ValueError(f"--{'drop' if options.drop else 'ids'}: expected X to be a .csv file, got "
                         f"{options.features}; leave the option out")
    return columns.Table(files.read(options.features))


def as_matrix(X: np.ndarray, options: argparse.Namespace) -> np.ndarray:
    """X, if it is what the options say; a single feature as a column."""
    X = numbers(X, "X")
    if options.kernel and (X.ndim != 2 or X.shape[0] != X.shape[1]):
        raise ValueError(f"--kernel: expected X to be a square matrix, a row and a column a sample, got shape "
                         f"{X.shape}; leave --kernel out for features")
    return X[:, None] if X.ndim == 1 else X


def labels(options: argparse.Namespace) -> columns.Table:
    """Y as the file has it."""
    path = options.labels
    try:
        if not path.lower().endswith(".csv"):
            return columns.Table(files.read(path))
        named = options.ids is not None and files.csv_has(path, options.ids)
        return files.read_csv(path, options.ids if named else None)
    except ValueError as error:
        message = re.sub(r" \(--drop .*?\)", "", str(error))  # which is about X
        raise ValueError(f"Y: {message}") from error


def numbers(array: np.ndarray, name: str = "Y") -> np.ndarray:
    """The array, if it holds numbers."""
    if array.dtype.kind not in "biuf":
        fix = "add --classes if these are classes" if name == "Y" else "write features as numbers"
        shown = f", as {str(array.flat[0])!r}" if array.size else ""
        raise ValueError(f"{name}: expected numbers, got {array.dtype}{shown}; {fix}")
    return array


def check(options: argparse.Namespace) -> None:
    """Raises ValueError for options that are out of range or do not go together."""
    for name, value in (("--teacher-time", options.teacher_time), ("--student-time", options.student_time),
                        ("--noise", options.noise), ("--flipped", options.flipped)):
        if value is not None and not value >= 0:
            raise ValueError(f"{name}: expected a number >= 0, got {value:g}; pass 0 or a positive number")
    if options.flipped is not None and not options.classes:
        raise ValueError("--flipped: expected classes, got labels that are numbers; add --classes, or give their "
                         "variance by --noise")
    if options.flipped is not None and options.noise is not None:
        raise ValueError("--flipped: expected one of --noise and --flipped, got both; leave one out")
    if options.flipped is not None and options.flipped > 1:
        raise ValueError(f"--flipped: expected a share between 0 and 1, got {options.flipped:g}; divide percentages by "
                         f"100")
    if options.kernel and options.intercept:
        raise ValueError("--intercept: expected features, got --kernel; centre the kernel and the labels instead")


def advice_on(flow: LinearFlow, T: float, options: argparse.Namespace, noise: float | None) -> Advice:
    """The `Advice` on a teacher stopped at T; noise None where it is estimated, which counts in its standard errors."""
    return advise(flow, student_time=T if options.student_time is None else options.student_time, teacher_time=T,
                  noise=noise, inputs=options.inputs)


def row(advice: Advice) -> Row:
    """The numbers of an `Advice`; None where there is none."""
    weight = advice.weight
    mixed = (weight, float(advice.mixed.standard_errors.weight), advice.change_by_mixing) if isfinite(weight) else ()
    change = (advice.change, advice.standard_error, advice.z)
    return (advice.teacher_time, advice.teacher_risk, *((None,) * 3 if advice.negligible else change), advice.verdict,
            None if advice.negligible else advice.break_even_noise, *(mixed or (None,) * 3))


def finite(row: Row) -> Row:
    """The same without infinite numbers, which JSON does not have."""
    return tuple(None if isinstance(v, float) and not isfinite(v) else v for v in row)


def text(row: Row) -> tuple[str, ...]:
    """The same as text, with the digits that matter."""
    formats = (".4g", ".4g", "+.3g", ".2g", "", "", ".3g", ".3g", ".2g", "+.3g")
    return tuple("none" if v is None else "never" if v == inf and name == "pays above noise" else shown(v)
                 if name == "z" else f"{v:{format}}" for name, v, format in zip(HEADER, row, formats))


def given_noise(options: argparse.Namespace, flow: LinearFlow) -> float:
    """The noise as given, by a rate of flips, or estimated."""
    if options.flipped is not None:
        return float(flip_noise(options.flipped, flow.targets.shape[1]))
    return float(noise_variance(flow)) if options.noise is None else options.noise


def tune_range(flow: LinearFlow) -> np.ndarray:
    """Seven times from the first eigendirection to the last, where no time inside is the best one."""
    lam = flow.spectrum.eigenvalues[:flow.spectrum.rank]
    return np.geomspace(0.1 / lam[0], 10 / lam[-1], len(MULTIPLES))


def one_hot(labels: np.ndarray) -> np.ndarray:
    """(n, C) for classes as integers or names (n,), in sorted order."""
    if labels.ndim != 1 or (labels.dtype.kind == "f" and np.any(labels != np.round(labels))):
        raise ValueError(f"Y: expected one class a sample with --classes, got shape {labels.shape} of {labels.dtype}; "
                         f"leave --classes out for numbers")
    names, index = np.unique(labels, return_inverse=True)
    if len(names) == len(labels):
        raise ValueError(f"Y: expected classes that several samples share with --classes, got {len(names)} different "
                         f"ones in {len(labels)} samples; leave --classes out for numbers")
    if len(names) < 2:
        raise ValueError(f"Y: expected at least two classes, got {len(names)}; check the file")
    return np.eye(len(names))[index]


if __name__ == "__main__":
    sys.exit(main())
