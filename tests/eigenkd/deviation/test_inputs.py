"""What comes in from other tools: labels of -100, class names, text, bfloat16, tensors of every kind."""

import json

import ml_dtypes
import numpy as np
import pytest
import torch

from eigenkd.deviation import compare, files, pointwise
from eigenkd.deviation.__main__ import main

RNG = np.random.default_rng(0)
TEACHER = 2 * RNG.normal(size=(120, 4))
STUDENT = 1.4 * TEACHER + 0.3 * RNG.normal(size=TEACHER.shape)
LABELS = RNG.integers(4, size=120)
NAMES = ["cat", "dog", "bird", "cow"]


def shares(rows):
    return np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)


def leaves(value):
    """All numbers of a nested mapping, None as NaN."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    return [] if isinstance(value, str | list) else [np.nan if value is None else float(value)]


class Rows:
    """Rows of a file."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, chosen):
        return self.array[chosen]


# --- rows without a label ---

@pytest.mark.parametrize("rows", [np.asarray, torch.asarray, Rows], ids=["numpy", "torch", "file"])
def test_rows_of_the_label_minus_100_are_left_out(rows, monkeypatch):
    some = np.arange(120) % 3 != 1
    labels = np.where(some, LABELS, -100)
    padded = [np.where(some[:, None], array, np.nan) for array in (TEACHER, STUDENT)]  # padding may hold anything
    expected = compare(TEACHER[some], STUDENT[some], LABELS[some], masks={"odd": (np.arange(120) % 2 == 1)[some]})
    monkeypatch.setattr(pointwise, "BLOCK", 4 * 7)
    d = compare(*map(rows, padded), labels, masks={"odd": np.arange(120) % 2 == 1})
    assert d.points == some.sum() and d.unlabelled == (~some).sum()
    assert "Left out: 40 rows with the label -100." in d.verdict.notes
    found, wanted = json.loads(json.dumps(d.summary())), json.loads(json.dumps(expected.summary()))
    assert found.pop("left_out") == {"classes": [], "rows": 40} != wanted.pop("left_out")
    del found["masks"]["odd"]["left_out"], wanted["masks"]["odd"]["left_out"]
    np.testing.assert_allclose(leaves(found), leaves(wanted), rtol=1e-9)
    np.testing.assert_array_equal(d.rows, np.flatnonzero(some))


def test_the_rows_of_messages_are_those_of_the_user():
    labels, student = np.where(np.arange(120) < 50, -100, LABELS), STUDENT.copy()
    student[60, 1] = np.nan
    with pytest.raises(ValueError, match=r"student_logits: .* from row 60 on"):
        compare(TEACHER, student, labels)
    student[60] = [0, 0, 0, -np.inf]
    assert "(row 60)" in compare(TEACHER, student, labels).infinite["kl"]


def test_no_label_at_all_is_refused():
    with pytest.raises(ValueError, match="labels: expected some that are classes, got -100 in all rows"):
        compare(TEACHER, STUDENT, np.full(120, -100))


# --- names and text ---

def test_labels_may_be_names_or_text():
    expected = compare(TEACHER, STUDENT, LABELS).summary()
    for labels in (np.array(NAMES)[LABELS], np.array(NAMES, dtype=object)[LABELS], [NAMES[c] for c in LABELS]):
        assert compare(TEACHER, STUDENT, labels, class_names=NAMES).summary() == expected
    for labels in (LABELS.astype(str), [str(c) for c in LABELS]):
        assert compare(TEACHER, STUDENT, labels).summary() == expected
    assert compare(TEACHER.astype(str), STUDENT.astype(str).astype(object), LABELS).summary() == expected


