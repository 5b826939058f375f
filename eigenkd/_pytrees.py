"""The package's objects as trees of arrays: pytrees for JAX, lists of tensors for PyTorch's functions.

A class names the fields that hold arrays, None, tuples of them, or further such objects; everything else that it holds
(a method's name, the function of an exponent) is structure, which JAX compares to decide whether to trace again.
Classes are registered with JAX when the first object is made after JAX has been imported. This module never imports JAX
itself.
"""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")

CHILDREN: dict[type, tuple[str, ...]] = {}  # class -> the names of its children
STATIC: dict[type, tuple[str, ...]] = {}  # class -> the names of its other fields
_ANNOUNCED = set()


def pytree(*children: str, static: tuple[str, ...] | None = None) -> Callable[[type[T]], type[T]]:
    """Class decorator: an object of this class is a tree with these fields as its children.

    static: the names of the other fields; those of the dataclass if left out. The decorator goes above @dataclass.
    Objects that are rebuilt from a tree are not checked, since they may hold tracers and placeholders: __init__ and
    __post_init__ are not called, and fields are set as they are. Cached properties are not part of the tree.
    """
    def decorate(cls):
        if cls not in CHILDREN:
            made = cls.__init__

            @wraps(made)
            def __init__(self, *args, **kwargs):
                announce()
                made(self, *args, **kwargs)

            cls.__init__ = __init__
        others = tuple(name for name in cls.__dataclass_fields__ if name not in children)
        CHILDREN[cls], STATIC[cls] = children, others if static is None else static
        announce()
        return cls

    return decorate


def announce():
    """Register the classes with JAX, where it has been imported."""
    if "jax" not in sys.modules or len(_ANNOUNCED) == len(CHILDREN):
        return
    from jax.tree_util import GetAttrKey, register_pytree_with_keys

    for cls in [cls for cls in CHILDREN if cls not in _ANNOUNCED]:
        _ANNOUNCED.add(cls)
        register_pytree_with_keys(
            cls, lambda tree: (tuple((GetAttrKey(name), getattr(tree, name)) for name in CHILDREN[type(tree)]),
                               _structure(tree)),
            lambda structure, children, cls=cls: _rebuilt(cls, structure, children), _parts)


def flatten(tree):
    """(arrays, rebuild) of a tree of such objects, tuples and None; rebuild(others) is the tree with other arrays."""
    arrays = []

    def taken(array, _):
        arrays.append(array)
        return ...  # `bare` keeps no array alive

    bare = mapped(tree, taken)

    def rebuild(others):
        others = iter(others)
        return mapped(bare, lambda *_: next(others))

    return arrays, rebuild


def mapped(tree: T, function: Callable[[Any, Any], Any]) -> T:
    """The tree with function(array, owner) in place of every array, owner being the object that holds it."""
    def visit(node: Any, owner: Any) -> Any:
        if type(node) in CHILDREN:
            children, structure = _parts(node)
            return _rebuilt(type(node), structure, [visit(child, node) for child in children])
        if isinstance(node, tuple):
            return _rebuilt(type(node), None, [visit(child, owner) for child in node])
        return None if node is None else function(node, owner)

    return visit(tree, None)


def _parts(tree):
    return tuple(getattr(tree, name) for name in CHILDREN[type(tree)]), _structure(tree)


def _structure(tree):
    """The names and values of the static fields."""
    return tuple((name, getattr(tree, name)) for name in STATIC[type(tree)])


def _rebuilt(cls, structure, children):
    if issubclass(cls, tuple):
        return cls(*children) if hasattr(cls, "_fields") else tuple(children)
    tree = object.__new__(cls)
    for name, value in (*structure, *zip(CHILDREN[cls], children)):
        object.__setattr__(tree, name, value)
    return tree
