"""Fashion-MNIST from torchvision's files, from Debian's package dataset-fashion-mnist, or from a download."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from validation.data import idx, published
from validation.data.dataset import Dataset, check_data_dir
from validation.data.published import Published
from validation.data.splits import Source

DEBIAN, DEBIANS = Path("/usr/share/datasets/fashion-mnist"), "Debian's package dataset-fashion-mnist"
ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
PUBLISHED = tuple(Published(f"{name}.gz", ADDRESS, digest, megabytes) for name, digest, megabytes in (
    ("train-images-idx3-ubyte", "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26.4),
    ("train-labels-idx1-ubyte", "md5:25c81989df183df01b3e8a0aad5dffbe", 0.03),
    ("t10k-images-idx3-ubyte", "md5:bef4ecab320f06d8554ea6380940ec79", 4.4),
    ("t10k-labels-idx1-ubyte", "md5:bb300cfdad3c16e7a12a480ee83cd310", 0.01),
))
UNPACKED = {  # hashes of the unpacked files, because Debian compresses them again
    ("train", "images"): "sha256:c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ("train", "labels"): "sha256:bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ("test", "images"): "sha256:5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ("test", "labels"): "sha256:0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


@dataclass(frozen=True)
class FashionMNIST(Dataset):
    """Files in data_dir/FashionMNIST/raw, else Debian's files, else a download to data_dir/FashionMNIST/raw."""

    name: Literal["fashion_mnist"] = "fashion_mnist"
    title: ClassVar = "Fashion-MNIST"
    licence: ClassVar = "MIT"
    shape: ClassVar = (1, 28, 28)
    classes: ClassVar = 10
    examples: ClassVar = (60_000, 10_000)
    megabytes: ClassVar = 31
    on_first_use: ClassVar = True
    mean: ClassVar = (0.2860,)
    std: ClassVar = (0.3530,)

    @property
    def class_names(self):
        return ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
                "ankle boot")

    def locate(self, data_dir, download):
        folder = _folder(data_dir)
        if folder:
            return Source(self.name, f"{self.title} of {DEBIANS}" if folder == DEBIAN else
                          f"{self.title} from {folder}")
        return published.source(self.title, self.name, PUBLISHED, _raw(data_dir), download,
                                f" or {DEBIAN} ({DEBIANS})")

    def load(self, data_dir, download):
        source = self.located(data_dir, download)
        folder = _folder(data_dir) or _raw(data_dir)
        paths = idx.complete(folder, PUBLISHED, self.title, download or source.megabytes > 0)
        return idx.load(paths, self.classes, self.locate(data_dir, download), UNPACKED)


def _folder(data_dir):
    if idx.found(_raw(data_dir)):
        return _raw(data_dir)
    return DEBIAN if len(idx.found(DEBIAN)) == len(idx.FILES) else None


def _raw(data_dir):
    return check_data_dir(data_dir) / "FashionMNIST" / "raw"  # as in torchvision
