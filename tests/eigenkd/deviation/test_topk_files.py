"""Top-k log-probabilities as vLLM, axolotl and DistillKit write them, against the rows that were written."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from eigenkd.deviation import TopK, compare, files, perplexity, token_table, topk_files
from eigenkd.deviation.__main__ import main
from eigenkd.deviation.llama import BaseFile
from tests.eigenkd.deviation.base_files import made

pytest.importorskip("pyarrow")
pytest.importorskip("yaml")
from pyarrow import Table, float16, float32, float64, int64, list_, parquet, schema

RNG = np.random.default_rng(0)
V, LENGTHS = 50, (9, 6, 12)
TEXTS = [RNG.integers(V, size=n).tolist() for n in LENGTHS]


def rows(seed):
    """Log-probabilities of the next token at each place but the last, of each text."""
    rng, shared = np.random.default_rng(seed), np.random.default_rng(7)
    logits = [3 * shared.normal(size=(n - 1, V)) + 0.5 * rng.normal(size=(n - 1, V)) for n in LENGTHS]
    return [part - np.log(np.exp(part).sum(axis=1, keepdims=True)) for part in logits]


TEACHER, STUDENT = rows(1), rows(2)
LABELS = np.concatenate([text[1:] for text in TEXTS])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def full():
    return compare(np.concatenate(TEACHER), np.concatenate(STUDENT), LABELS,
                   groups=np.repeat(np.arange(3), [n - 1 for n in LENGTHS]))


def top(log, k):
    return np.argsort(-log, axis=1)[:, :k]


def lines(name, records):
    with open(name, "w") as file:
        file.write("\n".join(json.dumps(record) for record in records) + "\n")
    return name


def vllm(parts, k=4, ranks=True, wrap=lambda record: record):
    """Responses with prompt_logprobs: the top k and the prompt's own token, with its rank."""
    records = []
    for text, log in zip(TEXTS, parts):
        entries = [None]
        for row, token in zip(log, text[1:]):
            rank = 1 + np.argsort(np.argsort(-row))
            ids = [token, *(i for i in np.argsort(-row)[:k].tolist() if i != token)]
            entries.append({str(i): {"logprob": float(row[i]), "decoded_token": "x"} | (
                {"rank": int(rank[i])} if ranks else {}) for i in ids})
        records.append(wrap({"prompt_token_ids": text, "prompt_logprobs": entries}))
    return records


def inside(found, full):
    for name in ("divergence", "reverse", "jensen_shannon", "teacher_entropy", "student_entropy"):
        value = getattr(full, name)
        assert (found.scores[f"low:{name}"] <= value + 1e-9).all(), name
        assert (value <= found.scores[f"high:{name}"] + 1e-9).all(), name


def said(capsys, *arguments, code=0):
    assert main([str(argument) for argument in arguments]) == code
    out, err = capsys.readouterr()
    return out if code == 0 else err


# --- with full logits ---

@pytest.mark.parametrize("swapped", [False, True])
def test_full_logits_of_whole_sequences_beside_top_k_rows_are_those_of_the_same_tokens(full, folder, swapped, capsys):
    """The usual pair: the teacher's top k of a server, the student's logits (sequences, tokens, vocabulary)."""
    longest = max(LENGTHS)
    logits, labels = np.zeros((3, longest, V)), np.full((3, longest), -100)
    for k, (log, text) in enumerate(zip(STUDENT, TEXTS)):
        logits[k, : len(log)], labels[k, : len(log)] = log, text[1:]
    np.save("s.npy", logits)
    np.save("labels.npy", labels)
    topk = topk_files.read(lines("t.jsonl", vllm(TEACHER, k=4)), V)[0]
    if swapped:
        d = compare(logits, topk, labels)
        np.testing.assert_allclose(d.teacher_confidence, compare(np.concatenate(STUDENT), np.concatenate(STUDENT))
                                   .teacher_confidence, atol=1e-9)
    else:
        d = compare(topk, files.read("s.npy"), labels)
        inside(d, full)
        np.testing.assert_allclose(d.student_confidence, full.student_confidence, atol=1e-9)
        out = said(capsys, "t.jsonl", "s.npy", "--vocabulary", V, "--labels", "labels.npy")
        assert f"({len(LABELS) // 4} points" in out and "position" in out
    assert d.tokens.positions[:9].tolist() == [*range(1, 9), 1]
    np.testing.assert_array_equal(d.labels, LABELS)


