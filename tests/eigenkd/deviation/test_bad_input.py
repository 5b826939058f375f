"""What a user may give by mistake, in every format of tokens: one line that names the file, the place and the fix.

(Damaged rows of base files are in test_llama.py.)
"""

import json
import re

import numpy as np
import pytest

from eigenkd.deviation.__main__ import main
from tests.eigenkd.deviation.base_files import written

safetensors = pytest.importorskip("safetensors.numpy")
pyarrow = pytest.importorskip("pyarrow")
from pyarrow import parquet  # noqa: E402

SEQUENCES, LENGTH, V, K = 4, 12, 30, 5
RNG = np.random.default_rng(0)
TOKENS = RNG.integers(V, size=(SEQUENCES, LENGTH))
TEACHER = 2 * RNG.normal(size=(SEQUENCES, LENGTH - 1, V)).astype(np.float32)
STUDENT = TEACHER + 0.5 * RNG.normal(size=TEACHER.shape).astype(np.float32)


def kld(path, logits, tokens):
    scored = tokens.shape[1] - 1 - tokens.shape[1] // 2
    return written(path, np.nan_to_num(logits[:, -scored:]), tokens, tokens.shape[1])


def npy(path, logits, _):
    np.save(path, logits)


def npz(path, logits, _):
    np.savez(path, logits=logits)


def tensors(path, logits, _):
    safetensors.save_file({"logits": np.ascontiguousarray(logits)}, path)


def top(logits):
    log = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    ids = np.argsort(-np.nan_to_num(log, nan=100), axis=-1)[..., :K]
    return ids.tolist(), np.minimum(np.take_along_axis(log, ids, -1), 0).tolist()


def vllm(path, logits, tokens):
    """`prompt_logprobs`."""
    lines(path, ({"prompt_token_ids": text, "prompt_logprobs": [None, *(
        {str(i): {"logprob": log, "rank": rank} for rank, (i, log) in enumerate(zip(*row), 1)}
        for row in zip(ids, logs))]} for text, ids, logs in zip(tokens.tolist(), *top(logits))))


def axolotl(path, logits, tokens):
    lines(path, ({"input_ids": text, "target_token_ids": ids, "logprobs": logs}
                 for text, ids, logs in zip(tokens.tolist(), *top(logits))))


def distillkit(path, logits, tokens):
    ids, logs = top(logits)
    parquet.write_table(pyarrow.Table.from_pydict({"input_ids": tokens.tolist(), "token_ids": ids,
                                                   "top_values": logs}), path)


def lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


WRITERS = {"kld": kld, "npy": npy, "npz": npz, "safetensors": tensors, "vllm.jsonl": vllm, "axolotl.jsonl": axolotl,
           "parquet": distillkit}
ARRAYS, TOP_K = ("npy", "npz", "safetensors"), ("vllm.jsonl", "axolotl.jsonl", "parquet")
EMPTY = {"kld": r"got b'' \(an empty file\); write it again", "vllm.jsonl": "got none; write it again",
         "axolotl.jsonl": "got none; write it again", "parquet": "size is 0 bytes.* write it again"} | dict.fromkeys(
             ARRAYS, "got an empty file; write it again")
ZEROS = {"kld": "begins with _logits_, got b'.x00.*; write it",
         "npy": "begins with the bytes.*copy the file again",
         "npz": "not a zip file.*copy the file again", "safetensors": "a header of 0 bytes.*copy the file again",
         "vllm.jsonl": "expected JSON, got something else in line 1.*write the file again",
         "axolotl.jsonl": "expected JSON, got something else in line 1.*write the file again",
         "parquet": "expected a parquet file.*write it again"}


def changed_text(tokens):
    tokens = tokens.copy()
    tokens[1, 3] = (tokens[1, 3] + 1) % V
    return tokens


def with_nan(logits):
    logits = logits.copy()
    logits[2, 7, 0] = np.nan
    return logits


