"""Texts as tokens: tokenised once, kept on disk, memory-mapped, and put together batch by batch."""

import hashlib
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import nn
from tqdm import tqdm

from eigenkd import _atomic as atomic
from validation.data.splits import content
from validation.errors import UsageError

AT_ONCE = 4096  # texts per call of the tokeniser
EVALUATED_AT_ONCE = {"cpu": 64}  # texts


@dataclass(frozen=True, eq=False)
class Pieces:
    """The tokens of n texts, one after the other: ids and segments (total,), starts (n + 1,). They may be
    memory-mapped."""

    ids: np.ndarray
    segments: np.ndarray
    starts: np.ndarray


class Tokeniser(nn.Module):
    """Texts (n, parts) -> `Pieces`; the fixed part of an encoder.

    tokeniser: a fast tokeniser of transformers; longest: the most tokens that the network supports; cache: the folder
    that keeps the result, under a name that depends on the texts, the tokeniser and the length.
    """

    def __init__(self, tokeniser, longest, cache):
        super().__init__()
        self.backend, self.pad, self.longest = tokeniser.backend_tokenizer, tokeniser.pad_token_id, longest
        self.backend.no_padding()
        self.backend.no_truncation()
        self.backend.encode_special_tokens = True  # "</s>" in a text is text
        self.cache = Path(cache)
        self.digest = hashlib.sha256(self.backend.to_str().encode()).hexdigest()

    def extra_repr(self):
        return self.digest[:16]

    def forward(self, texts, length=None):
        """The tokens of `texts`, cut at `length` tokens, the longer part of a pair first; by default at `longest`."""
        length = length or self.longest
        if not isinstance(texts, np.ndarray) or texts.dtype.kind != "T":
            raise UsageError("--model: expected a network on numbers for these examples, got an encoder of texts; pass "
                             "another network, or a data set of texts")
        named = {"texts": hashlib.sha256(content(texts)).hexdigest(), "tokeniser": self.digest, "length": length}
        kept = Kept(self.cache / hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32])
        return kept.pieces(lambda: self.tokenised(texts, length))

    def tokenised(self, texts, length):
        """The `Pieces` of the texts, in memory."""
        self.backend.enable_truncation(length)
        ids, segments, lengths = [], [], []
        kind = np.uint16 if self.backend.get_vocab_size() <= 2**16 else np.int32
        for first in range(0, len(texts), AT_ONCE):
            rows = texts[first : first + AT_ONCE].tolist()
            for one in self.backend.encode_batch([row[0] if len(row) == 1 else tuple(row) for row in rows]):
                ids.append(np.array(one.ids, kind))
                segments.append(np.array(one.type_ids, np.uint8))
                lengths.append(len(one.ids))
        self.backend.no_truncation()
        return Pieces(np.concatenate(ids), np.concatenate(segments), np.cumsum([0, *lengths], dtype=np.int64))


class Kept:
    """`Pieces` in a folder: an .npy file for each array, and a manifest with their digests that is written last."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def pieces(self, make):
        """The memory-mapped `Pieces`; they are made and written first if they are missing or damaged."""
        if (found := self._read()) is not None:
            return found
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".lock"):
                if self._read() is None:  # another process may have written them in the meantime
                    atomic.discard_partial(self.folder)
                    self._write(make())
        except OSError as error:
            raise UsageError(f"--data-dir: expected to save tokens in {self.folder}, got: {error}; make it writable, "
                             "or name another folder") from error
        return self._read()

    def _write(self, pieces):
        digests = {}
        for part, array in vars(pieces).items():
            written = io.BytesIO()
            np.save(written, array, allow_pickle=False)
            atomic.write(self.folder / f"{part}.npy", written.getbuffer())
            digests[part] = hashlib.sha256(written.getbuffer()).hexdigest()
        atomic.write(self.folder / "manifest.json", json.dumps(digests, indent=1).encode())

    def _read(self):
        try:
            digests, arrays = json.loads((self.folder / "manifest.json").read_text()), {}
            for part in Pieces.__dataclass_fields__:
                with (self.folder / f"{part}.npy").open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != digests[part]:
                        raise ValueError(f"{file.name} is not what was written")
                arrays[part] = np.load(self.folder / f"{part}.npy", mmap_mode="r", allow_pickle=False)
            return Pieces(**arrays)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            tqdm.write(f"WARNING: the tokens in {self.folder} are damaged ({error}); they are made again",
                       file=sys.stderr)
            return None


class Tokenised:
    """The tokens of texts and their labels (n,). A batch is (b, 2, l): tokens, and 1 + segment with 0 for padding; l is
    the length of its longest text.

    pad: the number of the padding token; lengths (n,): of the texts, in tokens."""

    augmented = False

    def __init__(self, pieces, pad, labels, device):
        self.pieces, self.pad, self.labels, self.device = pieces, pad, labels, device
        self.lengths = torch.from_numpy(np.diff(pieces.starts)).to(device)
        self.evaluation_batch = EVALUATED_AT_ONCE.get(device.type, 512)

    def __len__(self):
        return len(self.labels)

    def view(self, indices, *, seed, stream, epoch):
        """The examples for training, which are not augmented."""
        return self.plain(indices)

    def plain(self, indices):
        """The examples for evaluation."""
        which = indices.cpu().numpy()
        first, end = self.pieces.starts[which], self.pieces.starts[which + 1]
        places = first[:, None] + np.arange((end - first).max())
        there = places < end[:, None]
        places = np.where(there, places, first[:, None])
        batch = np.stack([np.where(there, self.pieces.ids[places], self.pad),
                          np.where(there, self.pieces.segments[places] + np.int64(1), 0)], axis=1)
        return torch.from_numpy(batch.astype(np.int64)).to(self.device)
