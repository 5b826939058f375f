"""Layers by name: what they take in, and its eigendirections, against a loop over examples and positions."""

import numpy as np
import pytest
import torch
from torch import nn

from eigenkd.torch import basis_of, is_fixed, layer_names
from eigenkd.torch.layers import find


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(4, 6, 3, groups=2, dilation=2), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 1 * 1, 3))


def second_moment(basis, count):
    return (basis.vectors.double() * basis.values) @ basis.vectors.double().T / count


def test_a_linear_layer_deep_in_the_network_sees_its_own_inputs():
    net, images = network(), torch.randn(7, 2, 10, 10)
    basis = basis_of(net, "7", images.split(3))
    net.eval()
    with torch.no_grad():
        rows = net[:7](images).double()
    np.testing.assert_allclose(second_moment(basis, 1), rows.T @ rows, rtol=1e-4, atol=1e-5)
    assert basis_of(net, "7", images.split(3), directions=2).vectors.shape == (6, 2)


def test_a_convolution_sees_patches_of_its_group_as_far_apart_as_it_takes_them():
    """All positions of all images of each group, in a loop, next to 10,000 random ones."""
    net, images = network(), torch.randn(20, 2, 10, 10)
    basis = basis_of(net, "4", [images])
    net.eval()
    with torch.no_grad():
        seen = net[:4](images).double().numpy()
    patches = [image[group:group + 2, row:row + 5:2, column:column + 5:2].ravel() for image in seen
               for group in (0, 2) for row in range(1) for column in range(1)]
    expected = np.mean([np.outer(patch, patch) for patch in patches], axis=0)
    np.testing.assert_allclose(second_moment(basis, 10_000), expected, atol=0.05 * np.abs(expected).max())
    assert find(net, "4").matrix().shape == (6, 18)


@pytest.mark.parametrize("padding", [1, "same", "valid"])
def test_images_smaller_than_the_kernel_are_padded_as_the_convolution_pads_them(padding):
    net, images = nn.Sequential(nn.Conv2d(1, 2, 3, padding=padding)), torch.randn(5, 1, 2, 2)
    if padding == "valid":
        with pytest.raises(ValueError, match=r"kernel_size: expected between 1 and the image's size \(2, 2\)"):
            basis_of(net, "0", [images])
        return
    around = torch.nn.functional.pad(images, (1, 1, 1, 1)).double().numpy()
    patches = [image[:, i:i + 3, j:j + 3].ravel() for image in around for i in range(2) for j in range(2)]
    expected = np.mean([np.outer(patch, patch) for patch in patches], axis=0)
    np.testing.assert_allclose(second_moment(basis_of(net, "0", [images]), 10_000), expected,
                               atol=0.05 * np.abs(expected).max())


def test_a_convolution_over_time_is_one_over_images_of_height_one():
    net, series = nn.Sequential(nn.Conv1d(2, 3, 4)), torch.randn(6, 2, 9)
    patches = [one[:, i:i + 4].ravel() for one in series.double().numpy() for i in range(6)]
    expected = np.mean([np.outer(patch, patch) for patch in patches], axis=0)
    np.testing.assert_allclose(second_moment(basis_of(net, "0", [series]), 10_000), expected,
                               atol=0.05 * np.abs(expected).max())


def test_an_embedding_sees_one_hot_tokens():
    net = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2))
    tokens = torch.tensor([[0, 3, 3], [3, 1, 1]])
    basis = basis_of(net, "0", [tokens])
    np.testing.assert_array_equal(basis.values, [3, 2, 1])
    expected = net[0].weight[[3, 1, 0]].detach().norm(dim=1)
    np.testing.assert_allclose((find(net, "0").matrix() @ basis.vectors).norm(dim=0), expected)
    rows = net[0].weight[tokens.flatten()].detach().double()
    np.testing.assert_allclose(second_moment(basis_of(net, "1", [tokens]), 1), rows.T @ rows, rtol=1e-5, atol=1e-6)


