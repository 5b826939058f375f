"""The tokens of a vocabulary as text, and what kinds of tokens they are."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
LONE = re.compile("[\udc80-\udcff]")  # what decoding leaves in place of such a byte
MARKED = re.compile(r"<[^<>\s]+>|\[[A-Z]+\]|<\|.*\|>")
SPECIAL = "special"  # the kind of marks, and of what pads a vocabulary
PLACE = "\N{LOWER ONE EIGHTH BLOCK}"  # SentencePiece's space


@dataclass(frozen=True)
class Vocabulary:
    """tokens: the strings by id, as a tokenizer's file has them: SentencePiece's or byte-level."""

    tokens: tuple[str, ...]

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The tokens as the text that they stand for, by id."""
        return tuple(self.text([i]) for i in range(len(self.tokens)))

    @cached_property
    def _raw(self):
        """The UTF-8 of the tokens: several of them may make up one character."""
        table = _bytes_of_characters()
        byte_level = sum(token.startswith("Ġ") for token in self.tokens) > sum(PLACE in token for token in self.tokens)
        return tuple(_byte_level(token, table) if byte_level else _sentencepiece(token) for token in self.tokens)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Of each token, by id: "digits", "whitespace", "word" (letters after a space), "word part", "punctuation",
        "bytes" (of characters that the vocabulary has not) or "special"."""
        return tuple(_kind(token, text) for token, text in zip(self.tokens, self.texts))

    def __len__(self) -> int:
        return len(self.tokens)

    def expect_of(self, classes: int, labels: np.ndarray | None = None) -> None:
        """Raises ValueError where this is the tokenizer of other models than those of `classes` tokens and of these
        labels. It may have fewer tokens than the models, which pad their vocabulary."""
        if len(self) > classes:
            raise ValueError(f"--tokens: expected the {classes:,} tokens of these models or fewer, got {len(self):,}; "
                             "name the tokenizer of these models")
        if labels is not None and labels.size and (largest := int(labels.max())) >= len(self):
            raise ValueError(f"--tokens: expected a tokenizer with the tokens of the text, got one of {len(self):,} "
                             f"tokens, and token {largest} in the text; name the tokenizer of these models")

    def text(self, ids: Iterable[int]) -> str:
        """The text of several ids, one after another; unknown ids are <id>, and bytes that are no character <0xE2>."""
        raw = b"".join(self._raw[i] if 0 <= i < len(self.tokens) else b"<%d>" % i for i in ids)
        return LONE.sub(lambda found: f"<0x{ord(found[0]) - 0xDC00:02X}>", raw.decode("utf-8", "surrogateescape"))


def read(path: str | Path) -> Vocabulary:
    """The `Vocabulary` of a file: tokenizer.json of transformers, vocab.json of byte-level models (token -> id), or a
    JSON list of tokens by id.

    Raises FileNotFoundError for a missing file, ValueError for other contents.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"--tokens {path}: expected a file, found none; check the path")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and "model" in found:
            added = {entry["content"]: entry["id"] for entry in found.get("added_tokens") or ()}
            vocabulary = found["model"]["vocab"]
            named = vocabulary if isinstance(vocabulary, dict) else {
                token: i for i, (token, _) in enumerate(vocabulary)}
            found = named | added
        if isinstance(found, dict):
            tokens = [""] * (max(found.values()) + 1)
            for token, i in found.items():
                tokens[i] = token
            found = tokens
        if not found or not all(isinstance(token, str) for token in found):
            raise ValueError("no tokens")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"--tokens {path}: expected tokenizer.json, vocab.json or a JSON list of tokens by id, got "
                         f"something else ({' '.join(str(error).split())[:80]}); save it with "
                         "tokenizer.save_pretrained(FOLDER)") from error
    return Vocabulary(tuple(found))


def _kind(token, text):
    if BYTE.search(text) or (BYTE.fullmatch(token) and not text.isprintable() and not text.isspace()):
        return "bytes"
    if not token or (MARKED.fullmatch(token) and not BYTE.fullmatch(token)):
        return SPECIAL
    if not text.strip():
        return "whitespace"
    inner = text.strip()
    if inner.replace(".", "").replace(",", "").isdigit():
        return "digits"
    if any(character.isalpha() for character in inner):
        return "word" if text[0].isspace() else "word part"
    return "punctuation"


def _sentencepiece(token):
    if byte := BYTE.fullmatch(token):
        return bytes([int(byte[1], 16)])
    return token.replace(PLACE, " ").encode()


def _byte_level(token, table):
    if any(character not in table for character in token):
        return token.encode()  # a special one
    return bytes(table[character] for character in token)


def _bytes_of_characters():
    """GPT-2's way to write each byte as a character that prints."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return {chr(byte): byte for byte in plain} | {
        chr(256 + k): byte for k, byte in enumerate(byte for byte in range(256) if byte not in plain)}
