"""Measurements against what people use now. A new one is a module with a docstring and run(), and a name below."""

import ast
from importlib import import_module
from pathlib import Path

BENCHMARKS = ("closed_form", "cross_entropy", "deviation", "import_time", "large", "linear_probe", "recorder",
              "tangent_kernel")


def load(name):
    """The module of a benchmark; some bring PyTorch, which is loaded then and not before."""
    return import_module(f"benchmarks.{name}")


def question(name):
    """What a benchmark measures: its module's docstring, read without loading it."""
    return ast.get_docstring(ast.parse((Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")))
