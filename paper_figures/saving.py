"""Figures and tables as files."""

import io
import json
from dataclasses import asdict

import matplotlib

from eigenkd import _atomic as atomic
from eigenkd.table import Cells, written
from paper_figures.style import STYLE

PICTURES = {"png": {"dpi": 200}, "pdf": {"metadata": {"CreationDate": None}}, "svg": {"metadata": {"Date": None}}}
TEXTS = {"txt": "text", "md": "markdown", "tex": "latex"}


def save(made, name, out, page=None):
    """Saves a figure as out/name.png, .pdf and .svg, a table as out/name.txt, .md, .tex and .json, and a page as
    out/name.html. Returns the paths."""
    out.mkdir(parents=True, exist_ok=True)
    contents = tables(made) if isinstance(made, Cells) else pictures(made)
    if page is not None:
        contents["html"] = page.encode()
    for ending, content in contents.items():
        atomic.write(out / f"{name}.{ending}", content)
    return [out / f"{name}.{ending}" for ending in contents]


def tables(made):
    """ending -> bytes. The JSON has the numbers behind the cells where there are any."""
    contents = {ending: f"{written(made, form)}\n".encode() for ending, form in TEXTS.items()}
    contents["json"] = f"{json.dumps(asdict(made), ensure_ascii=False, indent=1, allow_nan=False)}\n".encode()
    return contents


def pictures(figure):
    """ending -> bytes of the figure in all formats; the later ones reuse the layout of the first."""
    found, engine = {}, figure.get_layout_engine()
    for ending, options in PICTURES.items():
        content = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            figure.savefig(content, format=ending, **options)
        found[ending] = content.getvalue()
        figure.set_layout_engine("none")
    figure.set_layout_engine(engine)
    return found
