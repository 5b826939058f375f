"""Texts as tokens: the tokeniser, its cache, batches, and their order."""

import numpy as np
import pytest
import torch
from torch import nn

from validation.data.texts import array
from validation.distributed import Single
from validation.errors import UsageError
from validation.inputs import Fixed, Part
from validation.models import pretrained
from validation.settings.setting import Training
from validation.tokens import Kept, Tokenised, Tokeniser
from validation.train import WINDOW, by_length, predict, train

from .roles import role
from .tiny_roberta import TEXTS, tiny_roberta

CPU = torch.device("cpu")
ODD = ["", "a </s> rose", "x " * 90, "naïve\n\tcafé ☃", *TEXTS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_roberta(tmp_path_factory.mktemp("roberta"))


@pytest.fixture
def tokeniser(folder, tmp_path):
    return Tokeniser(pretrained.tokeniser(folder), 64, tmp_path / "tokens")


def ids_of(pieces, i):
    return pieces.ids[pieces.starts[i]:pieces.starts[i + 1]].tolist()


@pytest.mark.parametrize("length", [8, 64])
def test_tokens_are_those_of_transformers(folder, tokeniser, length):
    reference = pretrained.tokeniser(folder)
    pieces = tokeniser(array([[text] for text in ODD]), length)
    for i, text in enumerate(ODD):
        assert ids_of(pieces, i) == reference(text, split_special_tokens=True, truncation=True,
                                            max_length=length)["input_ids"]
    pairs = [[one, other] for one, other in zip(ODD, reversed(ODD)) if other]  # transformers takes "" for no pair
    pieces = tokeniser(array(pairs), length)
    for i, (one, other) in enumerate(pairs):
        found = reference(one, other, split_special_tokens=True, truncation="longest_first",
                          max_length=length)["input_ids"]
        assert ids_of(pieces, i) == found and len(found) <= length


def test_special_tokens_in_a_text_are_text(folder, tokeniser):
    plain = pretrained.tokeniser(folder)
    assert plain("a </s> rose")["input_ids"].count(2) == 2
    assert ids_of(tokeniser(array([["a </s> rose"]])), 0).count(2) == 1


def test_segments_of_a_pair_are_those_of_bert(tmp_path):
    from tokenizers import BertWordPieceTokenizer, processors
    from transformers import PreTrainedTokenizerFast

    trained = BertWordPieceTokenizer()
    trained.train_from_iterator(TEXTS, vocab_size=200, show_progress=False)
    trained._tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made = PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, pad_token="[PAD]", cls_token="[CLS]",
                                   sep_token="[SEP]")
    pieces = Tokeniser(made, 64, tmp_path)(array([["a rose", "a lily leaf"]]))
    split = Tokenised(pieces, 0, torch.tensor([0]), CPU)
    tokens, segments = split.plain(torch.tensor([0]))[0]
    middle = tokens.tolist().index(made.sep_token_id) + 1
    assert segments.tolist() == [1] * middle + [2] * (len(tokens) - middle) and 0 < middle < len(tokens)


def test_a_batch_is_padded_to_its_longest_text(tokeniser):
    texts = ["a rose", "a plant of the rose family", ""]
    pieces = tokeniser(array([[text] for text in texts]))
    split = Tokenised(pieces, tokeniser.pad, torch.tensor([0, 1, 0]), CPU)
    batch = split.plain(torch.tensor([2, 0]))
    assert batch.shape == (2, 2, len(ids_of(pieces, 0))) and batch.dtype == torch.int64
    for row, i in ((0, 2), (1, 0)):
        ids = ids_of(pieces, i)
        assert batch[row, 0].tolist() == ids + [1] * (batch.shape[2] - len(ids))
        assert batch[row, 1].tolist() == [1] * len(ids) + [0] * (batch.shape[2] - len(ids))
    assert split.lengths.tolist() == [len(ids_of(pieces, i)) for i in range(3)]
    assert split.view(torch.tensor([1]), seed=0, stream="teacher", epoch=1).equal(split.plain(torch.tensor([1])))


def test_texts_are_tokenised_once_and_other_content_again(tokeniser, monkeypatch):
    texts = array([[text] for text in ODD])
    before, count = tokeniser(texts, 16), []
    made = Tokeniser.tokenised
    monkeypatch.setattr(Tokeniser, "tokenised", lambda self, *given: (count.append(1), made(self, *given))[1])
    again = tokeniser(texts.copy(), 16)
    assert not count and isinstance(again.ids, np.memmap) and not again.ids.flags.writeable
    assert again.ids.tolist() == before.ids.tolist() and again.starts.tolist() == before.starts.tolist()
    tokeniser(texts, 15)
    tokeniser(array([[text] for text in [*ODD[:-1], "other"]]), 16)
    tokeniser(array([["a b", ""]]), 16)
    tokeniser(array([["a", "b"]]), 16)
    assert len(count) == 4


