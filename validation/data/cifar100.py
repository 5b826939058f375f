"""CIFAR-100: 50,000 training and 10,000 test images of 100 classes, with the fine labels."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from validation.data import cifar
from validation.data.published import Published

BINARY = cifar.Version(
    archive=Published("cifar-100-binary.tar.gz", cifar.ADDRESS,
                      "sha256:58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec", 169),
    folder="cifar-100-binary",
    train={"train.bin": "sha256:f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"},
    test={"test.bin": "sha256:d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"},
    label=1,  # byte 0 is the coarse label
)
PYTHON = cifar.Version(
    archive=Published("cifar-100-python.tar.gz", cifar.ADDRESS, "md5:eb9058c3a382ffc7106e4002c42a8d85", 169),
    folder="cifar-100-python",
    train={"train": "md5:16019d7e3df5f24257cddd939b257f8d"},
    test={"test": "md5:f0ef6b0ae62326f3e7ffdfab6717acfc"},
    label="fine_labels",
)


@dataclass(frozen=True)
class CIFAR100(cifar.CIFAR):
    """The binary or the pickled version of CIFAR-100."""

    name: Literal["cifar100"] = "cifar100"
    title: ClassVar = "CIFAR-100"
    classes: ClassVar = 100
    megabytes: ClassVar = 169
    mean: ClassVar = (0.5071, 0.4865, 0.4409)
    std: ClassVar = (0.2673, 0.2564, 0.2762)
    versions: ClassVar = (BINARY, PYTHON)
