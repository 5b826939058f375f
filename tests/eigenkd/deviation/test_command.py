"""python -m eigenkd.deviation: what it prints, what it writes, and one line for every mistake."""

import csv
import io
import json
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from eigenkd.deviation import __main__, compare, over_seeds
from eigenkd.deviation.__main__ import main
from eigenkd.deviation.table import table

RNG = np.random.default_rng(0)
TEACHER = 2 * RNG.normal(size=(160, 5))
STUDENT = 1.4 * TEACHER + 0.2 * RNG.normal(size=TEACHER.shape)
OTHER = 1.3 * TEACHER + 0.2 * RNG.normal(size=TEACHER.shape)
LABELS = RNG.integers(5, size=160)
WRONG = RNG.random(160) < 0.3


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("teacher.npy", TEACHER)
    np.savez("run.npz", student=STUDENT, other=OTHER, labels=LABELS, wrong=WRONG)
    np.savez("masks.npz", wrong=WRONG, even=np.arange(160) % 2 == 0)
    return tmp_path


def said(capsys, *arguments, code=0):
    """What the command prints on stdout, or its line on stderr where the code is not 0."""
    assert main([str(argument) for argument in arguments]) == code
    out, err = capsys.readouterr()
    if code == 0:
        assert err == ""
        return out
    assert err.count("\n") == 1 and "Traceback" not in err
    return err


def test_it_prints_the_verdict_and_the_table(capsys):
    d = compare(TEACHER, STUDENT, LABELS, masks={"wrong": WRONG})
    out = said(capsys, "teacher.npy", "run.npz:student", "--labels", "run.npz:labels", "--mask", "run.npz:wrong")
    verdict = d.verdict
    assert out == "\n".join([verdict.sentence, verdict.low.sentence, verdict.high.sentence, *verdict.notes, "",
                             table(d), ""])


@pytest.mark.parametrize("ending", [".npy", ".safetensors", ".csv"])
def test_the_format_of_the_files_changes_nothing(ending, capsys):
    expected = said(capsys, "teacher.npy", "run.npz:student", "--labels", "run.npz:labels")
    for name, array in (("t", TEACHER), ("s", STUDENT), ("l", LABELS)):
        if ending == ".npy":
            np.save(name, array)
        elif ending == ".csv":
            np.savetxt(f"{name}.csv", array, delimiter=",", fmt="%.17g")
        else:
            save_file({"only": array}, f"{name}.safetensors")
    assert said(capsys, f"t{ending}", f"s{ending}", "--labels", f"l{ending}") == expected


def test_several_students_are_seeds(capsys):
    seeds = over_seeds([compare(TEACHER, STUDENT), compare(TEACHER, OTHER)])
    out = said(capsys, "teacher.npy", "run.npz:student", "run.npz:other", "--format", "markdown", "--json", "n.json")
    assert table(seeds, "markdown") in out and seeds.verdict.sentence in out
    with open("n.json") as file:
        content = json.load(file)
    assert content["students"] == ["run.npz:student", "run.npz:other"] and len(content["seeds"]) == 2


def test_a_latex_table_can_be_pasted_as_a_whole(capsys):
    out = said(capsys, "teacher.npy", "run.npz:student", "--format", "latex")
    assert out.count("\\begin{tabular}") == 1
    assert all(line.startswith(("%", "\\")) or line == "" or line.endswith("\\\\") for line in out.splitlines())


@pytest.mark.parametrize("format", ["csv", "json"])
def test_a_table_for_a_program_is_alone_on_stdout(format, capsys):
    d = compare(TEACHER, STUDENT)
    assert main(["teacher.npy", "run.npz:student", "--format", format, "--json", "n.json"]) == 0
    out, err = capsys.readouterr()
    assert out == table(d, format) + "\n"
    assert err == "\n".join([d.verdict.sentence, d.verdict.low.sentence, d.verdict.high.sentence, "",
                             "n.json: written", ""])
    rows = json.loads(out)["rows"] if format == "json" else list(csv.reader(io.StringIO(out)))
    assert ["points", "160"] in rows


