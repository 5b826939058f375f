"""Text as contexts of tokens: a byte-level BPE trained on the spot, and rows of token ids."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from validation.data.wordnet import glosses
from validation.errors import UsageError
from validation.inputs import Fixed, spread
from validation.models.pretrained import library
from validation.seeding import generator

END = "<|endoftext|>"  # before each text
HELD_OUT = 20  # every twentieth text is kept for measurements, and the one after it for the log
OF_LOG = 32  # contexts whose accuracy the log has
EVALUATED = 16  # contexts


@dataclass(frozen=True, eq=False)
class Corpus:
    """tokeniser: a `tokenizers.Tokenizer`; train, test, log: contexts (n, context + 1) of token ids. No text is in two
    of them."""

    tokeniser: Any
    train: np.ndarray
    test: np.ndarray
    log: np.ndarray


def corpus(study, data_dir):
    """The `Corpus` of a `LanguageModels`; it is the same for all seeds. Raises UsageError for too little text."""
    texts = glosses(data_dir)
    order = torch.randperm(len(texts), generator=generator(0, "texts")).tolist()
    texts = [texts[i] for i in order]
    parts = {"test": texts[::HELD_OUT], "log": texts[1::HELD_OUT],
             "train": [text for i, text in enumerate(texts) if i % HELD_OUT > 1]}
    tokeniser = bpe(parts["train"], study.vocabulary)
    wanted = {"train": study.train_contexts, "test": study.measured_contexts, "log": OF_LOG}
    return Corpus(tokeniser, **{name: contexts(tokeniser, parts[name], study.context, count)
                                for name, count in wanted.items()})


def bpe(texts, vocabulary):
    """A byte-level BPE of `vocabulary` tokens, `END` among them, trained on texts."""
    tokenizers = library("tokenizers")
    bytewise, tokeniser = tokenizers.pre_tokenizers.ByteLevel, tokenizers.Tokenizer(tokenizers.models.BPE())
    tokeniser.pre_tokenizer, tokeniser.decoder = bytewise(add_prefix_space=False), tokenizers.decoders.ByteLevel()
    tokeniser.train_from_iterator(texts, tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[END], initial_alphabet=sorted(bytewise.alphabet()),
        show_progress=False))
    return tokeniser


def contexts(tokeniser, texts, length, count):
    """(count, length + 1): the texts one after the other, cut; the last token of a row is the first of the next.

    Raises UsageError where the texts are too short."""
    ids, end, needed = [], tokeniser.token_to_id(END), count * length + 1
    for first in range(0, len(texts), 1000):
        for one in tokeniser.encode_batch(texts[first : first + 1000]):
            ids += [end, *one.ids]
        if len(ids) >= needed:
            return np.lib.stride_tricks.sliding_window_view(np.array(ids[:needed]), length + 1)[::length].copy()
    raise UsageError(f"train_contexts: expected at most {(len(ids) - 1) // length:,} of {length} tokens, which the "
                     f"text has, got {count:,}; pass fewer")


def examples(rows, device):
    """The `Fixed` examples of contexts (n, t + 1): inputs (n, t), and as labels (n, t) the tokens that follow."""
    rows = torch.from_numpy(rows).to(device)
    found = Fixed(rows[:, :-1], rows[:, 1:])
    found.evaluation_batch = EVALUATED
    return found


class Contexts:
    """What a `Trainer` needs of a `Corpus`: the training contexts, and a few of both for the log."""

    every = 1

    def __init__(self, corpus, device):
        self.train, self.test = examples(corpus.train, device), examples(corpus.log, device)
        self.saved = self.evaluated = spread(len(corpus.train), OF_LOG, device)

    def trained_on(self, role):
        return self.train