def test_a_base_file_beside_top_k_rows_has_to_be_of_the_same_tokens(folder):
    """Both say which tokens their rows are about."""
    path, logits, _ = made(folder / "t.kld", vocabulary=V, context=9, chunks=3)
    base = BaseFile(path)
    log = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    rows = TopK(top(log.reshape(-1, V), V), np.sort(log.reshape(-1, V), axis=1)[:, ::-1], V, labels=base.labels,
                tokens=base.tokens, path="s.jsonl")
    d = compare(base, rows)
    np.testing.assert_allclose(d.student_confidence, d.teacher_confidence, atol=2e-3)
    other = base.labels.copy()
    other[5] = (other[5] + 1) % V
    with pytest.raises(ValueError, match=r"s.jsonl: expected the tokens of .*t.kld, got \d+ in place of \d+, "
                                         "token 6 of sequence 1"):
        compare(base, replace(rows, labels=other))
    shifted = replace(base.tokens, positions=base.tokens.positions + 1)
    with pytest.raises(ValueError, match=r"s.jsonl: expected rows for the 12 tokens of .*, by sequence and place"):
        compare(base, replace(rows, tokens=shifted))


@pytest.mark.parametrize(("logits", "labels", "message"), [
    (np.zeros((6, 12, V)), None, "logits of 6 sequences: expected those of the 3 that t.jsonl has"),
    (np.zeros((2, 12, V)), None, "got none for token 1 of sequence 2; pass the logits at all places of the same"),
    (np.zeros((3, 10, V)), None, "got none for token 11 of sequence 2; pass the logits at all places of the same"),
    (np.zeros((3, 12, V)), np.pad([text[:6] for text in TEXTS], ((0, 0), (0, 6)), constant_values=-100),
     r"labels: expected the tokens of t.jsonl, got \d+ in place of \d+, token 1 of sequence 0; .*--shift"),
])
def test_logits_of_other_texts_beside_top_k_rows_are_refused(logits, labels, message):
    topk = topk_files.read(lines("t.jsonl", vllm(TEACHER)), V)[0]
    with pytest.raises(ValueError, match=message):
        compare(topk, logits, labels)


def test_rows_that_were_renormalised_are_noticed(full):
    ids = top(np.concatenate(TEACHER), 8)
    log = np.take_along_axis(np.concatenate(TEACHER), ids, axis=1)
    for known, doubted in ((log, False), (log - np.log(np.exp(log).sum(axis=1, keepdims=True)), True)):
        d = compare(TopK(ids, known, V, path="t.jsonl"), np.concatenate(STUDENT))
        assert any("t.jsonl sum to 1 in every row although tokens are missing" in n for n in d.verdict.notes) == doubted
    assert not TopK(np.argsort(-np.concatenate(TEACHER)), -np.sort(-np.concatenate(TEACHER)), V).doubts  # all are known


@pytest.mark.parametrize("kind", ["halffloat", "float", "double"])
def test_the_rounding_of_parquet_columns_is_in_the_bounds(full, folder, kind):
    numbers = {"halffloat": np.float16, "float": np.float32, "double": np.float64}[kind]
    ids = [top(log, V) for log in TEACHER]
    values = [np.take_along_axis(log, i, axis=1).astype(numbers) for log, i in zip(TEACHER, ids)]
    parquet.write_table(Table.from_pydict(
        {"input_ids": TEXTS, "token_ids": [i.tolist() for i in ids], "top_values": [v.tolist() for v in values]},
        schema=schema({"input_ids": list_(int64()), "token_ids": list_(list_(int64())),
                       "top_values": list_(list_({"halffloat": float16(), "float": float32(),
                                                  "double": float64()}[kind]))})), "t.parquet")
    inside(compare(topk_files.read("t.parquet", V)[0], np.concatenate(STUDENT)), full)


def test_percentiles_are_left_out_where_some_are_not_known(full):
    student = topk_files.read(lines("s.jsonl", vllm(STUDENT, k=3)), V)[0]
    hidden = replace(student, ids=np.where(np.arange(24)[:, None] == 5, np.where(
        student.ids == student.labels[:, None], -1, student.ids), student.ids))
    d = compare(topk_files.read(lines("t.jsonl", vllm(TEACHER, k=3)), V)[0], hidden)
    assert np.isnan(d.perplexity.change).sum() == 1
    assert np.isnan(d.perplexity.values["75.0% Δp"][0]) and np.isnan(d.perplexity.values["Maximum Δp"][0])
    shown = perplexity.cells(d.perplexity)
    assert not any("Δp" in row[0] or "nan" in " ".join(row) for row in shown.rows)
    certain = token_table.direction(d).rows[0]
    assert certain[2].startswith("certain: [") and certain[3] == "–"


# --- vLLM ---

