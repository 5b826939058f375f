"""python -m eigenkd.deviation TEACHER STUDENT [STUDENT ...] [--labels L] [--mask M ...] [--out report.html]"""

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, TextIO

import numpy as np

from eigenkd import _atomic as atomic
from eigenkd.deviation import compare, over_seeds
from eigenkd.deviation.inputs import KINDS
from eigenkd.deviation.llama import is_base
from eigenkd.deviation.masking import MASKED
from eigenkd.deviation.measured import Deviation
from eigenkd.deviation.rows import Rows
from eigenkd.deviation.sources import Sources
from eigenkd.deviation.summary import finite
from eigenkd.deviation.table import cells
from eigenkd.deviation.token_table import apart, token_summary, token_tables
from eigenkd.deviation.tokens import shifted
from eigenkd.deviation.vocabulary import Vocabulary
from eigenkd.deviation.vocabulary import read as read_vocabulary
from eigenkd.table import FORMATS, written
from eigenkd.typing import Progress

LARGE = 10**8  # entries of an array above which its reading shows progress
WRITES: dict[str, tuple[tuple[str, ...], str | None, str | None]] = {
    "out": ((".html", ".htm"), "plotly", "report"), "json": ((".json",), None, None),
    "png": ((".png",), "matplotlib", "figures")}


