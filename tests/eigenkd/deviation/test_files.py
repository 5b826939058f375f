import json
import pickle
import re
import zipfile

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from eigenkd.deviation import files

LOGITS = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
FIX = r"; save it with numpy\.save\(path, array, allow_pickle=False\)"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Trap:
    """Unpickled, it would leave a file behind."""

    def __reduce__(self):
        return (open, ("unpickled", "w"))


def written(name, array=LOGITS):
    """A file of that name and ending that holds the array, alone or as `logits` next to `other`."""
    if name.endswith(".npy"):
        np.save(name, array)
    elif name.endswith(".npz"):
        np.savez(name, logits=array, other=np.arange(3))
    elif name.endswith(".safetensors"):
        save_file({"logits": array, "other": np.arange(3)}, name)
    else:
        np.savetxt(name, array, delimiter=",")
    return name


@pytest.mark.parametrize("path", ["a.npy", "a.npz:logits", "a.safetensors:logits", "a.csv"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_every_format_gives_back_the_array_and_its_rows(path, dtype):
    array = (10 * LOGITS).astype(dtype)
    written(path.split(":")[0], array)
    found = files.read(path)
    assert found.shape == (20, 5) and found.ndim == 2 and len(found) == 20
    assert found.dtype == (np.float64 if path == "a.csv" else dtype)
    np.testing.assert_array_equal(np.asarray(found), array)
    np.testing.assert_array_equal(found[3:7], array[3:7])
    np.testing.assert_array_equal(found[18:100], array[18:])
    assert isinstance(found[3:7], np.ndarray) and found[5:5].shape == (0, 5)


def test_half_precision_and_truth_values_stay_what_they_are():
    np.save("half.npy", LOGITS.astype(np.float16))
    save_file({"mask": LOGITS[:, 0] > 0}, "mask.safetensors")
    assert files.read("half.npy").dtype == np.float16
    np.testing.assert_array_equal(np.asarray(files.read("mask.safetensors")), LOGITS[:, 0] > 0)


def test_bfloat16_becomes_single_precision_without_loss():
    """ml_dtypes is the reference for what the sixteen bits mean."""
    values = np.array([[1.5, -2.25, 3e38], [1e-40, -0.0, np.inf]])
    with open("b.safetensors", "wb") as file:
        stored = values.astype(ml_dtypes.bfloat16)
        header = json.dumps({"logits": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}}).encode()
        file.write(len(header).to_bytes(8, "little") + header + stored.tobytes())
    found = files.read("b.safetensors")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(found), stored.astype(np.float32))
    np.testing.assert_array_equal(found[1:2], stored[1:2].astype(np.float32))


def test_columns_first_arrays_come_back_right():
    np.save("f.npy", np.asfortranarray(LOGITS))
    np.testing.assert_array_equal(files.read("f.npy")[4:9], LOGITS[4:9])


def test_a_lone_array_needs_no_name():
    np.savez("one.npz", LOGITS)
    save_file({"anything": LOGITS}, "one.safetensors")
    for path in ("one.npz", "one.safetensors"):
        np.testing.assert_array_equal(np.asarray(files.read(path)), LOGITS)


def test_a_colon_in_a_file_name_is_no_array_name(tmp_path):
    np.save("odd.npy:name.npy", LOGITS)
    assert files.read(tmp_path / "odd.npy:name.npy").shape == (20, 5)


@pytest.mark.parametrize("text", [
    "a,b,c\n1,2,3\n4,5,6\n", "0,1,2\n1,2,3\n4,5,6\n", '"a","b","c"\n"1","2","3"\n4,5,6', "1,2,3\n4,5,6\n",
    "\ufeff1, 2, 3\n\n4,5,6\n\n", "class 0,class 1,class 2\r\n1,2,3\r\n4,5,6",
])
def test_a_csv_with_and_without_a_line_of_names(text, tmp_path):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(files.read("a.csv"), [[1, 2, 3], [4, 5, 6]])


def test_two_columns_of_whole_numbers_have_no_line_of_names(tmp_path):
    (tmp_path / "a.csv").write_text("0,1\n1,0\n")
    assert files.read("a.csv").tolist() == [[0, 1], [1, 0]]


def test_a_csv_of_one_column_is_a_row_of_labels(tmp_path):
    (tmp_path / "labels.csv").write_text("label\n3\n1\n")
    assert files.read("labels.csv").tolist() == [3, 1]


def test_rows_read_only_what_is_asked_for(monkeypatch):
    rows = files.read(written("a.npy"))
    counts, fromfile = [], np.fromfile
    monkeypatch.setattr(np, "fromfile", lambda *args, **kwargs: counts.append(args[2]) or fromfile(*args, **kwargs))
    rows[4:6]
    assert counts == [10]


@pytest.mark.parametrize("index", [0, [0, 1], slice(0, 10, 2), (slice(0, 2), 0)])
def test_rows_refuse_what_they_cannot_slice(index):
    with pytest.raises(TypeError, match=r"a\.npy: expected a slice of rows such as \[0:100\], got .*numpy\.asarray"):
        files.read(written("a.npy"))[index]


def test_a_file_that_shrinks_while_it_is_read_is_noticed(tmp_path):
    rows = files.read(written("a.npy"))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"a\.npy: expected 10 numbers from row 18 on, got 8; the file became shorter"):
        rows[18:20]


def pickled(name, array):
    with open(name, "wb") as file:
        pickle.dump(array, file)


