"""Damaged files: the right numbers or a refusal, never other numbers where a size or a checksum can tell."""

import io
import json
import struct
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from eigenkd.deviation import files
from eigenkd.deviation.__main__ import main

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(20, 5)).astype(np.float32)
MASK, LABELS = np.arange(20) % 3 == 0, np.arange(20) % 5
NAMES = ["cat", "dog", "bird", "fish", "cow"]
ARRAYS = {"logits": LOGITS, "mask": MASK, "labels": LABELS}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Pipe(io.RawIOBase):
    """A stream that cannot go back, into which zipfile writes checksums and sizes behind the members."""

    def __init__(self):
        self.content = b""

    def writable(self):
        return True

    def write(self, content):
        self.content += bytes(content)
        return len(content)


def saved(write, *arrays, **named):
    stream = io.BytesIO()
    write(stream, *arrays, **named)
    return stream.getvalue()


def piped(arrays):
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                member.write(saved(np.save, array))
    return pipe.content


def long_form(monkeypatch):
    """An archive with the records that archives of more than 4 GiB have."""
    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
        return saved(np.savez, **ARRAYS)


def written(name, content):
    Path(name).write_bytes(content)
    return name


def arrays_of(name):
    """name -> array of all that is in a file."""
    if name.endswith((".npy", ".csv")):
        return {"": np.array(files.read(name))}
    return {called: np.asarray(read()) for called, read in files.read_all(name).items()}


def equal(one, other):
    return one.keys() == other.keys() and all(
        one[name].shape == other[name].shape and one[name].tobytes() == other[name].astype(one[name].dtype).tobytes()
        for name in one)


def flipped(content, rng):
    """The content with one byte changed, every other time by one bit, and where."""
    data, at = bytearray(content), int(rng.integers(len(content)))
    data[at] ^= 1 << int(rng.integers(8)) if rng.integers(2) else int(rng.integers(1, 256))
    return bytes(data), at


def read_or_refused(name, content):
    """The arrays of damaged content, None where it is refused in one line that names the file."""
    written(name, content)
    try:
        return arrays_of(name)
    except ValueError as refused:
        assert str(refused).startswith(name) and "\n" not in str(refused) and ": expected " in str(refused)
        return None


# --- every kind of file, hit anywhere ---

@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("write", [
    lambda _: saved(np.savez, **ARRAYS), lambda _: saved(np.savez_compressed, **ARRAYS), lambda _: piped(ARRAYS),
    lambda _: saved(np.savez, LOGITS.astype(ml_dtypes.bfloat16)), long_form,
], ids=["stored", "compressed", "piped", "bfloat16", "zip64"])
def test_a_hit_archive_gives_the_same_arrays_or_none(write, monkeypatch):
    whole = write(monkeypatch)
    right, rng, refused = arrays_of(written("a.npz", whole)), np.random.default_rng(0), 0
    for _ in range(500):
        found = read_or_refused("a.npz", flipped(whole, rng)[0])
        refused += found is None
        assert found is None or equal(right, found)
    assert refused > 250


@pytest.mark.parametrize("array", [LOGITS, np.asfortranarray(LOGITS), LABELS, MASK, np.array(NAMES)],
                         ids=["logits", "columns first", "labels", "mask", "names"])
def test_a_hit_npy_is_read_as_numpy_reads_it_or_refused(array):
    """It has no checksum: its numbers, and a dtype of the same size, may be hit unnoticed."""
    whole, rng = saved(np.save, array), np.random.default_rng(1)
    for _ in range(400):
        content, at = flipped(whole, rng)
        if (found := read_or_refused("a.npy", content)) is None:
            continue
        assert equal(found, {"": np.load(io.BytesIO(content))})
        if at < 128:
            assert found[""].dtype != array.dtype or (found[""] == array).all()
        else:
            assert np.count_nonzero(found[""].ravel("K") != array.ravel("K")) <= 1


