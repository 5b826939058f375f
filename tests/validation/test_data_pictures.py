import hashlib
import io
import json
import shutil
import threading
import zipfile
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pytest
from PIL import Image

from validation.data import TinyImageNet, tiny_imagenet
from validation.data.folders import Folder, Listing, Zip
from validation.errors import UsageError

CLASSES = ("n01", "n02", "n03")


def jpeg(shade, width=64, height=64, mode="RGB"):
    """The bytes of an image whose left half has that shade and whose right half is black."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[:, : width // 2] = shade
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def decoded(content):
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture
def tiny(monkeypatch):
    """Four training images of each of three classes and five others, by name, in the layout of Tiny-ImageNet."""
    monkeypatch.setattr(TinyImageNet, "classes", 3)
    monkeypatch.setattr(tiny_imagenet, "COUNTS", {"train": 12, "test": 5})
    files = {f"train/{name}/images/{name}_{i}.JPEG": jpeg(60 * i + 10 * c + 20)
             for c, name in enumerate(CLASSES) for i in range(4)}
    files |= {f"train/{name}/{name}_boxes.txt": b"not a picture" for name in CLASSES}
    files |= {f"val/images/val_{i}.JPEG": jpeg(40 * i + 30, mode="L" if i == 2 else "RGB") for i in range(5)}
    rows = [f"val_{i}.JPEG\t{CLASSES[(2 * i) % 3]}\t0\t0\t62\t62\n" for i in range(5)]
    return files | {"val/val_annotations.txt": "".join(rows).encode()}


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../escaped.JPEG", b"x")
        for name, content in files.items():
            archive.writestr(f"tiny-imagenet-200/{name}", content)
    return stream.getvalue()


@pytest.fixture
def archived(tiny, tmp_path, monkeypatch):
    """The same files as the bytes of a published archive, whose address is tmp_path/mirror."""
    content = zipped(tiny)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    address = (tmp_path / "mirror").as_uri()
    monkeypatch.setattr(tiny_imagenet, "ARCHIVE", replace(tiny_imagenet.ARCHIVE, digest=digest, address=address))
    return content


def check(dataset, files):
    expected = [decoded(files[name]) for name in sorted(files) if name.startswith("train") and name.endswith("JPEG")]
    np.testing.assert_array_equal(dataset.train_inputs, expected)
    np.testing.assert_array_equal(dataset.train_labels, np.repeat([0, 1, 2], 4))
    np.testing.assert_array_equal(dataset.test_inputs, [decoded(files[f"val/images/val_{i}.JPEG"]) for i in range(5)])
    np.testing.assert_array_equal(dataset.test_labels, [0, 2, 1, 0, 2])
    assert isinstance(dataset.train_inputs, np.memmap) and isinstance(dataset.test_inputs, np.memmap)
    assert dataset.source.name == "tiny_imagenet"


@pytest.fixture
def decodings(monkeypatch):
    """A list with one entry for each decoded image."""
    from validation.data import decoded as module

    seen, plain = [], module.decode
    monkeypatch.setattr(module, "decode", lambda content, size: (seen.append(1), plain(content, size))[1])
    return seen


def test_a_folder_is_decoded_once(tiny, tmp_path, decodings, capsys):
    write(tmp_path / "tiny-imagenet-200", tiny)
    check(TinyImageNet().load(tmp_path, False), tiny)
    said = capsys.readouterr().err
    assert "decoding 12 images of Tiny-ImageNet (train) once" in said and "12/12" in said
    check(TinyImageNet().load(tmp_path, False), tiny)
    assert len(decodings) == 17 and capsys.readouterr().err == ""


def test_an_archive_is_read_without_unpacking_it(tiny, archived, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tiny-imagenet-200.zip").write_bytes(archived)
    dataset = TinyImageNet().load(tmp_path / "data", False)
    check(dataset, tiny)
    assert dataset.source.note == f"Tiny-ImageNet from {tmp_path / 'data' / 'tiny-imagenet-200.zip'}"
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["cache", "tiny-imagenet-200.zip"]


@pytest.mark.parametrize("download", [True, None])
def test_a_missing_archive_is_downloaded(tiny, archived, tmp_path, download):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "tiny-imagenet-200.zip").write_bytes(archived)
    before = TinyImageNet().locate(tmp_path / "data", download)
    assert before.megabytes == 248 and "248 MB to be downloaded from" in before.note
    check(TinyImageNet().load(tmp_path / "data", download), tiny)


def test_no_download_raises_and_says_how_to_get_the_files(tmp_path):
    source = TinyImageNet().locate(tmp_path, False)
    for part in ("--no-download: expected Tiny-ImageNet", "248 MB", tiny_imagenet.ARCHIVE.url, str(tmp_path)):
        assert part in source.missing
    with pytest.raises(UsageError) as raised:
        TinyImageNet().load(tmp_path, False)
    assert str(raised.value) == source.missing


@pytest.mark.parametrize("harm", ["another", "truncated", "not a zip"])
def test_an_archive_with_another_hash_raises(tiny, archived, tmp_path, decodings, harm):
    (tmp_path / "tiny-imagenet-200.zip").write_bytes({
        "another": zipped(dict(reversed(tiny.items()))), "truncated": archived[:-300], "not a zip": b"<html>"}[harm])
    with pytest.raises(UsageError, match=r"--data-dir: expected the archive of tiny-imagenet-200 as published.*delete"):
        TinyImageNet().load(tmp_path, False)
    assert not decodings


def test_decoded_images_suffice_without_the_originals(tiny, tmp_path):
    write(tmp_path / "tiny-imagenet-200", tiny)
    first = TinyImageNet().load(tmp_path, False)
    shutil.rmtree(tmp_path / "tiny-imagenet-200")
    assert TinyImageNet().locate(tmp_path, False).note.startswith("Tiny-ImageNet, decoded, from")
    second = TinyImageNet().load(tmp_path, False)
    check(second, tiny)
    assert second.digests == first.digests and second.source.name == first.source.name


@pytest.mark.parametrize("change", ["a picture", "a label", "a name"])
def test_changed_images_are_decoded_again(tiny, tmp_path, decodings, change):
    folder = tmp_path / "tiny-imagenet-200"
    write(folder, tiny)
    first = TinyImageNet().load(tmp_path, False)
    picture = "train/n02/images/n02_1.JPEG"
    if change == "a picture":
        tiny[picture] = jpeg(200)
        write(folder, {picture: tiny[picture]})
    elif change == "a label":
        rows = tiny["val/val_annotations.txt"].decode().replace("val_0.JPEG\tn01", "val_0.JPEG\tn03")
        write(folder, {"val/val_annotations.txt": rows.encode()})
    else:
        (folder / picture).rename(folder / "train/n02/images/n02_9.JPEG")
        tiny["train/n02/images/n02_9.JPEG"] = tiny.pop(picture)
    second = TinyImageNet().load(tmp_path, False)
    if change == "a label":
        np.testing.assert_array_equal(second.test_labels, [2, 2, 1, 0, 2])
        assert len(decodings) == 17 + 5
    else:
        check(second, tiny)
        assert len(decodings) == 17 + 12
        assert first.digests["train_inputs"] != second.digests["train_inputs"]
    assert (first.digests["test_inputs"] == second.digests["test_inputs"])


@pytest.mark.parametrize("harm", ["manifest gone", "manifest torn", "images cut", "images of another size", "labels"])
def test_an_incomplete_cache_is_decoded_again(tiny, tmp_path, decodings, harm):
    write(tmp_path / "tiny-imagenet-200", tiny)
    TinyImageNet().load(tmp_path, False)
    cache = tmp_path / "cache" / "tiny_imagenet-64"
    manifest, images, labels = (cache / f"train-{name}" for name in ("manifest.json", "images.npy", "labels.npy"))
    if harm == "manifest gone":
        manifest.unlink()
    elif harm == "manifest torn":
        manifest.write_text(manifest.read_text()[:20])
    elif harm == "images cut":
        images.write_bytes(images.read_bytes()[:-1])
    elif harm == "images of another size":
        np.save(images, np.zeros((12, 3, 32, 32), np.uint8))
    else:
        labels.write_bytes(b"")
    shutil.move(tmp_path / "tiny-imagenet-200", tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="--no-download"):
        TinyImageNet().load(tmp_path, False)
    shutil.move(tmp_path / "elsewhere", tmp_path / "tiny-imagenet-200")
    check(TinyImageNet().load(tmp_path, False), tiny)
    assert len(decodings) == 17 + 12


def test_an_interrupted_decoding_leaves_no_usable_cache(tiny, tmp_path, monkeypatch):
    from validation.data import decoded as module

    write(tmp_path / "tiny-imagenet-200", tiny)
    with monkeypatch.context() as patch:
        patch.setattr(module, "decode", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            TinyImageNet().load(tmp_path, False)
    cache = tmp_path / "cache" / "tiny_imagenet-64"
    assert [path.name for path in cache.iterdir() if not path.name.endswith(".lock")] == []
    (cache / ".train-images.npy.partial").write_bytes(b"what a killed process left")
    check(TinyImageNet().load(tmp_path, False), tiny)
    assert not (cache / ".train-images.npy.partial").exists()


def test_new_images_are_never_combined_with_an_old_manifest(tiny, tmp_path, monkeypatch):
    folder = tmp_path / "tiny-imagenet-200"
    write(folder, tiny)
    TinyImageNet().load(tmp_path, False)
    write(folder, {"train/n02/images/n02_1.JPEG": jpeg(200)})

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("eigenkd._atomic.write", stop)  # after the images and before the manifest
    with pytest.raises(KeyboardInterrupt):
        TinyImageNet().load(tmp_path, False)
    shutil.rmtree(folder)
    with pytest.raises(UsageError, match="--no-download"):
        TinyImageNet().load(tmp_path, False)


def test_a_corrupt_image_raises_and_is_named(tiny, tmp_path):
    name = "train/n02/images/n02_3.JPEG"
    write(tmp_path / "tiny-imagenet-200", tiny | {name: tiny[name][:-200]})
    with pytest.raises(UsageError, match=rf"--data-dir: expected an image, .*{name} is corrupt .*(?i:truncated)"):
        TinyImageNet().load(tmp_path, False)


def test_an_incomplete_copy_raises(tiny, tmp_path):
    folder = tmp_path / "tiny-imagenet-200"
    write(folder, tiny)
    shutil.move(folder / "train" / "n03", folder / "train" / "n02" / "more")
    with pytest.raises(UsageError, match=r"expected 3 folders, one per class, in .*train, got 2; the expected"):
        TinyImageNet().load(tmp_path, False)
    (folder / "train" / "n02" / "more" / "images" / "n03_0.JPEG").unlink()
    with pytest.raises(UsageError, match=r"expected 12 images in .*train, got 11; the expected layout is tiny"):
        TinyImageNet().load(tmp_path, False)


def test_a_full_disk_raises_before_decoding(tiny, tmp_path, monkeypatch, decodings):
    write(tmp_path / "tiny-imagenet-200", tiny)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("usage", (), {"free": 100_000}))
    with pytest.raises(UsageError, match=r"--data-dir: expected 0 MB of free space for the decoded images of Tiny"):
        TinyImageNet().load(tmp_path, False)
    assert not decodings


def test_a_read_only_folder_raises(tiny, tmp_path):
    write(tmp_path / "tiny-imagenet-200", tiny)
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(UsageError, match=r"--data-dir: expected to save the decoded images of Tiny-ImageNet in"):
        TinyImageNet().load(tmp_path, False)


def test_hidden_files_are_skipped(tiny, tmp_path, archived):
    """macOS puts ._x.JPEG next to x.JPEG if a disk or an archive cannot store file attributes."""
    hidden = {str(PurePosixPath(name).with_name(f"._{PurePosixPath(name).name}")): b"\0\5\x16\7" for name in tiny}
    hidden |= {f"train/.thumbnails/images/{i}.JPEG": b"\0" for i in range(2)} | {"train/.DS_Store": b""}
    write(tmp_path / "tiny-imagenet-200", tiny | hidden)
    check(TinyImageNet().load(tmp_path, False), tiny)
    (tmp_path / "both.zip").write_bytes(zipped(tiny | hidden))
    unpacked, packed = Folder(tmp_path / "tiny-imagenet-200"), Zip(tmp_path / "both.zip", "tiny-imagenet-200", "")
    assert unpacked.files("train") == packed.files("train") and len(packed.files("train")) == 12


def test_two_processes_decode_once(tiny, tmp_path, decodings):
    write(tmp_path / "tiny-imagenet-200", tiny)
    both = [threading.Thread(target=TinyImageNet().load, args=(tmp_path, False)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    check(TinyImageNet().load(tmp_path, False), tiny)
    assert len(decodings) == 17


def test_changes_to_the_images_stay_in_the_process(tiny, tmp_path):
    write(tmp_path / "tiny-imagenet-200", tiny)
    TinyImageNet().load(tmp_path, False).train_inputs[0] = 7
    check(TinyImageNet().load(tmp_path, False), tiny)


def test_the_manifest_records_images_and_preparation(tiny, tmp_path):
    write(tmp_path / "tiny-imagenet-200", tiny)
    dataset = TinyImageNet().load(tmp_path, False)
    manifest = json.loads((tmp_path / "cache" / "tiny_imagenet-64" / "test-manifest.json").read_text())
    images = [hashlib.sha256(decoded(tiny[f"val/images/val_{i}.JPEG"]).tobytes()).digest() for i in range(5)]
    digest = hashlib.sha256(b"".join(images)).hexdigest()
    assert manifest["count"] == 5 and "middle 64 x 64" in manifest["preparation"]
    assert manifest["sha256"] == dataset.digests["test_inputs"] == digest


def test_the_digest_of_a_listing_depends_on_names_sizes_and_labels():
    rows = [(["a", "b"], [1, 2], [0, 1]), (["a", "c"], [1, 2], [0, 1]), (["a", "b"], [1, 3], [0, 1]),
            (["a", "b"], [1, 2], [0, 0])]
    assert len({Listing(names, sizes, np.array(labels)).sha256 for names, sizes, labels in rows}) == 4