def test_every_choice_of_a_response_is_a_prompt_and_the_same_prompt_counts_once(full):
    """A request with a list of prompts has a choice for each; one with n=2 has the same prompt twice."""
    both = vllm(TEACHER)
    batch = {"choices": [record | {"index": k, "text": "x"} for k, record in enumerate(both)]}
    several = {"choices": [both[0] | {"index": k, "text": str(k), "logprobs": {"tokens": [k]}} for k in (0, 1)]}
    chat = {"choices": [{"index": k, "logprobs": {"content": [k]}} for k in (0, 1)]} | both[0]
    found = topk_files.read(lines("t.jsonl", [batch]), V)[0]
    np.testing.assert_array_equal(found.labels, LABELS)
    np.testing.assert_array_equal(found.tokens.sequences, full.clusters)
    for record in (several, chat):
        assert len(topk_files.read(lines("s.jsonl", [record]), V)[0].ids) == len(TEACHER[0])


@pytest.mark.parametrize("ranks", [True, False])
@pytest.mark.parametrize("wrap", [lambda record: record, lambda record: {"choices": [record]},
                                  lambda record: {"custom_id": "a", "response": {"body": {"choices": [record]}}}])
def test_prompt_logprobs_are_the_top_k_and_the_texts_own_token(full, ranks, wrap):
    found, notes = topk_files.read(lines("t.jsonl", vllm(TEACHER, ranks=ranks, wrap=wrap)), V)
    assert found.shape == (24, V) and notes == ()
    np.testing.assert_array_equal(found.labels, LABELS)
    assert found.tokens.positions[:9].tolist() == [*range(1, 9), 1] and found.tokens.texts[2].tolist() == TEXTS[2]
    d = compare(found, topk_files.read(lines("s.jsonl", vllm(STUDENT, k=20)), V)[0])
    inside(d, full)
    np.testing.assert_allclose(d.teacher_confidence, full.teacher_confidence, atol=1e-6)
    np.testing.assert_allclose(d.scores["teacher_nll"], full.scores["teacher_nll"], atol=1e-9)  # the text's own token
    assert d.perplexity.values["Mean PPL(base)"][0] == pytest.approx(full.perplexity.values["Mean PPL(base)"][0])
    np.testing.assert_array_equal(d.clusters, full.clusters)


@pytest.mark.parametrize("encoded", [True, False])
def test_scores_of_the_teachers_tokens_make_confidences_exact(full, encoded):
    records = []
    for text, t, s in zip(TEXTS, TEACHER, STUDENT):
        ids = top(t, 5)
        scores = np.take_along_axis(s, ids, axis=1).astype(np.float32)
        asked = np.concatenate([ids, np.full((len(ids), 1), -1)], axis=1).tolist()
        scores = np.concatenate([scores, np.full((len(ids), 1), -np.inf, np.float32)], axis=1)
        file = io.BytesIO()
        np.save(file, scores)
        records.append({"prompt_token_ids": text, "prompt_logprob_token_ids": asked, "prompt_logprob_start": 0,
                        "prompt_token_id_logprobs": base64.b64encode(file.getvalue()).decode() if encoded else
                        [[float(x) for x in row] for row in scores]})
    student, _ = topk_files.read(lines("s.jsonl", records), V)
    d = compare(topk_files.read(lines("t.jsonl", vllm(TEACHER, k=5)), V)[0], student)
    np.testing.assert_allclose(d.student_confidence, full.student_confidence, atol=1e-5)
    inside(d, full)
    later = [record | {"prompt_logprob_start": 2, "prompt_logprob_token_ids": record["prompt_logprob_token_ids"][2:],
                       "prompt_token_id_logprobs": None} for record in records]
    for record, s, ids in zip(later, STUDENT, (top(t, 5) for t in TEACHER)):
        record["prompt_token_id_logprobs"] = [[*map(float, row[i]), -99.0] for row, i in zip(s[2:], ids[2:])]
    assert topk_files.read(lines("l.jsonl", later), V)[0].tokens.positions[0] == 3


def test_both_kinds_of_scores_are_joined(full):
    records = vllm(STUDENT, k=3)
    for record, t, s in zip(records, TEACHER, STUDENT):
        record |= {"prompt_logprob_token_ids": top(t, 2).tolist(), "prompt_logprob_start": 0,
                   "prompt_token_id_logprobs": np.take_along_axis(s, top(t, 2), axis=1).tolist()}
    d = compare(topk_files.read(lines("t.jsonl", vllm(TEACHER, k=2)), V)[0],
                topk_files.read(lines("s.jsonl", records), V)[0])
    inside(d, full)
    assert not np.isnan(d.student_confidence).any() and d.agreement == full.agreement