@pytest.mark.parametrize("metadata", [None, {"model": "résumé"}])
def test_a_hit_safetensors_is_read_as_its_library_reads_it_or_refused(metadata):
    whole = safetensors.numpy.save(ARRAYS, metadata)
    begin, rng = 8 + int.from_bytes(whole[:8], "little"), np.random.default_rng(2)
    for hit in range(800):
        content, at = flipped(whole[:begin], rng) if hit % 2 else flipped(whole, rng)
        content += whole[len(content):]
        found = read_or_refused("a.safetensors", content)
        try:
            expected = safetensors.numpy.load(content)
        except Exception:
            assert found is None
            continue
        assert found is not None or at >= begin or len(expected) < 3  # a truth value of 2, a lost name
        if found is not None:
            assert equal(found, expected)
        if found is not None and at < begin:
            right = [(array.dtype, array.tobytes()) for array in ARRAYS.values()]
            other = [array for array in found.values() if (array.dtype, array.tobytes()) not in right]
            assert all(array.dtype not in (np.float32, np.bool_, np.int64) for array in other)


@pytest.mark.parametrize("whole", [b"id,a,b\nx,1.5,-2\ny,0.25,3\nz,1,2\n", b"label\n1\n0\n2\n", b"true\nfalse\ntrue\n"])
def test_a_hit_csv_is_read_or_refused(whole):
    rng = np.random.default_rng(3)
    for _ in range(300):
        read_or_refused("a.csv", flipped(whole, rng)[0])


def csv(columns, header=None):
    lines = [",".join(map(str, row)) for row in zip(*columns)]
    return ("\n".join(([",".join(header)] if header else []) + lines) + "\n").encode()


