"""python -m paper_figures.gallery [--check]: docs/gallery.md and its pictures in docs/images, from the records.

--check changes nothing: it says which pictures show other data than the records, and whether the page is another one.
"""

import argparse
import io
import json
import sys
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from eigenkd import _atomic as atomic
from paper_figures import FIGURES, TABLES
from paper_figures.choice import Choice
from paper_figures.data import alike, fingerprint
from paper_figures.entry import WORDS
from paper_figures.style import STYLE
from validation.runs import Unusable

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, IMAGES = DOCS / "gallery.md", DOCS / "images"
DPI = 100
RECORDS = Choice("no runs but records")
FILES = {"fig4a": "noisy_labels"}  # a picture that another page shows under another name
KEY = "fingerprint"
HEAD = """# Gallery

Every figure and table of the paper and of the theory that the committed records make: what it shows, what it rests on,
and its command. `python -m paper_figures` draws all of them into `figures/`, offline, in about a minute, and `--list`
says what each rests on in your own runs. `python -m paper_figures.gallery` writes this page.

Each figure is written as PNG, PDF and SVG (`--out FOLDER` for another folder). Your own runs in `runs/` take the place
of the records of the same setting; `--runs records` draws the records again, and `--where data.label_noise=0.1` changed
runs.

`python -m paper_figures phase` also writes `figures/phase.html`, the phase diagram to explore in a browser: point at a
run for its setting, seed and numbers.
"""
PICTURE = """## {name}: {shows}

<img src="images/{file}.png" alt="{alt}" width="100%">

**{finding}.** {status}

`python -m paper_figures {name}`
"""
TABLES_HEAD = """## Tables

As text, Markdown, LaTeX and JSON; the paper's numbers, ours, intervals and seeds stand side by side.

| table | what it holds | rests on |
|---|---|---|
"""
MISSING_HEAD = """## Not drawn

| name | what it would show | what makes its runs |
|---|---|---|
"""


def main(arguments=None):
    """Writes page and pictures; with --check, returns 1 where they are not those of the records."""
    parser = argparse.ArgumentParser(prog="python -m paper_figures.gallery", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, say what differs")
    if parser.parse_args(arguments).check:
        differs = [f"{name}: its picture shows other data" for name in FIGURES if drawn(name) and not shows(name)]
        if not PAGE.exists() or PAGE.read_text() != page():
            differs.append(f"{PAGE.name}: another page")
        print("\n".join([*differs, *(["write them with: python -m paper_figures.gallery"] if differs else [])]))
        return 1 if differs else 0
    for name in filter(drawn, FIGURES):
        atomic.write(picture_of(name), picture(drawn(name)))
    atomic.write(PAGE, page().encode())
    return 0


@cache
def drawn(name):
    """The figure that the committed records make, None without them."""
    try:
        return FIGURES[name].draw(RECORDS)
    except Unusable:
        return None


def picture_of(name):
    """The path of a figure's picture."""
    return IMAGES / f"{file_of(name)}.png"


def file_of(name):
    """The name of a figure's file in docs/images, without its ending."""
    return FILES.get(name, name)


def picture(figure):
    """The bytes of a small PNG that carries the figure's fingerprint."""
    content = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(content, format="png", dpi=DPI)
    small, told, packed = Image.open(content).convert("RGB"), PngInfo(), io.BytesIO()
    told.add_text(KEY, json.dumps(fingerprint(figure)))
    small = small.quantize(method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(packed, "png", optimize=True, pnginfo=told)
    return packed.getvalue()


def shows(name):
    """Whether a figure's picture shows the data of the records."""
    if not picture_of(name).exists():
        return False
    with Image.open(picture_of(name)) as image:
        kept = json.loads(image.info.get(KEY, "[]"))
    return alike(kept, fingerprint(drawn(name)))


def page():
    """The text of docs/gallery.md."""
    parts = {name: part(name) for name in FIGURES | TABLES}
    missing = [name for name in parts if (FIGURES | TABLES)[name].status(RECORDS).kind == "missing"]
    return "\n".join([HEAD, *(parts[name] for name in FIGURES if name not in missing),
                      TABLES_HEAD + "\n".join(parts[name] for name in TABLES if name not in missing), "",
                      MISSING_HEAD + "\n".join(parts[name] for name in missing), ""])


def part(name):
    """What docs/gallery.md says of a figure or table: a section, or a row of one of its two tables."""
    entry = (FIGURES | TABLES)[name]
    status = entry.status(RECORDS)
    if status.kind == "missing":
        return f"| {name} | {entry.shows} | {_made_by(status)} |"
    if name in TABLES:
        said = f"{WORDS[status.kind]}: " if status.kind in WORDS else ""  # as the title of a figure does
        return f"| {name} | {entry.shows} | {said}{_rests_on(status)} |"
    finding = " ".join(drawn(name).get_suptitle().split())
    return PICTURE.format(name=name, shows=entry.shows, file=file_of(name), finding=finding,
                          alt=finding.replace('"', "'"), status=_rests_on(status))


def _rests_on(status):
    """What an entry is drawn from, in a sentence or two."""
    if status.kind == "no run":
        return "It needs no run."
    own = " The paper's own runs: " if status.kind == "stand-in" else " Missing: "
    return status.rests_on + (f"{own}{_code(status.own)}." if status.own else "")


def _made_by(status):
    own = _code(status.own) or "no setting of this version has its data"
    return f"{own}; on stand-in data: {_code(status.instead)}" if status.instead else own


def _code(lines):
    """The first command as code, and how many more there are."""
    more = f" and {len(lines) - 1} more (`--list` has them)" if len(lines) > 1 else ""
    return f"`{lines[0]}`{more}" if lines else ""


if __name__ == "__main__":
    sys.exit(main())
