"""Training that is recorded is bit-identical to training that is not, for every kind of weight, and what is recorded is
the weight that the next pass uses."""

import random
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch
import torch.distributed.tensor
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from eigenkd.torch import Recorder, basis_of, is_fixed, layer_names

STEPS = 5
x = torch.from_numpy(np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32))
images = torch.from_numpy(np.random.default_rng(1).normal(size=(12, 1, 5, 5)).astype(np.float32))
tokens = torch.from_numpy(np.random.default_rng(2).integers(7, size=(12, 4)))


class Counted(nn.Module):
    """A parametrization whose state moves whenever it is evaluated, in a buffer, a number and a list."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.tensor(1.0))
        self.number, self.kept = 1, []

    def forward(self, weight):
        self.calls += 1
        self.number += 1
        self.last = weight / self.calls / self.number  # not a leaf
        self.kept.append(1)
        return self.last / len(self.kept)


class Conv1D(nn.Module):
    """As GPT-2 has it: its weight is (inputs, outputs)."""

    def __init__(self, nf, nx):
        super().__init__()
        self.nf, self.nx = nf, nx
        self.weight, self.bias = nn.Parameter(torch.randn(nx, nf) / 3), nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return torch.addmm(self.bias, x, self.weight)


class Attended(nn.Module):
    """Two tokens made of the features, which attend to one another, or to features of other sizes."""

    def __init__(self, **sizes):
        super().__init__()
        self.embed, self.sizes = nn.Linear(5, 8), sizes
        self.attention = nn.MultiheadAttention(4, 2, dropout=0.1, batch_first=True, **sizes)

    def forward(self, x):
        query = self.embed(x).reshape(-1, 2, 4)
        key = torch.cat([query, query], dim=2)[..., :self.sizes.get("kdim", 4)]
        value = query[..., :self.sizes.get("vdim", 4)]
        return self.attention(query=query, key=key, value=value)[0].flatten(1)


class Tied(nn.Module):
    """An embedding whose weight is the head's too, which has a second name."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(7, 6), nn.Linear(6, 7, bias=False)
        self.head.weight = self.embedding.weight
        self.same = self.head

    def forward(self, tokens):
        return self.head(self.embedding(tokens).mean(dim=1))


def linear(change=lambda layer: layer):
    return nn.Sequential(nn.Linear(5, 6), nn.ReLU(), change(nn.Linear(6, 4)), nn.Dropout(0.2))


def convolution(change=lambda layer: layer):
    return nn.Sequential(change(nn.Conv2d(1, 3, 2)), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(48, 4))


def custom(layer):
    parametrize.register_parametrization(layer, "weight", Counted(), unsafe=True)
    return layer


def pruned(layer):
    prune.l1_unstructured(layer, "weight", 0.4)
    return prune.random_unstructured(layer, "weight", 0.2)


def initialised(network, inputs):
    network(inputs)
    return network


def spectral_attention():
    network = Attended()
    parametrizations.spectral_norm(network.attention, "in_proj_weight")
    return network


def rows(begin, end):
    return lambda weight: weight[begin:end]


def flat(weight):
    return weight.flatten(1)


def transposed(weight):
    return weight.T


