"""Fashion-MNIST: torchvision's files, those of Debian's package dataset-fashion-mnist, or a download."""

from pathlib import Path

from validation.data import idx, published
from validation.data.dataset import Source, check_data_dir
from validation.data.published import Published
from validation.errors import UsageError

CLASSES = 10
SHAPE = (1, 28, 28)
MEAN, STD = (0.2860,), (0.3530,)
ON_FIRST_USE = True

NAME, TITLE = "fashion_mnist", "Fashion-MNIST"
DEBIAN, DEBIANS = Path("/usr/share/datasets/fashion-mnist"), "Debian's package dataset-fashion-mnist"
ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
PUBLISHED = tuple(Published(f"{name}.gz", ADDRESS, digest, megabytes) for name, digest, megabytes in (
    ("train-images-idx3-ubyte", "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26.4),
    ("train-labels-idx1-ubyte", "md5:25c81989df183df01b3e8a0aad5dffbe", 0.03),
    ("t10k-images-idx3-ubyte", "md5:bef4ecab320f06d8554ea6380940ec79", 4.4),
    ("t10k-labels-idx1-ubyte", "md5:bb300cfdad3c16e7a12a480ee83cd310", 0.01),
))
SIZE_MB = 31
UNPACKED = {  # of the content of those files, as Debian packs them anew
    ("train", "images"): "sha256:c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ("train", "labels"): "sha256:bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ("test", "images"): "sha256:5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ("test", "labels"): "sha256:0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def locate(data_dir, download):
    """Files under data_dir/FashionMNIST/raw, else Debian's, else those to be fetched to the former place."""
    folder = _folder(data_dir)
    if folder:
        return Source(NAME, f"{TITLE} of {DEBIANS}" if folder == DEBIAN else f"{TITLE} from {folder}")
    return published.source(TITLE, NAME, PUBLISHED, _raw(data_dir), download,
                            f" or {DEBIAN} ({DEBIANS})")


def load(data_dir, download):
    """The data set of `locate`. Raises UsageError for missing or corrupt files and for a download that fails."""
    source = locate(data_dir, download)
    if source.missing:
        raise UsageError(source.missing)
    folder = _folder(data_dir) or _raw(data_dir)
    paths = idx.complete(folder, PUBLISHED, TITLE, download or source.megabytes > 0)
    return idx.load(paths, CLASSES, locate(data_dir, download), UNPACKED)


def _folder(data_dir):
    if idx.found(_raw(data_dir)):
        return _raw(data_dir)
    return DEBIAN if len(idx.found(DEBIAN)) == len(idx.FILES) else None


def _raw(data_dir):
    return check_data_dir(data_dir) / "FashionMNIST" / "raw"  # torchvision's own places
