import hashlib
import io
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from validation.data import CIFAR10, CIFAR100
from validation.errors import UsageError

KINDS = [CIFAR10(), CIFAR100()]


def arrays(kind, split):
    rng = np.random.default_rng([kind.classes, split == "test"])
    n = 10 if split == "test" else 5 * 8
    return rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8), rng.integers(0, kind.classes, n)


def contents(kind, version):
    """The files of a version, created from `arrays` in the published format."""
    made = {}
    for split in ("train", "test"):
        names = list(getattr(version, split))
        images, labels = arrays(kind, split)
        for name, pixels, classes in zip(names, np.split(images, len(names)), np.split(labels, len(names))):
            rows = pixels.reshape(len(pixels), -1)
            if version is kind.versions[0]:
                coarse = [classes // 5] if kind.classes == 100 else []
                made[name] = np.column_stack([*coarse, classes, rows]).astype(np.uint8).tobytes()
            else:
                key = "labels" if kind.classes == 10 else "fine_labels"
                made[name] = pickle.dumps({"data": rows, key: classes.tolist(), "coarse_labels": [0] * len(rows)}, 2)
    return made


def digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def pack(folder, files, others=()):
    """A tar.gz archive of `files` in a folder, preceded by other members."""
    stream = io.BytesIO()
    members = [(f"{folder}/readme.html", b"<p>"), *((name, b"x") for name in others)]
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members + [(f"{folder}/{name}", content) for name, content in files.items()]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture(params=KINDS, ids=["cifar10", "cifar100"])
def kind(request):
    return request.param


@pytest.fixture
def made(kind, monkeypatch, tmp_path):
    """made(version) -> the version with the hashes of small files, these files, and their archive; not on disk."""
    known, published = {}, kind.versions

    def make(version):
        files = contents(kind, version)
        packed = pack(version.folder, files)
        digests = {name: digest(content) for name, content in files.items()}
        known[version.folder] = replace(
            version, archive=replace(version.archive, digest=digest(packed), address=(tmp_path / "mirror").as_uri()),
            train={name: digests[name] for name in version.train}, test={name: digests[name] for name in version.test})
        monkeypatch.setattr(type(kind), "versions", tuple(known.get(v.folder, v) for v in published))
        return files, packed

    return make


def put(folder, files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def check(kind, dataset, place):
    for split in ("train", "test"):
        images, labels = arrays(kind, split)
        np.testing.assert_array_equal(getattr(dataset, f"{split}_inputs"), images)
        np.testing.assert_array_equal(getattr(dataset, f"{split}_labels"), labels)
    assert dataset.classes == kind.classes and dataset.train_labels.dtype == np.int64
    assert dataset.source.name == kind.name and dataset.source.note == f"{kind.title} from {place}"


@pytest.mark.parametrize("form", ["archive", "folder"])
@pytest.mark.parametrize("version", ["BINARY", "PYTHON"])
def test_load_returns_the_stored_images_and_labels(kind, made, version, form, tmp_path):
    version = kind.versions[("BINARY", "PYTHON").index(version)]
    files, packed = made(version)
    data = tmp_path / "data"
    if form == "archive":
        data.mkdir()
        (data / version.archive.name).write_bytes(packed)
    else:
        put(data / version.folder, files)
    place = data / (version.archive.name if form == "archive" else version.folder)
    assert kind.locate(data, False).note == f"{kind.title} from {place}"
    check(kind, kind.load(data, False), place)


def test_the_binary_version_is_preferred_to_the_pickled_one(kind, made, tmp_path):
    for version in (kind.versions[1], kind.versions[0]):
        put(tmp_path / version.folder, made(version)[0])
    assert kind.load(tmp_path, None).source.note.endswith(kind.versions[0].folder)


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return Path.write_text, (Path(self.path), "sprung")


@pytest.mark.parametrize("form", ["archive", "folder"])
def test_a_file_with_another_hash_is_never_unpickled(kind, made, form, tmp_path):
    files, _ = made(kind.versions[1])
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    files[next(iter(kind.versions[1].train))] = trap
    if form == "archive":
        (tmp_path / kind.versions[1].archive.name).write_bytes(pack(kind.versions[1].folder, files))
    else:
        put(tmp_path / kind.versions[1].folder, files)
    with pytest.raises(UsageError, match=r"--data-dir: expected .* as published, with sha256:.*, .* is something else"):
        kind.load(tmp_path, None)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(trap)
    assert (tmp_path / "sprung").exists()  # unpickling it creates the file


@pytest.mark.parametrize("version", ["BINARY", "PYTHON"])
@pytest.mark.parametrize("harm", ["truncated", "one bit", "missing"])
def test_a_corrupt_file_raises_and_is_named(kind, made, version, harm, tmp_path):
    version = kind.versions[("BINARY", "PYTHON").index(version)]
    files, packed = made(version)
    put(tmp_path / "a" / version.folder, files)
    name = next(iter(version.test))
    path = tmp_path / "a" / version.folder / name
    content = path.read_bytes()
    path.write_bytes({"truncated": content[:-5], "one bit": bytes([content[0] ^ 1]) + content[1:]}.get(harm, b""))
    if harm == "missing":
        path.unlink()
    with pytest.raises(UsageError, match=rf"--data-dir: expected {kind.title}.*{name}.*; delete"):
        kind.load(tmp_path / "a", None)
    archive = tmp_path / "b" / version.archive.name
    archive.parent.mkdir()
    archive.write_bytes(packed[:-10])
    with pytest.raises(UsageError, match=rf"--data-dir: expected {kind.title}'s archive as published.*{archive.name}"):
        kind.load(tmp_path / "b", None)


def test_other_members_of_an_archive_are_never_unpacked(kind, made, monkeypatch, tmp_path):
    files, _ = made(kind.versions[0])
    others = ("../../escaped", str(tmp_path / "escaped"), f"../{kind.versions[0].folder}/{next(iter(files))}")
    packed = pack(kind.versions[0].folder, files, others)
    binary = kind.versions[0]
    binary = replace(binary, archive=replace(binary.archive, digest=digest(packed)))
    monkeypatch.setattr(type(kind), "versions", (binary,))
    data = tmp_path / "deep" / "data"
    data.mkdir(parents=True)
    (data / binary.archive.name).write_bytes(packed)
    check(kind, kind.load(data, None), data / binary.archive.name)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [binary.archive.name]


@pytest.mark.parametrize("download", [True, None])
def test_missing_files_are_downloaded_and_kept(kind, made, download, tmp_path, capsys):
    _, packed = made(kind.versions[0])
    mirror, data = tmp_path / "mirror", tmp_path / "data"
    mirror.mkdir()
    (mirror / kind.versions[0].archive.name).write_bytes(packed)
    before = kind.locate(data, download)
    assert before.megabytes == kind.megabytes and f"{kind.megabytes} MB to be downloaded from" in before.note
    assert str(data) in before.note and not before.missing and not data.exists()
    dataset = kind.load(data, download)
    assert f"downloading {kind.title}, {kind.megabytes} MB" in capsys.readouterr().err
    assert dataset.source.name == before.name
    check(kind, dataset, data / kind.versions[0].archive.name)
    (mirror / kind.versions[0].archive.name).unlink()
    check(kind, kind.load(data, False), data / kind.versions[0].archive.name)


def test_no_download_raises_and_says_how_to_get_the_files(kind, tmp_path):
    source = kind.locate(tmp_path, False)
    with pytest.raises(UsageError) as raised:
        kind.load(tmp_path, False)
    assert str(raised.value) == source.missing
    for part in ("--no-download: expected", kind.title, str(tmp_path), kind.versions[0].archive.url,
                 f"{kind.megabytes} MB", kind.versions[1].folder):
        assert part in source.missing
    assert "\n" not in source.missing and not list(tmp_path.iterdir())


def test_published_hashes_have_full_length():
    for kind in KINDS:
        for version in kind.versions:
            for each in (version.archive.digest, *version.train.values(), *version.test.values()):
                name, _, value = each.partition(":")
                assert len(value) == {"md5": 32, "sha256": 64}[name] and int(value, 16)


def test_python_versions_have_the_hashes_and_folders_of_torchvision():
    from torchvision import datasets

    for kind, theirs in zip(KINDS, (datasets.CIFAR10, datasets.CIFAR100)):
        ours = kind.versions[1]
        assert (ours.folder, ours.archive.name, ours.archive.digest) == (
            theirs.base_folder, theirs.filename, f"md5:{theirs.tgz_md5}")
        assert [*ours.train.items(), *ours.test.items()] == [
            (name, f"md5:{md5}") for name, md5 in theirs.train_list + theirs.test_list]
