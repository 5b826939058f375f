"""The API reference: a page for each public module, and the list of them."""

from importlib import import_module

from docs.tables.markdown import table

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
    return {"api.md": table(("module", "content"), [(f"[{name}](generated/api/{name}.md)", what) for name, what in
                                             MODULES.items()]),
            **{f"api/{name}.md": _page(name) for name in MODULES}}


def _page(name):
    module = import_module(name)
    names = getattr(module, "__all__", None) or [
        one for one, value in vars(module).items()
        if not one.startswith("_") and callable(value) and getattr(value, "__module__", "") == name]
    members = [one for one in names if callable(getattr(module, one))]
    lines = [f".. automodule:: {name}", f"   :members: {', '.join(members)}", "   :imported-members:",
             "   :undoc-members:"]
    for one in names:
        if type(getattr(module, one)) in (dict, tuple):
            lines += ["", f".. autodata:: {name}.{one}", "   :no-value:"]
    body = "\n".join(lines)
    return f"# {name}\n\n```{{eval-rst}}\n{body}\n```\n"
