"""The empirical tangent kernel of a network of linear layers, compared with the usual way through the Jacobian."""

import torch

from benchmarks.timing import machine, side_by_side
from eigenkd.torch import tangent_kernel
from validation.device import threads
from validation.models.tangent_mlp import TangentMLP

EXAMPLES, WIDTH, SHAPE, CLASSES = 64, 256, (1, 28, 28), 10


def run():
    """The record: seconds for 64 inputs of 784 pixels, ten outputs, width 256, one thread, double precision."""
    torch.manual_seed(0)
    _, network = TangentMLP(hidden=WIDTH).build(SHAPE, CLASSES)
    inputs, seen = torch.rand(EXAMPLES, 784), {}
    with threads(1):
        seconds = side_by_side({"eigenkd.torch": lambda: tangent_kernel(network, inputs),
                                "torch.func: jacrev, vmap, contraction": lambda: by_all_derivatives(network, inputs)},
                               rounds=5, seen=seen.__setitem__)
    _, theirs = seen.values()
    for name, kernel in seen.items():
        seconds[name]["difference"] = float((kernel - theirs).abs().max() / theirs.abs().max())
    return {"question": __doc__, "examples": EXAMPLES, "width": WIDTH, "classes": CLASSES, "seconds": seconds,
            "machine": machine("torch", "eigenkd")}


def by_all_derivatives(network, inputs):
    """The kernel (n C, n C) as in torch.func's tutorial: the Jacobian of each example, then the contraction."""
    parameters = {name: value.detach().double() for name, value in network.named_parameters()}

    def outputs(parameters, x):
        return torch.func.functional_call(network, parameters, (x[None],))[0]

    rows = torch.func.vmap(torch.func.jacrev(outputs), (None, 0))(parameters, inputs.double())
    jacobian = torch.cat([d.flatten(2) for d in rows.values()], dim=2).flatten(0, 1)
    return jacobian @ jacobian.T