# name -> (network, the recorded layer, inputs, shape of the weight as torch's function takes it, that one -> W)
KINDS = {
    "linear": (linear, "2", x, (4, 6), flat),
    "convolution": (convolution, "0", images, (3, 1, 2, 2), flat),
    "embedding": (Tied, "embedding", tokens, (7, 6), transposed),
    "tied, by its second name": (Tied, "same", tokens, (7, 6), flat),
    "old weight_norm": (lambda: linear(nn.utils.weight_norm), "2", x, (4, 6), flat),
    "old weight_norm of a convolution": (lambda: convolution(nn.utils.weight_norm), "0", images, (3, 1, 2, 2), flat),
    "old spectral_norm": (lambda: linear(nn.utils.spectral_norm), "2", x, (4, 6), flat),
    "old spectral_norm of a convolution": (lambda: convolution(nn.utils.spectral_norm), "0", images, (3, 1, 2, 2),
                                           flat),
    "weight_norm": (lambda: linear(parametrizations.weight_norm), "2", x, (4, 6), flat),
    "spectral_norm": (lambda: linear(parametrizations.spectral_norm), "2", x, (4, 6), flat),
    "orthogonal": (lambda: linear(parametrizations.orthogonal), "2", x, (4, 6), flat),
    "both norms": (lambda: linear(lambda layer: parametrizations.spectral_norm(parametrizations.weight_norm(layer))),
                   "2", x, (4, 6), flat),
    "custom": (lambda: linear(custom), "2", x, (4, 6), flat),
    "pruned": (lambda: linear(pruned), "2", x, (4, 6), flat),
    "lazy": (lambda: initialised(nn.Sequential(nn.LazyLinear(6), nn.ReLU(), nn.LazyLinear(4)), x), "2", x, (4, 6),
             flat),
    "bfloat16": (lambda: linear().bfloat16(), "2", x.bfloat16(), (4, 6), flat),
    "float16": (lambda: linear().half(), "2", x.half(), (4, 6), flat),
    "GPT-2": (lambda: nn.Sequential(nn.Linear(5, 6), Conv1D(4, 6)), "1", x, (6, 4), transposed),
    "query": (Attended, "attention.q_proj", x, (12, 4), rows(0, 4)),
    "key": (Attended, "attention.k_proj", x, (12, 4), rows(4, 8)),
    "value": (Attended, "attention.v_proj", x, (12, 4), rows(8, 12)),
    "attention's output": (Attended, "attention.out_proj", x, (4, 4), flat),
    "key of another size": (lambda: Attended(kdim=6, vdim=3), "attention.k_proj", x, (4, 6), flat),
    "value of another size": (lambda: Attended(kdim=6, vdim=3), "attention.v_proj", x, (4, 3), flat),
    "attention with a spectral_norm": (spectral_attention, "attention.k_proj", x, (12, 4), rows(4, 8)),
    "data parallel": (lambda: nn.DataParallel(linear(parametrizations.spectral_norm)), "2", x, (4, 6), flat),
    "compiled": (lambda: torch.compile(linear(parametrizations.spectral_norm), backend="eager"), "2", x, (4, 6), flat),
    "compiled within": (lambda: nn.Sequential(torch.compile(linear(), backend="eager")), "0.2", x, (4, 6), flat),
}


def trained(make, inputs, record=lambda network: None, around=nullcontext):
    """The network after STEPS steps, its bytes and those of the random state, and the recorder, if any."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # old norms are deprecated
        network = make()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.5)
    if recorder := record(network):
        recorder.follow(optimiser)
    for _ in range(STEPS):
        with around():
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(inputs).float(), torch.arange(len(inputs)) % 4).backward()
            optimiser.step()
    kept = (*network.state_dict().values(), torch.get_rng_state())
    return network, [tensor.flatten().view(torch.uint8).numpy().tobytes() for tensor in kept], recorder


def used_weights(monkeypatch, make, inputs, shape, around):
    """The weights of that shape that each pass uses, the one after the last step included: as torch's functions are
    called with them."""
    used = []

    def watched(function):
        def call(*arguments, **named):
            used.extend(value.detach().double().clone() for value in (*arguments, *named.values())
                        if isinstance(value, torch.Tensor) and tuple(value.shape) == shape)
            return function(*arguments, **named)
        return call

    with monkeypatch.context() as patch, torch.compiler.set_stance("force_eager"):
        for place, name in ((nn.functional, "linear"), (nn.functional, "conv2d"), (nn.functional, "embedding"),
                            (nn.functional, "multi_head_attention_forward"), (torch, "addmm")):
            patch.setattr(place, name, watched(getattr(place, name)))
        network, _, _ = trained(make, inputs, lambda _: used.clear(), around)
        network(inputs)
    return used[::len(used) // (STEPS + 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_training_is_bit_identical_and_a_record_is_of_the_weight_that_the_next_pass_uses(kind, monkeypatch):
    check(*KINDS[kind], monkeypatch)


@pytest.mark.parametrize("kind", ["linear", "spectral_norm", "weight_norm", "custom"])
def test_so_it_is_where_parametrizations_are_cached(kind, monkeypatch):
    """A record is made while the cache still holds the weight of before the step."""
    check(*KINDS[kind], monkeypatch, parametrize.cached)


def check(make, name, inputs, shape, matrix, monkeypatch, around=nullcontext):
    bases = []

    def record(network):
        bases.append(basis_of(network, name, [inputs]))
        return Recorder(network, {name: bases[0]})

    _, plain, _ = trained(make, inputs, around=around)
    _, recorded, recorder = trained(make, inputs, record, around)
    assert recorded == plain
    W, V = [matrix(weight) for weight in used_weights(monkeypatch, make, inputs, shape, around)], bases[0].vectors
    expected = np.array([[(w @ V.double()).norm(dim=0).numpy(), ((w - W[0]) @ V.double()).norm(dim=0).numpy()]
                         for w in W])
    path = recorder.paths()[name]
    assert len(W) == len(path) == STEPS + 1 and path.dtype == V.numpy().dtype == np.float32
    np.testing.assert_allclose(path, expected, rtol=1e-4, atol=1e-5 * expected.max())
    assert expected[-1, 1].max() > 1e-3 * expected.max()


@pytest.fixture
def one_process():
    distributed = torch.distributed
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def test_networks_whose_weights_are_sharded_are_refused(one_process):
    mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (1,))
    network = torch.distributed.tensor.distribute_module(linear(), mesh)
    with pytest.raises(ValueError, match=r"Linear '2', whose weight is a DTensor of .*; record layers that"):
        Recorder(network, {"2": lambda trained: None})


def test_networks_wrapped_for_several_processes_are_recorded_as_they_are(one_process):
    """One process here; names with and without the wrappers' own part."""
    def make():
        return nn.parallel.DistributedDataParallel(linear(parametrizations.spectral_norm))

    def record(network):
        return Recorder(network, {name: basis_of(network, name, [x]) for name in ("2", "module.2")})

    (_, plain, _), (_, recorded, recorder) = trained(make, x), trained(make, x, record)
    paths = recorder.paths()
    assert recorded == plain and paths.keys() == {"2", "module.2"}
    np.testing.assert_array_equal(paths["2"], paths["module.2"])