def test_what_no_trained_parameter_feeds_is_fixed():
    net, images = network(), torch.randn(3, 2, 10, 10)
    assert is_fixed(net, "0", images) and not is_fixed(net, "4", images) and not is_fixed(net, "7", images)
    net[0].requires_grad_(False)
    net[1].requires_grad_(False)
    assert is_fixed(net, "4", images)


def test_looking_leaves_the_network_as_it_was():
    net, images = network().train(), torch.randn(3, 2, 10, 10)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    basis_of(net, "7", [images])
    is_fixed(net, "7", images)
    assert net.training and not any(module._forward_pre_hooks for module in net.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


class Keywords(nn.Module):
    """Calls its layer by keyword, and another one twice; uses a third one's weight without calling it."""

    def __init__(self):
        super().__init__()
        self.once, self.twice, self.never = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.volume, self.attention = nn.Conv3d(1, 1, 2), nn.MultiheadAttention(4, 2)

    def forward(self, x):
        return self.twice(self.twice(self.once(input=x))) @ self.never.weight


def test_a_layer_called_by_keyword_and_one_called_twice_are_seen_when_called_first():
    net, x = Keywords(), torch.randn(6, 4)
    for name, rows in (("once", x), ("twice", net.once(x))):
        rows = rows.detach().double()
        np.testing.assert_allclose(second_moment(basis_of(net, name, [x]), 1), rows.T @ rows, rtol=1e-4, atol=1e-5)


def test_a_convolution_of_ones_own_kind_is_a_convolution():
    class Own(nn.Conv2d):
        pass

    torch.manual_seed(0)
    images = torch.randn(5, 1, 4, 4)
    one, other = (basis_of(nn.Sequential(kind(1, 2, 3)), "0", [images]) for kind in (nn.Conv2d, Own))
    assert torch.equal(one.vectors, other.vectors)


def test_sequences_of_features_are_rows_of_features():
    net, x = nn.Sequential(nn.Linear(4, 3)), torch.randn(6, 5, 4)
    rows = x.reshape(30, 4).double()
    np.testing.assert_allclose(second_moment(basis_of(net, "0", [x]), 1), rows.T @ rows, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name, batches, directions, words", [
    ("idle", [torch.randn(3, 4)], None, r"layers: .* once, twice, never, attention.q_proj, .*out_proj, got 'idle'"),
    ("volume", [torch.randn(3, 4)], None, r"got 'volume', a Conv3d; pass names of these"),
    ("never", [torch.randn(3, 4)], None, "layers that the network calls as modules, got 'never', which it does not"),
    ("once", [], None, r"batches: expected one or more, got none"),
    ("once", torch.randn(3, 4), None, r"batches: expected an iterable .*, got one tensor of shape \(3, 4\); pass"),
    ("once", [torch.randn(3, 4)], 0, r"directions: expected a whole number, 1 or more, got 0; leave it out"),
    ("once", [torch.randn(3, 4)], 2.5, r"directions: expected a whole number, 1 or more, got 2.5; leave it out"),
])
def test_what_cannot_be_seen_is_refused(name, batches, directions, words):
    with pytest.raises(ValueError, match=words):
        basis_of(Keywords(), name, batches, directions)


def test_single_images_and_names_without_a_matrix_are_refused():
    net = network()
    with pytest.raises(ValueError, match=r"has 0, 4, 7, got '1', a BatchNorm2d; pass names of these"):
        find(net, "1")
    with pytest.raises(ValueError, match=r"batches: expected '0' to take in 4 dimensions, .* got shape \(2, 10, 10\)"):
        basis_of(net, "0", [torch.randn(2, 10, 10)])


