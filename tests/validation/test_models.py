import math

import pytest
import torch

from validation.errors import UsageError
from validation.models import (
    CNN,
    MLP,
    MODELS,
    Encoder,
    MobileNetV2,
    RandomFeatures,
    ResNet,
    TangentMLP,
    TorchvisionResNet18,
)


def test_registry_names_match():
    assert {"random_features": RandomFeatures, "mlp": MLP, "cnn": CNN, "resnet": ResNet, "mobilenet_v2": MobileNetV2,
            "torchvision_resnet18": TorchvisionResNet18, "tangent_mlp": TangentMLP, "encoder": Encoder} == MODELS
    assert all(model().title for model in MODELS.values())


def test_the_cnn_has_the_documented_layers():
    _, network = CNN(channels=(4, 6, 8), kernel=3, pool=2).build((3, 17, 12), 5)
    assert [name for name, module in network.named_children() if hasattr(module, "weight")] == [
        "conv1", "conv2", "conv3", "linear"]
    assert network(torch.zeros(2, 3, 17, 12)).shape == (2, 5)
    assert network.linear.in_features == 8 * (17 // 8) * (12 // 8) and network.conv2.weight.shape == (6, 4, 3, 3)


@pytest.mark.parametrize("values, words", [
    ({"kernel": 4}, "--model.kernel: expected an odd size, got 4"),
    ({"channels": ()}, "--model.channels: expected one positive number per convolution"),
    ({"channels": (4,) * 6}, "--model.pool: expected max-pools that leave at least one of 28 x 28 pixels, got 6"),
])
def test_an_impossible_cnn_raises(values, words):
    with pytest.raises(UsageError, match=words):
        CNN(**values).build((1, 28, 28), 10)


def test_random_features_are_fixed_relu_of_gaussian_projections():
    torch.manual_seed(0)
    embed, network = RandomFeatures(features=2000, scale=2.0).build((1, 20, 20), 10)
    (weight,) = embed.parameters()
    assert weight.shape == (2000, 400) and not weight.requires_grad
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 400), rel=0.01)
    images = torch.rand(5, 1, 20, 20)
    torch.testing.assert_close(embed(images), (images.reshape(5, 400) @ weight.T).clamp(min=0))
    assert [tuple(p.shape) for p in network.parameters()] == [(10, 2000)]
    torch.testing.assert_close(network(embed(images)), embed(images) @ network.head.weight.T)


def test_mlp_layers():
    embed, network = MLP(hidden=7, layers=3).build((1, 2, 3), 4)
    assert {name: tuple(p.shape) for name, p in network.named_parameters() if name.endswith("weight")} == {
        "linear1.weight": (7, 6), "linear2.weight": (7, 7), "linear3.weight": (4, 7)}
    x = torch.randn(5, 1, 2, 3)
    hidden = network.linear1(x.reshape(5, 6)).relu()
    torch.testing.assert_close(network(embed(x)), network.linear3(network.linear2(hidden).relu()))
    assert sum(p.numel() for p in MLP().build((1, 28, 28), 10)[1].parameters()) == 784 * 1000 + 1000 + 10_010


@pytest.mark.parametrize("model", [MLP, RandomFeatures])
def test_bias_is_optional(model):
    counts = {}
    for bias in (True, False):
        embed, network = model(bias=bias).build((1, 28, 28), 10)
        counts[bias] = sum(name.endswith("bias") for name, _ in network.named_parameters())
        assert not any(p.requires_grad for p in embed.parameters())
    assert counts[True] > counts[False] == 0
