"""llama.cpp's base files: real ones against what the tool printed on them, written ones against their logits, damaged
ones."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from eigenkd.deviation import Stream, compare, files, token_table
from eigenkd.deviation.__main__ import main
from eigenkd.deviation.llama import BaseFile
from tests.eigenkd.deviation.base_files import changed, made, written

REAL = Path(__file__).parent / "llama_cpp"
UNICODE = [REAL / f"spm389-c64-unicode-{name}.kld" for name in ("f32", "q4_0")]
BPE = [REAL / f"bpe512-c128-{name}-3chunks.kld" for name in ("f16", "q4_0")]
STEP = 16 / 65535  # nats between two codes of a row that is cut off
LINE = re.compile(r"(\S.*?)\s*:\s+(-?[\d.]+)%?(?: ±\s+([\d.]+))?(?: %)?")


def both(paths):
    return [BaseFile(path) for path in paths]


# --- real files ---

@pytest.fixture(scope="module")
def unicode():
    return compare(*both(UNICODE))


def printed(path):
    """name -> (value, its ±) of a summary of llama-perplexity."""
    found = {}
    for line in path.read_text().splitlines():
        if match := LINE.fullmatch(line.strip()):
            found[" ".join(match[1].split())] = (float(match[2]), None if match[3] is None else float(match[3]))
    return found


def test_every_number_that_llama_perplexity_printed_comes_out(unicode):
    """Of the teacher's file alone, to the last digit; where the tool had the student's logits as they were and this has
    them in steps of 0.00024 nats, within what half a step can change. Its ratio of perplexities is another one: it cuts
    off the teacher alone."""
    expected, found = printed(REAL / "unicode-q4_0-vs-f32.txt"), unicode.perplexity.values
    assert expected.keys() == found.keys() and len(found) == 34
    half = STEP / 2
    for name, (value, error) in expected.items():
        if "PPL(Q)" in name:
            continue
        digit = 0.00051 if "Δp" in name or "Same" in name else 0.51e-6  # half of the last one that is printed
        slack = 0.0 if name == "Mean PPL(base)" else 100 * half / 4 if "Δp" in name else half
        if name == "Same top p":
            slack = 100 / 465  # a tie that the steps make
        assert abs(found[name][0] - value) <= slack + digit, name
        if error is not None:
            assert abs(found[name][1] - error) <= 0.03 * error + digit, name
    # the tool's own: the student's targets are not cut off, the teacher's are
    assert found["Mean PPL(Q)"][0] < expected["Mean PPL(Q)"][0] == pytest.approx(9957.376141)
    assert expected["Mean PPL(Q)/PPL(base)"][0] == 4.968895


def test_targets_below_the_floor_are_counted_and_named(unicode):
    found = unicode.perplexity
    assert (found.floored_teacher.sum(), found.floored_student.sum(), found.floored.sum()) == (125, 123, 127)
    (note,) = [note for note in unicode.verdict.notes if "floor" in note]
    assert note.startswith("Of 465 targets, 125 lie below the floor of the teacher's file and 123 below that of the ")
    assert note.endswith(f"Over the 338 other targets the ratio is {found.ratio_without_floors:.3f}.")


def test_the_tokens_below_the_floor_are_listed(unicode):
    rows = token_table.floored(unicode, count=3).rows
    below = unicode.perplexity
    ids, counts = np.unique(unicode.labels[below.floored], return_counts=True)
    assert len(rows) == 4 and int(rows[0][0].strip("'")) in ids[counts == counts.max()]
    for column, expected in ((1, 125), (2, 123), (3, np.isin(unicode.labels, ids).sum())):
        assert sum(int(row[column]) for row in rows) == expected
    assert rows[3][0] == f"{ids.size - 3} others"


@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_the_lines_of_the_first_chunks_come_out(chunks):
    line = (REAL / "bpe512-q4_0-vs-f16-chunks.txt").read_text().splitlines()[chunks].replace("%", "")
    ppl, ratio, kl, rms, same = ([float(x) for x in part.split("±")] for part in re.findall(r"\S+ ±\s+\S+", line))
    d = compare(*(BaseFile(path, chunks) for path in BPE))
    found, half = d.perplexity.values, STEP / 2
    for (value, error), name, slack, digit in (
            (ppl, "Mean PPL(Q)", ppl[0] * half, 1e-4), (ratio, "Mean ln(PPL(Q)/PPL(base))", half, 1e-5),
            (kl, "Mean KLD", half, 1e-5), (rms, "RMS Δp", 100 * half, 1e-3), (same, "Same top p", 0.0, 1e-3)):
        assert abs(found[name][0] - value) <= 0.51 * digit + slack, name
        assert abs(found[name][1] - error) <= 0.51 * digit + 0.01 * error, name
    assert d.points == 63 * chunks and not d.perplexity.floored.any()


def test_against_itself_nothing_differs():
    d = compare(*both([BPE[0], BPE[0]]))
    assert d.kl == 0 and d.perplexity.values["Mean PPL(Q)/PPL(base)"][0] == 1 and d.slope().value == 1


def test_the_text_and_the_chunks_are_the_files_own(unicode):
    file = BaseFile(UNICODE[0])
    assert (file.context, file.vocabulary, file.chunks, file.shape) == (64, 389, 15, (465, 389))
    np.testing.assert_array_equal(unicode.labels, file.ids[:, 33:].ravel())
    np.testing.assert_array_equal(unicode.tokens.positions, np.tile(np.arange(33, 64), 15))
    assert unicode.interval == "95% bootstrap interval over 15 groups of points"
    assert unicode.tokens.context(31, before=3) == tuple(file.ids[1, 30:33])
    assert unicode.perplexity.widening["KL"] > 2  # tokens of a chunk are far from independent here
    sure = np.asarray(file)
    assert sure.dtype == np.float32 and np.abs(np.exp(sure).sum(axis=1) - 1).max() < 2e-4


def test_files_are_streams_too():
    whole = compare(*both(BPE))
    found = Stream().update(*(BaseFile(path, 2) for path in BPE)).merge(Stream().update(*both(BPE))).result()
    assert found.points == 5 * 63 and found.clusters.max() == 4
    np.testing.assert_array_equal(found.divergence[126:], whole.divergence)
    assert found.tokens.context(126, 4) == whole.tokens.context(0, 4)


# --- written ones ---

@pytest.mark.parametrize("vocabulary", [6, 7])
@pytest.mark.parametrize("context", [8, 9])
def test_codes_are_the_log_probabilities_to_half_a_step(tmp_path, vocabulary, context):
    path, logits, tokens = made(tmp_path / "a.kld", vocabulary, context)
    file = files.read(path)
    log = logits.reshape(-1, vocabulary).astype(float)
    log -= np.log(np.exp(log).sum(axis=1, keepdims=True))
    assert np.abs(np.asarray(file) - log).max() <= STEP / 2 + 2e-6
    np.testing.assert_array_equal(file.labels, tokens[:, context - logits.shape[1]:].ravel())
    np.testing.assert_array_equal(file[3:5], np.asarray(file)[3:5])


@pytest.mark.parametrize("cap", [16.0, 24.0])
def test_a_floor_is_one_only_where_the_row_reaches_further_down(tmp_path, cap):
    """By hand: rows (0, -30, -1) and (0, -3, -1), target 1: the first is cut off, the second's least logit is exact."""
    logits = np.array([[[0.0, -30, -1], [0, -3, -1]]], np.float32)
    file = BaseFile(written(tmp_path / "a.kld", logits, np.array([[0, 0, 0, 1, 1]]), 5, cap))
    value, half, floored = file.targets()
    lse = np.log([1 + math.exp(-1), 1 + math.exp(-1) + math.exp(-3)])
    np.testing.assert_allclose(value, [-cap, -3] - lse, atol=1e-5)
    assert floored.tolist() == [True, False] and half[0] == pytest.approx(cap / 65535 / 2, rel=1e-4)


