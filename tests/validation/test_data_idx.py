import gzip
import hashlib

import numpy as np
import pytest

from validation.data import Digits, FashionMNIST, fashion_mnist
from validation.data.idx import FILES
from validation.data.published import Published
from validation.errors import UsageError


@pytest.fixture
def clothes(archive, tmp_path, monkeypatch):
    """A folder with the four compressed files as in Debian's package, with known hashes, and their arrays."""
    raw = archive[0] / "MNIST" / "raw"
    packed = tmp_path / "packed"
    packed.mkdir()
    digests, files = {}, []
    for key, name in FILES.items():
        content = (raw / name).read_bytes()
        (packed / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
        digests[key] = f"sha256:{hashlib.sha256(content).hexdigest()}"
        md5 = hashlib.md5((packed / f"{name}.gz").read_bytes()).hexdigest()
        files.append(Published(f"{name}.gz", packed.as_uri(), f"md5:{md5}", 0.1))
    monkeypatch.setattr(fashion_mnist, "UNPACKED", digests)
    monkeypatch.setattr(fashion_mnist, "PUBLISHED", tuple(files))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    return packed, archive[1]


def check(dataset, arrays, place):
    for split in ("train", "test"):
        np.testing.assert_array_equal(getattr(dataset, f"{split}_inputs")[:, 0], arrays[split, "images"])
        np.testing.assert_array_equal(getattr(dataset, f"{split}_labels"), arrays[split, "labels"])
    assert (dataset.source.name, dataset.source.note) == ("fashion_mnist", f"Fashion-MNIST {place}")


def test_debians_files_are_read_in_place(clothes, tmp_path):
    packed, arrays = clothes
    packed.rename(tmp_path / "debian")
    check(FashionMNIST().load(tmp_path / "nowhere", False), arrays, "of Debian's package dataset-fashion-mnist")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(not fashion_mnist.DEBIAN.is_dir(), reason="apt-get install dataset-fashion-mnist, 30 MB")
def test_the_real_files_are_complete_and_have_the_mean_and_deviation_used(tmp_path):
    dataset = FashionMNIST().load(tmp_path, False)
    assert dataset.train_inputs.shape == (60_000, 1, 28, 28) and dataset.test_inputs.shape == (10_000, 1, 28, 28)
    assert dataset.train_inputs.mean() / 255 == pytest.approx(FashionMNIST.mean[0], abs=1e-4)
    assert dataset.train_inputs.std() / 255 == pytest.approx(FashionMNIST.std[0], abs=1e-4)
    np.testing.assert_array_equal(np.bincount(dataset.test_labels), np.full(10, 1000))


@pytest.mark.parametrize("form", ["packed", "unpacked"])
def test_files_in_the_data_folder_come_first(clothes, archive, tmp_path, form):
    packed, arrays = clothes
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    raw.parent.mkdir()
    (archive[0] / "MNIST" / "raw" if form == "unpacked" else packed).rename(raw)
    if form == "unpacked":
        packed.rename(tmp_path / "debian")
    check(FashionMNIST().load(tmp_path / "data", None), arrays, f"from {raw}")


@pytest.mark.parametrize("download", [True, None])
def test_missing_files_are_downloaded(clothes, tmp_path, download):
    _, arrays = clothes
    before = FashionMNIST().locate(tmp_path / "data", download)
    assert before.name == "fashion_mnist" and before.megabytes == pytest.approx(0.4) and not before.missing
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    check(FashionMNIST().load(tmp_path / "data", download), arrays, f"from {raw}")


def test_no_download_raises_and_says_how_to_get_the_files(clothes, tmp_path):
    source = FashionMNIST().locate(tmp_path, False)
    for part in ("--no-download: expected Fashion-MNIST", str(tmp_path / "FashionMNIST" / "raw"),
                 "dataset-fashion-mnist", "train-images-idx3-ubyte.gz"):
        assert part in source.missing
    with pytest.raises(UsageError) as raised:
        FashionMNIST().load(tmp_path, False)
    assert str(raised.value) == source.missing


def test_one_missing_file_raises_or_is_downloaded(clothes, tmp_path):
    packed, arrays = clothes
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for path in packed.iterdir():
        (raw / path.name).write_bytes(path.read_bytes())
    (raw / "train-labels-idx1-ubyte.gz").unlink()
    for download in (False, None):
        with pytest.raises(UsageError, match=r"Fashion-MNIST's four files in .*, got no train-labels-idx1-ubyte; pass"):
            FashionMNIST().load(tmp_path / "data", download)
    check(FashionMNIST().load(tmp_path / "data", True), arrays, f"from {raw}")


@pytest.mark.parametrize("harm", ["another", "truncated", "not packed"])
def test_a_corrupt_file_raises_and_is_named(clothes, tmp_path, harm):
    packed, _ = clothes
    path = packed / "t10k-images-idx3-ubyte.gz"
    content = gzip.decompress(path.read_bytes())
    path.write_bytes({"another": gzip.compress(content[:-1] + b"!"), "truncated": path.read_bytes()[:-20],
                      "not packed": content}[harm])
    packed.rename(tmp_path / "debian")
    with pytest.raises(UsageError, match=r"--data-dir: expected .*t10k-images-idx3-ubyte.gz is .*; delete it and"):
        FashionMNIST().load(tmp_path / "data", None)


def test_the_small_digits_equal_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    for download in (True, False, None):
        assert Digits().locate("nowhere", download).name == "scikit-learn"
    dataset, bunch = Digits().load("nowhere", False), load_digits()
    images = np.concatenate([dataset.train_inputs, dataset.test_inputs])
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    assert images.shape == (1797, 1, 8, 8) and images.max() == 255 and len(dataset.test_labels) == 359
    greys = np.rint(images[:, 0] * (16 / 255)).astype(int)
    ours = sorted((image.tobytes(), label) for image, label in zip(greys, labels))
    assert ours == sorted((image.astype(int).tobytes(), label) for image, label in zip(bunch.images, bunch.target))
    counts = np.bincount(dataset.test_labels)
    assert (abs(counts - np.bincount(bunch.target) / 5) <= 1).all()
    pixels = dataset.train_inputs / 255
    assert (pixels.mean(), pixels.std()) == pytest.approx((Digits.mean[0], Digits.std[0]), abs=1e-4)
