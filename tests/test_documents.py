"""The Python code of the pages in docs/ runs as printed, with the committed records in place of runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
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
    commands = re.findall(r"^python (-m validation.run .*)$", text, flags=re.MULTILINE) if files else []
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