def test_what_is_read_is_what_the_logits_say(tmp_path):
    paths = [made(tmp_path / f"{k}.kld", 40, 33, 6, seed=k)[0] for k in range(2)]
    logits = [made(tmp_path / f"{k}.kld", 40, 33, 6, seed=k)[1] for k in range(2)]
    tokens = BaseFile(paths[0]).ids[:, 17:]
    found, expected = compare(*both(paths)), compare(*logits, labels=tokens)
    for name in ("teacher_confidence", "student_confidence", "divergence", "reverse", "jensen_shannon"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=2e-3)
    np.testing.assert_array_equal(found.teacher_class, expected.teacher_class)
    np.testing.assert_array_equal(found.clusters, expected.clusters)


def test_a_row_of_equal_logits_has_a_scale_of_zero_and_is_fine(tmp_path):
    path, logits, tokens = made(tmp_path / "a.kld")
    logits[1, 2] = 3.0
    file = BaseFile(written(path, logits, tokens, 9))
    np.testing.assert_allclose(file[6:7], -math.log(7), rtol=1e-6)


# --- bad ones ---

ROW = 2 * (4 + 8)  # bytes of a row of 7 tokens
BEGIN = 20 + 4 * 4 * 9
NAN, ZERO, HUGE = (np.array([x], "<f4").tobytes() for x in (np.nan, 0.0, 1e30))


