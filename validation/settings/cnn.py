"""A convolutional network on few images. Table 7 (third column), App. D.6, D.7, Figs. 18 and 21."""

from dataclasses import replace

from validation.data import CIFAR10, FashionMNIST, Rows
from validation.models import CNN
from validation.settings.loss import Loss
from validation.settings.setting import Data, Eigenspace, Setting, Training, retrained

TEACHER = Training(epochs=20, batch_size=32, learning_rate=1e-3, optimiser="adam")
STUDENT = replace(TEACHER, loss=Loss("distilled", temperature=4.0))
UNKNOWN = "ours: of this column of Table 7 only the optimiser and the weight of the distillation are known"


def _setting(name, title, dataset):
    return Setting(
        name=name,
        title=title,
        data=Data(dataset, Rows(), train_examples=2048),
        model=CNN(channels=(16, 32), kernel=5, pool=2),
        teacher=TEACHER,
        student=STUDENT,
        analysis=Eigenspace(layers=("conv1", "conv2", "linear"), pairs=15, top=(0, 15), bottom=(20, 60), every=4),
        guesses={**dict.fromkeys(("data.train_examples", "model.channels", "model.kernel", "model.pool",
                                  "student.loss.temperature"), UNKNOWN),
                 **{f"{role}.{value}": UNKNOWN for role in ("teacher", "student")
                    for value in ("epochs", "batch_size", "learning_rate")},
                 "analysis.bottom": "indices 20 to 59 counted from 0, scaled down if there are fewer directions"})


CNN_CIFAR10 = _setting("cnn_cifar10", "CIFAR-10, CNN", CIFAR10())
CNN_FASHION_MNIST = _setting("cnn_fashion_mnist", "Fashion-MNIST, CNN", FashionMNIST())
CNN_FASHION_MNIST_SGD = retrained(
    CNN_FASHION_MNIST, "cnn_fashion_mnist_sgd", "Fashion-MNIST, CNN, plain SGD",
    "ours: Table 7 has Adam; at 0.1 students at temperature 4 do not learn",
    optimiser="sgd", learning_rate=0.02)

# Few images, a part of them mislabelled, trained long: where distillation can help. Sec. 5.
LONG = Training(epochs=60, batch_size=64, learning_rate=2e-3, optimiser="adam", schedule="cosine")
OURS = "ours: Sec. 5 has ResNet-56 on CIFAR-100"
CNN_FASHION_MNIST_NOISY = Setting(
    name="cnn_fashion_mnist_noisy",
    title="Fashion-MNIST, a fifth of the labels flipped, CNN",
    data=Data(FashionMNIST(), Rows(), train_examples=2500, label_noise=0.2),
    model=CNN(channels=(16, 32), kernel=3, pool=2),
    teacher=LONG,
    student=replace(LONG, loss=Loss("distilled", temperature=4.0)),
    guesses=dict.fromkeys((
        "data.train_examples", "data.label_noise", "model.channels", "model.kernel", "model.pool",
        *(f"{role}.{value}" for role in ("teacher", "student")
          for value in ("epochs", "batch_size", "learning_rate", "optimiser", "schedule"))), OURS))