class Two(nn.Module):
    """Takes in features and a mask that turns some of them off."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x, mask):
        return self.layer(x * mask)


X, Y, MASK = torch.randn(6, 4), torch.arange(6) % 2, torch.arange(4) % 2.0


@pytest.mark.parametrize("batch, inputs", [
    (X, None), ((X, Y), None), ([X, Y], None), ([X], None), ({"image": X, "label": Y}, None), (({"x": X}, Y), None),
    ({"x": X, "weights": Y, "label": Y}, "x"), ((Y, X, Y), 1), ((Y, X), lambda batch: batch[1]),
    (X.tolist(), torch.tensor), ((X, Y), lambda batch: {"input": batch[0]}), ((X, Y), lambda batch: (batch[0],)),
])
def test_inputs_are_taken_from_batches_of_any_kind(batch, inputs):
    net = nn.Sequential(nn.Linear(4, 3))
    expected = basis_of(net, "0", [X])
    found = basis_of(net, "0", [batch], inputs=inputs)
    assert torch.equal(found.values, expected.values) and torch.equal(found.vectors, expected.vectors)
    assert is_fixed(net, "0", batch, inputs)


@pytest.mark.parametrize("inputs", [lambda batch: (batch["x"], batch["mask"]),
                                    lambda batch: {"mask": batch["mask"], "x": batch["x"]}])
def test_networks_of_several_arguments_are_called_with_all(inputs):
    rows = (X * MASK).double()
    basis = basis_of(Two(), "layer", [{"x": X, "mask": MASK, "labels": Y}], inputs=inputs)
    np.testing.assert_allclose(second_moment(basis, 1), rows.T @ rows, rtol=1e-4, atol=1e-5)


def test_a_loader_of_pairs_is_taken_as_it_is():
    data = torch.utils.data.TensorDataset(X, Y)
    basis = basis_of(nn.Sequential(nn.Linear(4, 3)), "0", torch.utils.data.DataLoader(data, batch_size=4, shuffle=True))
    np.testing.assert_allclose(second_moment(basis, 1), X.double().T @ X.double(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batches, inputs, words", [
    ([(X, MASK, Y)], None, r"batches: expected tensors, \(inputs, labels\), .*, got a tuple of 3; pass inputs=, a key"),
    ([{"x": X, "mask": MASK}], None, "got a dictionary with 'x', 'mask'; pass inputs=, a key such as 'x', or a func"),
    ([X.numpy()], None, "batches: expected tensors, .*, got a ndarray; pass inputs="),
    ([{"x": X}], "y", "inputs: expected a key of the batches, got 'y' for a dictionary with 'x'; pass one of its keys"),
    ([(X, Y)], 2, "inputs: expected a key of the batches, got 2 for a tuple of 2; pass one"),
    ([(X, Y)], None, r"inputs: .* takes in \(missing a required argument: 'mask'\), got 1 .* pass a function"),
    ({"x": X}, None, "batches: expected an iterable of what the network takes in, got one dictionary; pass"),
])
def test_batches_whose_inputs_are_not_clear_are_refused(batches, inputs, words):
    with pytest.raises(ValueError, match=words):
        basis_of(Two(), "layer", batches, inputs=inputs)


def test_networks_whose_sizes_are_not_known_are_refused():
    net = nn.Sequential(nn.Linear(4, 3), nn.LazyLinear(2))
    with pytest.raises(ValueError, match="network: expected layers whose sizes are known, got some that have not"):
        basis_of(net, "0", [X])
    assert nn.parameter.is_lazy(net[1].weight)


def test_modules_that_were_in_evaluation_mode_stay_so():
    net = network().train()
    net[1].eval()
    basis_of(net, "7", [torch.randn(3, 2, 10, 10)])
    assert net.training and net[0].training and not net[1].training


class Attending(nn.Module):
    """Attention on inputs of three sizes; two of its arguments by keyword."""

    def __init__(self, **options):
        super().__init__()
        torch.manual_seed(0)
        self.attention = nn.MultiheadAttention(6, 3, **options)

    def forward(self, query, key, value):
        return self.attention(query, value=value, key=key)[0]


@pytest.mark.parametrize("sizes", [(6, 6), (5, 7)])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_projections_of_attention_see_what_they_project(sizes, batch_first, bias):
    """The output projection the heads, by the formula of attention written out for each example and head."""
    net = Attending(kdim=sizes[0], vdim=sizes[1], batch_first=batch_first, bias=bias)
    attention, parts = net.attention, [torch.randn(3, 4, 6), torch.randn(3, 5, sizes[0]), torch.randn(3, 5, sizes[1])]
    taken = parts if batch_first else [part.transpose(0, 1) for part in parts]
    W = [find(net, f"attention.{name}_proj").matrix() for name in "qkv"]
    b = (torch.zeros(18) if attention.in_proj_bias is None else attention.in_proj_bias.detach()).chunk(3)
    q, k, v = (part @ w.T + offset for part, w, offset in zip(parts, W, b))
    heads = [torch.softmax(q[i][:, h] @ k[i][:, h].T / 2**0.5, dim=1) @ v[i][:, h]
             for i in range(3) for h in (slice(0, 2), slice(2, 4), slice(4, 6))]
    side_by_side = torch.stack(heads).reshape(3, 3, 4, 2).transpose(1, 2).reshape(3, 4, 6)
    for name, rows in {**dict(zip("qkv", parts)), "out": side_by_side}.items():
        rows = rows.flatten(0, 1).double()
        basis = basis_of(net, f"attention.{name}_proj", [taken], inputs=tuple)
        np.testing.assert_allclose(second_moment(basis, 1), rows.T @ rows, rtol=1e-4, atol=1e-5)
        assert is_fixed(net, f"attention.{name}_proj", taken, tuple) == (name != "out")
    assert "out_proj" in attention._modules and "out_proj" not in vars(attention)
    assert layer_names(attention) == ("q_proj", "k_proj", "v_proj", "out_proj")


@pytest.mark.parametrize("compiled", [False, True])
def test_layers_of_a_transformer_are_seen_though_evaluation_fuses_them(compiled):
    torch.manual_seed(0)
    layer, x = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), torch.randn(6, 3, 8)
    net = nn.TransformerEncoder(layer, 2).train()
    with torch.no_grad():
        first = layer_of(net, x)
    seen = torch.compile(net, backend="eager") if compiled else net
    for name in ("layers.1.self_attn.k_proj", "layers.1.self_attn.q_proj"):
        rows = first.flatten(0, 1).double()
        np.testing.assert_allclose(second_moment(basis_of(seen, name, [x]), 1), rows.T @ rows, rtol=1e-4, atol=1e-4)
    for name in ("layers.1.self_attn.out_proj", "layers.1.linear2", "layers.0.linear1"):
        assert basis_of(seen, name, [x]).vectors.shape == ((16, 16) if "linear2" in name else (8, 8))
    assert net.training and torch.backends.mha.get_fastpath_enabled()


def layer_of(net, x):
    """What the second layer of the encoder takes in, in evaluation mode."""
    net.eval()
    first = net.layers[0](x)
    net.train()
    return first


def test_a_network_without_numbers_of_full_precision_has_a_basis_in_float32():
    net = nn.Sequential(nn.Linear(4, 3)).bfloat16()
    basis = basis_of(net, "0", [X.bfloat16()])
    rows = X.bfloat16().double()
    assert basis.vectors.dtype == torch.float32
    np.testing.assert_allclose(second_moment(basis, 1), rows.T @ rows, rtol=1e-4, atol=1e-5)


def test_a_message_has_room_for_twelve_names():
    net = nn.Sequential(*(nn.Linear(2, 2) for _ in range(20)))
    with pytest.raises(ValueError, match=r"has 0, .*, 11 and 8 more \(see eigenkd.torch.layer_names\), got '20'; pass"):
        find(net, "20")
    assert layer_names(net) == tuple(map(str, range(20)))
