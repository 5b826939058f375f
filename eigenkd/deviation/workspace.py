"""Memory for the intermediate results of a block, kept from block to block.

A fresh array of a megabyte costs the system as long as its exponentials do: its pages are mapped and cleared each time.
"""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from array_api_compat import is_numpy_array

from eigenkd.typing import Array

_kept = threading.local()


class Workspace:
    """Runs functions of NumPy into arrays that the thread keeps, one for each name; those of other libraries as they
    are. A result is overwritten by the next block, so what a block leaves has to be a reduction of it."""

    def __init__(self, name: Any, like: Array) -> None:
        self._name, self.reuses = name, is_numpy_array(like)

    def __call__(self, name: str, function: Callable[..., Array], *args: Any) -> Array:
        """function(*args) of floating-point arrays, the first of which has the shape and the dtype of the result."""
        if not self.reuses:
            return function(*args)
        buffers, like = _kept.__dict__, args[0]
        key = (self._name, name, like.dtype)
        if key not in buffers or buffers[key].size < like.size:
            buffers[key] = np.empty(like.size, like.dtype)
        return function(*args, out=buffers[key][: like.size].reshape(like.shape))