class Parser(argparse.ArgumentParser):
    """One line for a wrong argument, as for every other mistake."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def parser(prog: str = "python -m eigenkd.deviation") -> argparse.ArgumentParser:
    """The command line."""
    result = Parser(prog=prog, description="How a student's confidence deviates from its "
                    "teacher's: a verdict, a table, and on request a page for the browser.", epilog="Files are .npy, "
                    ".npz, .safetensors or .csv, base files of llama-perplexity, or top-k log-probabilities (.jsonl, "
                    ".parquet); one array of several is FILE:NAME. Pickles are never read.")
    result.add_argument("teacher", metavar="TEACHER", help="logits or probabilities, points by classes, or "
                        "sequences by tokens by vocabulary")
    result.add_argument("students", metavar="STUDENT", nargs="+",
                        help="a student's, on the same points; several students are seeds of one recipe, "
                        "of tokens they are measured apart")
    result.add_argument("--labels", metavar="L", help="the true classes: adds accuracy, calibration and who is right")
    result.add_argument("--mask", metavar="M", nargs="+", action="extend", default=[],
                        help="points to measure separately: true/false or 1/0 per point; FILE.npz is all masks in it")
    result.add_argument("--groups", metavar="G", help="what each point belongs to, such as its text: intervals "
                        "resample groups (default: the sequences of tokens, else none)")
    result.add_argument("--keep", metavar="M", help="the points to use, true/false or 1/0 per point or token: the "
                        "others, such as padding, are left out")
    result.add_argument("--shift", action="store_true", help="the labels are the input's own tokens: take each place's "
                        "from the next one")
    result.add_argument("--tokens", metavar="V", help="the tokenizer's tokenizer.json, vocab.json or a JSON list of "
                        "tokens by id: adds kinds of tokens, and texts")
    result.add_argument("--chunks", metavar="N", type=int, help="use the first N chunks of llama.cpp's base files")
    result.add_argument("--vocabulary", metavar="N", type=int, help="how many tokens there are, for files of top-k "
                        "log-probabilities (.jsonl of vLLM or axolotl, .parquet of DistillKit)")
    result.add_argument("--reference", choices=("teacher", "label"), default="teacher",
                        help="the class whose confidence is measured: the teacher's prediction (default) or the label")
    result.add_argument("--inputs", choices=KINDS, default="auto", help="what the arrays hold (default: auto)")
    result.add_argument("--masked", choices=MASKED, default="refuse", help="what to do with a class that is masked (of "
                        "probability zero in all rows) in one model only: refuse it (default) or keep it as it is")
    result.add_argument("--classes", metavar="NAME", nargs="+", help="the classes' names in the order of the columns, "
                        "or a file of names, for labels that are names; a CSV's header gives them too")
    result.add_argument("--ids", metavar="ID", nargs="+", help="the points' ids, which put the rows in one order: "
                        "a column of all the CSV files, or one file for the teacher and one for each student")
    result.add_argument("--drop", metavar="COLUMN", nargs="+", action="extend", default=[],
                        help="columns of the CSV files, by name or number, that hold no logits")
    result.add_argument("--format", choices=FORMATS, default="text", help="the table's format (default: text); csv "
                        "and json print the table alone on stdout, and the verdict on stderr")
    result.add_argument("--out", metavar="HTML", type=Path, help="write a page for the browser, complete in one file")
    result.add_argument("--title", default="Student and teacher", help="the title of that page")
    result.add_argument("--json", metavar="JSON", type=Path, help="write the numbers as JSON")
    result.add_argument("--png", metavar="PNG", type=Path, help="write the scatter of the confidences")
    return result


def main(arguments: Sequence[str] | None = None, prog: str = "python -m eigenkd.deviation") -> int:
    """Print the verdict and the table, write what is asked for; 0, or 2 after a user's mistake, 130 after Ctrl-C."""
    options = parser(prog).parse_args(arguments)
    try:
        run(options)
    except KeyboardInterrupt:
        print("interrupted: nothing more is written", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        print(f"error: {' '.join(str(error).split()) or 'out of memory'}", file=sys.stderr)
        return 2
    return 0


def run(options: argparse.Namespace) -> None:
    """Run the command. Raises ValueError, TypeError, OSError or ImportError for mistakes, first those in outputs."""
    for name in WRITES:
        check_output(name, getattr(options, name))
    if options.reference == "label" and options.labels is None and not is_base(options.teacher):
        raise ValueError("--reference label: expected --labels, got none; name the file of the labels")
    sources = Sources(options.teacher, options.students, options.ids, options.drop, options.classes, options.chunks,
                      options.vocabulary)
    labels, masks = sources.column(options.labels), sources.masks(options.mask)
    keep, groups = sources.column(options.keep), sources.column(options.groups)
    vocabulary = None if options.tokens is None else read_vocabulary(options.tokens)
    if options.shift:
        if labels is None:
            raise ValueError("--shift: expected --labels, whose places it moves, got none; drop the flag (files of "
                             "llama.cpp and top-k files have their own)")
        labels = shifted(labels)
    if len(options.students) > 1 and options.out is not None and sources.has_tokens:
        raise ValueError(f"--out: expected one student of tokens, got {len(options.students)}; write a page for each")
    shared = {"reference": options.reference, "inputs": options.inputs, "masks": masks, "groups": groups, "keep": keep,
              "masked": options.masked, "class_names": sources.class_names}
    deviations = [compared(sources, path, labels, vocabulary, shared, len(options.students) > 1)
                  for path in options.students]
    bare = options.format in ("csv", "json")  # a table that another program reads
    words = sys.stderr if bare else sys.stdout
    comment = "% " if options.format == "latex" else ""
    tokens = deviations[0].tokens is not None
    if len(deviations) > 1 and tokens:  # such as two quantisations: no seeds of one recipe
        measured, lines, tables = deviations, [], apart(deviations, options.students, vocabulary)
        for path, deviation in zip(options.students, deviations):
            lines += [f"{path}: {deviation.verdict}".replace("\n", "\n  "), ""]
        lines += [f"Teacher: {options.teacher}."]
    else:
        measured = deviations[0] if len(deviations) == 1 else over_seeds(deviations)
        lines, tables = [str(measured.verdict)], [cells(measured)]
        if tokens:
            lines += [f"Teacher: {options.teacher}. Student: {options.students[0]}."]  # nothing in such files says it
            tables += token_tables(deviations[0], vocabulary)
    for line in "\n".join(lines).split("\n"):
        say(f"{comment}{line}" if line else "", words)
    for found in tables[:1] if bare else tables:
        say("\n" * (not bare) + written(found, options.format))
    if any((options.json, options.png, options.out)):
        say("", words)
    save(options, measured, vocabulary, words)


def compared(sources: Sources, path: str, labels: np.ndarray | None, vocabulary: Vocabulary | None,
             options: dict[str, Any], named: bool) -> Deviation:
    """The `Deviation` of one student's file; named: whether an error begins with the path."""
    teacher, student, notes = sources.pair(path)
    if vocabulary is not None:  # before the pass, which may be long
        if teacher.ndim < 3 and getattr(teacher, "tokens", None) is None:
            raise ValueError(f"--tokens: expected logits of tokens, (sequences, tokens, vocabulary), got shape "
                             f"{tuple(teacher.shape)} in {sources.teacher}; drop the flag")
        vocabulary.expect_of(teacher.shape[-1], getattr(teacher, "labels", None) if labels is None else labels)
    try:
        with progress(path, student) as report:
            found = compare(teacher, student, labels, **options, progress=report)
    except (ValueError, TypeError) as error:
        raise ValueError(in_files(str(error), sources.teacher, path, named)) from error
    return replace(found, notes=(*notes, *found.notes))


def in_files(message: str, teacher: str, student: str, named: bool) -> str:
    """A message on arguments of `compare` as one on the command's files and flags; named: whether it begins with the
    student's path."""
    for name, said in (("teacher_logits", teacher), ("student_logits", student), ("inputs='logits'",
                                                                                  "--inputs logits")):
        message = message.replace(name, said)
    return f"{student}: {message}" if named and not message.startswith((teacher, student)) else message


def save(options: argparse.Namespace, measured: Any, vocabulary: Vocabulary | None,
         words: TextIO) -> None:
    """Write the files that are asked for."""
    several = isinstance(measured, list)  # deviations that are no seeds
    alone = not several and len(measured.members) == 1
    if options.json:
        content = {"teacher": options.teacher, "students": options.students}
        content |= {"each": {path: numbers_of(each, vocabulary) for path, each in zip(options.students, measured)}
                    } if several else numbers_of(measured, vocabulary)
        write(options.json, json.dumps(content, indent=1, allow_nan=False).encode() + b"\n", words)
    if options.png:
        write(options.png, picture(measured if several else measured.members, options.students), words)
    if options.out:
        names = (options.teacher, *options.students)
        if alone and measured.tokens is not None:
            from eigenkd.deviation import token_page

            content = token_page.page(measured, options.title, names, vocabulary)
        else:
            from eigenkd.deviation.page import page

            content = page(measured, options.title, names)
        write(options.out, content.encode(), words)


def numbers_of(measured: Any, vocabulary: Vocabulary | None) -> dict[str, Any]:
    """What is written as JSON of a `Deviation` or of `Seeds`."""
    content = measured.summary()
    if len(measured.members) == 1:
        content["per_class"] = [finite(row) for row in measured.per_class]
        if measured.tokens is not None:
            content["tokens"] = finite(token_summary(measured, vocabulary))
    return content


def check_output(name: str, path: Path | None) -> None:
    """Raises ValueError for a path with another ending or of a folder, ImportError for a missing package."""
    if path is None:
        return
    endings, package, extra = WRITES[name]
    if path.suffix.lower() not in endings:  # which also keeps arrays from being replaced
        raise ValueError(f"--{name}: expected a path that ends in {' or '.join(endings)}, got {path}; rename it")
    if path.is_dir():
        raise ValueError(f"--{name}: expected the path of a file, got the folder {path}; name a file in it")
    if package is not None and find_spec(package) is None:
        raise ImportError(f"--{name}: expected {package}, which is missing; pip install 'eigenkd[{extra}]'")


def write(path: Path, content: bytes, words: TextIO) -> None:
    """Write bytes to a file, which is the old one or the new one, whole, and say so on the stream `words`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done = "replaced" if path.exists() else "written"
    atomic.write(path, content)
    say(f"{path}: {done}", words)


def say(text: str, stream: TextIO | None = None) -> None:
    """Print on a stream (default: stdout). Its reader may have closed it; the files are written nevertheless."""
    stream = sys.stdout if stream is None else stream
    try:
        print(text, flush=True, file=stream)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def picture(deviations: Sequence[Deviation], names: Sequence[str]) -> bytes:
    """The PNG of the scatters of all students, as bytes."""
    from matplotlib.figure import Figure

    from eigenkd import plot

    columns = min(len(deviations), 3)
    rows = -(-len(deviations) // columns)
    figure = Figure(figsize=(max(7, 5.5 * columns), 6 * rows), layout="constrained")
    for ax, deviation, name in zip(figure.subplots(rows, columns, squeeze=False).flat, deviations, names):
        plot.confidence(deviation, ax=ax, highlight=deviation.masks, sides=("low", "high"),
                        label="other points" if deviation.masks else "points")
        ax.set_title(Path(name).name, fontsize=10, wrap=True, parse_math=False)
    for ax in figure.axes[len(deviations):]:
        ax.set_visible(False)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150)
    return file.getvalue()


@contextmanager
def progress(path: str, rows: Rows) -> Iterator[Progress | None]:
    """A function (done, rows) for `compare` that shows how far a large array is read; None for a small one."""
    if int(np.prod(rows.shape, dtype=object)) < LARGE:
        yield None
    elif sys.stderr.isatty() and find_spec("tqdm") is not None:
        from tqdm import tqdm

        with tqdm(desc=str(path), unit=" rows", unit_scale=True) as bar:
            def advance(done, total):
                bar.total = total  # known only after rows are left out
                bar.update(done - bar.n)

            yield advance
    else:
        tenths = [0]

        def report(done, total):
            if (tenth := 10 * done // total) > tenths[0]:
                tenths[0] = tenth
                print(f"{path}: {10 * tenth}% of {total:,} rows read", file=sys.stderr, flush=True)

        yield report


if __name__ == "__main__":
    sys.exit(main())
