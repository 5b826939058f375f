"""The image settings: Table 2 row by row, what its other figures vary, and the same where CIFAR cannot be had."""

from dataclasses import dataclass, replace

from validation.data import DATASETS
from validation.models import MobileNetV2, ResNet, TorchvisionResNet18
from validation.settings import recipes
from validation.settings.recipes import Recipe
from validation.settings.setting import Eigenspace, Expected, Published, Setting, network_title
from validation.settings.sizes import EXAMPLES

RECORDS = 200
LARGE = (64, 128, 256, 512)


@dataclass(frozen=True)
class Network:
    """A network, the GFLOP that a training step takes for one image of `side` pixels squared, and how many such images
    an H100 is estimated to train on in a second."""

    model: object
    gflop: float
    side: int
    on_gpu: float


RESNET8 = Network(ResNet(depth=8), 0.075, 32, 90_000)
RESNET20 = Network(ResNet(depth=20), 0.245, 32, 50_000)
RESNET56 = Network(ResNet(depth=56), 0.75, 32, 20_000)
MOBILENET = Network(MobileNetV2(), 0.04, 32, 40_000)
RESNET18 = Network(ResNet(depth=18, widths=LARGE), 13.4, 64, 8_000)
RESNET50 = Network(ResNet(depth=50, widths=LARGE), 31.0, 64, 3_500)
TORCHVISION_RESNET18 = Network(TorchvisionResNet18(), 10.9, 224, 3_000)

ON_CPU = 35.0  # GFLOP a second, as ResNet-8 on MNIST went on one core, evaluation included


def distil(name, title, recipe: Recipe, teacher: Network, student: Network | None = None, train=None, test=None,
           guesses=None, on_cpu=None):
    """The `Setting` of a row: student None is self-distillation; train, test: the paper's accuracies in per cent;
    on_cpu: seconds that a seed was measured to take there."""
    networks = " to ".join(network_title(network.model) for network in (teacher, student) if network)
    named = {role: {key.replace("training.", f"{role}."): why for key, why in recipe.guesses.items()}
             for role in ("teacher", "student")}
    analysis = recorded(recipe, teacher)
    named = named["teacher"] | named["student"] | _of_models(recipe, teacher, student) | (guesses or {}) | (
        {"analysis.layers": "ours: the paper looks at no layer of a ResNet"} if analysis.layers else {})
    return Setting(
        name=name, title=f"{title}, {networks}", data=recipe.data, model=teacher.model,
        student_model=None if student is None else student.model, teacher=recipe.training, student=recipe.training,
        distillation=recipe.distillation, evaluation=recipe.evaluation, analysis=analysis,
        published=None if train is None else Published(train, test),
        guesses={key: why for key, why in named.items() if why},
        expected=Expected(on_cpu or _seconds(recipe, teacher, student, _on_cpu),
                          _seconds(recipe, teacher, student, _on_gpu), ("cpu",) if on_cpu else ()))


def recorded(recipe, teacher):
    """What is looked at in the eigenspace of a ResNet for small images: its first convolution, the first, middle and
    last of the stages, and the classifier, about `RECORDS` times in a training. Of a student that is another network
    nothing is, but its teacher serves others."""
    if not isinstance(teacher.model, ResNet) or len(teacher.model.widths) != 3:
        return Eigenspace()
    blocks = (teacher.model.depth - 2) // 6
    steps = recipe.training.epochs * EXAMPLES[recipe.data.name][0] / recipe.training.batch_size
    return Eigenspace(every=max(1, round(steps / RECORDS)), layers=(
        "stem", "stage1.0.conv1", f"stage2.{blocks // 2}.conv1", f"stage3.{blocks - 1}.conv2", "classifier.linear"))


def _of_models(recipe, teacher, student):
    """The guesses about networks: a recipe's on a stem go to the ResNets that have one."""
    stem, found = recipe.guesses.get("model.stem"), {"model.stem": None}
    for part, network in (("model", teacher), ("student_model", student)):
        if network is MOBILENET:
            found[f"{part}.strides"] = "ImageNet's, unmodified, as the paper's low accuracies suggest"
        elif network is not None and isinstance(network.model, ResNet):
            found[f"{part}.shortcut"] = "zeros in place of projections have the published parameter counts too, rounded"
            found |= {f"{part}.stem": stem} if stem else {}
    return found


