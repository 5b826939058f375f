import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, vmap

from validation.device import threads
from validation.errors import UsageError
from validation.models import MobileNetV2, ResNet, TorchvisionResNet18
from validation.seeding import local_default

LARGE = (64, 128, 256, 512)
CIFAR, TINY, IMAGENET = (3, 32, 32), (3, 64, 64), (3, 224, 224)
SMALL = [ResNet(depth=8, widths=(4, 6, 8)), ResNet(depth=8, widths=(4, 6, 8), shortcut="padding"),
         ResNet(depth=18, widths=(4, 6, 8, 10)), ResNet(depth=50, widths=(2, 3, 4, 5), stem="7x7"),
         MobileNetV2(strides=(1, 1, 1, 2, 2, 1, 2, 1)), TorchvisionResNet18()]
NAMES = ["basic", "padding", "large basic", "bottleneck", "mobilenet", "torchvision"]


@pytest.fixture(autouse=True)
def one_thread():
    with threads(1):
        yield


def built(model, shape=CIFAR, classes=10, seed=0):
    with local_default(seed, "test"):
        embed, network = model.build(shape, classes)
    assert isinstance(embed, nn.Identity)
    return network


def sizes(model, shape, classes):
    """The number of parameters and the shape of two examples' logits, on the meta device."""
    with torch.device("meta"):
        network = built(model, shape, classes).eval()
        return sum(p.numel() for p in network.parameters()), tuple(network(torch.empty(2, *shape)).shape)


# Million parameters as published: He et al. (2016) for 10 classes of CIFAR, with shortcuts without parameters; the
# paper for 100 classes; timm (resnetv2_50) and torchvision for ImageNet. For other images or fewer classes, the
# parameters that the stem and the last layer lack are subtracted.
@pytest.mark.parametrize(("model", "shape", "classes", "published", "exactly"), [
    (ResNet(depth=20, shortcut="padding"), CIFAR, 10, 0.27, 269_722),
    (ResNet(depth=56, shortcut="padding"), CIFAR, 10, 0.85, 853_018),
    (ResNet(depth=110, shortcut="padding"), CIFAR, 10, 1.73, 1_727_962),
    (ResNet(depth=20), CIFAR, 100, 0.28, 278_132),
    (ResNet(depth=56), CIFAR, 100, 0.86, 861_428),
    (ResNet(depth=56, shortcut="padding"), CIFAR, 100, 0.86, 858_868),
    (ResNet(depth=50, widths=LARGE, stem="7x7"), IMAGENET, 1000, 25.55, 25_549_352),
    (ResNet(depth=18, widths=LARGE, stem="7x7"), IMAGENET, 1000, 11.69, 11_687_720),
    (ResNet(depth=18, widths=LARGE), TINY, 200, 11.27, 11_687_720 - 800 * 513 - 64 * 3 * 40),
    (ResNet(depth=50, widths=LARGE), TINY, 200, 23.90, 25_549_352 - 800 * 2049 - 64 * 3 * 40),
    (MobileNetV2(), IMAGENET, 1000, 3.50, 3_504_872),
    (MobileNetV2(), CIFAR, 100, 2.35, 3_504_872 - 900 * 1281),
    (TorchvisionResNet18(), IMAGENET, 1000, 11.69, 11_689_512),
])
def test_parameter_counts_match_the_published_ones(model, shape, classes, published, exactly):
    count, logits = sizes(model, shape, classes)
    assert count == exactly and round(count / 1e6, 2) == published
    assert logits == (2, classes)


@pytest.mark.parametrize("model", SMALL, ids=NAMES)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (3, 65, 63)])
def test_networks_accept_any_channels_and_image_size(model, shape):
    network = built(model, shape, 7).eval()
    images = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    logits = network(images)
    assert logits.shape == (2, 7) and logits.isfinite().all() and not torch.equal(logits[0], logits[1])


