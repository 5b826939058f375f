"""CIFAR-10: 50,000 training and 10,000 test images of 10 classes."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from validation.data import cifar
from validation.data.published import Published

BINARY = cifar.Version(
    archive=Published("cifar-10-binary.tar.gz", cifar.ADDRESS,
                      "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", 170),
    folder="cifar-10-batches-bin",
    train={
        "data_batch_1.bin": "sha256:cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "sha256:a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "sha256:bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "sha256:014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "sha256:755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    },
    test={"test_batch.bin": "sha256:8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"},
    label=0,
)
PYTHON = cifar.Version(
    archive=Published("cifar-10-python.tar.gz", cifar.ADDRESS, "md5:c58f30108f718f92721af3b95e74349a", 170),
    folder="cifar-10-batches-py",
    train={
        "data_batch_1": "md5:c99cafc152244af753f735de768cd75f",
        "data_batch_2": "md5:d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "md5:54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "md5:634d18415352ddfa80567beed471001a",
        "data_batch_5": "md5:482c414d41f54cd18b22e5b47cb7c3cb",
    },
    test={"test_batch": "md5:40351d587109b95175f43aff81a1287e"},
    label="labels",
)


@dataclass(frozen=True)
class CIFAR10(cifar.CIFAR):
    """The binary or the pickled version of CIFAR-10."""

    name: Literal["cifar10"] = "cifar10"
    title: ClassVar = "CIFAR-10"
    classes: ClassVar = 10
    megabytes: ClassVar = 170
    mean: ClassVar = (0.4914, 0.4822, 0.4465)
    std: ClassVar = (0.2470, 0.2435, 0.2616)
    versions: ClassVar = (BINARY, PYTHON)
