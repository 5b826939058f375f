"""The documentation site: `make docs` builds it, offline, with warnings as errors."""

import sys
from importlib.metadata import files
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))  # eigenkd and validation of this checkout, docs.extensions and docs.tables

import eigenkd  # noqa: E402

project = "eigenkd"
version = release = eigenkd.__version__
copyright = "the eigenkd maintainers, Apache-2.0"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "sphinx.ext.viewcode",
              "sphinx_copybutton", "docs.extensions.docstrings", "docs.extensions.generated",
              "docs.extensions.equations",
              "docs.extensions.notebooks", "docs.extensions.repository"]
exclude_patterns = ["_build", "conf.py", "extensions", "tables", "generated/*.md", "generated/notebooks"]

# Pages are Markdown that GitHub shows as well; notebooks are scripts with # %% cells, one source of page and .ipynb.
myst_enable_extensions = ["dollarmath", "html_image"]
myst_heading_anchors = 3
nb_custom_formats = {".py": "docs.extensions.notebooks.read"}
nb_execution_mode = "force"  # an output that was kept would not notice that eigenkd has changed
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True

# A reference to a name of eigenkd has to resolve; names of other libraries and words of a type are not looked up.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!eigenkd\b).*")]
default_role = "py:obj"
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True

# MathJax as one file with its glyphs, from a package: it works without a network, and from file://.
(mathjax,) = [path for path in files("sphinx-mathjax-offline") if path.name == "tex-svg.js"]
mathjax_path = "tex-svg.js"
mathjax3_config = {"svg": {"fontCache": "global"}, "options": {"enableMenu": False}}

html_theme = "furo"
html_title = "eigenkd"
html_static_path = ["_static", str(mathjax.locate())]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
