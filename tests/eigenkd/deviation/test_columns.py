"""Columns of a CSV that are no logits, and rows in another order: from files as people write them."""

import json
import re

import numpy as np
import pytest

from eigenkd.deviation import compare, files
from eigenkd.deviation.__main__ import main
from eigenkd.deviation.alignment import doubt, order

RNG = np.random.default_rng(0)
TEACHER = 2 * RNG.normal(size=(160, 4))
STUDENT = 1.4 * TEACHER + 0.2 * RNG.normal(size=TEACHER.shape)
LABELS = TEACHER.argmax(axis=1)
SHUFFLED = RNG.permutation(160)
NAMES = ["cat", "dog", "bird", "cow"]
IDS = 3 * np.arange(160) + 1000


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("t.npy", TEACHER)
    np.save("s.npy", STUDENT)
    np.save("shuffled.npy", STUDENT[SHUFFLED])
    return tmp_path


def csv(name, rows, header=None, **columns):
    """A CSV of rows of logits behind the given columns."""
    lines = [] if header is None else [",".join([*columns, *header])]
    lines += [",".join([*map(str, cells), *(repr(float(f)) for f in row)])
              for *cells, row in zip(*columns.values(), rows)]
    with open(name, "w") as file:
        file.write("\n".join(lines))
    return name


def said(capsys, *arguments, code=0):
    assert main([str(argument) for argument in arguments]) == code
    out, err = capsys.readouterr()
    assert (err == "") == (code == 0) and err.count("\n") == bool(code) and "Traceback" not in err
    return out or err


def same(found):
    """Whether the command found what the arrays in one order hold."""
    d = compare(TEACHER, STUDENT)
    return d.verdict.sentence in found and d.verdict.low.sentence in found and d.verdict.high.sentence in found


# --- what is read ---

@pytest.mark.parametrize("header", [NAMES, ["0", "1", "2", "3"], ["1", "2", "3", "4"]])
@pytest.mark.parametrize("column", ["", "Unnamed: 0", "id", "ID", "image_id", "imageId", "index", "idx", "filename",
                                    "path", "sample id", "uuid"])
def test_a_column_that_names_the_points_is_no_logit(column, header):
    values = [f"img_{k}.png" for k in range(160)] if column in ("filename", "path", "uuid") else IDS
    table = files.read_csv(csv("a.csv", TEACHER, header, **{column: values}))
    np.testing.assert_array_equal(table.values, TEACHER)
    assert table.names == tuple(header) and table.ids.tolist() == [str(value) for value in values]
    assert len(table.notes) == 1 and "names the points and is no logit" in table.notes[0]
    np.testing.assert_array_equal(files.read("a.csv"), TEACHER)


@pytest.mark.parametrize("first", [np.arange(160), np.arange(1, 161), np.arange(160.0),
                                   [f"n{k:08}.JPEG" for k in range(160)]])
def test_without_a_header_a_count_of_the_rows_and_their_names_are_recognised(first):
    table = files.read_csv(csv("a.csv", TEACHER, first=first))
    np.testing.assert_array_equal(table.values, TEACHER)
    assert table.names == () and table.ids.tolist() == [str(value) for value in first]


@pytest.mark.parametrize("header", [["squid", "orchid", "grid", "android"], ["path", "key", "image", "rapid"]])
def test_classes_whose_names_end_like_ids_stay_logits(header):
    np.testing.assert_array_equal(files.read(csv("a.csv", TEACHER, header)), TEACHER)


def test_pandas_files_are_read_as_they_are_written(capsys):
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame(TEACHER).to_csv("t.csv")
    pandas.DataFrame(STUDENT).sample(frac=1, random_state=0).to_csv("s.csv")
    pandas.Series(np.array(NAMES)[LABELS], name="label").sample(frac=1, random_state=1).to_csv("l.csv")
    pandas.Series(LABELS == 1, name="dog").to_csv("dog.csv")
    out = said(capsys, "t.csv", "s.csv", "--labels", "l.csv", "--classes", *NAMES, "--mask", "dog.csv")
    assert same(out) and "s.csv: the rows are put in the teacher's order by their ids." in out
    assert f"{np.mean(TEACHER.argmax(1) == LABELS):.3f} / {np.mean(STUDENT.argmax(1) == LABELS):.3f}" in out
    framed = compare(pandas.DataFrame(TEACHER), pandas.DataFrame(STUDENT))
    assert framed.summary() == compare(TEACHER, STUDENT).summary()


