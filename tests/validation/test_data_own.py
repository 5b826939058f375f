"""A user's own data: folders of images, arrays, tables; what is read, and which data raise."""

import numpy as np
import pytest
from PIL import Image

from validation.data import Arrays, ImageFolder, Images, Table
from validation.errors import UsageError


def picture(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 16), colour).save(path)


@pytest.fixture
def pets(tmp_path):
    """A folder with train and test, three classes, four and two images of each."""
    for k, name in enumerate(("cat", "dog", "newt")):
        for split, count in (("train", 4), ("test", 2)):
            for i in range(count):
                picture(tmp_path / "pets" / split / name / f"{i}.png", (60 * k, 10 * i, 100))
    return tmp_path / "pets"


def test_a_folder_of_images_is_decoded_with_classes_in_alphabetical_order(pets, tmp_path):
    dataset = ImageFolder(path=str(pets), side=8)
    assert dataset.class_names == ("cat", "dog", "newt") and dataset.classes == 3
    assert dataset.shape == (3, 8, 8) and dataset.examples == (12, 6)
    splits = dataset.load(tmp_path / "data", None)
    np.testing.assert_array_equal(splits.train_labels, np.repeat([0, 1, 2], 4))
    np.testing.assert_array_equal(splits.train_inputs[:, 0, 0, 0], np.repeat([0, 60, 120], 4))
    np.testing.assert_array_equal(splits.test_inputs[:, 1, 7, 7], [0, 10] * 3)
    assert "12 training and 6 test images of 3 classes" in dataset.locate(tmp_path, None).note


def test_without_a_split_every_fifth_image_is_a_test_image(tmp_path):
    for k, name in enumerate("ab"):
        for i in range(5):
            picture(tmp_path / "flat" / name / f"{i}.png", (100 * k, i, 0))
    splits = ImageFolder(path=str(tmp_path / "flat"), side=4).load(tmp_path / "data", None)
    np.testing.assert_array_equal(splits.test_inputs[:, 1, 0, 0], [4, 4])
    np.testing.assert_array_equal(splits.train_labels, [0] * 4 + [1] * 4)


@pytest.mark.parametrize(("harm", "message"), [
    (lambda pets: (pets / "test").rename(pets / "tests"), "expected folders train and test"),
    (lambda pets: [picture(pets / "test" / "frog" / "0.png", (1, 2, 3))], "got 'frog'"),
    (lambda pets: [path.unlink() for path in (pets / "test").glob("*/*")], "got none for one of the two"),
    (lambda pets: [path.rename(pets / f"{path.parent.name}{path.name}") for path in (pets / "train").glob("*/*")],
     "expected at least two folders with images"),
])
def test_a_folder_with_another_layout_raises_and_names_the_layout(pets, harm, message):
    harm(pets)
    with pytest.raises(UsageError, match=r"^--data.set.path: ") as raised:
        ImageFolder(path=str(pets)).examples  # noqa: B018 (a property that scans the folder)
    assert message in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("path", ["", "nowhere"])
def test_a_missing_folder_raises(path):
    with pytest.raises(UsageError, match=r"^--data.set.path: expected a folder of images, got .*PATH/train/<class>"):
        ImageFolder(path=path).classes  # noqa: B018


@pytest.mark.parametrize("shape", [(20, 6, 5), (20, 6, 5, 3), (20, 3, 6, 5)])
def test_arrays_of_images_are_converted_to_channels_first(tmp_path, shape):
    x, y = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), np.arange(20) % 2
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:6], y_test=y[:6])
    dataset = Arrays(path=str(tmp_path / "a.npz"))
    wanted = x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2) if shape[3] == 3 else x
    np.testing.assert_array_equal(dataset.load(None, None).train_inputs, wanted)
    assert dataset.shape == wanted.shape[1:] and dataset.examples == (20, 6)


def test_arrays_of_features_with_string_labels_are_split(tmp_path):
    x = np.arange(30.0).reshape(10, 3)
    np.savez(tmp_path / "b.npz", x=x, y=np.array(["b", "a"] * 5))
    dataset = Arrays(path=str(tmp_path / "b.npz"))
    splits = dataset.load(None, None)
    assert dataset.class_names == ("a", "b") and splits.train_inputs.dtype == np.float32
    np.testing.assert_array_equal(splits.test_inputs[:, 0], [24, 27])  # the fifth of each class
    np.testing.assert_array_equal(splits.test_labels, [1, 0])
    with pytest.raises(UsageError, match=r"^--data.view: expected examples of shape .* got \(3,\)"):
        Images().check(dataset)