@pytest.mark.parametrize(("at", "content", "message"), [
    (0, b"_logitz_", r"expected a base file of llama-perplexity, which begins with _logits_, got b'_logitz_'"),
    (8, b"\0\0\0\x80", "expected a context, a vocabulary and a number of chunks, got -2147483648, 7 and 4"),
    (16, b"\x05", "expected 5 chunks as its header says, got 3 whole ones and a part of chunk 3: it was cut off"),
    (16, b"\x03", "expected 3 chunks of 96 bytes, got 132 bytes more; the file is damaged"),
    (20 + 4 * 11, b"\x07", "expected tokens from 0 to 6, got 1 to 7 in chunk 1; the file is damaged"),
    (BEGIN + 5 * ROW, NAN, "got a scale of nan, a floor of .* in row 1 of chunk 1 .row 5 of the file."),
    (BEGIN + 5 * ROW, ZERO, "got a scale of 0, a floor of .* and a largest code of 65535 in row 1 of chunk 1"),
    (BEGIN + 5 * ROW + 4, NAN, "a floor of nan and a largest code of 65535 in row 1 of chunk 1"),
    (BEGIN + 5 * ROW + 4, HUGE, "got a sum of inf in row 1 of chunk 1|got a sum of nan in row 1 of chunk 1"),
    (BEGIN + 5 * ROW, bytes(ROW), "got a scale of 0, a floor of 0 and a largest code of 0 in row 1 of chunk 1"),
    (BEGIN + 5 * ROW + 8, b"\1\1" * 7, "a largest code of 257 in row 1 of chunk 1"),
    (BEGIN + 5 * ROW + 4, np.array([-3.0], "<f4").tobytes(), "got a sum of .* in row 1 of chunk 1 .row 5 of the file."),
])
def test_damage_is_refused_with_the_file_the_chunk_and_the_fix(tmp_path, at, content, message):
    good, bad = made(tmp_path / "good.kld")[0], made(tmp_path / "bad.kld", seed=3)[0]
    changed(bad, at, content)
    for pair in ([good, bad], [bad, good]):
        with np.errstate(all="ignore"), pytest.raises(ValueError, match=f"bad.kld: .*{message}") as raised:
            compare(*both(pair))
        assert "write it again with llama-perplexity" in str(raised.value)


@pytest.mark.parametrize(("size", "message"), [
    (0, "got b'' .an empty file."), (12, r"got 12: llama-perplexity leaves this where the text has fewer than 2 x 9 "
                                          "tokens"),
    (100, "expected the tokens of 4 chunks, got 80 of 144 bytes: it was cut off"),
    (BEGIN, "expected 4 chunks as its header says, got 0 whole ones: it was cut off; write it again with llama-perp"),
    (BEGIN + 9 * ROW, "got 2 whole ones and a part of chunk 2: it was cut off; .*use what is there with --chunks 2"),
])
def test_truncated_files_are_refused(tmp_path, size, message):
    path = made(tmp_path / "a.kld")[0]
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=message):
        BaseFile(path)
    if size > BEGIN:
        assert BaseFile(path, 2).shape == (8, 7)


