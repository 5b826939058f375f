"""The API reference: a page for each public module, and the list of them."""

from importlib import import_module

MODULES = {
    "eigenkd": "linear and kernel regression by gradient flow: teachers, students, generations",
    "eigenkd.filters": "gains as functions of the eigenvalue, and how they combine",
    "eigenkd.spectrum": "the eigenbasis of features or of a kernel",
    "eigenkd.theorem": "Theorem 4.1 and its pivot form: matched times, checks with margins",
    "eigenkd.risk": "risk under label noise, the advisor, tuning, mixing",
    "eigenkd.krylov": "the same models of problems that are too large to factorise",
    "eigenkd.cross_entropy": "gradient flow of linear and kernel models under the cross-entropy",
    "eigenkd.deviation": "how a student's confidence deviates from its teacher's",
    "eigenkd.deviation.parts": "tokens apart: by position, by confidence, by kind",
    "eigenkd.deviation.callback": "deviations during a training with transformers' Trainer",
    "eigenkd.projection": "weights along eigendirections, and how exaggerated a path is",
    "eigenkd.torch": "for PyTorch training loops: recorded layers, tangent kernels",
    "eigenkd.plot": "Matplotlib Axes of gains, paths, scatters",
}




def pages():
    """name -> Markdown."""
    return {"api/index.md": _index(), **{f"api/{name}.md": _page(name) for name in MODULES}}


def _page(name):
    module = import_module(name)
    public = getattr(module, "__all__", ())
    lines = [f".. automodule:: {name}", "   :members:", "   :undoc-members:"]
    lines += ["   :imported-members:"] if public else []
    values = [value for value in public if type(getattr(module, value)) in (dict, tuple)]
    for value in values:
        lines += ["", f".. autodata:: {name}.{value}", "   :no-value:"]
    body = "\n".join(lines)
    return f"# {name}\n\n```{{eval-rst}}\n{body}\n```\n"


def _index():
    rows = "\n".join(f"| [{module}]({module}.md) | {what} |" for module, what in MODULES.items())
    toctree = "\n".join(MODULES)
    return (f"# API reference\n\nThe public modules. Everything else is an implementation detail.\n\n| module | content |"
            f"\n|---|---|\n{rows}\n\n```{{toctree}}\n:hidden:\n\n{toctree}\n```\n")
