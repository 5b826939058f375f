"""python -m eigenkd.risk X Y [--inputs training] [--teacher-time T]: when to stop, whether to distil, which weight."""

import argparse
import os
import sys
from math import inf

import numpy as np

from eigenkd import kernel_flow, linear_flow
from eigenkd.deviation import files
from eigenkd.risk import flip_noise, noise_variance, tune
from eigenkd.risk.advisor import CERTAIN, advise, shown
from eigenkd.table import FORMATS, Cells, number, written

MULTIPLES = (1 / 4, 1 / 2, 1, 2, 4, 16, 64)  # of the best stopping time


class Parser(argparse.ArgumentParser):
    """One line for a wrong argument, as for every other mistake."""

    def error(self, message):
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def parser(prog="python -m eigenkd.risk"):
    """The command line."""
    result = Parser(prog=prog, description="For a linear model (or kernel regression) trained by "
                    "gradient flow on your features and labels: when to stop it, whether a student of it has less "
                    "risk, and with which weight to mix teacher and labels. Squared error; from these data alone.",
                    epilog="Files are .npy, .npz, .safetensors or .csv; one array of several is FILE:NAME. Times are "
                    "in units of 1/eigenvalue of X X^T: learning rate times steps, for the loss (1/2)||X b - y||^2.")
    result.add_argument("features", metavar="X", help="features, a row a sample; with --kernel a kernel matrix")
    result.add_argument("labels", metavar="Y", help="numbers, a row a sample; or classes (integers or names) with "
                        "--classes, which become one-hot columns")
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


def main(arguments=None, prog="python -m eigenkd.risk"):
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


def run(options):
    """(sentences, table) of the command. Raises ValueError, TypeError or OSError for mistakes."""
    X, y = np.asarray(files.read(options.features)), np.asarray(files.read(options.labels))
    if options.classes:
        y = one_hot(y)
    if options.kernel and options.intercept:
        raise ValueError("--intercept: expected features, got --kernel; centre the kernel and the labels instead")
    flow = kernel_flow(X, y) if options.kernel else linear_flow(X, y, intercept=options.intercept)
    noise = given_noise(options, flow)
    known = options.noise is not None or options.flipped is not None
    best = tune(flow, "teacher", "loo") if options.inputs == "new" else tune(flow, "teacher", "sure", noise=noise)
    time = best.parameters["time"]
    where = "new" if options.inputs == "new" else "training"
    sentences = [f"{flow.samples} samples, {flow.targets.shape[1]} output(s), rank {flow.spectrum.rank}; noise of the "
                 f"labels {noise:.4g} ({'given' if known else 'estimated'}).",
                 f"Stop at {time:.4g}: squared error on {where} inputs {best.value:.4g}"
                 f"{', with the noise of new labels' if where == 'new' else ''}."]
    times = [time * factor for factor in MULTIPLES] if 0 < time < inf else list(tune_range(flow))
    given = noise if known else None
    if options.teacher_time is not None:
        sentences += ["", str(advice_on(flow, options.teacher_time, options, given))]
    rows = tuple(row(advice_on(flow, T, options, given)) for T in times)
    return sentences, Cells(
        ("teacher's time", "squared error", "by distilling", "±", "z", "verdict", "pays above noise", "weight", "±",
         "by mixing"), rows, (
            "By distilling: estimated change of the squared error by a student trained for "
            f"{'the same time' if options.student_time is None else f'{options.student_time:g}'}; a verdict where it "
            f"is more than {CERTAIN:g} standard errors.",
            "Weight: the best one of the teacher in targets that mix teacher and labels, of any sign.",
            "Distilling is compared with this teacher: where it helps, stopping earlier may do as well."))


def advice_on(flow, T, options, noise):
    """The `Advice` on a teacher stopped at T; noise None where it is estimated, which counts in its standard errors."""
    return advise(flow, student_time=T if options.student_time is None else options.student_time, teacher_time=T,
                  noise=noise, inputs=options.inputs)


def row(advice):
    """The cells of an `Advice`."""
    line = advice.mixed
    return (f"{advice.teacher_time:.4g}", f"{advice.teacher_risk:.4g}", f"{advice.change:+.3g}",
            f"{advice.standard_error:.2g}", shown(advice.z), advice.verdict, number(advice.break_even_noise, ".3g"),
            f"{float(line.weight):.3g}", number(float(line.standard_errors.weight), ".2g"),
            f"{advice.change_by_mixing:+.3g}")


def given_noise(options, flow):
    """The noise as given, by a rate of flips, or estimated."""
    if options.flipped is not None:
        if options.noise is not None:
            raise ValueError("--flipped: expected one of --noise and --flipped, got both; leave one out")
        return float(flip_noise(options.flipped, flow.targets.shape[1]))
    return float(noise_variance(flow)) if options.noise is None else options.noise


def tune_range(flow):
    """Seven times from the first eigendirection to the last, where no time inside is the best one."""
    lam = flow.spectrum.eigenvalues[:flow.spectrum.rank]
    return np.geomspace(0.1 / lam[0], 10 / lam[-1], len(MULTIPLES))


def one_hot(labels):
    """(n, C) for classes as integers or names (n,), in sorted order."""
    if labels.ndim != 1 or (labels.dtype.kind == "f" and np.any(labels != np.round(labels))):
        raise ValueError(f"Y: expected one class a sample with --classes, got shape {labels.shape} of {labels.dtype}; "
                         f"leave --classes out for numbers")
    names, index = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"Y: expected at least two classes, got {len(names)}; check the file")
    return np.eye(len(names))[index]


if __name__ == "__main__":
    sys.exit(main())