def test_a_text_too_short_for_the_tool_is_said():
    with pytest.raises(ValueError, match="fewer than 2 x 128 tokens"):
        BaseFile(REAL / "too-short-text-12-bytes.kld")


@pytest.mark.parametrize(("options", "message"), [
    ({"vocabulary": 8}, "b.kld: expected a vocabulary of 7 tokens like .*a.kld, got 8; the models have different"),
    ({"context": 8}, "b.kld: expected a context of 9 tokens like .*a.kld, got 8; run both with the same -c"),
    ({"chunks": 3}, "b.kld: expected the tokens of"),
])
def test_other_texts_are_refused(tmp_path, options, message):
    a, b = made(tmp_path / "a.kld")[0], made(tmp_path / "b.kld", seed=2, **options)[0]
    if "chunks" in options:  # the same text, fewer chunks
        changed(b, 20, a.read_bytes()[20: 20 + 4 * 27])
        message = "b.kld: expected 4 chunks like .*a.kld, got 3; .*compare the first 3 with --chunks 3"
        assert compare(BaseFile(a, 3), BaseFile(b, 3)).points == 12
    with pytest.raises(ValueError, match=message):
        compare(*both([a, b]))


def test_another_text_is_refused_at_its_first_token(tmp_path):
    a, b = made(tmp_path / "a.kld")[0], made(tmp_path / "b.kld")[0]
    old = BaseFile(a).ids[2, 4]
    changed(b, 20 + 4 * (2 * 9 + 4), bytes([(old + 1) % 7]))
    message = (f"b.kld: expected the tokens of .*a.kld, got {(old + 1) % 7} in place of {old} at token 4 of chunk 2 "
               ".1 of 4 chunks differ.; run both models on the same")
    with pytest.raises(ValueError, match=message):
        compare(*both([a, b]))


# --- the command ---

def said(capsys, *arguments, code=0):
    assert main([str(argument) for argument in arguments]) == code
    out, err = capsys.readouterr()
    return out if code == 0 else err


def test_the_command_reads_them(capsys, tmp_path):
    out = said(capsys, *UNICODE, "--tokens", REAL / "spm389-vocab.json", "--json", tmp_path / "n.json")
    assert "Of 465 targets, 125 lie below the floor" in out
    assert "95% interval over 15 groups" in out and re.search(r"Mean PPL\(base\) +2003.941", out)
    assert "word part" in out and "測" in out  # the context of a token, of several bytes
    found = json.loads((tmp_path / "n.json").read_text())["tokens"]
    assert found["perplexity"]["floored"] == {"teacher": 125, "student": 123}
    assert len(found["by_position"]) == 16 and sum(part["points"] for part in found["by_confidence"]) == 465


def test_the_command_names_a_bad_file(capsys, tmp_path):
    assert said(capsys, UNICODE[0], BPE[0], code=2).startswith(
        f"error: {BPE[0]}: expected a vocabulary of 389 tokens like {UNICODE[0]}, got 512")
    assert said(capsys, UNICODE[0], UNICODE[1], "--chunks", 16, code=2).startswith("error: --chunks 16: expected 1 to "
                                                                                   "15")
    np.save(tmp_path / "a.npy", np.eye(4))
    assert said(capsys, tmp_path / "a.npy", tmp_path / "a.npy", "--chunks", 2, code=2).startswith(
        "error: --chunks: expected base files of llama-perplexity")
    assert "3 chunks" not in said(capsys, *BPE, "--chunks", 1)