@pytest.mark.parametrize(("model", "shape", "expected"), [
    (ResNet(depth=20), CIFAR, [(16, 32), (32, 16), (64, 8)]),
    (ResNet(depth=18, widths=LARGE), TINY, [(64, 64), (128, 32), (256, 16), (512, 8)]),
    (ResNet(depth=50, widths=LARGE), TINY, [(256, 64), (512, 32), (1024, 16), (2048, 8)]),
    (ResNet(depth=50, widths=LARGE, stem="7x7"), IMAGENET, [(256, 56), (512, 28), (1024, 14), (2048, 7)]),
])
def test_stages_have_the_papers_widths_and_sizes(model, shape, expected):
    seen = []
    with torch.device("meta"):
        network = built(model, shape).eval()
        for i in range(len(expected)):
            network.get_submodule(f"stage{i + 1}").register_forward_hook(
                lambda *arguments: seen.append(tuple(arguments[2].shape[1:])))
        network(torch.empty(1, *shape))
    assert seen == [(channels, side, side) for channels, side in expected]


@pytest.mark.parametrize(("strides", "shape", "side"), [
    ((2, 1, 2, 2, 2, 1, 2, 1), IMAGENET, 7), ((2, 1, 2, 2, 2, 1, 2, 1), CIFAR, 1),
    ((1, 1, 1, 2, 2, 1, 2, 1), CIFAR, 4), ((1, 1, 1, 1, 1, 1, 1, 1), CIFAR, 32)])
def test_mobilenet_divides_the_image_by_its_strides(strides, shape, side):
    with torch.device("meta"):
        network = built(MobileNetV2(strides=strides), shape).eval()
        assert network.features(torch.empty(1, *shape)).shape == (1, 1280, side, side)


def test_unmodified_networks_equal_torchvisions():
    from torchvision.models import mobilenet_v2, resnet18

    for model, make in ((MobileNetV2(), mobilenet_v2), (TorchvisionResNet18(), resnet18)):
        ours, theirs = built(model).eval(), make(num_classes=10)
        theirs.load_state_dict(ours.state_dict())
        images = torch.randn(2, 3, 64, 64)
        torch.testing.assert_close(ours(images), theirs.eval()(images), atol=0, rtol=0)


def norm(x, layer):
    return F.batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias, eps=1e-5)


def step(x, block, stride, layers, padding):
    """A block by the formula: norm, relu, convolution for each layer; the shortcut starts after the first relu."""
    first = branch = norm(x, block.norm1).relu()
    for i in range(1, layers + 1):
        convolution = getattr(block, f"conv{i}")
        if i > 1:
            branch = norm(branch, getattr(block, f"norm{i}")).relu()
        wide = convolution.weight.shape[2] == 3
        takes_stride = wide and (i == 1 or layers == 3)
        branch = F.conv2d(branch, convolution.weight, stride=stride if takes_stride else 1, padding=1 if wide else 0)
    if branch.shape == x.shape:
        return x + branch
    if padding:
        short = torch.zeros_like(branch)
        short[:, : x.shape[1]] = first[:, :, ::stride, ::stride]
        return short + branch
    return F.conv2d(first, block.shortcut.weight, stride=stride) + branch


@pytest.mark.parametrize("model", SMALL[:4], ids=NAMES[:4])
def test_a_residual_network_follows_the_formula(model):
    network = built(model).eval().double()
    random = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.weight.data, module.bias.data):
                tensor.normal_(generator=random)
            module.running_var.uniform_(0.5, 2, generator=random)
    images = torch.randn(2, *CIFAR, generator=random, dtype=torch.float64)
    if model.stem == "3x3":
        x = F.conv2d(images, network.stem.weight, padding=1)
    else:
        x = F.max_pool2d(F.conv2d(images, network.stem.conv.weight, stride=2, padding=3), 3, stride=2, padding=1)
    for i in range(len(model.widths)):
        for j, block in enumerate(network.get_submodule(f"stage{i + 1}")):
            x = step(x, block, 2 if i and not j else 1, 3 if model.depth == 50 else 2, model.shortcut == "padding")
    logits = norm(x, network.classifier.norm).relu().mean(dim=(2, 3)) @ network.classifier.linear.weight.T
    torch.testing.assert_close(network(images), logits + network.classifier.linear.bias)