def test_names_inside_of_compiled_modules_may_be_written_either_way():
    network = nn.Sequential(torch.compile(nn.DataParallel(linear()), backend="eager"))
    assert layer_names(network) == ("0.0", "0.2")
    Recorder(network, {name: basis_of(linear(), "2", [x]) for name in ("0.2", "0._orig_mod.module.2", "0._orig_mod.2")})


def test_a_child_that_is_called_module_is_no_wrapper():
    network = nn.Sequential()
    network.add_module("module", nn.Linear(5, 2))
    assert layer_names(nn.DataParallel(network)) == ("module",)
    basis = basis_of(network, "module", [x])
    Recorder(nn.DataParallel(network), {"module": basis, "module.module": basis})


def test_a_weight_that_is_drawn_in_training_is_recorded_as_evaluation_has_it():
    class Dropped(nn.Module):
        def forward(self, weight):
            return nn.functional.dropout(weight, 0.5, self.training)

    def make():
        return linear(lambda layer: parametrize.register_parametrization(layer, "weight", Dropped()))

    def record(network):
        return Recorder(network, {"2": basis_of(network, "2", [x])})

    (_, plain, _), (network, recorded, recorder) = trained(make, x), trained(make, x, record)
    weight, V = network[2].parametrizations.weight.original.detach(), recorder.seen_in["2"][0]
    assert recorded == plain
    np.testing.assert_allclose(recorder.paths()["2"][-1, 0], (weight @ V).norm(dim=0), rtol=1e-4)


@pytest.mark.parametrize("generator", [None, torch.Generator()], ids=["torch's generator", "its own"])
def test_what_a_loader_and_a_network_draw_while_a_basis_is_computed_is_drawn_again(generator):
    """The loader shuffles, the network draws in evaluation mode, the data from NumPy and Python."""
    class Noisy(nn.Module):
        def forward(self, x):
            return x + torch.randn_like(x)

    class Drawn(torch.utils.data.Dataset):
        def __len__(self):
            return 12

        def __getitem__(self, index):
            return x[index] * random.random() * np.float32(np.random.rand()), 0  # noqa: NPY002

    def states():
        own = torch.get_rng_state() if generator is None else generator.get_state()
        return (own.tolist(), torch.get_rng_state().tolist(), random.getstate(),
                np.random.get_state()[1].tolist(), np.random.get_state()[2])  # noqa: NPY002

    loader = torch.utils.data.DataLoader(Drawn(), batch_size=4, shuffle=True, generator=generator)
    network = nn.Sequential(nn.Linear(5, 5), Noisy(), nn.Linear(5, 2))
    before = states()
    basis_of(network, "2", loader)
    assert states() == before
    is_fixed(network, "2", [x, 0])
    assert states() == before
    next(iter(loader))
    assert states()[0] != before[0]