def test_a_student_that_is_better_than_its_teacher_may_be_a_swapped_file(capsys, tmp_path):
    rng = np.random.default_rng(0)
    path, logits, tokens = made(tmp_path / "bad.kld", 30, 41, 8, scale=0.1)
    better = logits.copy()
    at = np.ogrid[:8, :20]
    better[(*at, tokens[:, 21:])] += 2 + 0.1 * rng.normal(size=(8, 20))
    good = written(tmp_path / "good.kld", better, tokens, 41)
    assert "if that is not meant, the files are swapped" in said(capsys, path, good)
    assert "swapped" not in said(capsys, good, path)


# --- the command ---

def test_several_students_are_measured_apart(capsys, tmp_path):
    """Two quantisations are no seeds of one recipe."""
    paths = [str(path) for path in (*UNICODE, UNICODE[0])]
    assert main([*paths, "--json", str(tmp_path / "n.json")]) == 0
    out = capsys.readouterr().out
    one, two = (compare(*both((UNICODE[0], path))) for path in paths[1:])
    for path, found in zip(paths[1:], (one, two)):
        assert f"{path}: {found.verdict.sentence}\n  {found.verdict.low.sentence}" in out
    assert "seeds" not in out and "slope, least confident 25%" in out
    rows = [line.split() for line in out.split("other top token")[1].split("\n\n")[0].splitlines()[2:]]
    assert [row[0] for row in rows] == paths[1:] and rows[0][1] == "465" and float(rows[1][2]) == 0
    each = json.loads((tmp_path / "n.json").read_text())["each"]
    assert each[paths[1]]["kl"] == pytest.approx(one.kl) and "by_position" in each[paths[2]]["tokens"]
    out = said(capsys, *paths, "--tokens", REAL / "spm389-vocab.json")
    by_kind = out.split("\ntoken ")[1].split("\n\n")[0]
    assert "word part" in by_kind and "bytes" in by_kind and out.count("tokens with the largest KL") == 2
    for flags, words in ((("--out", "p.html"), "--out: expected one student of tokens, got 2"),
                        (("--vocabulary", "389"), "--vocabulary: expected files of top-k log-probabilities, got"),
                        (("--shift",), "--shift: expected --labels, whose places it moves, got none")):
        assert main([*paths, *flags]) == 2
        assert f"error: {words}" in capsys.readouterr().err


def test_a_tokenizer_of_other_models_is_refused_before_the_comparison(capsys, tmp_path):
    (tmp_path / "v.json").write_text(json.dumps([str(i) for i in range(390)]))
    np.save(tmp_path / "flat.npy", np.eye(5))
    flat = str(tmp_path / "flat.npy")
    for paths, said in ((map(str, UNICODE), "expected the 389 tokens of these models or fewer, got 390"),
                        ((flat, flat), r"expected logits of tokens, .sequences, tokens, vocabulary., got shape .5, 5")):
        assert main([*paths, "--tokens", str(tmp_path / "v.json")]) == 2
        assert re.search(f"error: --tokens: {said}", capsys.readouterr().err)


def test_labels_beside_base_files_have_to_be_their_tokens(tmp_path, capsys):
    labels = BaseFile(UNICODE[0]).labels.copy()
    np.save(tmp_path / "same.npy", labels)
    np.save(tmp_path / "each.npy", np.arange(15))  # one a chunk
    np.save(tmp_path / "keep.npy", np.arange(465).reshape(15, 31) % 31 > 0)
    out = said(capsys, *UNICODE, "--labels", tmp_path / "same.npy", "--groups", tmp_path / "each.npy", "--keep",
               tmp_path / "keep.npy")
    assert "over 15 groups" in out and "Left out: 15 rows by keep." in out
    labels[[40, 41]] = labels[[41, 40]]
    np.save(tmp_path / "other.npy", labels)
    error = said(capsys, *UNICODE, "--labels", tmp_path / "other.npy", code=2)
    assert re.search(r"labels: expected the tokens of .*f32.kld, got \d+ in place of \d+, token 42 of sequence 1 "
                     r"\(2 differ", error)


def test_a_missing_base_file_is_named(capsys):
    assert main([str(UNICODE[0]), "none.kld"]) == 2
    assert capsys.readouterr().err == ("error: none.kld: expected a base file of llama-perplexity, found no file; "
                                       "check the path\n")
