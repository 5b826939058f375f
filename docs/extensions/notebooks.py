"""Notebooks: scripts with # %% cells in docs/, executed for their page, and offered as .ipynb without outputs."""

from pathlib import Path

import jupytext

DOCS = Path(__file__).resolve().parents[1]
FOLDER = DOCS / "generated" / "notebooks"
PYTHON = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
          "language_info": {"name": "python"}}


def read(text):
    """The script as a notebook of Python."""
    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata = notebook.metadata | PYTHON
    return notebook


def write(app):
    """Writes docs/generated/notebooks/<name>.ipynb of every script."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for script in DOCS.glob("*.py"):
        if script.name != "conf.py":
            jupytext.write(read(script.read_text()), FOLDER / f"{script.stem}.ipynb", fmt="ipynb")


def announce(app, name, source):
    """Puts the links to its forms under the title of a notebook's page."""
    if app.env.doc2path(name).suffix == ".py":
        first, cell, rest = source[0].partition("\n\n")
        source[0] = (f"{first}\n#\n# *To run it:* {{download}}`{name}.ipynb <generated/notebooks/{name}.ipynb>` in "
                     f"Jupyter, or `python docs/{name}.py` in a checkout.{cell}{rest}")


def setup(app):
    app.connect("builder-inited", write)
    app.connect("source-read", announce)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