def _seconds(recipe, teacher, student, rate):
    """What both trainings take at rate(network, pixels) images a second; answering costs a third of a step."""
    _, height, width = DATASETS[recipe.data.name].SHAPE
    images = recipe.training.epochs * EXAMPLES[recipe.data.name][0]
    steps = [teacher] + ([student, student] if student else [teacher])
    return round(images * (sum(1 / rate(network, height * width) for network in steps)
                           + 1 / rate(teacher, height * width) / 3))


def _on_cpu(network, pixels):
    return ON_CPU / (network.gflop * pixels / network.side**2)


def _on_gpu(network, pixels):
    return network.on_gpu * network.side**2 / pixels


def _switched(recipe, switch, **when):
    return replace(recipe, distillation=replace(recipe.distillation, switch=switch, **when))


def _trained(recipe, **changes):
    return replace(recipe, training=replace(recipe.training, **changes))


HALFWAY = {"distillation.switch_epoch": "in the middle of the training",
           "distillation.switch_window": "not in the paper: at once"}
FIGURE = "not a row of Table 2: "
IMAGENET_TRAIN, IMAGENET_TEST = (78.0, 78.0), (69.35, 69.35)

SETTINGS = (
    # Table 2
    distil("resnet_cifar10", "CIFAR-10", recipes.CIFAR10, RESNET56, None,
           (100.00, 100.00, 100.00), (93.72, 93.72, 93.9)),
    distil("resnet56_resnet20_cifar10", "CIFAR-10", recipes.CIFAR10, RESNET56, RESNET20,
           (100.00, 99.95, 99.60), (93.72, 91.83, 92.94)),
    distil("resnet56_mobilenet_cifar10", "CIFAR-10", recipes.CIFAR10, RESNET56, MOBILENET,
           (100.00, 100.00, 99.96), (93.72, 85.11, 87.81)),
    distil("mobilenet_cifar10", "CIFAR-10", recipes.CIFAR10, MOBILENET, None,
           (100.00, 100.00, 100.00), (85.11, 85.11, 86.76)),
    distil("resnet_cifar100", "CIFAR-100", recipes.CIFAR100, RESNET56, None,
           (99.97, 99.97, 97.01), (72.52, 72.52, 74.55)),
    distil("resnet56_resnet20_cifar100", "CIFAR-100", recipes.CIFAR100, RESNET56, RESNET20,
           (99.97, 94.31, 84.48), (72.52, 67.52, 70.87)),
    distil("mobilenet_cifar100", "CIFAR-100", recipes.CIFAR100, MOBILENET, None,
           (99.97, 99.97, 99.96), (54.32, 54.32, 56.32)),
    distil("resnet56_mobilenet_cifar100", "CIFAR-100", recipes.CIFAR100, RESNET56, MOBILENET,
           (99.97, 99.97, 99.56), (72.52, 54.32, 62.40)),
    distil("resnet_cifar100_v2", "CIFAR-100 v2", recipes.CIFAR100_V2, RESNET56, None,
           (96.40, 96.40, 87.61), (73.62, 73.62, 74.40)),
    distil("resnet_cifar100_noisy", "CIFAR-100 noisy", recipes.CIFAR100_NOISY, RESNET56, None,
           (99.9, 99.9, 95.6), (69.8, 69.8, 72.7)),
    distil("resnet56_resnet20_cifar100_noisy", "CIFAR-100 noisy", recipes.CIFAR100_NOISY, RESNET56, RESNET20,
           (99.9, 91.4, 82.8), (69.8, 64.9, 69.2)),
    distil("resnet_tiny_imagenet", "Tiny-ImageNet", recipes.TINY_IMAGENET, RESNET50, None,
           (98.62, 98.62, 94.84), (66.0, 66.0, 66.44)),
    distil("resnet50_resnet18_tiny_imagenet", "Tiny-ImageNet", recipes.TINY_IMAGENET, RESNET50, RESNET18,
           (98.62, 93.51, 91.09), (66.0, 62.78, 63.98)),
    distil("resnet50_mobilenet_tiny_imagenet", "Tiny-ImageNet", recipes.TINY_IMAGENET, RESNET50, MOBILENET,
           (98.62, 89.34, 87.90), (66.0, 62.75, 63.97)),
    distil("mobilenet_tiny_imagenet", "Tiny-ImageNet", recipes.TINY_IMAGENET, MOBILENET, None,
           (89.34, 89.34, 82.26), (62.75, 62.75, 63.28)),
    distil("resnet_imagenet", "ImageNet, full", recipes.IMAGENET, TORCHVISION_RESNET18, None,
           (*IMAGENET_TRAIN, 72.90), (*IMAGENET_TEST, 69.35)),
    distil("resnet_imagenet_late", "ImageNet, one-hot then distilled",
           _switched(recipes.IMAGENET, "to_distillation", switch_epoch=45), TORCHVISION_RESNET18, None,
           (*IMAGENET_TRAIN, 71.65), (*IMAGENET_TEST, 68.3),
           HALFWAY | {"distillation.switch": "late distillation: one-hot first"}),
    distil("resnet_imagenet_early", "ImageNet, distilled then one-hot",
           _switched(recipes.IMAGENET, "to_one_hot", switch_epoch=45), TORCHVISION_RESNET18, None,
           (*IMAGENET_TRAIN, 79.1), (*IMAGENET_TEST, 69.75),
           HALFWAY | {"distillation.switch": "early distillation: one-hot afterwards"}),
    # Other figures
    distil("resnet_cifar100_long", "CIFAR-100, 50k steps",
           _trained(recipes.CIFAR100, epochs=1042, decay_epochs=(463, 695, 926)), RESNET56, guesses={
               f"{role}.decay_epochs": FIGURE + "the shares of the training that they are of 450 epochs"
               for role in ("teacher", "student")}),
    distil("resnet_cifar100_small_batch", "CIFAR-100, batches of 128",
           _trained(recipes.CIFAR100, batch_size=128, learning_rate=0.1), RESNET56),
    distil("resnet_cifar100_to_one_hot", "CIFAR-100, distilled then one-hot",
           _switched(recipes.CIFAR100, "to_one_hot", switch_step=15_000), RESNET56),
    distil("resnet_cifar100_to_distillation", "CIFAR-100, one-hot then distilled",
           _switched(recipes.CIFAR100, "to_distillation", switch_step=15_000), RESNET56),
    distil("resnet_cifar100_half_teacher", "CIFAR-100, a teacher of one half",
           replace(recipes.CIFAR100, data=replace(recipes.CIFAR100.data, taught_share=0.5)), RESNET56, guesses={
               "data.taught_share": FIGURE + "Fig. 4b has a teacher that interpolates on half of the data"}),
    # Where CIFAR cannot be had
    distil("resnet_fashion_mnist", "Fashion-MNIST", recipes.FASHION_MNIST, RESNET56),
    distil("resnet20_fashion_mnist", "Fashion-MNIST", recipes.FASHION_MNIST, RESNET20),
    distil("resnet56_resnet20_fashion_mnist", "Fashion-MNIST", recipes.FASHION_MNIST, RESNET56, RESNET20),
    distil("mobilenet_fashion_mnist", "Fashion-MNIST", recipes.FASHION_MNIST, MOBILENET),
    distil("resnet20_mnist", "MNIST", recipes.MNIST, RESNET20),
    distil("resnet20_resnet8_mnist", "MNIST", recipes.MNIST, RESNET20, RESNET8),
    distil("resnet8_mnist", "MNIST", recipes.MNIST, RESNET8, on_cpu=347),
    distil("resnet8_mnist_noisy", "NoisyMNIST", recipes.MNIST_NOISY, RESNET8),
    distil("resnet8_digits", "scikit-learn's digits", recipes.DIGITS, RESNET8, on_cpu=16),
    distil("resnet20_digits", "scikit-learn's digits", recipes.DIGITS, RESNET20, on_cpu=44),
    distil("resnet56_digits", "scikit-learn's digits", recipes.DIGITS, RESNET56, on_cpu=106),
)