@pytest.mark.parametrize(("labels", "names", "error", "message"), [
    (["cat"] * 120, None, TypeError, r"labels: expected numbers, or names with class_names .*, got 'cat'"),
    (["cat"] * 119 + ["fish"], NAMES, ValueError, r"labels: expected names out of class_names, got 'fish', .* of cat"),
    (LABELS, NAMES[:3], ValueError, r"class_names: expected a name for each of 4 classes, got 3"),
    (LABELS, ["cat", "cat", "dog", "cow"], ValueError, r"class_names: expected different names, got 'cat' twice"),
    (LABELS, "cats", ValueError, r"class_names: expected a name for each of 4 classes, got 'cats'; pass a list"),
])
def test_wrong_names_are_told(labels, names, error, message):
    with pytest.raises(error, match=message):
        compare(TEACHER, STUDENT, labels, class_names=names)


def test_text_that_is_no_number_is_named():
    with pytest.raises(TypeError, match="teacher_logits: expected numbers, got the text 'n/a' among them"):
        compare(np.where(TEACHER > 3, "n/a", TEACHER.astype(str)), STUDENT)


def test_masks_may_be_words():
    odd = np.arange(120) % 2 == 1
    words = compare(TEACHER, STUDENT, masks={"odd": np.where(odd, "True", "False")})
    np.testing.assert_array_equal(words.masks["odd"], odd)


def test_the_command_takes_names_from_the_header_a_list_or_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savetxt("t.csv", TEACHER, delimiter=",", header=",".join(NAMES), comments="", fmt="%.17g")
    np.save("t.npy", TEACHER)
    np.save("s.npy", STUDENT)
    np.save("l.npy", np.array(NAMES)[LABELS])
    (tmp_path / "names.csv").write_text("class\n" + "\n".join(NAMES))
    found = []
    for arguments in (["t.csv", "s.npy"], ["t.npy", "s.npy", "--classes", *NAMES],
                      ["t.npy", "s.npy", "--classes", "names.csv"]):
        assert main([*arguments, "--labels", "l.npy"]) == 0
        found.append(capsys.readouterr().out)
    assert found[0] == found[1] == found[2] and "accuracy" in found[0]


# --- bfloat16 ---

@pytest.mark.parametrize("descr", ["<V2", "|V2", "bfloat16"])
@pytest.mark.parametrize("columns_first", [False, True])
def test_npy_of_bfloat16(descr, columns_first, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored = TEACHER.astype(ml_dtypes.bfloat16)
    header = str({"descr": descr, "fortran_order": columns_first, "shape": stored.shape}).encode().ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + stored.tobytes(
        order="F" if columns_first else "C")
    (tmp_path / "a.npy").write_bytes(content)
    found = files.read("a.npy")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(found), stored.astype(np.float32))
    np.testing.assert_array_equal(found[5:9], stored[5:9].astype(np.float32))
    (tmp_path / "a.npy").write_bytes(content[:-10])
    with pytest.raises(ValueError, match=r"a\.npy: expected an array as numpy\.save writes it, got 950 bytes of "
                           r"numbers, where shape \(120, 4\) of bfloat16 takes 960"):
        files.read("a.npy")


def test_what_ml_dtypes_writes_and_holds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored = TEACHER.astype(ml_dtypes.bfloat16)
    np.save("a.npy", stored)
    np.savez("a.npz", logits=stored, other=np.arange(3))
    np.savez_compressed("b.npz", stored)
    for path in ("a.npy", "a.npz:logits", "b.npz"):
        np.testing.assert_array_equal(np.asarray(files.read(path)), stored.astype(np.float32))
    single = stored.astype(np.float32)  # within one library: two of them may add in different orders
    assert compare(stored, STUDENT).kl == compare(single, STUDENT).kl
    assert compare(torch.asarray(single).bfloat16(), STUDENT).kl == compare(torch.asarray(single), STUDENT).kl