@pytest.mark.parametrize(("path", "write"), [
    ("p.npy", lambda: pickled("p.npy", Trap())),
    ("p.npz", lambda: pickled("p.npz", Trap())),
    ("o.npy", lambda: np.save("o.npy", np.array([Trap()]), allow_pickle=True)),
    ("o.npz", lambda: np.savez("o.npz", np.array([Trap()]))),
])
def test_a_pickle_is_refused_and_never_run(path, write, tmp_path):
    write()
    with pytest.raises(ValueError, match=rf"{path}.*: expected an a.*, got .*{FIX}") as refused:
        files.read(path)
    assert "pickle, which is never read" in str(refused.value) or path == "p.npz"
    assert not (tmp_path / "unpickled").exists()


def test_a_pickle_that_calls_itself_something_else_is_told_the_mend():
    pickled("weights.pt", 1)
    with pytest.raises(ValueError, match=r"weights\.pt: expected a file that ends in \.npy, \.npz, \.safetensors, "
                       r"\.csv, got \.pt; save it with .*pickles.*never read"):
        files.read("weights.pt")


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.safetensors"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.97])
def test_a_truncated_file_is_named(name, share, tmp_path):
    whole = (tmp_path / written(name)).read_bytes()
    (tmp_path / name).write_bytes(whole[:int(share * len(whole))])
    with pytest.raises(ValueError, match=rf"{re.escape(name)}: expected an? .* as \S+ writes it, got .*{FIX}"):
        files.read(f"{name}:logits" if name != "a.npy" else name)


@pytest.mark.parametrize("name", ["a.npy", "a.npz:logits", "a.safetensors:logits", "a.csv"])
def test_an_empty_file_is_named(name, tmp_path):
    (tmp_path / name.partition(":")[0]).write_bytes(b"")
    with pytest.raises(ValueError, match=rf"{re.escape(name.partition(':')[0])}: expected an array, got an empty file; "
                       r"write it again"):
        files.read(name)


def test_a_damaged_archive_is_named(tmp_path):
    np.savez_compressed("c.npz", logits=LOGITS)
    damaged = bytearray((tmp_path / "c.npz").read_bytes())
    damaged[100:140] = b"x" * 40
    (tmp_path / "c.npz").write_bytes(damaged)
    with pytest.raises(ValueError, match=rf"c\.npz:logits: expected an array as numpy\.savez writes it, got .*{FIX}"):
        files.read("c.npz")


@pytest.mark.parametrize("header", [b"[]", b"{", b'{"logits": 1}', b'{"logits": {"data_offsets": [0, 4]}}',
                                    b'{"logits": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
                                    b'{"logits": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
                                    b'{"logits": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}'])
def test_a_senseless_safetensors_header_is_named(header, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"0000")
    with pytest.raises(ValueError, match=rf"a\.safetensors.*: expected .*{FIX}"):
        files.read("a.safetensors")


def test_a_dtype_without_a_counterpart_is_named(tmp_path):
    header = b'{"logits": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}'
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"0000")
    with pytest.raises(ValueError, match=r"a\.safetensors:logits: .*got dtype F8_E4M3, which is none of F64, F32"):
        files.read("a.safetensors")


@pytest.mark.parametrize(("text", "came"), [
    ("a,b\n", "no line of numbers"), ("1;2\n3;4\n", "could not convert string"),
    ("1,2\n1,2,3\n", "the number of columns changed from 2 to 3"), ("1,x\n3,4\n", "could not convert string 'x'"),
    ("1,2\n3,4_5\n", "could not convert string '4_5' to a number in line 2, column 1"),
    ("a,b\n1,2\n3,\n", "could not convert string '' to a number in line 3, column 'b'"),
    ("\x00\x01", "could not convert|no line of numbers"),
])
def test_a_csv_that_is_none_is_named(text, came, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"a\.csv: expected numbers between commas.*, got .*{came}.*; write it with "
                       r"numpy\.savetxt"):
        files.read("a.csv")


@pytest.mark.parametrize(("path", "error", "message"), [
    ("a.npz", ValueError, "a.npz: expected one array, got 2; name one as a.npz:NAME, there are: logits, other"),
    ("a.npz:logit", ValueError, "expected the name of an array in the file, got 'logit'; there are: logits, other"),
    ("a.safetensors:x", ValueError, "expected the name of an array in the file, got 'x'; there are: logits, other"),
    ("a.npy:x", ValueError, "expected a path, since a .npy file holds one array without a name; drop ':x'"),
    ("none.npy", FileNotFoundError, "none.npy: expected a file, found none; check the path"),
    ("none.npz:x", FileNotFoundError, "none.npz: expected a file, found none; check the path"),
    ("folder.npy", ValueError, "folder.npy: expected a file, got a folder; name a file in it"),
    ("array", ValueError, "array: expected a file that ends in .npy, .npz, .safetensors, .csv, got no ending; save"),
])
def test_a_wrong_path_or_name_is_told(path, error, message, tmp_path):
    (tmp_path / "folder.npy").mkdir()
    for name in ("a.npz", "a.safetensors", "a.npy"):
        written(name)
    with pytest.raises(error, match=re.escape(message)):
        files.read(path)


def test_text_is_read_for_labels_that_are_names():
    np.save("s.npy", np.array(["cat", "dog"]))
    assert files.read("s.npy").tolist() == ["cat", "dog"]


def test_an_array_of_no_numbers_is_refused():
    np.save("s.npy", np.zeros(3, dtype=[("field", "f4")]))
    with pytest.raises(ValueError, match=r"s\.npy: expected an array as numpy\.save writes it, got dtype"):
        files.read("s.npy")


def test_an_archive_of_other_things_is_refused():
    with zipfile.ZipFile("z.npz", "w") as archive:
        archive.writestr("letter.txt", "hello")
    with pytest.raises(ValueError, match=r"z\.npz:letter\.txt: expected an array .*, got a file that begins with "
                       r"the bytes b'hello'"):
        files.read("z.npz")
