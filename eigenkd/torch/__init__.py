"""Measurements of layers and function space for PyTorch training loops of your own.

    basis_of(network, name, batches)            the eigenbasis of a layer's inputs
    Recorder(network, bases)                    ||W v_k|| of layers while they are trained, Eq. (62)
    layer_names(network), is_fixed(...)         which layers can be recorded; whether one's inputs stay the same
    tangent_kernel(network, inputs), last_hidden(network, inputs)

This package loads torch, so `import eigenkd` does not import it: `from eigenkd.torch import Recorder, basis_of`. The
measurements themselves, for arrays of any library, are in `eigenkd.projection`.
"""

try:
    import torch  # noqa: F401 (absolute: the library, not this package)
except ImportError as _error:
    raise ImportError("eigenkd.torch: expected PyTorch, which is missing; pip install 'eigenkd[torch]'") from _error

from eigenkd.torch.bases import basis_of, is_fixed
from eigenkd.torch.layers import layer_names
from eigenkd.torch.recorder import Recorder
from eigenkd.torch.tangent import last_hidden, tangent_kernel

__all__ = ["Recorder", "basis_of", "is_fixed", "last_hidden", "layer_names", "tangent_kernel"]
