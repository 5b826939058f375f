"""Links of a page to what lies outside of docs/ lead into the repository.

On GitHub `[records](../records)` works as it stands. On the site it leads to pyproject's `project.urls.Source`, or,
where that names none, to the checkout in which the site was built.
"""

import os
import tomllib
from pathlib import Path

from docutils import nodes
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).resolve().parents[2]


def base(outdir):
    """What the path of a file in the repository is appended to, seen from the site's root; with the slash."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("urls", {})
    return f"{urls['Source']}/blob/HEAD/" if "Source" in urls else f"{os.path.relpath(ROOT, outdir)}/"


class RepositoryLinks(SphinxTransform):
    """Turns links to existing files and folders outside of docs/ into plain references."""

    default_priority = 5

    def apply(self, **_):
        source = Path(self.env.doc2path(self.env.docname)).parent
        links = [node for node in self.document.findall(nodes.Element) if node.get("reftype") == "myst"]
        for link in links:
            path = (source / link["reftarget"].partition("#")[0]).resolve()
            if path.exists() and path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / "docs"):
                here = Path(self.app.outdir) / self.env.docname
                place = base(here.parent) + path.relative_to(ROOT).as_posix()
                link.replace_self(nodes.reference("", "", *link.children, refuri=place, internal=False))


def setup(app):
    app.add_transform(RepositoryLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
