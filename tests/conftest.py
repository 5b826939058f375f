"""Fixtures shared by all tests: the three array libraries, and hypothesis without deadlines (two slow cores)."""

import os
from dataclasses import dataclass
from typing import Any

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

jax.config.update("jax_enable_x64", True)
# New random examples in every run, except in CI, where a failure must come from the change under test.
hypothesis.settings.register_profile("eigenkd", deadline=None, max_examples=60,
                                     derandomize=os.environ.get("CI") == "true")
hypothesis.settings.load_profile("eigenkd")


@dataclass(frozen=True)
class Library:
    """An array library: a function that creates its arrays, and the required type of results."""

    name: str
    asarray: Any
    array_type: type


LIBRARIES = (
    Library("numpy", np.asarray, np.ndarray),
    Library("jax", jnp.asarray, jax.Array),
    Library("torch", lambda values: torch.asarray(np.asarray(values, order="C")), torch.Tensor),
)


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.name)
def library(request):
    return request.param


@pytest.fixture(scope="module", autouse=True)
def clear_compiled_programs():
    """Programs that JAX compiled for one module are not reused by others, and add up to gigabytes."""
    yield
    jax.clear_caches()