def test_depth_counts_layers_with_weights_except_shortcuts():
    for model in (ResNet(depth=8), ResNet(depth=56), ResNet(depth=34, widths=LARGE), ResNet(depth=101, widths=LARGE)):
        with torch.device("meta"):
            names = [name for name, module in built(model).named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
        assert sum("shortcut" not in name for name in names) == model.depth


@pytest.mark.parametrize("model", [ResNet(depth=20), MobileNetV2(), TorchvisionResNet18()])
@pytest.mark.parametrize("channels", [1, 3])
def test_initial_weights_have_the_variance_of_he_et_al(model, channels):
    network = built(model, (channels, 32, 32))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias is None
            fan_out = module.out_channels * math.prod(module.kernel_size) // module.groups
            error = 5 / math.sqrt(2 * module.weight.numel())  # five standard deviations of the estimate, relative
            if module.groups == 1:
                assert module.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=error)
        elif isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and (module.bias == 0).all()
    assert all(module.bias.abs().max() == 0 for module in network.modules()
               if isinstance(module, nn.Linear)) or isinstance(model, TorchvisionResNet18)


@pytest.mark.parametrize("model", SMALL, ids=NAMES)
def test_a_seed_determines_the_network_and_its_outputs(model):
    one, two, other = (built(model, seed=seed).train() for seed in (0, 0, 1))
    images = torch.randn(4, *CIFAR, generator=torch.Generator().manual_seed(0))
    first = one(images)
    assert torch.equal(first, two(images)) and torch.equal(first, one(images))
    assert not torch.allclose(first, other(images))


@pytest.mark.parametrize("model", SMALL, ids=NAMES)
def test_functional_transforms_compute_per_example_gradients(model):
    network = built(model).eval().double()
    random = torch.Generator().manual_seed(0)
    images, labels = torch.randn(3, *CIFAR, generator=random, dtype=torch.float64), torch.tensor([0, 3, 9])
    parameters, buffers = dict(network.named_parameters()), dict(network.named_buffers())

    def loss(parameters, image, label):
        return F.cross_entropy(functional_call(network, (parameters, buffers), (image[None],)), label[None])

    each = vmap(grad(loss), in_dims=(None, 0, 0))({k: p.detach() for k, p in parameters.items()}, images, labels)
    F.cross_entropy(network(images), labels).backward()
    for name, parameter in parameters.items():
        assert each[name].shape == (3, *parameter.shape)
        torch.testing.assert_close(each[name].mean(dim=0), parameter.grad, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("model", SMALL, ids=NAMES)
def test_memory_format_changes_logits_only_by_rounding(model):
    network = built(model).double().train()
    images = torch.randn(4, *CIFAR, generator=torch.Generator().manual_seed(0)).double()
    plain = network(images)
    network.to(memory_format=torch.channels_last)
    seen = []
    last = [module for module in network.modules() if isinstance(module, nn.Conv2d)][-1]
    last.register_forward_hook(lambda *arguments: seen.append(arguments[2]))
    torch.testing.assert_close(network(images.to(memory_format=torch.channels_last)), plain)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("model", SMALL[:2], ids=NAMES[:2])
def test_it_compiles_to_one_graph(model):
    network = built(model).eval()
    images = torch.randn(2, *CIFAR, generator=torch.Generator().manual_seed(0))
    torch._dynamo.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(images), network(images))
    torch._dynamo.reset()


@pytest.mark.parametrize(("make", "message"), [
    (lambda: ResNet(depth=21), r"--model.depth: expected 6 n \+ 2 .*got 21; pass 8, 14"),
    (lambda: ResNet(depth=2), r"--model.depth: expected 6 n \+ 2 .*got 2"),
    (lambda: ResNet(depth=20, widths=LARGE), "--model.depth: expected one of 18, 34, 50, 101, 152 .*got 20"),
    (lambda: ResNet(widths=(16, 32)), r"--model.widths: expected three .* or four .*got \(16, 32\); pass"),
    (lambda: ResNet(widths=(16, 0, 64)), "--model.widths: expected three"),
    (lambda: MobileNetV2(strides=(2, 1, 2)), r"--model.strides: expected eight strides of 1 or 2, got \(2, 1, 2\)"),
    (lambda: MobileNetV2(strides=(2, 1, 2, 2, 2, 1, 4, 1)), "--model.strides: expected eight"),
])
def test_impossible_values_of_a_network_raise(make, message):
    with pytest.raises(UsageError, match=message):
        make()