def test_one_index_that_was_numbered_anew_is_no_name(capsys):
    csv("t.csv", TEACHER, NAMES, **{"": np.arange(160)})
    csv("s.csv", STUDENT, NAMES, **{"": np.arange(500, 660)})
    out = said(capsys, "t.csv", "s.csv")
    assert same(out) and "s.csv: the ids are not those of t.csv; the rows are taken in order." in out


@pytest.mark.parametrize(("columns", "message"), [
    ({"split": ["train", "val"] * 80}, "could not convert string 'train' to a number in line 2, column 'split' "
     r"\(--drop split leaves the column out"),
    ({"label": LABELS}, r"expected logits in every column, got whole numbers such as .* in column 0 "
     r"\(label\) next to fractions, .* --drop label, or --ids label"),
])
def test_what_is_no_logit_has_to_be_named(columns, message, capsys):
    csv("t.csv", TEACHER, NAMES, **columns)
    csv("s.csv", STUDENT, NAMES, **columns)
    name = next(iter(columns))
    assert re.search(message, said(capsys, "t.csv", "s.csv", code=2))
    assert same(said(capsys, "t.csv", "s.csv", "--drop", name)) and same(said(capsys, "t.csv", "s.npy", "--drop", name))


def test_ids_without_a_name_are_not_taken_for_logits_in_any_format(capsys):
    for name, rows in (("t", TEACHER), ("s", STUDENT)):
        csv(f"{name}.csv", rows, first=RNG.permutation(160) + 7)
        np.save(f"{name}_ids.npy", np.c_[RNG.permutation(160), rows])
    for files_ in (("t.csv", "s.csv"), ("t_ids.npy", "s_ids.npy"), ("t.npy", "s.csv"), ("t_ids.npy", "s.npy")):
        assert "in column 0 next to fractions, as ids and labels are; drop the column" in said(capsys, *files_, code=2)
    assert said(capsys, "t_ids.npy", "s_ids.npy", "--inputs", "logits")
    assert same(said(capsys, "t.csv", "s.csv", "--drop", 0))


def test_whole_logits_are_logits():
    rows = np.round(10 * TEACHER)
    assert compare(rows, rows).inputs == "logits"
    assert compare(np.c_[np.arange(9), TEACHER[:9]], np.c_[np.arange(9), TEACHER[:9]]).points == 9


WHOLE = {"t.csv": np.round(10 * TEACHER), "s.csv": np.round(10 * STUDENT)}
COUNTS = np.arange(160)


@pytest.mark.parametrize("numbers", [COUNTS, COUNTS + 1, 3 * COUNTS + 1000, SHUFFLED, SHUFFLED + 1],
                         ids=["from 0", "from 1", "rising", "shuffled", "shuffled from 1"])
def test_row_numbers_among_whole_logits_are_asked_about(numbers, capsys):
    for name, rows in WHOLE.items():
        csv(name, rows, NAMES, sample=numbers)
        np.save(name.replace("csv", "npy"), np.c_[rows, numbers])
    expected = compare(*WHOLE.values()).verdict.low.sentence
    err = said(capsys, "t.csv", "s.csv", code=2)
    assert err.startswith("error: t.csv: expected logits in every column, got whole numbers such as ")
    assert "in column 0 (sample) that number the rows, as ids do; drop the column (of a CSV: --drop sample, " in err
    assert "in column 4 that number the rows" in said(capsys, "t.npy", "s.npy", code=2)
    for option in ("--drop", "--ids"):
        assert expected in said(capsys, "t.csv", "s.csv", option, "sample")
    assert said(capsys, "t.csv", "s.csv", "--inputs", "logits")


@pytest.mark.parametrize("rows", [np.round(10 * TEACHER), np.arange(640.0).reshape(160, 4), np.eye(4)[LABELS],
                                  np.where(np.arange(4) == 2, -np.inf, np.round(10 * TEACHER))],
                         ids=["rounded", "all rising", "one-hot", "masked"])
