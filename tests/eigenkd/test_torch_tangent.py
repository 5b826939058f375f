"""Tangent kernels against plain derivatives, output by output."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from eigenkd.torch import last_hidden, tangent_kernel


class Shared(nn.Module):
    """A network whose one layer is called twice."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(torch.tanh(self.layer(x)))


class Reused(nn.Module):
    """A network that uses the weight of a layer that it calls a second time, without a call."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        return torch.tanh(self.layer(x)) @ self.layer.weight


class Scaled(nn.Linear):
    """x -> scale * W x."""

    scale = 0.5

    def forward(self, x):
        return nn.functional.linear(x, self.weight) * self.scale


class Squared(nn.Linear):
    """x -> (W * W) x + b."""

    def forward(self, x):
        return nn.functional.linear(x, self.weight**2, self.bias)


class Tied(nn.Module):
    """Two layers, one weight."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(9, 9), nn.Linear(9, 9)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


def normalised(norm):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.Sequential(norm(nn.Linear(9, 6)), nn.Tanh(), nn.Linear(6, 3))


NETWORKS = {
    "linear layers": lambda: nn.Sequential(nn.Linear(9, 6), nn.Tanh(), nn.Linear(6, 5, bias=False), nn.Linear(5, 3)),
    "scaled": lambda: nn.Sequential(Scaled(9, 20, bias=False), nn.ReLU(), Scaled(20, 3, bias=False)),
    "a forward of its own": lambda: nn.Sequential(Squared(9, 6), nn.Tanh(), nn.Linear(6, 3)),
    "convolution": lambda: nn.Sequential(nn.Unflatten(1, (1, 3, 3)), nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(),
                                         nn.Linear(8, 3)),
    "a layer called twice": lambda: nn.Sequential(nn.Linear(9, 4), Shared()),
    "a weight used twice": lambda: nn.Sequential(nn.Linear(9, 4), Reused()),
    "tied": Tied,
    "weight_norm": lambda: normalised(parametrizations.weight_norm),
    "old weight_norm": lambda: normalised(nn.utils.weight_norm),
    "spectral_norm in evaluation mode": lambda: normalised(parametrizations.spectral_norm).eval(),
    "frozen": lambda: nn.Sequential(nn.Linear(9, 6).requires_grad_(False), nn.Tanh(), nn.Linear(6, 3)),
    "compiled": lambda: torch.compile(nn.Sequential(nn.Linear(9, 3)), backend="eager"),
}


def by_plain_derivatives(network, inputs):
    network.double().requires_grad_(True)
    rows = [torch.cat([d.reshape(-1) for d in torch.autograd.grad(value, network.parameters(), retain_graph=True)])
            for value in network(inputs.double()).reshape(-1)]
    return torch.stack(rows) @ torch.stack(rows).T


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("memory", [1, 2**31])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_tangent_kernel_is_made_of_all_derivatives(name, memory):
    torch.manual_seed(0)
    network, inputs = NETWORKS[name](), torch.randn(5, 9)
    with torch.no_grad():
        network(inputs)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    trained = [parameter.requires_grad for parameter in network.parameters()]
    kernel = tangent_kernel(network, inputs, memory)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert [parameter.requires_grad for parameter in network.parameters()] == trained
    assert kernel.dtype == torch.float64 and next(network.parameters()).dtype == torch.float32
    np.testing.assert_allclose(kernel, by_plain_derivatives(network, inputs), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["linear layers", "scaled"])
def test_no_derivative_by_a_weight_is_formed_for_linear_layers(name, monkeypatch):
    monkeypatch.delattr("eigenkd.torch.tangent._by_derivatives")
    assert tangent_kernel(NETWORKS[name](), torch.randn(5, 9)).shape == (15, 15)


def test_tokens_are_whole_numbers_still():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(8, 3))
    tokens, rows = torch.tensor([[1, 2], [3, 3], [0, 6]]), []
    for value in network.double()(tokens).reshape(-1):
        rows.append(torch.cat([d.reshape(-1) for d in torch.autograd.grad(value, network.parameters(),
                                                                          retain_graph=True)]))
    np.testing.assert_allclose(tangent_kernel(network, tokens), torch.stack(rows) @ torch.stack(rows).T, rtol=1e-9)


def test_the_last_hidden_layer_is_what_the_last_linear_layer_takes_in():
    network, inputs = NETWORKS["linear layers"](), torch.randn(4, 9)
    np.testing.assert_array_equal(last_hidden(network, inputs), network[:3](inputs).detach())


class Weighted(nn.Module):
    """Uses its layer's weight without calling it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(9, 3)

    def forward(self, x):
        return x @ self.layer.weight.T


@pytest.mark.parametrize("measure, network, words", [
    (tangent_kernel, nn.ReLU(), "network: expected one with parameters, got one without; pass"),
    (tangent_kernel, nn.Sequential(nn.Linear(9, 1), nn.Flatten(0)), r"outputs \(n, C\) of the 5 .* shape \(5,\); wrap"),
    (tangent_kernel, nn.GRU(9, 3, batch_first=True), r"outputs \(n, C\) of the 1 inputs, got a tuple; wrap it"),
    (last_hidden, nn.Conv1d(9, 3, 1), "network: expected a linear layer in it, got none; pass"),
    (last_hidden, Weighted(), "network: expected one that calls its last linear layer as a module, got one that"),
])
def test_networks_without_what_is_asked_for_are_refused(measure, network, words):
    with pytest.raises(ValueError, match=words):
        measure(network, torch.randn(5, 9))
