"""Measurements and comparisons with existing libraries.

To add one, write a module with a docstring and run(), and list it below."""

import ast
from importlib import import_module
from pathlib import Path

BENCHMARKS = ("advisor", "closed_form", "cross_entropy", "deviation", "frozen_features", "import_time", "large",
              "linear_probe", "one_shot", "recorder", "tangent_kernel", "tokens")


def load(name):
    """The module of a benchmark, imported on demand because some need PyTorch."""
    return import_module(f"benchmarks.{name}")


def question(name):
    """What a benchmark measures: its module's docstring, read without importing the module."""
    return ast.get_docstring(ast.parse((Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")))