def test_whole_numbers_that_may_be_logits_are_taken(rows):
    assert compare(rows, rows, inputs="auto").points == 160


# --- the order of the rows ---

@pytest.mark.parametrize("how", ["id column", "named column", "files", "npz"])
def test_ids_put_the_rows_in_one_order(how, capsys):
    column = "image_id" if how == "id column" else "sample"
    csv("t.csv", TEACHER, NAMES, **{column: IDS})
    csv("s.csv", STUDENT[SHUFFLED], NAMES, **{column: IDS[SHUFFLED].astype(float)})
    np.save("t_ids.npy", IDS)
    np.savez("s.npz", logits=STUDENT[SHUFFLED], ids=IDS[SHUFFLED])
    out = {"id column": lambda: said(capsys, "t.csv", "s.csv"),
           "named column": lambda: said(capsys, "t.csv", "s.csv", "--ids", "sample"),
           "files": lambda: said(capsys, "t.npy", "s.npz:logits", "--ids", "t_ids.npy", "s.npz:ids"),
           "npz": lambda: said(capsys, "t.npy", "s.npz:logits", "s.npz:logits", "--ids", "t_ids.npy", "s.npz:ids",
                               "s.npz:ids")}[how]()
    assert "the rows are put in the teacher's order by their ids." in out
    assert f"{np.mean(TEACHER.argmax(1) == STUDENT.argmax(1)):.3f}" in out and (how == "npz" or same(out))


def test_labels_with_ids_are_put_in_order_too(capsys):
    csv("t.csv", TEACHER, NAMES, image_id=IDS)
    with open("l.csv", "w") as file:
        file.write("image_id,label\n" + "\n".join(f"{IDS[k]},{NAMES[LABELS[k]]}" for k in SHUFFLED))
    said(capsys, "t.csv", "s.npy", "--labels", "l.csv", "--json", "n.json")
    with open("n.json") as file:
        assert json.load(file)["calibration"]["teacher"]["accuracy"] == 1


def test_columns_in_another_order_are_put_in_the_teachers(capsys):
    csv("t.csv", TEACHER, NAMES)
    csv("s.csv", STUDENT[:, [2, 0, 3, 1]], [NAMES[c] for c in (2, 0, 3, 1)])
    out = said(capsys, "t.csv", "s.csv")
    assert same(out) and "s.csv: the columns are put in the teacher's order by their names." in out


def test_columns_that_two_headers_call_otherwise(capsys):
    """One other name among the teacher's is said; with the others in another order it leaves that order unknown."""
    csv("t.csv", TEACHER, NAMES)
    csv("s.csv", STUDENT, ["cat", "dog", "bird", "calf"])
    out = said(capsys, "t.csv", "s.csv")
    assert same(out) and "s.csv: the column 'calf' is taken for the teacher's 'cow'." in out
    csv("s.csv", STUDENT, ["a", "b", "c", "d"])
    assert same(out := said(capsys, "t.csv", "s.csv")) and "taken for" not in out
    csv("s.csv", STUDENT[:, [2, 0, 3, 1]], ["bird", "cat", "calf", "dog"])
    assert said(capsys, "t.csv", "s.csv", code=2) == ("error: s.csv: expected the names of the teacher's columns, got "
                                                      "'calf' among them and 'bird' in another place; correct the "
                                                      "header\n")


@pytest.mark.parametrize(("ids", "expected", "message"), [
    ([1, 2, 2], [1, 2, 3], r"ids: expected a different id for every row, got '2' 2 times"),
    ([1, 2, 4], [1, 2, 3], r"ids: expected the ids of the teacher's rows, got 1 of the teacher's missing, such as '3'"),
    ([1, 2, 3, 4], [1, 2, 3], r"ids: expected the ids of the teacher's rows, got 1 more, such as '4'"),
    ([1, 2, 3], [1, 1, 3], r"the teacher's ids: expected a different id for every row, got '1' 2 times"),
])
def test_ids_that_do_not_match_are_named(ids, expected, message):
    with pytest.raises(ValueError, match=message):
        order("ids", ids, expected)