def test_another_tokeniser_has_other_tokens(folder, tokeniser, tmp_path):
    other = Tokeniser(pretrained.tokeniser(tiny_roberta(tmp_path / "other", vocabulary=280)), 64, tokeniser.cache)
    assert str(other) != str(tokeniser)
    texts = array([[text] for text in TEXTS])
    assert tokeniser(texts).ids.tolist() != other(texts).ids.tolist()
    assert str(Tokeniser(pretrained.tokeniser(folder), 64, tmp_path)) == str(tokeniser)


@pytest.mark.parametrize("part", ["ids.npy", "segments.npy", "starts.npy", "manifest.json"])
def test_damaged_tokens_are_made_again(tokeniser, part, capsys):
    texts = array([[text] for text in ODD])
    whole = tokeniser(texts).ids.tolist()
    (path,) = tokeniser.cache.glob(f"*/{part}")
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    assert tokeniser(texts).ids.tolist() == whole
    assert "are damaged" in capsys.readouterr().err
    assert path.read_bytes() != content
    tokeniser(texts)
    assert not capsys.readouterr().err


def test_a_killed_writer_leaves_nothing_that_is_read(tokeniser, monkeypatch):
    texts, written = array([[text] for text in ODD]), []

    def killed(path, content):
        written.append(path)
        raise KeyboardInterrupt

    monkeypatch.setattr("validation.tokens.atomic.write", killed)
    with pytest.raises(KeyboardInterrupt):
        tokeniser(texts)
    monkeypatch.undo()
    assert len(written) == 1 and len(tokeniser(texts).starts) == len(ODD) + 1


def test_a_cache_that_cannot_be_written_raises(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--data-dir: expected to save tokens in .*file/tokens, got: "):
        Kept(tmp_path / "file" / "tokens").pieces(None)


def test_numbers_are_no_texts(tokeniser):
    for numbers in (torch.zeros(2, 3), np.zeros((2, 3))):
        with pytest.raises(UsageError, match=r"^--model: expected a network on numbers .*got an encoder"):
            tokeniser(numbers)


def test_batches_have_texts_of_similar_length():
    size, n = 4, 4 * WINDOW + 4 * 3 + 2
    lengths = torch.randint(1, 60, (n,), generator=torch.Generator().manual_seed(0))
    order = torch.randperm(n, generator=torch.Generator().manual_seed(1))

    def made(seed):
        return by_length(order, lengths, size, torch.Generator().manual_seed(seed))

    found = made(2)
    assert sorted(found.tolist()) == list(range(n)) and made(2).equal(found) and not made(3).equal(found)
    assert sorted(found[: size * WINDOW].tolist()) == sorted(order[: size * WINDOW].tolist())
    batches = found.split(size)
    spans = [(lengths[batch].min().item(), lengths[batch].max().item()) for batch in batches[:WINDOW]]
    assert all(one[1] <= other[0] for one, other in zip(sorted(spans), sorted(spans)[1:]))
    assert spans != sorted(spans)  # the batches are in random order
    assert len(batches[-1]) == 2 and lengths[batches[-1]].min() >= lengths[found[size * WINDOW:-2]].max()


def test_two_processes_share_the_batches_of_one(tokeniser):
    """Each process's share of every step is that of the same batch."""
    texts = [[f"{text} {'x ' * i}"] for i, text in enumerate(TEXTS)]
    split = Tokenised(tokeniser(array(texts)), tokeniser.pad, torch.arange(len(texts)) % 2, CPU)

    class Share(Single):
        def __init__(self, rank, size):
            self.rank, self.size, self.seen = rank, size, []

        def mine(self, indices):
            self.seen.append(indices.tolist())
            return indices[self.rank::self.size]

    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.logits = nn.Parameter(torch.zeros(2))

        def forward(self, batch):
            return self.logits.expand(len(batch), 2)

    groups = [Share(0, 1), Share(0, 2), Share(1, 2)]
    for group in groups:
        train(Constant(), split, role(Training(2, 4, 0.1)), seed=3, group=group)
    assert groups[0].seen == groups[1].seen == groups[2].seen and len(groups[0].seen) == 6
    assert groups[0].seen[:3] != groups[0].seen[3:]


def test_examples_without_lengths_keep_their_order():
    order, random = torch.randperm(20), torch.Generator().manual_seed(0)
    assert by_length(order, None, 4, random) is order
    assert Part(Fixed(torch.zeros(4, 2), torch.zeros(4)), torch.tensor([1])).lengths is None


def test_predictions_are_in_the_order_of_the_indices(tokeniser):
    split = Tokenised(tokeniser(array([[text] for text in ODD])), tokeniser.pad, torch.zeros(len(ODD)), CPU)
    split.evaluation_batch = 3

    class Sum(nn.Module):
        def forward(self, batch):
            return (batch[:, 0] * (batch[:, 1] > 0)).sum(dim=1, keepdim=True).float()

    indices = torch.tensor([5, 0, 2, 2, 7, 1, 3])
    alone = torch.cat([Sum()(split.plain(one[None])) for one in indices])
    assert predict(Sum(), split, indices).equal(alone)
    assert len(predict(Sum(), split)) == len(ODD)
    part = Part(split, torch.tensor([7, 1]))
    assert part.lengths.equal(split.lengths[[7, 1]])
