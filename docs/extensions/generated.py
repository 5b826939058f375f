"""Pages that are made when the site is built, by the modules of docs/tables: docs/generated/<name>.md."""

from pathlib import Path

from docs.tables import api, benchmarks, registry

GENERATED = Path(__file__).resolve().parents[1] / "generated"
PAGES = (api, benchmarks, registry)


def write(_):
    """Writes the pages of all modules; leaves those alone that have not changed, and removes those that are no more."""
    pages = {GENERATED / name: text for module in PAGES for name, text in module.pages().items()}
    for path in set(GENERATED.rglob("*.md")) - set(pages):
        path.unlink()
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def setup(app):
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
