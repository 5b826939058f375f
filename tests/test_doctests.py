"""The examples in docstrings run, and print what they say."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import eigenkd

MODULES = [found.name for found in pkgutil.walk_packages(eigenkd.__path__, "eigenkd.") if "__main__" not in found.name]


@pytest.mark.parametrize("name", ["eigenkd", *MODULES])
def test_examples_of(name):
    assert doctest.testmod(import_module(name)).failed == 0
