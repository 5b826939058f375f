"""Top-k log-probabilities as other tools write them: vLLM's and axolotl's JSON lines, DistillKit's parquet."""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eigenkd.deviation import distillkit
from eigenkd.deviation.topk import TopK
from eigenkd.deviation.topk_rows import Rows

ENDINGS = (".jsonl", ".json", ".parquet")
OF_A_PROMPT = ("prompt_token_ids", "input_ids", "prompt_logprobs", "logprobs", "target_token_ids",
               "prompt_token_id_logprobs", "prompt_logprob_token_ids", "prompt_logprob_start")


def is_topk(path: str | Path) -> bool:
    """Whether a path is that of such a file, or of a folder of DistillKit's parquet files."""
    path = Path(path)
    return path.suffix.lower() in ENDINGS or (path.is_dir() and any(path.glob("*.parquet")))


def read(path: str | Path, vocabulary: int | None = None) -> tuple[TopK, Sequence[str]]:
    """(`TopK`, notes) of a file with one sequence a line or row. vocabulary: how many tokens there are; DistillKit's
    compression knows it.

    JSON lines are responses of vLLM with `prompt_logprobs`, `prompt_token_id_logprobs` (with the request's
    `prompt_logprob_token_ids` and `prompt_logprob_start`) or both, and `prompt_token_ids`; or axolotl's `logprobs`,
    with `target_token_ids` or texts "token_id:7". Parquet files have `token_ids` and `top_values`, or
    `compressed_logprobs` and `bytepacked_indices` with a compression_config.yaml next to them.

    Raises ValueError for other contents, with the file, the line and the fix; ImportError without pyarrow or pyyaml.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a file, found none; check the path")
    if path.suffix.lower() in (".jsonl", ".json"):
        rows, notes = _json_lines(path), ()
    else:
        rows, known, notes = distillkit.read(path)
        vocabulary = vocabulary or known
    if not rows.ids:
        raise ValueError(f"{path}: expected top-k log-probabilities, got none; write it again with prompt_logprobs")
    if vocabulary is None:
        raise ValueError(f"{path}: expected the number of tokens of the vocabulary, which the file does not hold; "
                         "name it with --vocabulary N")
    return rows.topk(vocabulary, str(path)), notes


def _json_lines(path):
    rows = Rows()
    with path.open(encoding="utf-8", errors="surrogateescape") as file:  # what is no text is no JSON, with a line
        number = 0
        for line, record in _records(path, file):
            try:
                for sequence in _sequences(record):
                    _add(rows, number, sequence)
                    number += 1
            except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
                said = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
                raise ValueError(f"{path}: expected a response of vLLM with prompt_logprobs or "
                                 f"prompt_token_id_logprobs, or axolotl's logprobs, got something else in line {line} "
                                 f"({said}); write that line again") from error
    return rows


def _records(path, file):
    """(line, mapping) of each record: one a line, or one list of all."""
    if path.suffix.lower() == ".json":
        found = _parsed(path, 1, file.read())
        yield from enumerate(found if isinstance(found, list) else [found], 1)
        return
    for line, text in enumerate(file, 1):
        if text.strip():
            yield line, _parsed(path, line, text)


def _parsed(path, line, text):
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got something else in line {line} ({error}); the line may be cut "
                         "off: write the file again") from error


def _sequences(record):
    """The prompts of a record: itself, or those of a response's choices, once where several answer the same one."""
    record = record.get("response", record)
    record = record.get("body") or record
    shared = {name: value for name, value in record.items() if value is not None and name != "choices"}
    found = []
    for choice in record.get("choices") or [{}]:
        prompt = {name: value for name, value in (choice | shared).items() if name in OF_A_PROMPT}
        if any(prompt.get(name) is not None for name in ("prompt_logprobs", "prompt_token_id_logprobs")):
            prompt.pop("logprobs", None)  # of what was written, not of the prompt
        if prompt not in found:
            found.append(prompt)
    return found


def _add(rows, number, record):
    """Add the rows of one prompt."""
    ids = record.get("prompt_token_ids", record.get("input_ids"))
    if ids is not None:
        rows.texts[number] = np.array(ids, dtype=np.int64)
    found = {}
    if record.get("prompt_logprobs") is not None:
        _prompt_logprobs(found, record["prompt_logprobs"], ids)
    elif record.get("logprobs") is not None:
        _axolotl(found, record["logprobs"], record.get("target_token_ids"), ids)
    elif record.get("prompt_token_id_logprobs") is None:
        raise KeyError("prompt_logprobs")
    if record.get("prompt_token_id_logprobs") is not None:
        _asked(found, record)
    for position in sorted(found):
        rows.add(number, position, found[position])


def _prompt_logprobs(found, logprobs, ids):
    """vLLM's list: of each token of the prompt None, or a mapping of ids to {"logprob", "rank"}."""
    for position, entry in enumerate(logprobs):
        if not entry:
            continue
        known = {int(token): (value["logprob"], value.get("rank")) if isinstance(value, dict) else (value, None)
                 for token, value in entry.items()}
        ranks = sorted(rank for _, rank in known.values() if rank is not None)
        last = next((k for k, rank in enumerate(ranks) if rank != k + 1), len(ranks))  # ranks 1 to last are all there
        lowest = min(known, key=lambda token: known[token][0])
        own = None if ids is None else int(ids[position])  # is in the mapping whatever its rank
        found[position] = {token: (float(log), rank <= last if rank is not None else not (ids is None or (
            token == own == lowest))) for token, (log, rank) in known.items()}


def _asked(found, record):
    """vLLM's matrix of the log-probabilities of tokens that were asked for; row i is about token start + i + 1."""
    matrix, asked = record["prompt_token_id_logprobs"], record.get("prompt_logprob_token_ids")
    if asked is None:
        raise ValueError("prompt_token_id_logprobs without prompt_logprob_token_ids: save the request's with it")
    if isinstance(matrix, str):
        matrix = np.load(io.BytesIO(base64.b64decode(matrix)), allow_pickle=False)
    if len(matrix) != len(asked):
        raise ValueError(f"{len(matrix)} rows of prompt_token_id_logprobs and {len(asked)} of prompt_logprob_token_ids")
    first = int(record.get("prompt_logprob_start") or 0) + 1
    for i, (logs, ids) in enumerate(zip(matrix, asked)):
        row = found.setdefault(first + i, {})
        for token, log in zip(ids, logs):
            row.setdefault(int(token), (float(log), False))


def _axolotl(found, logprobs, target_ids, ids):
    """axolotl's rows, of the last tokens: lists of {"token": "token_id:7", "logprob"}, or of numbers with their ids."""
    first = 0 if ids is None else max(0, len(ids) - len(logprobs))
    for i, entry in enumerate(logprobs):
        if not entry:
            continue
        if target_ids is None:
            pairs = [(int(str(part["token"]).rpartition(":")[2]), part["logprob"]) for part in entry]
        else:
            pairs = list(zip(target_ids[i], entry, strict=True))
        found[first + i] = {int(token): (float(log), True) for token, log in pairs}