TEACHER = RNG.normal(size=(24, 4)).round(3)
STUDENT = (1.5 * TEACHER + 0.3 * RNG.normal(size=TEACHER.shape)).round(3)
CLASSES, HALF, IDS = RNG.integers(4, size=24), np.arange(24) % 2 == 0, [f"image{k}" for k in range(24)]
COMMANDS = {
    "npz": ({"a.npz": saved(np.savez, t=TEACHER, s=STUDENT, l=CLASSES), "m.npz": saved(np.savez_compressed, half=HALF)},
            ["a.npz:t", "a.npz:s", "--labels", "a.npz:l", "--mask", "m.npz"]),
    "npy": ({"t.npy": saved(np.save, TEACHER), "s.npy": saved(np.save, STUDENT.astype(ml_dtypes.bfloat16)),
             "l.npy": saved(np.save, np.array(NAMES)[CLASSES]), "c.npy": saved(np.save, np.array(NAMES[:4])),
             "i.npy": saved(np.save, np.array(IDS)), "m.npy": saved(np.save, HALF)},
            ["t.npy", "s.npy", "--labels", "l.npy", "--classes", "c.npy", "--ids", "i.npy", "i.npy", "--mask",
             "m.npy"]),
    "safetensors": ({"a.safetensors": safetensors.numpy.save({"t": TEACHER, "s": STUDENT}),
                     "m.safetensors": safetensors.numpy.save({"half": HALF, "none": ~HALF})},
                    ["a.safetensors:t", "a.safetensors:s", "--mask", "m.safetensors"]),
    "csv": ({"t.csv": csv([IDS, *TEACHER.T], ["id", *NAMES[:4]]), "l.csv": csv([CLASSES]), "m.csv": csv([HALF]),
             "s.csv": csv([IDS[::-1], *STUDENT[::-1, ::-1].T], ["id", *NAMES[3::-1]])},
            ["t.csv", "s.csv", "--labels", "l.csv", "--mask", "m.csv"]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", COMMANDS)
def test_a_hit_input_of_the_command_is_one_line_and_code_2(kind, capsys):
    whole, arguments = COMMANDS[kind]
    for name, content in whole.items():
        written(name, content)
    assert main([*arguments, "--json", "n.json"]) == 0
    right, rng = Path("n.json").read_text(), np.random.default_rng(4)
    capsys.readouterr()
    for _ in range(100):
        name = list(whole)[rng.integers(len(whole))]
        written(name, flipped(whole[name], rng)[0] if rng.integers(2) else damaged(rng, whole[name]))
        code = main([*arguments, "--json", "n.json"])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "") or (code == 2 and err.startswith("error: ") and err.count("\n") == 1), err
        assert "nan" not in out
        assert kind != "npz" or code == 2 or Path("n.json").read_text() == right
        written(name, whole[name])


def damaged(rng, content):
    """The content of a file with some of its bytes changed, cut off, doubled or added."""
    data = bytearray(content)
    kind = rng.integers(4)
    if kind == 0:
        for at in rng.integers(min(len(data), 400), size=rng.integers(1, 6)):
            data[at] = rng.integers(256)
    elif kind == 1:
        del data[rng.integers(len(data)):]
    elif kind == 2:
        at = rng.integers(len(data))
        data[at:at] = bytes(rng.integers(256, size=rng.integers(1, 30), dtype=np.uint8))
    else:
        data[rng.integers(len(data)):] = bytes(rng.integers(256, size=40, dtype=np.uint8))
    return bytes(data)


# --- .npz ---

@pytest.mark.parametrize(("right", "hit"), [(b"", b"\1"), (b"(2000, 10)", b"(1000, 10)"), (b"v\0{", b"F\0{")],
                         ids=["number", "shape", "header length"])
def test_a_large_member_is_read_to_its_end(right, hit):
    """NumPy reads no more of a member than its header says, and compares the checksum at its end alone."""
    whole = saved(np.savez, logits=RNG.normal(size=(2000, 10)))
    assert files.read(written("a.npz", whole)).shape == (2000, 10)
    at = whole.index(right) if right else 150_000
    written("a.npz", whole[:at] + hit + whole[at + len(hit):])
    with pytest.raises(ValueError, match=r"a\.npz:logits: expected an array .*, got (Bad CRC-32|.* bytes of numbers|a "
                       "header that does not end)"):
        files.read("a.npz")


def directory_without(content, lost, honest):
    """An archive whose directory has lost an entry, and whose last record says so where it is honest."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members, begin = archive.infolist(), archive.start_dir
    sizes = [46 + len(member.filename) + len(member.extra) for member in members]
    first = begin + sum(sizes[:lost])
    record = list(struct.unpack("<4s4H2LH", content[-22:]))
    record[5] -= sizes[lost]
    if honest:
        record[3], record[4] = record[3] - 1, record[4] - 1
    return content[:first] + content[first + sizes[lost] : -22] + struct.pack("<4s4H2LH", *record)


@pytest.mark.parametrize("honest", [True, False])
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_an_entry_that_the_directory_lost_is_noticed(lost, honest):
    written("a.npz", directory_without(saved(np.savez, **ARRAYS), lost, honest))
    with pytest.raises(ValueError, match=r"a\.npz: expected an archive .*, got (bytes between its members|a directory "
                       "of 2 members whose last record says otherwise)"):
        files.read_all("a.npz")


@pytest.mark.parametrize(("content", "came"), [
    (lambda whole: b"#!/bin/sh\n" + whole, "a directory of 3 members whose last record says otherwise"),
    (lambda whole: whole + b"\0", "a directory of 3 members whose last record|an archive that is cut off"),
    (lambda whole: whole[:-1], "File is not a zip file"),
    (lambda whole: b"", "File is not a zip file"),
], ids=["before", "behind", "cut off", "empty"])
def test_bytes_that_belong_to_no_member_are_refused(content, came):
    written("a.npz", content(saved(np.savez, **ARRAYS)))
    with pytest.raises(ValueError, match=rf"a\.npz: expected an archive as numpy\.savez writes it, got ({came}).*"
                       r"; save it with .*, or copy the file again$"):
        files.read_all("a.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_one_name_are_refused():
    with zipfile.ZipFile("a.npz", "w") as archive:
        for array in (LOGITS, -LOGITS):
            archive.writestr("logits.npy", saved(np.save, array))
    with pytest.raises(ValueError, match=r"a\.npz: expected an archive .*, got two arrays of one name"):
        files.read("a.npz:logits")


@pytest.mark.parametrize("trailing", [b"\0\0\0\0", None])
def test_a_member_of_another_size_than_its_header_says_is_refused(trailing):
    content = saved(np.save, LOGITS)
    with zipfile.ZipFile("a.npz", "w") as archive:
        archive.writestr("logits.npy", content + trailing if trailing else content[:-4])
    with pytest.raises(ValueError, match=r"a\.npz:logits: .* bytes of numbers, where shape \(20, 5\) of float32 takes"):
        files.read("a.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_of_other_writers_are_read(method):
    with zipfile.ZipFile("a.npz", "w", method) as archive:
        archive.comment = b"a remark"
        for name, array in ARRAYS.items():
            archive.writestr(f"{name}.npy", saved(np.save, array))
    assert equal(arrays_of("a.npz"), ARRAYS)


def test_long_and_piped_archives_are_read(monkeypatch):
    for content in (long_form(monkeypatch), piped(ARRAYS)):
        assert equal(arrays_of(written("a.npz", content)), ARRAYS)


# --- .npy ---

def npy(text, numbers, version=(1, 0)):
    width = 2 if version == (1, 0) else 4
    return b"\x93NUMPY" + bytes(version) + len(text).to_bytes(width, "little") + text + numbers


HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (20, 5), }"


@pytest.mark.parametrize("change", [-64, -16, -1, 1, 16, 64, 256])
def test_a_header_whose_length_was_hit_is_refused(change):
    whole = bytearray(saved(np.save, LOGITS))
    whole[8:10] = (int.from_bytes(whole[8:10], "little") + change).to_bytes(2, "little")
    with pytest.raises(ValueError, match=r"a\.npy: expected an array as numpy\.save writes it, got .*header that does"):
        files.read(written("a.npy", whole))


@pytest.mark.parametrize(("content", "came"), [
    (npy(HEADER + b"\n", LOGITS.tobytes()[:-1]), r"399 bytes of numbers, where shape \(20, 5\) of float32 takes 400"),
    (npy(HEADER + b"\n", LOGITS.tobytes() + b"\0"), r"401 bytes of numbers, where shape \(20, 5\) of float32 takes 40"),
    (npy(HEADER.replace(b"20", b"2" * 25) + b"\n", LOGITS.tobytes()), "400 bytes of numbers, where shape"),
    (npy(HEADER.replace(b"20, 5", b"-20, -5") + b"\n", LOGITS.tobytes()), r"shape \(-20, -5\)"),
    (npy(HEADER, LOGITS.tobytes()), "a header that does not end after the 60 bytes that it says"),
    (npy(HEADER + b" " * 10_000 + b"\n", LOGITS.tobytes()), "a header that does not end after the 10061 bytes"),
    (npy(HEADER.replace(b"'shape'", b"'shapf'") + b"\n", LOGITS.tobytes()), "a header that NumPy cannot read"),
    (npy(b"(" * 5000 + b"\n", LOGITS.tobytes()), "a header that NumPy cannot read"),
    (npy(b"{'descr': '<f4\0'}\n", LOGITS.tobytes()), "a header that NumPy cannot read"),
    (npy(HEADER + b"\n", LOGITS.tobytes(), (4, 0)), r"a header of the unknown version \(4, 0\)"),
    (npy(HEADER.replace(b"<f4", b"<M8") + b"\n", LOGITS.tobytes()), "dtype datetime64"),
    (saved(np.savez, LOGITS), r"a file that begins with the bytes b'PK"),
    (b"", "an empty file"), (b"\x93NUMPY\x01", "a header of the unknown version"),
    (npy(HEADER.replace(b"<f4", b"|b1").replace(b"20", b"80") + b"\n", b"\2" * 400), "the byte 2 among truth values"),
    (npy(HEADER.replace(b"<f4", b"<U1") + b"\n", b"\xff" * 400), "text that is not Unicode"),
    (npy(HEADER.replace(b"<f4", b"<U1") + b"\n", b"\0\xd8\0\0" * 100), "text that is not Unicode"),
    (npy(HEADER.replace(b"<f4", b"|S4") + b"\n", b"\xff" * 400), "text that is not ASCII; write it as str"),
], ids=lambda value: value if isinstance(value, str) else "file")
def test_a_senseless_npy_is_named(content, came):
    with pytest.raises(ValueError, match=rf"a\.npy: expected an array.*, got {came}"):
        np.asarray(files.read(written("a.npy", content)))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("array", [LOGITS, np.asfortranarray(LOGITS), LOGITS.astype(">f8"), LOGITS[:0], LOGITS.T[:, :0],
                                   np.float32(3), np.array(NAMES), np.array(NAMES, dtype="S"), MASK, 1j * LOGITS])
def test_every_version_and_layout_is_read(array, version):
    content = saved(lambda stream: np.lib.format.write_array(stream, np.asanyarray(array), version))
    found = np.asarray(files.read(written("a.npy", content)))
    assert found.dtype == array.dtype and found.shape == array.shape
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("shape", ["(MW²25, 4)", "(25, 4", "((25, 4),", "'" * 40])
def test_a_header_that_makes_its_parser_fail_in_other_ways(shape, capsys):
    written("t.npy", saved(np.save, LOGITS))
    for descr in ("<f8", "<V2"):
        text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
        written("s.npy", npy(text.encode("latin1").ljust(117) + b"\n", b""))
        assert main(["t.npy", "s.npy"]) == 2
        assert capsys.readouterr().err.startswith("error: s.npy: expected an array as numpy.save writes it, got ")


# --- .safetensors ---

def tensors(header, size=8):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


def entry(**changes):
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes


@pytest.mark.parametrize(("content", "came"), [
    (tensors({"a": entry(shape=[2.0])}), r"the number 2\.0 in its header, which is not whole"),
    (tensors({"a": entry(data_offsets=[0, 8.0])}), r"the number 8\.0 in its header"),
    (tensors(b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 8]}}'), "the number NaN in its header"),
    (tensors({"a": entry(shape=[True, 2])}), "'a' with sizes that are no whole numbers"),
    (tensors({"a": entry(shape=["2"])}), "'a' with sizes that are no whole numbers"),
    (tensors({"a": entry(shape={})}), "'a' with sizes that are no whole numbers"),
    (tensors({"a": entry(shape=[-2], data_offsets=[8, 0])}), "'a' with sizes that are no whole numbers"),
    (tensors({"a": entry(data_offsets=[0])}), "'a' without a known dtype, a shape and two data_offsets"),
    (tensors({"a": entry(dtype="F33")}), "'a' without a known dtype"),
    (tensors({"a": entry(dtype=[])}), "'a' without a known dtype"),
    (tensors({"a": entry(shape=[3])}), r"8 bytes for 'a' of shape \(3,\) and dtype F32"),
    (tensors({"a": entry(), "b": entry(data_offsets=[12, 20])}, 20), "'b' at byte 12, where the tensors before it end"),
    (tensors({"a": entry(), "b": entry()}), "'b' at byte 0, where the tensors before it end at 8"),
    (tensors({"a": entry(data_offsets=[4, 12])}, 12), "'a' at byte 4, where the tensors before it end at 0"),
    (tensors({"a": entry()}, 9), "bytes, where the header says"),
    (tensors({"a": entry()}, 7), "bytes, where the header says"),
    (tensors(json.dumps({"a": entry()}).encode("utf-16")), "'utf-8' codec can't decode"),
    (tensors(b"\xef\xbb\xbf" + json.dumps({"a": entry()}).encode()), "Unexpected UTF-8 BOM"),
    (tensors(b'{"a": 1, "a": ' + json.dumps(entry()).encode() + b"}"), "a header that has a name twice"),
    (tensors({"\ud800": entry()}), "'utf-8' codec can't encode"),
    (tensors({"a": entry(), "__metadata__": {"epoch": 3}}), "a header whose __metadata__ is no mapping of strings"),
    (tensors({"a": entry(), "__metadata__": "x"}), "a header whose __metadata__ is no mapping of strings"),
    (tensors([entry()]), "a header that is no mapping"), (tensors(b"[" * 100_000), "maximum recursion depth"),
    (b"\xff" * 16, "16 bytes, too few for its header"), (b"", "0 bytes, too few for its header"),
], ids=lambda value: value if isinstance(value, str) else "file")
def test_what_the_safetensors_library_refuses_is_refused(content, came):
    with pytest.raises(Exception):  # noqa: B017 - the library has several
        safetensors.numpy.load(content)
    with pytest.raises(ValueError, match=rf"a\.safetensors: expected a file as .* writes it, got .*{came}"):
        files.read_all(written("a.safetensors", content))


def test_a_tensor_without_names_for_its_fields_is_refused():
    """The library reads it, and writes no such file."""
    with pytest.raises(ValueError, match="got 'a' without a known dtype, a shape and two data_offsets"):
        files.read_all(written("a.safetensors", tensors({"a": ["F32", [2], [0, 8]]})))


def test_what_the_safetensors_library_reads_is_read():
    header = {"b": entry(shape=[], dtype="F64", data_offsets=[0, 8]), "none": entry(shape=[0], data_offsets=[8, 8]),
              "a": entry(shape=[2, 1], data_offsets=[8, 16]), "__metadata__": None}
    content = tensors(json.dumps(header).encode() + b" \n\t ", 16)
    assert equal(arrays_of(written("a.safetensors", content)), safetensors.numpy.load(content))
    half = entry(dtype="F8_E4M3", shape=[8])
    assert list(files.read_all(written("a.safetensors", tensors({"a": half})))) == ["a"]


# --- the machine ---

def test_an_error_of_the_machine_stays_what_it_is(monkeypatch):
    written("a.npz", saved(np.savez, LOGITS))

    def failing(*_, **__):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(zipfile.ZipFile, "open", failing)
    with pytest.raises(OSError, match="Input/output error"):
        files.read("a.npz")
