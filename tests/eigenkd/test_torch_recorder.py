"""Recorders next to plain loops, next to the closed form, and without a trace in training."""

import numpy as np
import pytest
import torch
from torch import nn

from eigenkd import linear_flow, projection
from eigenkd.torch import Recorder, basis_of


@pytest.fixture
def inputs():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32))


def two_layers():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2))


def norms(weight, vectors):
    return [np.linalg.norm(weight @ v) for v in np.asarray(vectors).T]


def test_recorder_follows_the_weights_and_how_far_they_are_from_their_start(inputs):
    network = two_layers()
    basis = basis_of(network, "0", [inputs])
    recorder = Recorder(network, {"0": basis})
    start, expected = network[0].weight.detach().numpy().copy(), []
    for step in range(3):
        recorder(step)
        W = network[0].weight.detach().numpy()
        expected.append([norms(W, basis.vectors), norms(W - start, basis.vectors)])
        network[0].weight.data.add_(torch.randn(3, 5))
    paths = recorder.paths()["0"]
    np.testing.assert_allclose(paths, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(paths[:, 0], [projection.components(start, basis), *paths[1:, 0]], rtol=1e-5)


def test_a_small_displacement_keeps_its_digits(inputs):
    """Where the weights' own components are a million times larger."""
    network = nn.Sequential(nn.Linear(5, 3, bias=False))
    network[0].weight.data.fill_(1.0)
    basis = basis_of(network, "0", [inputs])
    recorder = Recorder(network, {"0": basis})
    network[0].weight.data[0, 0] += 2.0**-20  # exactly
    recorder(0)
    np.testing.assert_allclose(recorder.paths()["0"][0, 1], 2.0**-20 * np.abs(np.asarray(basis.vectors)[0]), rtol=1e-5)


def test_recorder_may_leave_out_steps(inputs):
    network = nn.Sequential(nn.Linear(5, 3))
    recorder = Recorder(network, {"0": basis_of(network, "0", [inputs])}, every=3)
    for step in range(8):
        network[0].weight.data.fill_(step)
        recorder(step)
    rows = recorder.paths()["0"]
    assert rows.shape == (3, 2, 5)
    np.testing.assert_allclose(rows[2, 0], 2 * rows[1, 0], rtol=1e-5)  # steps 0, 3 and 6
    np.testing.assert_array_equal(rows[0, 0], 0)


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_basis_that_comes_late_gives_the_path_that_an_early_one_does(inputs, interrupted):
    network = two_layers()
    basis = basis_of(network, "2", [inputs])
    seen = []
    early = Recorder(network, {"2": basis})
    late = Recorder(network, {"2": lambda trained: seen.append(trained) or basis})
    for step in range(4):
        if interrupted and step == 2:
            tensors, late = late.tensors(), Recorder(network, {"2": lambda trained: basis})
            late.start = {name: tensors[name][0] for name in tensors}  # a run that goes on begins with the same weights
            late.restore(tensors)
        early(step), late(step)
        network[2].weight.data.add_(torch.randn(2, 3))
    np.testing.assert_array_equal(early.paths()["2"], late.paths()["2"])
    assert interrupted or seen == [network]
    np.testing.assert_array_equal(late.paths()["2"], early.paths()["2"])


@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.Adam])
def test_training_has_the_same_bits_with_a_recorder_and_without(inputs, optimiser):
    ends, records = [], []
    for recorded in (False, True):
        network, labels = two_layers(), torch.arange(12) % 2
        network.append(nn.Dropout(0.3))
        torch.manual_seed(1)
        steps = optimiser(network.parameters(), lr=0.05)
        if recorded:
            recorder = Recorder(network, {"0": basis_of(network, "0", [inputs]),
                                          "2": lambda trained: basis_of(trained, "2", [inputs])})
            handle = recorder.follow(steps)
        for _ in range(7):
            steps.zero_grad()
            nn.functional.cross_entropy(network(inputs), labels).backward()
            steps.step()
        if recorded:
            handle.remove()
            steps.step()  # is not noted any more
            records = [len(path) for path in recorder.paths().values()]
        else:
            steps.step()
        ends.append([parameter.detach().numpy().tobytes() for parameter in network.parameters()]
                    + [torch.get_rng_state().numpy().tobytes()])
    assert ends[0] == ends[1] and records == [8, 8]