# mistake -> (format, the student's logits, its tokens, what is said after "error: STUDENT: ")
CASES = [
    *((name, "another text", STUDENT, changed_text(TOKENS), said) for names, said in (
        (("kld",), r"expected the tokens of .*t.kld, got \d+ in place of \d+ at token 3 of chunk 1 .*run both models"),
        (TOP_K, "expected the tokens of .*, got others from token 3 of sequence 1 on; score the same texts"))
      for name in names),
    *((name, "another vocabulary", np.concatenate([STUDENT, STUDENT[..., :1] + 9], axis=-1), TOKENS, said)
      for names, said in (
          (("kld",), r"expected a vocabulary of 30 tokens like .*t.kld, got 31; the models have different"),
          (ARRAYS, r"expected shape \(4, 11, 30\) like .*, got \(4, 11, 31\); pass the logits of the same"),
          (TOP_K, r"expected ids from 0 to 29, got 30 in sequence 0, token 1 .*name the size of the vocabulary"))
      for name in names),
    *((name, "another context", STUDENT[:, :-2], TOKENS[:, :-2], said) for names, said in (
        (("kld",), r"expected a context of 12 tokens like .*t.kld, got 10; run both with the same -c"),
        (ARRAYS, r"expected shape \(4, 11, 30\) like .*, got \(4, 9, 30\); pass the logits of the same sequences"),
        (TOP_K, r"expected the 12 tokens of sequence 0 of .*, got 10, the same as far as both go; score whole texts"))
      for name in names),
    *((name, "a longer file", np.concatenate([STUDENT, STUDENT[:1]]), np.concatenate([TOKENS, TOKENS[:1]]), said)
      for names, said in (
          (("kld",), r"expected 4 chunks like .*t.kld, got 5; .*compare the first 4 with --chunks 4"),
          (ARRAYS, r"expected shape \(4, 11, 30\) like .*, got \(5, 11, 30\); pass the logits of the same sequences"),
          (TOP_K, "expected the sequences of .*, got none of number 4, which .* has and .* has not; score the same"))
      for name in names),
    *((name, "NaN in a row", with_nan(STUDENT), TOKENS, said) for names, said in (
        (ARRAYS, r"expected finite numbers, got 1 NaN or .inf value.s. from row 29 \(sequence 2, token 7\) on; repla"),
        (("vllm.jsonl", "axolotl.jsonl"), "got something else in line 3 .NaN as the log-probability of token .* at "
                                          "position 8.; write that line again"),
        (("parquet",), "in sequence 2 .NaN as .* at position 8.; sample it again"))
      for name in names),
]


def said(capsys, *arguments, code=0):
    assert main([str(argument) for argument in arguments]) == code
    out, err = capsys.readouterr()
    return out if code == 0 else err


def pair(folder, name, logits=STUDENT, tokens=TOKENS):
    paths = [folder / f"{role}.{name}" for role in "ts"]
    WRITERS[name](paths[0], TEACHER, TOKENS)
    WRITERS[name](paths[1], logits, tokens)
    return [*paths, *(["--vocabulary", V] if name in TOP_K else [])]


def refused(capsys, files, message):
    error = said(capsys, *files, code=2)
    assert error.count("\n") == 1 and error.startswith(f"error: {files[1]}: ")
    assert re.search(message, error), error


@pytest.mark.parametrize(("name", "logits", "tokens", "message"),
                         [pytest.param(name, *rest, id=f"{mistake} in {name}") for name, mistake, *rest in CASES])
def test_what_does_not_belong_together_is_refused(capsys, tmp_path, name, logits, tokens, message):
    refused(capsys, pair(tmp_path, name, logits, tokens), message)


@pytest.mark.parametrize("name", WRITERS)
def test_what_was_never_written_is_refused(capsys, tmp_path, name):
    files = pair(tmp_path, name)
    for content, messages in ((b"", EMPTY), (bytes(4000), ZEROS)):
        files[1].write_bytes(content)
        refused(capsys, files, messages[name])


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_outputs_twice_are_said(capsys, tmp_path, name):
    files = pair(tmp_path, name, TEACHER)
    twice = "Teacher and student are equal on all "
    assert twice in said(capsys, *files)
    assert twice in said(capsys, files[0], files[0], *files[2:])
    out = said(capsys, *pair(tmp_path, name))
    assert twice not in out and f"\nTeacher: {files[0]}. Student: {files[1]}.\n" in out


@pytest.mark.parametrize("name", ARRAYS)
def test_rows_that_were_never_written_are_said(capsys, tmp_path, name):
    student = STUDENT.copy()
    student[3, 4:6] = 0
    out = said(capsys, *pair(tmp_path, name, student))
    assert "On 2 points all logits of a model are equal; if the model does not predict that, a part of its file" in out
    assert "are equal" not in said(capsys, *pair(tmp_path, name))


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_another_text_are_doubted(capsys, tmp_path, name):
    assert "The rows may not be the same points: " in said(capsys, *pair(tmp_path, name, STUDENT[::-1]))
