"""Logits of shape (sequences, tokens, vocabulary), parts of them, vocabularies, and their tables."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from eigenkd.deviation import Stream, compare, parts, token_table, vocabulary
from eigenkd.deviation.__main__ import main
from eigenkd.deviation.tokens import shifted

RNG = np.random.default_rng(0)
S, T, V = 12, 15, 9
TEACHER = (2 * RNG.normal(size=(S, T, V))).astype(np.float32)
STUDENT = (1.3 * TEACHER + 0.4 * RNG.normal(size=(S, T, V))).astype(np.float32)
LABELS = np.where(RNG.random((S, T)) < 0.6, TEACHER.argmax(axis=2), RNG.integers(V, size=(S, T)))
LABELS[:, 11:][::2] = -100  # padding
SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # SentencePiece's
NAMES = ["<unk>", "<0xC3>", "<0xB6>", f"{SPACE}the", "ing", "12", "\n", "!", f"{SPACE}x"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def d():
    return compare(TEACHER, STUDENT, LABELS)


def said(capsys, *arguments, code=0):
    assert main([str(argument) for argument in arguments]) == code
    out, err = capsys.readouterr()
    return out if code == 0 else err


# --- three dimensions ---

def test_sequences_are_points_that_belong_together(d):
    flat = compare(TEACHER.reshape(-1, V), STUDENT.reshape(-1, V), LABELS.ravel(), groups=np.repeat(np.arange(S), T))
    told, plain = d.summary(), flat.summary()
    volume, direction, *told["verdict"]["notes"] = told["verdict"]["notes"]  # tokens alone have them
    kl, flipped = d.mean(d.divergence), d.mean(d.teacher_class != d.student_class)
    assert volume == (f"KL is {kl.value:.3g} [{kl.low:.3g}, {kl.high:.3g}] nats a token, and the student's top token "
                      f"is another one on {flipped.value:.1%} [{flipped.low:.1%}, {flipped.high:.1%}] of them.")
    assert "log-odds of the teacher's token change by" in direction
    assert told == plain and d.clusters.tolist() == flat.clusters.tolist()
    at = np.flatnonzero(LABELS.ravel() != -100)
    np.testing.assert_array_equal(d.tokens.positions, at % T)
    np.testing.assert_array_equal(d.tokens.sequences, at // T)
    assert d.unlabelled == 6 * 4 and d.tokens.context(3, 2) == tuple(LABELS[0, 1:3])
    assert compare(torch.asarray(TEACHER), torch.asarray(STUDENT), torch.asarray(LABELS)).points == d.points


def test_blocks_of_other_lengths_are_one_stream(d):
    stream = Stream().update(TEACHER[:5], STUDENT[:5], LABELS[:5])
    other = Stream().update(TEACHER[5:9, :11], STUDENT[5:9, :11], LABELS[5:9, :11])
    other.update(TEACHER[9:], STUDENT[9:], LABELS[9:])
    found = stream.merge(other).result()
    keep = np.ones((S, T), bool)
    keep[5:9, 11:] = False
    expected = compare(TEACHER, STUDENT, LABELS, keep=keep)
    np.testing.assert_array_equal(found.divergence, expected.divergence)
    np.testing.assert_array_equal(found.clusters, expected.clusters)
    np.testing.assert_array_equal(found.tokens.positions, expected.tokens.positions)
    for point in (0, 60, 70, 100, found.points - 1):
        assert found.tokens.context(point) == expected.tokens.context(point)
    assert found.slope() == expected.slope()


def test_masks_and_groups_have_one_value_a_token_or_a_sequence(d):
    odd = np.arange(S * T).reshape(S, T) % 2 == 1
    halves = compare(TEACHER, STUDENT, LABELS, groups=np.arange(S) // 2, masks={"odd": odd})
    assert np.unique(halves.clusters).size == 6
    np.testing.assert_array_equal(halves.masks["odd"], odd.ravel()[LABELS.ravel() != -100])
    each = compare(TEACHER, STUDENT, groups=np.arange(S * T).reshape(S, T))
    assert each.clusters.size == S * T == each.points


@pytest.mark.parametrize(("options", "message"), [
    ({"student_logits": STUDENT[:, 1:]}, r"student_logits: expected shape \(12, 15, 9\) like teacher_logits, got "
                                          r"\(12, 14"),
    ({"labels": LABELS[:, 1:]}, r"labels: expected shape \(12, 15\), one a token, .* got \(12, 14\); the label of a "
                                 "place"),
    ({"groups": np.arange(15)}, r"groups: expected shape \(12, 15\), one a token, .* got \(15,\)"),
    ({"masks": {"m": np.ones(12)}}, r"masks\['m'\]: expected shape \(12, 15\)"),
    ({"keep": np.ones((12, 15, 1))}, r"keep: expected shape \(12, 15\)"),
    ({"keep": np.full((12, 15), 2)}, r"keep: expected values true or false"),
])
def test_other_shapes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        compare(**{"teacher_logits": TEACHER, "student_logits": STUDENT, "labels": LABELS} | options)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_number_is_named_by_its_sequence_and_token(bad):
    student = STUDENT.copy()
    student[7, 4, 2] = bad
    with pytest.raises(ValueError, match=r"student_logits: expected finite numbers, got 1 NaN or \+inf value\(s\) "
                                          "from row "
                                         r"109 \(sequence 7, token 4\) on; replace or remove them"):
        compare(TEACHER, student, LABELS)


def test_keep_leaves_points_out():
    keep = RNG.random((S, T)) < 0.5
    found = compare(TEACHER, STUDENT, keep=keep)
    assert found.points == keep.sum() and (found.unlabelled, found.dropped) == (0, (~keep).sum())
    assert f"Left out: {(~keep).sum()} rows by keep." in found.verdict.notes


def test_the_reasons_for_leaving_points_out_are_counted_apart():
    keep = np.arange(S * T).reshape(S, T) % 4 > 0
    stream = Stream().update(TEACHER[:5], STUDENT[:5], LABELS[:5], keep=keep[:5])
    other = Stream().update(TEACHER[5:], STUDENT[5:], LABELS[5:], keep=keep[5:])
    for found in (compare(TEACHER, STUDENT, LABELS, keep=keep), stream.merge(other).result()):
        assert (found.dropped, found.unlabelled) == ((~keep).sum(), (keep & (LABELS == -100)).sum())
        assert [note for note in found.verdict.notes if note.startswith("Left out")] == [
            f"Left out: {found.unlabelled} rows with the label -100.", f"Left out: {found.dropped} rows by keep."]


@pytest.mark.parametrize("flat", [True, False])
def test_blocks_may_split_sequences(d, flat):
    """Pieces of sequences in any order, from two processes, are the whole: numbers, groups, contexts."""
    pieces = [(slice(a, a + 4), slice(b, e)) for a in (0, 4, 8) for b, e in ((0, 6), (6, 11), (11, T))]
    order = np.random.default_rng(3).permutation(len(pieces))
    streams = Stream(), Stream()
    for k in order:
        of, at = pieces[k]
        shape = TEACHER[of, at].shape
        numbers, places = np.arange(S)[of], np.arange(T)[at]
        if flat:
            blocks = [values[of, at].reshape(-1, *values.shape[2:]) for values in (TEACHER, STUDENT, LABELS)]
            where = {"sequences": np.repeat(numbers, shape[1]), "positions": np.tile(places, len(numbers))}
        else:
            blocks = [values[of, at] for values in (TEACHER, STUDENT, LABELS)]
            where = {"sequences": numbers, "positions": places[0]}
        streams[k % 2].update(*blocks, **where)
    found = streams[0].merge(streams[1]).result()
    back = np.lexsort((found.tokens.positions, found.tokens.sequences))
    for name in ("divergence", "student_confidence", "labels", "clusters"):
        np.testing.assert_array_equal(getattr(found, name)[back], getattr(d, name))
    assert found.slope() == d.slope() and found.mean(found.divergence).groups == S
    assert [found.tokens.context(k) for k in back] == [d.tokens.context(k) for k in range(d.points)]


@pytest.mark.parametrize(("given", "message"), [
    ({"sequences": np.arange(S)[:5], "positions": 2.5}, "positions: expected whole numbers from 0, got float64"),
    ({"sequences": np.arange(4), "positions": 0}, r"sequences: expected shape \(5,\), one a sequence, got \(4,\)"),
    ({"positions": 0}, "sequences, positions: expected both"),
    ({"sequences": list("abcde")}, "sequences: expected whole numbers from 0, got <U1"),
    ({"sequences": np.arange(5) - 1}, "sequences: expected whole numbers from 0, got -1; number"),
])
def test_places_that_cannot_be_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Stream().update(TEACHER[:5], STUDENT[:5], **given)


def test_places_are_given_by_all_blocks_or_none_and_once():
    stream = Stream().update(TEACHER[:5], STUDENT[:5], sequences=np.arange(5))
    with pytest.raises(ValueError, match="update: expected blocks alike, got sequences= False after True"):
        stream.update(TEACHER[5:], STUDENT[5:])
    with pytest.raises(ValueError, match="update: expected blocks alike, got sequences= False after True"):
        stream.merge(Stream().update(TEACHER[5:], STUDENT[5:]))
    stream.update(TEACHER[:5, :3], STUDENT[:5, :3], sequences=np.arange(5), positions=T - 1)
    with pytest.raises(ValueError, match="expected each token once, got token 14 of sequence 0 twice; leave out what"):
        stream.result()


# --- files ---

def test_every_format_is_read(capsys, folder, d):
    np.save("t.npy", TEACHER)
    np.savez("s.npz", student=STUDENT, labels=LABELS, odd=LABELS % 2 == 1)
    save_file({"student": STUDENT}, "s.safetensors")
    np.save("keep.npy", LABELS != -100)
    for student in ("s.npz:student", "s.safetensors"):
        out = said(capsys, "t.npy", student, "--labels", "s.npz:labels", "--mask", "s.npz:odd", "--json", "n.json")
        assert d.verdict.sentence in out and "volume and direction" in out and "position" in out and "odd" in out
        found = json.loads((folder / "n.json").read_text())
        assert found["kl"] == pytest.approx(d.kl, rel=1e-6) and found["left_out"]["rows"] == 24
        assert len(found["tokens"]["by_position"]) == 15
    out = said(capsys, "t.npy", "s.npz:student", "--keep", "keep.npy", "--groups", "s.npz:labels")
    assert "Left out: 24 rows by keep." in out and "over 9 groups" in out


def test_labels_that_are_the_inputs_own_tokens_are_noticed_and_shifted(capsys):
    own = np.roll(LABELS[1::2], 1, axis=1)  # without padding
    np.savez("a.npz", t=TEACHER[1::2], s=STUDENT[1::2], own=own, flat=own.ravel())
    out = said(capsys, "a.npz:t", "a.npz:s", "--labels", "a.npz:own")
    assert out.startswith("The labels may be one place late: the teacher predicts the next place's label on 6")
    assert "one place late" not in said(capsys, "a.npz:t", "a.npz:s", "--labels", "a.npz:own", "--shift")
    np.testing.assert_array_equal(shifted([[1, 2, 3]]), [[2, 3, -100]])
    assert said(capsys, "a.npz:t", "a.npz:s", "--labels", "a.npz:flat", "--shift", code=2).startswith(
        "error: --shift: expected labels of shape (sequences, tokens), got (90,)")


# --- parts ---

def test_parts_are_the_points_between_their_ends(d):
    found = parts.by_position(d, 4)
    assert [part.name for part in found] == ["0 to 3", "4 to 7", "8 to 10", "11 to 14"]
    assert sum(part.points for part in found) == d.points
    at = (d.tokens.positions >= 8) & (d.tokens.positions < 11)
    assert found[2].kl.value == pytest.approx(d.divergence[at].mean())
    assert found[2].change.value == pytest.approx((d.student_confidence - d.teacher_confidence)[at].mean())
    assert found[2].flipped.value == np.mean(d.teacher_class[at] != d.student_class[at])
    assert found[2].entropy_change.value == pytest.approx((d.student_entropy - d.teacher_entropy)[at].mean())
    assert found[2].less_confident.value == np.mean((d.student_confidence < d.teacher_confidence)[at])
    assert found[2].kl.groups == 12 and found[3].kl.groups == 6
    flips = parts.by_confidence(d, 3)
    assert [part.points for part in flips] == [52, 52, 52] and flips[0].flipped.value > flips[2].flipped.value


def test_ties_of_the_teachers_confidence_stay_together():
    teacher = np.tile([[3.0, 0, 0]], (30, 1))
    (only,) = parts.by_confidence(compare(teacher, teacher + RNG.normal(size=teacher.shape)))
    assert only.points == 30


def test_points_without_positions_have_no_curve():
    with pytest.raises(ValueError, match="deviation: expected tokens with positions, got points without"):
        parts.by_position(compare(TEACHER[0], STUDENT[0]))


def test_kinds_of_tokens_are_told_apart(d):
    found = {part.name: part.points for part in parts.by_kind(d, vocabulary.Vocabulary(tuple(NAMES)))}
    count = np.bincount(d.labels, minlength=V)
    assert found["digits"] == count[5] and found["word"] == count[3] + count[8] and found["word part"] == count[4]
    assert found["whitespace"] == count[6] and found["punctuation"] == count[7]
    assert found["bytes"] == count[1] + count[2]
    assert 0 < found.get("rare", 1) <= 0.1 * d.points + count.max()
    assert found["frequent"] >= 0.5 * d.points - count.max()
    with pytest.raises(ValueError, match="--tokens: expected a tokenizer with the tokens of the text, got one of 3 "
                                         "tokens, and token 8 in the text"):
        parts.by_kind(d, vocabulary.Vocabulary(("a", "b", "c")))
    with pytest.raises(ValueError, match="--tokens: expected the 9 tokens of these models or fewer, got 10; name the"):
        parts.by_kind(d, vocabulary.Vocabulary((*NAMES, "more")))


def test_models_may_have_more_tokens_than_their_tokenizer(d):
    """Vocabularies are padded: the kinds are those of the tokenizer, and what pads is special."""
    pad = np.full((S, T, 3), -20.0)
    padded = compare(np.concatenate([TEACHER, pad], -1), np.concatenate([STUDENT, pad], -1), LABELS)
    names = vocabulary.Vocabulary(tuple(NAMES))
    found, expected = parts.by_kind(padded, names), parts.by_kind(d, names)
    assert [(p.name, p.points) for p in found] == [(p.name, p.points) for p in expected]
    alone = compare(np.concatenate([TEACHER, pad + 90], -1), np.concatenate([STUDENT, pad], -1))  # says what pads
    assert {p.name: p.points for p in parts.by_kind(alone, names)}["special"] == S * T


def test_the_worst_tokens_come_with_their_contexts(d):
    rows = token_table.worst_rows(d, vocabulary.Vocabulary(tuple(NAMES)), count=3, before=2)
    assert [row["kl"] for row in rows] == sorted(d.divergence.tolist())[::-1][:3]
    i = int(d.divergence.argmax())
    s, p = divmod(int(d.rows[i]), T)
    assert (rows[0]["sequence"], rows[0]["position"]) == (s, p)
    tokens = vocabulary.Vocabulary(tuple(NAMES))
    assert rows[0]["context"] == tokens.text(LABELS[s, max(0, p - 2):p].tolist())
    assert rows[0]["label"] == tokens.text([LABELS[s, p]])


# --- vocabularies ---

def test_vocabularies_are_read_as_tokenizers_write_them():
    bytelevel = {"Hello": 0, "Ġworld": 1, "Ċ": 2, "Ã¶": 3, "Ġ12": 4, "<|end|>": 6}
    files = {"vocab.json": bytelevel, "list.json": NAMES,
             "tokenizer.json": {"model": {"vocab": bytelevel}, "added_tokens": [{"content": "<|x|>", "id": 7}]},
             "unigram.json": {"model": {"vocab": [[f"{SPACE}a", -1.0], ["b", -2.0]]}, "added_tokens": None}}
    for name, content in files.items():
        with open(name, "w", encoding="utf-8") as file:
            json.dump(content, file)
    found = vocabulary.read("tokenizer.json")
    assert found.text([0, 1, 2, 3]) == "Hello world\nö" and len(found) == 8 and found.tokens[7] == "<|x|>"
    assert found.kinds[:7] == ("word part", "word", "whitespace", "word part", "digits", "special", "special")
    assert vocabulary.read("list.json").text([3, 1, 2, 1, 99]) == " theö<0xC3><99>"
    assert vocabulary.read("unigram.json").text([0, 1]) == " ab" and len(vocabulary.read("vocab.json")) == 7


@pytest.mark.parametrize("content", ["{", "[]", "[1, 2]", "{\"model\": {}}", "3", "{\"a\": -5}"])
def test_other_files_are_refused(content):
    with open("v.json", "w") as file:
        file.write(content)
    with pytest.raises(ValueError, match=r"--tokens v.json: expected tokenizer.json, vocab.json or a JSON list"):
        vocabulary.read("v.json")
    with pytest.raises(FileNotFoundError, match=r"--tokens none.json: expected a file, found none"):
        vocabulary.read("none.json")
