"""The image settings: all rows of Table 2, variations in other figures, and similar settings on other data."""

from dataclasses import replace

from validation.models import MobileNetV2, ResNet, TorchvisionResNet18
from validation.settings import recipes
from validation.settings.recipes import Recipe
from validation.settings.setting import Eigenspace, PaperAccuracy, Setting

RECORDS = 200
LARGE = (64, 128, 256, 512)

RESNET8, RESNET20, RESNET56 = (ResNet(depth=depth) for depth in (8, 20, 56))
RESNET18, RESNET50 = (ResNet(depth=depth, widths=LARGE) for depth in (18, 50))
MOBILENET, TORCHVISION_RESNET18 = MobileNetV2(), TorchvisionResNet18()


def distil(name, title, recipe: Recipe, model, student_model=None, train=None, test=None, guesses=None):
    """The `Setting` of a row. student_model None is self-distillation; train, test: the paper's accuracies in per cent.
    """
    analysis = recorded(recipe, model)
    named = {key.replace("training.", f"{role}."): why for role in ("teacher", "student")
             for key, why in recipe.guesses.items()}
    named |= _of_models(recipe, model, student_model) | (guesses or {})
    if analysis.layers:
        named["analysis.layers"] = "ours: the paper analyses no layer of a ResNet"
    setting = Setting(
        name=name, title=title, data=recipe.data, model=model, student_model=student_model, teacher=recipe.training,
        student=replace(recipe.training, loss=recipe.loss), evaluation=recipe.evaluation, analysis=analysis,
        published=None if train is None else PaperAccuracy(train, test),
        guesses={key: why for key, why in named.items() if why})
    return replace(setting, title=f"{title}, {setting.networks}")


def recorded(recipe, model):
    """The layers of a ResNet for small images that are recorded, about `RECORDS` times in a training.

    They are its first convolution, the first, middle and last convolution of the stages, and the classifier. A student
    of another architecture is not recorded, but its teacher is, because other students reuse it.
    """
    if not isinstance(model, ResNet) or len(model.widths) != 3:
        return Eigenspace()
    blocks = (model.depth - 2) // 6
    steps = recipe.training.epochs * recipe.data.set.examples[0] / recipe.training.batch_size
    return Eigenspace(every=max(1, round(steps / RECORDS)), layers=(
        "stem", "stage1.0.conv1", f"stage2.{blocks // 2}.conv1", f"stage3.{blocks - 1}.conv2", "classifier.linear"))


def _of_models(recipe, model, student_model):
    """The guesses about networks; a recipe's guess about the stem applies to ResNets."""
    stem, found = recipe.guesses.get("model.stem"), {"model.stem": None}
    for part, network in (("model", model), ("student_model", student_model)):
        if network is MOBILENET:
            found[f"{part}.strides"] = "ImageNet's, unmodified, as the paper's low accuracies suggest"
        elif isinstance(network, ResNet):
            found[f"{part}.shortcut"] = "zero padding instead of projections also has the published (rounded) counts"
            found |= {f"{part}.stem": stem} if stem else {}
    return found


def _switched(recipe, terms):
    return replace(recipe, loss=replace(recipe.loss, terms=terms))


def _trained(recipe, **changes):
    return replace(recipe, training=replace(recipe.training, **changes))


HALFWAY = "an abrupt switch in the middle of the training, which the paper does not specify"
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
           _switched(recipes.IMAGENET, "one_hot to 0.1 distilled + 0.9 one_hot at epoch 45"),
           TORCHVISION_RESNET18, None,
           (*IMAGENET_TRAIN, 71.65), (*IMAGENET_TEST, 68.3),
           {"student.loss.terms": f"late distillation, one-hot first; {HALFWAY}"}),
    distil("resnet_imagenet_early", "ImageNet, distilled then one-hot",
           _switched(recipes.IMAGENET, "0.1 distilled + 0.9 one_hot to one_hot at epoch 45"),
           TORCHVISION_RESNET18, None,
           (*IMAGENET_TRAIN, 79.1), (*IMAGENET_TEST, 69.75),
           {"student.loss.terms": f"early distillation, then one-hot; {HALFWAY}"}),
    # Other figures
    distil("resnet_cifar100_long", "CIFAR-100, 50k steps",
           _trained(recipes.CIFAR100, epochs=1042, decay_epochs=(463, 695, 926)), RESNET56, guesses={
               f"{role}.decay_epochs": FIGURE + "at the same shares of the training as with 450 epochs"
               for role in ("teacher", "student")}),
    distil("resnet_cifar100_small_batch", "CIFAR-100, batches of 128",
           _trained(recipes.CIFAR100, batch_size=128, learning_rate=0.1), RESNET56),
    distil("resnet_cifar100_to_one_hot", "CIFAR-100, distilled then one-hot",
           _switched(recipes.CIFAR100, "distilled to one_hot at step 15000 over 1000 steps"), RESNET56),
    distil("resnet_cifar100_to_distillation", "CIFAR-100, one-hot then distilled",
           _switched(recipes.CIFAR100, "one_hot to distilled at step 15000 over 1000 steps"), RESNET56),
    distil("resnet_cifar100_half_teacher", "CIFAR-100, teacher trained on half",
           replace(recipes.CIFAR100, data=replace(recipes.CIFAR100.data, teacher_fraction=0.5)), RESNET56, guesses={
               "data.teacher_fraction": FIGURE + "Fig. 4b has a teacher that interpolates on half of the data"}),
    # On data other than the paper's
    distil("resnet_fashion_mnist", "Fashion-MNIST", recipes.FASHION_MNIST, RESNET56),
    distil("resnet20_fashion_mnist", "Fashion-MNIST", recipes.FASHION_MNIST, RESNET20),
    distil("resnet56_resnet20_fashion_mnist", "Fashion-MNIST", recipes.FASHION_MNIST, RESNET56, RESNET20),
    distil("mobilenet_fashion_mnist", "Fashion-MNIST", recipes.FASHION_MNIST, MOBILENET),
    distil("resnet20_fashion_mnist_short", "Fashion-MNIST, 15 epochs", recipes.FASHION_MNIST_SHORT, RESNET20),
    distil("resnet20_resnet8_fashion_mnist_short", "Fashion-MNIST, 15 epochs", recipes.FASHION_MNIST_SHORT, RESNET20,
           RESNET8),
    distil("resnet20_fashion_mnist_noisy", "Fashion-MNIST noisy, 15 epochs", recipes.FASHION_MNIST_NOISY, RESNET20),
    distil("resnet20_resnet8_fashion_mnist_noisy", "Fashion-MNIST noisy, 15 epochs", recipes.FASHION_MNIST_NOISY,
           RESNET20, RESNET8),
    distil("resnet20_mnist", "MNIST", recipes.MNIST, RESNET20),
    distil("resnet20_resnet8_mnist", "MNIST", recipes.MNIST, RESNET20, RESNET8),
    distil("resnet8_mnist", "MNIST", recipes.MNIST, RESNET8),
    distil("resnet8_mnist_noisy", "NoisyMNIST", recipes.MNIST_NOISY, RESNET8),
    distil("resnet8_digits", "scikit-learn's digits", recipes.DIGITS, RESNET8),
    distil("resnet20_digits", "scikit-learn's digits", recipes.DIGITS, RESNET20),
    distil("resnet56_digits", "scikit-learn's digits", recipes.DIGITS, RESNET56),
)
