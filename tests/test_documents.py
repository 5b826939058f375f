"""The code of the pages runs as printed, with the committed records in place of runs; the site's own code works."""

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WRITTEN = {page: page.read_text() for page in (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md")}
COMMANDS = sorted({line for text in WRITTEN.values() for line in re.findall(
    r"^(?:\$ )?python -m ((?!pip |validation\.run )[\w.]+ .*)$", text, re.MULTILINE)})  # validation.run: test_listing
ASKED = [line for line in COMMANDS if re.match(r"validation.study .* --(list|dry-run)\b", line)]
FLAGS = sorted({(line.split()[0], flag) for line in COMMANDS
                for flag in re.findall(r" (--[a-z][\w-]*)", line.partition("#")[0])})
PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if "```python" in page.read_text()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_of(page, tmp_path):
    """A block that starts with a file name is saved as that file, and then the page's commands that use it are run."""
    text = page.read_text()
    blocks, files = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL), []
    for block in list(blocks):
        if name := re.match(r"# (\w+\.py)\n", block):
            (tmp_path / name[1]).write_text(block)
            files.append(name[1].removesuffix(".py"))
            blocks.remove(block)
    (tmp_path / "runs").symlink_to(ROOT / "records")
    given = {"cwd": tmp_path, "capture_output": True, "text": True,
             "env": os.environ | {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)}}
    done = subprocess.run([sys.executable, "-c", "\n".join(blocks)], **given)
    assert done.returncode == 0, done.stderr
    joined = text.replace("\\\n", "")  # a command may go on in the next line
    commands = re.findall(r"^python (-m validation.run .*)$", joined, flags=re.MULTILINE) if files else []
    assert all(any(f"{name}:" in command for command in commands) for name in files)
    for command in commands:
        done = subprocess.run([sys.executable, *command.split(), "--out", "own"], **given)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_links_and_pictures_of(page):
    links = ["".join(pair) for pair in re.findall(r"\]\(([^)#\s]+)\)|<img src=\"([^\"]+)\"", page.read_text())]
    assert links
    for link in links:
        assert link.startswith("http") or (page.parent / link).exists(), link


def said(capsys, arguments):
    """What `python -m` of these arguments prints, in this process."""
    module, *rest = arguments
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [module, *rest])
        with pytest.raises(SystemExit) as end:
            runpy.run_module(module, run_name="__main__")
    printed = capsys.readouterr()
    assert not end.value.code, printed.err
    return printed.out


@pytest.mark.parametrize("line", ASKED)
def test_commands_that_only_ask_answer(line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said(capsys, shlex.split(line, comments=True))


@pytest.mark.parametrize("module", sorted({module for module, _ in FLAGS}))
def test_the_flags_that_pages_use_exist(module, capsys):
    text = said(capsys, [module, "--help"])
    assert [flag for name, flag in FLAGS if name == module and not re.search(rf"{flag}\b", text)] == []


def test_every_notebook_and_page_is_in_the_contents():
    from docs.extensions.notebooks import scripts

    index = (ROOT / "docs" / "index.md").read_text()
    listed = {name for block in re.findall(r"```{toctree}\n(.*?)```", index, re.DOTALL)
              for name in re.findall(r"^(\w+)$", block, re.MULTILINE)}
    there = {path.stem for path in (*(ROOT / "docs").glob("*.md"), *scripts())} - {"index"}
    assert listed == there


def test_formulas_in_docstrings_are_escaped_and_examples_are_not():
    from docs.extensions.docstrings import prepare

    lines = ["|a| * b of `|c|`s and `.d`", "", ">>> a * b", "a | b", "", "* one", "as::", "", "    a * b"]
    prepare(None, "function", "", None, None, lines)
    assert lines == [r"\|a\| \* b of `|c|`\ s and ``.d``", "", ">>> a * b", "a | b", "", "* one", "as::", "",
                     "    a * b"]


def test_links_out_of_the_pages_lead_into_the_checkout():
    from docs.extensions.repository import base

    assert base(ROOT / "docs" / "_build" / "html") in ("../../../",) or base(ROOT).endswith("/blob/HEAD/")