X, Y = np.zeros((4, 2)), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(("arrays", "message"), [
    ({"x_train": X, "y_train": Y}, "got x_train, y_train; add x_test"),
    ({"x": X, "y": Y[:3]}, "got 3 labels for 4 inputs"),
    ({"x": X, "y": Y * 0}, "labels of at least two classes"),
    ({"x": X * np.nan, "y": Y}, "expected finite numbers in x"),
    ({"x": X[:, 0], "y": Y}, "expected numbers \\(n, ...\\) in x"),
    ({"x": X, "y": Y + 0.5}, "expected labels"),
    ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 5}, "expected the classes of y_train in y_test, got '5'"),
    ({"x_train": X, "y_train": Y, "x_test": X[:, :1], "y_test": Y}, "inputs of one shape"),
])
def test_invalid_arrays_raise(tmp_path, arrays, message):
    np.savez(tmp_path / "c.npz", **arrays)
    with pytest.raises(UsageError, match=rf"^--data.set.path: .*{message}"):
        Arrays(path=str(tmp_path / "c.npz")).load(None, None)


def test_a_file_that_is_not_an_npz_archive_raises(tmp_path):
    (tmp_path / "d.npz").write_bytes(b"PK\3\4 not really")
    np.save(tmp_path / "e.npz.npy", X)
    for name in ("d.npz", "e.npz.npy", "nothing.npz", ""):
        with pytest.raises(UsageError, match=r"^--data.set.path: expected a .npz file of arrays"):
            Arrays(path=name and str(tmp_path / name)).load(None, None)


def test_a_table_is_read_without_the_index_column(tmp_path):
    lines = [",height,width,kind", *(f"{i},{i}.5,{2 * i},{'ab'[i % 2]}" for i in range(10))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    dataset = Table(path=str(tmp_path / "t.csv"), label="kind", drop=("width",))
    splits = dataset.load(None, None)
    assert dataset.shape == (1,) and dataset.class_names == ("a", "b") and dataset.examples == (8, 2)
    np.testing.assert_array_equal(splits.test_inputs[:, 0], [8.5, 9.5])
    (tmp_path / "t2.tsv").write_text("height\twidth\tkind\n1\t2\tb\n")
    both = Table(path=str(tmp_path / "t.csv"), test_path=str(tmp_path / "t2.tsv"), label="kind")
    assert both.examples == (10, 1) and both.load(None, None).test_labels.tolist() == [1]


@pytest.mark.parametrize(("text", "options", "flag"), [
    ("a,label\n1,x\n2,y\n", {"label": "kind"}, "--data.set.label: expected a column"),
    ("a,label\n1,x\n2,y\n", {"drop": ("b",)}, "--data.set.drop: expected a column"),
    ("a,b,label\n1,red,x\n2,blue,y\n", {}, "--data.set.drop: expected numbers in the column 'b'"),
    ("a,label\n1,x\n,y\n", {}, "--data.set.path: expected a finite number in the column 'a'.* in row 3"),
    ("a,label\n1,x\n2,\n", {}, "--data.set.path: expected a class in each row, got none in row 3"),
    ("a,label\n1,x\n2,x\n", {}, "--data.set.label: expected at least two classes"),
    ("label\nx\ny\n", {}, "--data.set.path: expected rows with at least one feature"),
    ("", {}, "--data.set.path: expected a .csv or .tsv file"),
])
def test_an_invalid_table_raises(tmp_path, text, options, flag):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UsageError, match=f"^{flag}"):
        Table(path=str(tmp_path / "t.csv"), **options).load(None, None)


def test_a_flipped_bit_of_the_arrays_raises(tmp_path):
    """NumPy's own reader compares no checksum of a large array."""
    x = np.zeros((200, 1000), np.float32)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(200) % 2)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[300_000] ^= 64
    (tmp_path / "b.npz").write_bytes(content)
    assert Arrays(path=str(tmp_path / "a.npz")).load(tmp_path, False).classes == 2
    with pytest.raises(UsageError, match=r"^--data.set.path: expected a .npz file of arrays.*CRC"):
        Arrays(path=str(tmp_path / "b.npz")).load(tmp_path, False)
