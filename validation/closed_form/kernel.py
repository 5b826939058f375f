"""The tangent kernel that all outputs of a network share on average."""

import torch

from eigenkd.torch.weights import copied


def mean_tangent_kernel(network, inputs, others=None, memory=2**29):
    """(n + m, n): (1/C) sum_c <d f_c(x'_i), d f_c(x_j)>, over all parameters, of the rows x' = `inputs` (n, ...), then
    `others` (m, ...), and the columns x = `inputs`.

    The tangent kernel (n C, n C) has this one for each output and none between two outputs where the network is wide.
    memory: bytes of derivatives held at a time, twice. Sums are of the precision of the network.
    """
    network = copied(network).requires_grad_(False).eval()
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        classes = network(inputs[:1]).shape[1]
    size = max(1, memory // (inputs.element_size() * sum(p.numel() for p in parameters.values())))
    blocks = inputs.split(size)
    rows = [*blocks, *(() if others is None else others.split(size))]

    def derivatives(part, c):
        def output(parameters, x):
            return torch.func.functional_call(network, parameters, (x[None],))[0, c]

        found = torch.func.vmap(torch.func.grad(output), in_dims=(None, 0), chunk_size=512)(parameters, part)
        return torch.cat([d.flatten(1) for d in found.values()], dim=1)

    kernel = [[0.0] * len(blocks) for _ in rows]
    for c in range(classes):
        for j, block in enumerate(blocks):
            right = derivatives(block, c)
            for i, part in enumerate(rows):
                left = right if part is block else derivatives(part, c)
                kernel[i][j] = kernel[i][j] + left @ right.T
    return torch.cat([torch.cat(row, dim=1) for row in kernel]) / classes