def test_a_linear_network_in_small_steps_goes_where_linear_flow_says(inputs):
    """Teacher and student, both definitions, to 1e-3: what the recorder notes is the theory's [beta(t)]_k."""
    X, y = inputs.double(), torch.from_numpy(np.random.default_rng(1).normal(size=(12, 2)))
    flow = linear_flow(X.numpy(), y.numpy())
    rate, steps = 1e-4 / float(flow.spectrum.eigenvalues[0]), 20_000
    network = nn.Sequential(nn.Linear(5, 2, bias=False, dtype=torch.float64))
    basis, targets = basis_of(network, "0", [X]), y
    for _ in ("teacher", "student"):
        nn.init.zeros_(network[0].weight)
        recorder = Recorder(network, {"0": basis}, every=steps // 20)
        with torch.no_grad():
            for step in range(steps + 1):  # gradient descent on (1/2) ||X W^T - targets||^2, by hand
                recorder(step)
                network[0].weight -= rate * (X @ network[0].weight.T - targets).T @ X
        path, times = recorder.paths()["0"], rate * np.arange(21) * (steps // 20)
        fit = flow.teacher(times) if targets is y else flow.student(times, teacher_time=rate * (steps + 1))
        expected = np.linalg.norm(fit.components, axis=-1)
        for row in path.transpose(1, 0, 2):
            np.testing.assert_allclose(row, expected, rtol=1e-3, atol=1e-12)
        targets = network(X).detach()


def test_recorder_refuses_what_it_cannot_project(inputs):
    network = two_layers()
    basis = basis_of(network, "0", [inputs])
    with pytest.raises(ValueError, match=r"layers: expected linear .* has 0, 2, got 'first'; pass names"):
        Recorder(network, {"first": basis})
    with pytest.raises(ValueError, match=r"bases: expected a layer on the basis's 5 inputs, got '2' on 3"):
        Recorder(network, {"2": basis})
    for every in (0, 2.5, "ten"):
        with pytest.raises(ValueError, match=f"every: expected 1 step or more between records, got {every!r}; pass 1"):
            Recorder(network, {"0": basis}, every=every)
    recorder = Recorder(network, {"0": basis})
    assert recorder.paths() == {}  # it was never called
    network[0].weight.data[0, 0] = torch.nan
    with pytest.raises(ValueError, match="learning rate: expected finite weights, got others in 0 after step 4"):
        recorder(4)


class Own(nn.Linear):
    def forward(self, x):
        return super().forward(x / 2)


class Random(nn.Module):
    def forward(self, weight):
        return weight + torch.randn_like(weight)


class Quantised(nn.Module):
    """As torch.ao.nn.quantized.Linear, no linear layer of torch.nn."""

    def weight(self):
        return torch.zeros(3, 5)


def made_elsewhere():
    layer = nn.Linear(5, 3)
    weight = nn.Parameter(layer.weight.detach().clone())
    del layer._parameters["weight"]
    layer.register_parameter("stored", weight)
    layer.weight = weight * 2
    return layer


def with_weight(weight):
    layer = nn.Linear(5, 3)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return layer


@pytest.mark.parametrize("layer, words", [
    (lambda: nn.LazyLinear(3), "whose size is known, got '0', a LazyLinear that has not seen an input; call the"),
    (lambda: nn.Linear(5, 3, device="meta"), r"got Linear '0', whose weight is .* on meta; record layers that are not"),
    (lambda: with_weight(torch.zeros(8, 1, dtype=torch.uint8)), r"weight is a Tensor of torch.uint8, .*, \(8, 1\)"),
    (lambda: with_weight(torch.zeros(3, 5).to(torch.float8_e4m3fn)), "whose weight is a Tensor of torch.float8_e4m3fn"),
    (lambda: with_weight(torch.zeros(3, 5).to_sparse()), "of torch.float32, torch.sparse_coo"),
    (lambda: with_weight(torch.zeros(15)), r"torch.strided, \(15,\), on cpu"),
    (lambda: nn.utils.parametrize.register_parametrization(nn.Linear(5, 3), "weight", Random()),
     r"layers: expected a weight that is a function of parameters, .* \(Random\) draws random numbers in evaluation"),
    (made_elsewhere, "got Linear.weight, a plain tensor that is made elsewhere; register what makes it with torch.nn"),
    (Quantised, "the network has none, got '0', a .*Quantised; pass names of these"),
    (lambda: nn.Bilinear(5, 5, 3), "the network has none, got '0', a Bilinear; pass names of these"),
])
def test_layers_that_cannot_be_recorded_are_refused_before_the_training(layer, words):
    network = nn.Sequential(layer())
    for refused in (lambda: Recorder(network, {"0": lambda trained: None}), lambda: basis_of(network, "0", [])):
        with pytest.raises(ValueError, match=words):
            refused()


def test_a_forward_of_its_own_is_said_to_be_out_of_sight(inputs):
    network = nn.Sequential(Own(5, 3))
    with pytest.warns(UserWarning, match=r"'0', a .*Own, has a forward\(\) of its own; its weight is recorded"):
        Recorder(network, {"0": basis_of(nn.Sequential(nn.Linear(5, 3)), "0", [inputs])})


@pytest.mark.parametrize("bases, words", [
    (["0"], r"bases: expected a dictionary, layer's name -> Eigenbasis, got a list; pass \{name: basis_of"),
    ({"0": torch.eye(5)}, "bases: expected an Eigenbasis for '0', or a function .*, got a Tensor; pass basis_of"),
])
def test_bases_of_other_types_are_refused(bases, words):
    with pytest.raises(ValueError, match=words):
        Recorder(two_layers(), bases)


def test_a_late_basis_that_fails_loses_nothing(inputs):
    network, found = two_layers(), [None]
    recorder = Recorder(network, {"0": lambda trained: found[0]})
    recorder(0)
    with pytest.raises(ValueError, match=r"bases: expected an Eigenbasis for '0', or a function .*, got a NoneType"):
        recorder.paths()
    found[0] = basis_of(network, "0", [inputs])
    assert recorder.paths()["0"].shape == (1, 2, 5)


def test_bases_of_numpy_and_networks_that_change_their_precision_are_projected_all_the_same(inputs):
    network = two_layers()
    basis = projection.eigenbasis(inputs.double().numpy())
    recorder = Recorder(network, {"0": basis})
    for step, kind in enumerate((torch.float64, torch.float32, torch.bfloat16)):
        network.to(kind)
        recorder(step)
    expected = norms(network[0].weight.detach().double().numpy(), basis.vectors)
    np.testing.assert_allclose(recorder.paths()["0"][:, 0], [expected] * 3, rtol=0.01)
    np.testing.assert_allclose(recorder.paths()["0"][2, 0], expected, rtol=1e-5)


def test_records_inside_of_autocast_have_all_their_digits(inputs):
    network = two_layers()
    recorder = Recorder(network, {"0": basis_of(network, "0", [inputs])})
    recorder(0)
    with torch.autocast("cpu", torch.bfloat16):
        recorder(1)
    path = recorder.paths()["0"]
    np.testing.assert_array_equal(path[0], path[1])
    assert path.dtype == np.float32
