"""The Python of the pages under docs/ runs as it stands there, on the committed records in place of runs."""

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
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    (tmp_path / "runs").symlink_to(ROOT / "records")
    done = subprocess.run([sys.executable, "-c", "\n".join(blocks)], cwd=tmp_path, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_links_and_pictures_of(page):
    links = ["".join(pair) for pair in re.findall(r"\]\(([^)#\s]+)\)|<img src=\"([^\"]+)\"", page.read_text())]
    assert links
    for link in links:
        assert link.startswith("http") or (page.parent / link).exists(), link