def test_it_writes_what_is_asked_for_and_says_so(capsys, folder):
    arguments = ["teacher.npy", "run.npz:student", "--out", "new/report.html", "--json", "n.json", "--png", "p.png",
                 "--title", "A & B", "--mask", "masks.npz"]
    out = said(capsys, *arguments)
    assert out.endswith("n.json: written\np.png: written\nnew/report.html: written\n")
    text = (folder / "new/report.html").read_text(encoding="utf-8")
    assert "<title>A &amp; B</title>" in text and "run.npz:student" in text
    assert (folder / "p.png").read_bytes().startswith(b"\x89PNG")
    content = json.loads((folder / "n.json").read_text())
    d = compare(TEACHER, STUDENT, masks={"wrong": WRONG, "even": np.arange(160) % 2 == 0})
    assert content == {"teacher": "teacher.npy", "students": ["run.npz:student"], **json.loads(json.dumps(d.summary())),
                       "per_class": d.per_class}
    assert said(capsys, *arguments).endswith("n.json: replaced\np.png: replaced\nnew/report.html: replaced\n")
    assert not list(folder.rglob("*.partial"))


def test_reference_and_inputs_are_handed_on(capsys):
    probabilities = np.exp(TEACHER) / np.exp(TEACHER).sum(axis=1, keepdims=True)
    np.save("p.npy", probabilities)
    out = said(capsys, "p.npy", "p.npy", "--labels", "run.npz:labels", "--reference", "label")
    assert "on the label" in out and "The inputs are probabilities" in out
    assert "probabilities" not in said(capsys, "p.npy", "p.npy", "--inputs", "logits")


def test_masks_are_named_after_their_arrays_or_files(capsys):
    np.save("first.npy", WRONG.astype(int))
    np.savetxt("second.csv", WRONG)
    out = said(capsys, "teacher.npy", "run.npz:student", "--mask", "first.npy", "second.csv", "--mask", "masks.npz")
    header = re.search("^ .*all points.*$", out, re.MULTILINE).group()
    assert header.split() == ["all", "points", "first", "second", "wrong", "even"]


@pytest.mark.parametrize(("arguments", "message"), [
    (["none.npy", "run.npz:student"], "error: none.npy: expected a file, found none; check the path"),
    (["teacher.npy", "run.npz"], "error: run.npz: expected one array, got 4; name one as run.npz:NAME, there are: "),
    (["teacher.npy", "model.pt"], "error: model.pt: expected a file that ends in"),
    (["teacher.npy", "pickled.npy"], "error: pickled.npy: expected an array as numpy.save writes it, got a pickle"),
    (["teacher.npy", "short.npy"], "error: short.npy: expected shape (160, 5) like teacher.npy, got (159, 5)"),
    (["teacher.npy", "run.npz:other", "short.npy"], "error: short.npy: expected shape (160, 5)"),
    (["teacher.npy", "nan.npy"], "error: nan.npy: expected finite"),
    (["run.npz:labels", "run.npz:labels"], "error: run.npz:labels: expected logits or probabilities, "
     "a row a point and a column a class, got shape (160,)"),
    (["teacher.npy", "run.npz:student", "--labels", "teacher.npy"], "error: labels: expected shape (160,)"),
    (["teacher.npy", "run.npz:student", "--mask", "run.npz:labels"], "error: masks['labels']: expected values true"),
    (["teacher.npy", "run.npz:student", "--mask", "masks.npz", "run.npz:wrong"], "error: --mask: expected different "
     "names, got 'wrong' twice"),
    (["teacher.npy", "run.npz:student", "--reference", "label"], "error: --reference label: expected --labels, got "),
    (["teacher.npy", "teacher.npy", "--inputs", "probabilities"], "error: teacher.npy: expected probabilities"),
    (["teacher.npy", "run.npz:student", "--out", "run.npz"], "error: --out: expected a path that ends in .html or "),
    (["teacher.npy", "run.npz:student", "--json", "teacher.npy"], "error: --json: expected a path that ends in .json"),
    (["teacher.npy", "run.npz:student", "--png", "folder.png"], "error: --png: expected the path of a file, got the "),
    (["teacher.npy", "run.npz:student", "--out", "teacher.npy/x.html"], "error: "),
])
def test_a_mistake_is_one_line_and_code_2(arguments, message, capsys, folder):
    (folder / "folder.png").mkdir()
    (folder / "pickled.npy").write_bytes(pickle.dumps(TEACHER))
    np.save("short.npy", STUDENT[1:])
    np.save("nan.npy", np.where(np.arange(5) == 2, np.nan, STUDENT))
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert said(capsys, *arguments, code=2).startswith(message)
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("arguments", [[], ["teacher.npy"], ["a.npy", "b.npy", "--format", "html"],
                                       ["a.npy", "b.npy", "--unknown"]])