# --- axolotl ---

def test_axolotls_rows_are_about_the_last_tokens(full):
    first = [{"input_ids": text, "logprobs": [[{"token": f"token_id:{i}", "logprob": float(row[i])}
                                              for i in np.argsort(-row)[:6]] for row in log]}
             for text, log in zip(TEXTS, TEACHER)]
    second = [{"input_ids": text, "logprobs": np.sort(log)[:, ::-1][:, :6].tolist(),
               "target_token_ids": top(log, 6).tolist()} for text, log in zip(TEXTS, STUDENT)]
    teacher, _ = topk_files.read(lines("t.jsonl", first), V)
    student, _ = topk_files.read(lines("s.jsonl", second), V)
    np.testing.assert_array_equal(teacher.labels, LABELS)
    inside(compare(teacher, student), full)
    only = [{name: value for name, value in record.items() if name != "input_ids"} for record in second]
    assert topk_files.read(lines("o.jsonl", only), V)[0].labels is None


# --- DistillKit ---

def packed(ids, bits):
    """Whole numbers of so many bits, most significant first, as bytes; by strings of digits."""
    out = []
    for row in ids:
        digits = "".join(format(int(i), f"0{bits}b") for i in row)
        digits += "0" * (-len(digits) % 8)
        out.append([int(digits[k: k + 8], 2) for k in range(0, len(digits), 8)])
    return out


