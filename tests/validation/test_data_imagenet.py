import shutil

import numpy as np
import pytest

from validation.data import ImageNet, imagenet
from validation.data.decoded import decode
from validation.errors import UsageError

from .test_data_pictures import CLASSES, decoded, jpeg, write


@pytest.fixture
def large(monkeypatch):
    """Two images of each of three classes and three others, by name, in the layouts of ImageNet."""
    monkeypatch.setattr(ImageNet, "classes", 3)
    monkeypatch.setattr(imagenet, "COUNTS", {"train": 6, "test": 3})
    train = {f"train/{name}/{name}_{i}.JPEG": jpeg(100 + 50 * i + 20 * c, 300 + 40 * i, 280)
             for c, name in enumerate(CLASSES) for i in range(2)}
    test = {f"ILSVRC2012_val_0000000{i}.JPEG": jpeg(80 * i, 256, 256) for i in (1, 2, 3)}
    return train, test


def imagenets(train, test, layout):
    """The files of a layout; the validation images belong to the third, the first and the first class."""
    labels = dict(zip(test, ("n03", "n01", "n01")))
    if layout == "folders":
        return train | {f"val/{labels[name]}/{name}": content for name, content in test.items()}
    rows = [f"{name.removesuffix('.JPEG')},{label} 1 2 3 4 {label} 5 6 7 8 \n" for name, label in labels.items()]
    table = "ImageId,PredictionString\n" + "".join(reversed(rows))
    return train | {f"val/{name}": content for name, content in test.items()} | {"LOC_val_solution.csv": table.encode()}


@pytest.mark.parametrize("layout", ["folders", "table"])
def test_imagenet_is_read_in_both_layouts(large, tmp_path, layout):
    train, test = large
    write(tmp_path / "imagenet", imagenets(train, test, layout))
    dataset = ImageNet().load(tmp_path, False)
    assert dataset.train_inputs.shape == (6, 3, 256, 256)
    np.testing.assert_array_equal(dataset.train_labels, [0, 0, 1, 1, 2, 2])
    of_picture = dict(zip((decoded(content).tobytes() for content in test.values()), (2, 0, 0)))
    assert [of_picture[image.tobytes()] for image in dataset.test_inputs] == dataset.test_labels.tolist()
    assert sorted(dataset.test_labels) == [0, 0, 2]
    shutil.rmtree(tmp_path / "imagenet")
    assert ImageNet().load(tmp_path, None).digests == dataset.digests


def test_imagenet_without_labels_raises_and_names_the_layout(large, tmp_path):
    files = imagenets(*large, "table")
    del files["LOC_val_solution.csv"]
    write(tmp_path / "imagenet", files)
    with pytest.raises(UsageError, match=r"expected a class of train in .*ILSVRC2012_val_00000001.JPEG, got .*"
                                         r"imagenet/val/\*.JPEG with imagenet/LOC_val_solution.csv"):
        ImageNet().load(tmp_path, None)


@pytest.mark.parametrize("download", [True, False, None])
def test_imagenet_is_never_downloaded(tmp_path, download):
    source = ImageNet().locate(tmp_path, download)
    for part in ("--data-dir: expected ImageNet", str(tmp_path / "imagenet"), "image-net.org", "150 GB", "train/<cl"):
        assert part in source.missing
    with pytest.raises(UsageError) as raised:
        ImageNet().load(tmp_path, download)
    assert str(raised.value) == source.missing


def test_decoding_crops_the_central_square():
    wide = decode(jpeg(240, 300, 150), 50)
    assert wide.shape == (3, 50, 50) and wide.dtype == np.uint8
    assert (abs(wide[:, :, :23].astype(int) - 240) < 8).all() and (wide[:, :, 28:] < 8).all()
    tall = decode(jpeg(240, 100, 180, mode="CMYK"), 100)
    assert tall.shape == (3, 100, 100) and (tall[:, :, 55:] < 8).all()
    np.testing.assert_array_equal(decode(jpeg(99), 64), decoded(jpeg(99)))