def test_ids_are_matched_however_they_are_written():
    np.testing.assert_array_equal(order("ids", ["3", " 1", "2.0"], np.array([1.0, 2, 3])), [1, 2, 0])
    np.testing.assert_array_equal(order("ids", ["12_34", "1_234"], ["1_234", "12_34"]), [1, 0])
    large = [12345678901234567891, 12345678901234567892]
    np.testing.assert_array_equal(order("ids", large[::-1], list(map(str, large))), [1, 0])


@pytest.mark.parametrize(("arguments", "message"), [
    (["t.csv", "s.csv", "--ids", "name"], "error: t.csv: .*no column 'name' among 'image_id', 'cat'"),
    (["t.npy", "s.npy", "--ids", "name"], "error: --ids: expected 2 files, one for the teacher and one for each"),
    (["t.npy", "s.npy", "--ids", "a", "b", "c"], "error: --ids: expected one column of CSV files, or 2 files"),
    (["t.npy", "s.npy", "--ids", "t.npy", "s.npy"], r"error: --ids t.npy: expected 160 ids, one a row of t.npy, got"),
    (["t.csv", "s.csv", "--drop", "lable"], "error: --drop lable: expected a column of the CSV files, got none"),
    (["t.csv", "other.csv"], "error: other.csv: ids: expected the ids of the teacher's rows, got 160 of the teacher's"),
    (["t.npy", "s.npy", "--classes", "cat", "dog"], "error: class_names: expected a name for each of 4 classes, got 2"),
])
def test_mistakes_with_columns_are_one_line(arguments, message, capsys):
    csv("t.csv", TEACHER, NAMES, image_id=IDS)
    csv("s.csv", STUDENT, NAMES, image_id=IDS)
    csv("other.csv", STUDENT, NAMES, image_id=IDS + 1)
    assert re.match(message, said(capsys, *arguments, code=2))


# --- rows that may not be the same points ---

def test_rows_in_another_order_are_doubted_first(capsys):
    out = said(capsys, "t.npy", "shuffled.npy")
    assert out.startswith("The rows may not be the same points: teacher and student predict the same class on ")
    d = compare(TEACHER, STUDENT[SHUFFLED], masks={"odd": np.arange(160) % 2 == 1})
    assert d.summary()["masks"]["odd"]["verdict"]["sentence"].startswith("The rows may not be the same points")
    assert compare(TEACHER, STUDENT).doubt == ""


def test_labels_that_fit_one_model_or_none_are_doubted():
    mixed = STUDENT.copy()
    mixed[40:] = STUDENT[40:][RNG.permutation(120)]  # agrees on the first quarter of the points, beyond chance
    other = np.where(np.arange(160) < 40, (LABELS + 1) % 4, LABELS)
    said = compare(TEACHER, mixed, other).doubt
    assert said.startswith("The rows may not be the same points: the labels fit the teacher (75% right) and the")
    assert compare(TEACHER, STUDENT, LABELS[SHUFFLED]).doubt.startswith("The labels may not be those of the same")
    assert compare(TEACHER, STUDENT, LABELS).doubt == ""


def test_a_model_that_predicts_one_class_and_few_points_raise_no_doubt():
    constant = np.zeros(160, dtype=int)
    assert doubt(LABELS, constant, None, 4) == doubt(constant, constant, LABELS, 4) == ""
    assert doubt(LABELS[:19], (LABELS[:19] + 1) % 4, None, 4) == ""
    assert doubt(LABELS, (LABELS + 1) % 4, None, 4) != ""


def test_independent_predictions_are_doubted_and_weak_agreement_is_not():
    rng = np.random.default_rng(1)
    pairs = [(rng.integers(10, size=1000), rng.integers(10, size=1000)) for _ in range(200)]
    assert np.mean([doubt(a, b, None, 10) != "" for a, b in pairs]) > 0.93
    agree = [(a, np.where(rng.random(1000) < 0.15, a, b)) for a, b in pairs]
    assert np.mean([doubt(a, b, None, 10) != "" for a, b in agree]) < 0.05


def test_numbers_between_spaces_are_named_so(tmp_path, capsys):
    np.savetxt(tmp_path / "t.csv", np.random.default_rng(0).normal(size=(30, 3)))
    assert main([str(tmp_path / "t.csv"), str(tmp_path / "t.csv")]) == 2
    error = capsys.readouterr().err
    assert "expected numbers between commas, got '" in error and "numpy.savetxt(path, array, delimiter=',')" in error