@pytest.mark.parametrize("classes", [3, 10, 1000])
def test_probabilities_rounded_to_bfloat16_are_probabilities(classes):
    """A thousand softmaxes of every width: rounding each entry by 2^-9 of itself moves a sum by as much at most."""
    logits = torch.asarray(2 * np.random.default_rng(classes).normal(size=(1000, classes)))
    rounded = torch.softmax(logits, 1).bfloat16()
    assert (rounded.double().sum(1) - 1).abs().max() > 1e-3
    for given in (rounded, rounded.float(), rounded.double().numpy()):
        assert compare(given, torch.softmax(logits, 1).numpy() if isinstance(given, np.ndarray) else given,
                       inputs="probabilities").points == 1000
    off = torch.softmax(logits, 1) * (1 + 2e-3)
    with pytest.raises(ValueError, match=r"teacher_logits: expected probabilities, .* sum of 1\.002"):
        compare(off, off, inputs="probabilities")
    with pytest.raises(ValueError, match="teacher_logits: expected probabilities"):
        compare((1.02 * rounded.float()).bfloat16(), rounded, inputs="probabilities")


# --- tensors ---

def test_tensors_on_meta_have_no_values():
    with pytest.raises(ValueError, match="student_logits: expected numbers, got a tensor on the device 'meta'"):
        compare(TEACHER, torch.empty(120, 4, device="meta"))
    with pytest.raises(ValueError, match="labels: expected numbers, got a tensor on the device 'meta'"):
        compare(TEACHER, STUDENT, torch.empty(120, device="meta"))


@pytest.mark.parametrize("kind", [tuple, list])
def test_several_outputs_are_refused_in_words(kind):
    heads = kind(torch.tensor(STUDENT, requires_grad=True) for _ in range(2))
    with pytest.raises(TypeError, match=rf"student_logits: expected one array, got a {kind.__name__} of 2 \(\(120, 4"
                       r"\), \(120, 4\)\); join batches .* distilled DeiT in training, pass one head or their mean"):
        compare(TEACHER, heads)
    with pytest.raises(TypeError, match=r"student_logits: expected one array, got a \w+ of 3"):
        compare(TEACHER, kind([*heads, None]))


def test_a_models_output_is_told_from_its_logits():
    class ImageClassifierOutput:
        logits = torch.asarray(STUDENT)

    with pytest.raises(TypeError, match=r"student_logits: .* got ImageClassifierOutput, .* pass its \.logits"):
        compare(TEACHER, ImageClassifierOutput())


def test_a_list_of_rows_with_gradients_is_an_array():
    rows = [torch.tensor(row, requires_grad=True) for row in STUDENT]
    d = compare(TEACHER, rows)
    np.testing.assert_allclose(leaves(d.summary()), leaves(compare(TEACHER, STUDENT).summary()), rtol=1e-9)
    assert not d.student_confidence.requires_grad
    labels = list(torch.asarray(LABELS))
    assert compare(TEACHER, STUDENT, labels).summary() == compare(TEACHER, STUDENT, LABELS).summary()


def test_tensors_of_every_layout():
    expected = leaves(compare(torch.asarray(TEACHER), torch.asarray(STUDENT)).summary())
    for same in (torch._neg_view(torch.asarray(-STUDENT)), torch.asarray(STUDENT + 0j).conj().real,
                 torch.nn.Parameter(torch.asarray(STUDENT))):
        np.testing.assert_allclose(leaves(compare(TEACHER, same).summary()), expected, rtol=1e-9)
    quantised = torch.quantize_per_tensor(torch.asarray(STUDENT).float(), 0.1, 0, torch.qint8)
    assert compare(TEACHER, quantised).kl == pytest.approx(compare(TEACHER, quantised.dequantize()).kl)
    with pytest.raises(TypeError, match=r"student_logits: expected a dense array, .* pass student_logits\.to_dense"):
        compare(TEACHER, torch.asarray(STUDENT).to_sparse())
    with pytest.raises(TypeError, match=r"student_logits: expected one array, got a nested tensor; pad it"):
        compare(TEACHER, torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.strided))