def compressed(folder, parts, k=8, exact=5, dtype="float32", delta=True):
    """The format as DistillKit writes it, without a curve and with one bin of 4 bits for what is not exact."""
    import yaml

    folder.mkdir()
    records = {"input_ids": TEXTS, "compressed_logprobs": [], "bytepacked_indices": []}
    for log in parts:
        ids = top(log, k)
        values = np.take_along_axis(log, ids, axis=1)
        if delta:
            values = np.concatenate([values[:, :1], np.diff(values, axis=1)], axis=1)
        first = values[:, :exact].astype(np.float32)
        if dtype == "bfloat16":
            raw = ((first.view(np.uint32) + 0x8000) >> 16).astype("<u2")
        else:
            raw = first.astype({"float32": "<f4", "float16": "<f2"}[dtype])
        rest = (k - exact) * 4 // 8 + 1
        records["compressed_logprobs"].append([[*row.tobytes(), *b"\\0\\0\\0\\0"[:4], *bytes(rest)] for row in raw])
        records["bytepacked_indices"].append(packed(ids, 6))
    for part, rows in enumerate((slice(0, 2), slice(2, 3))):
        parquet.write_table(Table.from_pydict({name: values[rows] for name, values in records.items()}),
                            folder / f"data_{part}.parquet")
    config = {"d": V, "k": k, "exact_k": exact, "exact_dtype": dtype, "polynomial_terms": None, "delta_encoding": delta,
              "residual_bins": [{"scale_dtype": "float32", "element_bits": 4, "num_elements": k - exact}]}
    (folder / "compression_config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("delta", [True, False])
def test_compressed_values_are_the_exact_ones(folder, full, dtype, delta):
    found, notes = topk_files.read(compressed(folder / "t", TEACHER, dtype=dtype, delta=delta))
    assert found.shape == (24, V) and found.ids.shape[1] == 5
    assert notes == ("5 of 8 values of a token are exact and used; the others are approximations of unknown error",)
    log = np.concatenate(TEACHER)
    np.testing.assert_array_equal(found.ids, top(log, 5))
    assert np.abs(found.log_probs - np.take_along_axis(log, found.ids, axis=1)).max() <= found.rounding
    np.testing.assert_array_equal(found.labels, LABELS)
    inside(compare(found, np.concatenate(STUDENT), LABELS), full)


def test_plain_values_are_read(folder, full):
    for name, parts in (("t", TEACHER), ("s", STUDENT)):
        parquet.write_table(Table.from_pydict({
            "input_ids": TEXTS, "token_ids": [top(log, 6).tolist() for log in parts],
            "top_values": [np.sort(log)[:, ::-1][:, :6].tolist() for log in parts]}), f"{name}.parquet")
    d = compare(*(topk_files.read(f"{name}.parquet", V)[0] for name in "ts"))
    inside(d, full)
    np.testing.assert_array_equal(d.labels, LABELS)


# --- the command ---

def test_the_command_gives_an_interval_and_says_what_it_does_not_know(capsys, folder, full):
    lines("t.jsonl", vllm(TEACHER))
    lines("s.jsonl", vllm(STUDENT))
    np.save("s.npy", np.concatenate(STUDENT))
    out = said(capsys, "t.jsonl", "s.jsonl", "--vocabulary", V, "--json", "n.json")
    assert "KL is certain to be at least 0" in out and "it has no upper bound" in out and " to ∞" in out
    assert "nan" not in out and "KL at least" in out and "KLD" not in out
    found = json.loads((folder / "n.json").read_text())
    assert found["bounds"]["divergence"][0] <= full.kl and found["bounds"]["divergence"][1] is None
    out = said(capsys, "t.jsonl", "s.npy", "--vocabulary", V, "--out", "r.html")
    assert "KL is certain to lie between" in out and "no upper bound" not in out and full.verdict.low.sentence in out
    out = said(capsys, compressed(folder / "c", TEACHER), "s.npy")
    assert "c: 5 of 8 values of a token are exact and used" in out
    assert said(capsys, "t.jsonl", "s.npy", code=2).startswith(
        "error: t.jsonl: expected the number of tokens of the vocabulary, which the file does not hold; name it with "
        "--voc")
    assert said(capsys, "t.jsonl", "s.jsonl", "--vocabulary", 20, code=2).startswith("error: t.jsonl: expected ids "
                                                                                     "from 0")
    assert "in sequence 0, token " in said(capsys, "t.jsonl", "s.jsonl", "--vocabulary", 20, code=2)


@pytest.mark.parametrize(("content", "message"), [
    ("", "expected top-k log-probabilities, got none"),
    ("{\"prompt_logprobs\": [null", "expected JSON, got something else in line 1 .*the line may be cut off"),
    ("{\"text\": \"a\"}", "expected a response of vLLM .* got something else in line 1 .no 'prompt_logprobs'."),
    ("[1, 2]", "expected a response of vLLM .* in line 1"),
    ("{\"prompt_logprobs\": [{\"1\": {\"rank\": 1}}]}", "in line 1 .no 'logprob'."),
    ("{\"prompt_logprobs\": [{\"1\": {\"logprob\": 1.5, \"rank\": 1}}]}", "expected log-probabilities, at most 0, got "
                                                                          "1.5 in"),
    ("{\"prompt_token_id_logprobs\": [[-1.0]]}", "without prompt_logprob_token_ids: save the request's with it"),
    ("{\"prompt_token_id_logprobs\": [[-1.0]], \"prompt_logprob_token_ids\": []}", "1 rows of "
                                                                                   "prompt_token_id_logprobs and 0"),
    ("{\"prompt_token_id_logprobs\": \"AAAA\", \"prompt_logprob_token_ids\": [[1]]}", "in line 1"),
    ("{\"logprobs\": [[-1.0, -2.0]], \"target_token_ids\": [[1]]}", "in line 1"),
])
def test_bad_lines_are_named(content, message):
    with open("a.jsonl", "w") as file:
        file.write(content)
    with pytest.raises(ValueError, match=f"a.jsonl: .*{message}|{message}"):
        topk_files.read("a.jsonl", V)


@pytest.mark.parametrize(("columns", "message"), [
    ({"a": [[1]]}, "expected the columns token_ids and top_values, or .*, got a; sample the logits again"),
    ({"token_ids": [[[1, 2]]], "top_values": [[[-1.0]]]}, "in sequence 0"),
    ({"token_ids": [[[1]]], "top_values": [[[-1.0]]], "input_ids": [[1, 2, 3]]}, "1 rows for 3 tokens"),
    ({"compressed_logprobs": [[[1]]], "bytepacked_indices": [[[1]]]}, "compression_config.yaml: expected the file "
                                                                      "that Dis"),
])
def test_bad_parquet_files_are_named(columns, message):
    parquet.write_table(Table.from_pydict(columns), "a.parquet")
    with pytest.raises(ValueError, match=message):
        topk_files.read("a.parquet", V)


def test_damage_is_named(folder):
    where = compressed(folder / "t", TEACHER)
    (where / "data_1.parquet").write_bytes((where / "data_1.parquet").read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"data_1.parquet: expected a parquet file, got something else"):
        topk_files.read(where)
    for content, message in (("d: 50\nk: 8\nexact_k: 0", "expected exact_k of 1 or more, got 0"),
                             ("d: [", "expected d, k, "), ("d: 50", "expected d, k, exact_k and exact_dtype")):
        (where / "compression_config.yaml").write_text(content)
        with pytest.raises(ValueError, match=f"compression_config.yaml: {message}"):
            topk_files.read(where)
    with pytest.raises(FileNotFoundError, match=r"none.jsonl: expected a file, found none"):
        topk_files.read("none.jsonl")