def test_a_wrong_argument_is_one_line_and_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1 and "--help" in err


@pytest.mark.parametrize(("option", "package", "extra"), [("--out=r.html", "plotly", "report"),
                                                          ("--png=r.png", "matplotlib", "figures")])
def test_a_missing_package_is_named_before_anything_is_read(option, package, extra, capsys, monkeypatch):
    monkeypatch.setattr(__main__, "find_spec", lambda name: None)
    assert said(capsys, "none.npy", "none.npy", option, code=2) == (
        f"error: {option.split('=')[0]}: expected {package}, which is missing; pip install 'eigenkd[{extra}]'\n")


def test_neither_plotly_nor_matplotlib_nor_tqdm_is_needed_for_the_table(folder):
    program = ("import sys; sys.modules.update(dict.fromkeys(['plotly', 'matplotlib', 'tqdm', 'safetensors'])); "
               "from eigenkd.deviation.__main__ import main; sys.exit(main(sys.argv[1:]))")
    save_file({"student": STUDENT}, "s.safetensors")
    done = subprocess.run([sys.executable, "-c", program, "teacher.npy", "s.safetensors", "--json", "n.json"],
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.endswith("n.json: written\n")


def test_an_interrupt_is_one_line_and_leaves_no_file(capsys, monkeypatch, folder):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(__main__, "compare", interrupted)
    assert said(capsys, "teacher.npy", "run.npz:student", "--json", "n.json", code=130).startswith("interrupted")
    assert not (folder / "n.json").exists()


def test_a_real_interrupt_ends_the_process_in_one_line():
    """Ctrl-C while the first block is looked at, in a process of its own."""
    program = ("import os, signal, sys; from eigenkd.deviation import __main__ as m; compare = m.compare; "
               "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a background job begins without one
               "m.compare = lambda *a, **k: compare(*a, **{**k, 'progress': "
               "lambda done, n: os.kill(os.getpid(), signal.SIGINT)}); sys.exit(m.main(sys.argv[1:]))")
    done = subprocess.run([sys.executable, "-c", program, "teacher.npy", "run.npz:student"], capture_output=True,
                          text=True)
    assert done.returncode == 130 and done.stderr == "interrupted: nothing more is written\n"


def test_a_write_that_fails_leaves_the_old_file_and_no_part(capsys, monkeypatch, folder):
    (folder / "n.json").write_text("old")

    def full(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr(__main__.os, "replace", full)
    err = said(capsys, "teacher.npy", "run.npz:student", "--json", "n.json", code=2)
    assert err == "error: no space left on device\n"
    assert (folder / "n.json").read_text() == "old" and not list(folder.glob(".*"))


def test_a_reader_that_stops_reading_does_not_stop_the_writing(folder):
    command = [sys.executable, "-m", "eigenkd.deviation", "teacher.npy", "run.npz:student", "--json", "n.json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 0
    assert json.loads((folder / "n.json").read_text())["points"] == 160


def test_a_large_array_shows_how_far_it_is_read(capsys, monkeypatch):
    monkeypatch.setattr(__main__, "LARGE", 160 * 5)
    monkeypatch.setattr("eigenkd.deviation.pointwise.BLOCK", 80)
    assert main(["teacher.npy", "run.npz:student"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"run.npz:student: {10 * tenth}% of 160 rows read" for tenth in range(1, 11)]


def test_on_a_terminal_it_is_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(__main__, "LARGE", 0)
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["teacher.npy", "run.npz:student"]) == 0
    assert "run.npz:student: 100%" in terminal.getvalue() and "rows" in terminal.getvalue()
