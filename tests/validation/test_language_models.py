"""Small language models: text, network, quantisation, and a run from end to end on a few texts."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from eigenkd import deviation
from validation.data import wordnet
from validation.errors import UsageError
from validation.language_models import text, training
from validation.language_models.__main__ import main
from validation.language_models.measurement import EDGES, compared, density, divergence, kept
from validation.language_models.network import Causal
from validation.language_models.quantisation import FORMATS, matched, quantised, rounded
from validation.language_models.setting import LanguageModels
from validation.losses import objective
from validation.registered import REGISTERED
from validation.settings.loss import Loss
from validation.studies import STUDIES

SMALL = LanguageModels(vocabulary=270, context=16, train_contexts=40, measured_contexts=6, hidden=32, heads=2, layers=2,
                       student_layers=1)
WORDS = ["the", "of", "a", "small", "red", "tree", "river", "bird", "that", "grows", "near", "under", "water", "stone"]


@pytest.fixture
def texts(monkeypatch):
    """A few made-up texts in place of WordNet's."""
    rng = np.random.default_rng(0)
    made = tuple(" ".join(rng.choice(WORDS, size=rng.integers(4, 12))) + f" {i}" for i in range(300))
    monkeypatch.setattr(text, "glosses", lambda data_dir: made)
    monkeypatch.setattr(text, "OF_LOG", 4)
    return made


# Quantisation

def blocks_of_llama(weights, bits):
    """Q8_0 and Q4_0 as ggml's reference functions have them: a loop over blocks of 32."""
    out = []
    for block in weights.astype(np.float32).reshape(-1, 32):
        if bits == 8:
            d = np.float32(np.abs(block).max() / 127)
            q = [np.sign(w / d) * np.floor(abs(w / d) + 0.5) for w in block]  # roundf
            out += [np.float32(np.float16(d)) * x for x in q]
        else:
            d = np.float32(block[np.argmax(np.abs(block))] / -8)
            out += [np.float32(np.float16(d)) * (min(15, int(w / d + 8.5)) - 8) for w in block]
    return np.array(out, np.float32).reshape(weights.shape)


@pytest.mark.parametrize(("name", "bits"), [("Q8_0", 8), ("Q4_0", 4)])
def test_weights_are_rounded_like_llama_cpp(name, bits):
    weights = np.random.default_rng(0).normal(size=(6, 64)).astype(np.float32)
    found = rounded(torch.from_numpy(weights), *FORMATS[name]).numpy()
    np.testing.assert_allclose(found, blocks_of_llama(weights, bits), rtol=1e-6)
    assert len(np.unique(found[0, :32])) <= 2**bits


def test_each_block_has_its_own_scale_and_rounds_to_the_nearest():
    weights = torch.randn(3, 96, generator=torch.Generator().manual_seed(0)) * torch.tensor([1e-3, 1, 50])[:, None]
    for steps in (2.0, 6.3, 127):
        found = rounded(weights, steps)
        scale = weights.reshape(-1, 32).abs().amax(1, keepdim=True) / steps
        error = (found - weights).reshape(-1, 32).abs()
        assert (error <= scale * (0.5 + steps * 2e-3) + 1e-7).all(), steps  # half a step, and the scale's own rounding
    assert (rounded(torch.zeros(2, 32), 8, 7) == 0).all()
    with pytest.raises(ValueError, match=r"weights: expected rows of a multiple of 32, got shape \(2, 33\); pass"):
        rounded(torch.zeros(2, 33), 8)


def test_matrices_are_quantised_vectors_and_the_original_stay():
    network = nn.Sequential(nn.Linear(32, 5), nn.LayerNorm(5))
    before = [parameter.clone() for parameter in network.parameters()]
    copy = list(quantised(network, 8, 7).parameters())
    assert all(torch.equal(now, then) for now, then in zip(network.parameters(), before))
    torch.testing.assert_close(copy[0], rounded(before[0], 8, 7))
    assert all(torch.equal(now, then) for now, then in zip(copy[1:], before[1:]))


def test_steps_are_found_at_which_the_divergence_is_the_target():
    layer = nn.Linear(320, 64)

    def squared(model):
        return (model.weight - layer.weight).square().mean().item()

    target = squared(quantised(layer, 11.0))
    steps = matched(layer, squared, target)
    assert squared(quantised(layer, steps)) == pytest.approx(target, rel=0.05)


# Text

def test_wordnets_glosses_are_there_once(tmp_path, monkeypatch):
    folder = tmp_path / "wordnet"
    folder.mkdir()
    licence = "  1 This software | and database\n"
    lines = {"data.noun": "00 03 n 01 a 0 000 | a thing; \"an example | of it\"  \n00 03 n 01 b 0 000 | a thing  \n",
             "data.verb": "00 29 v 01 c 0 000 | be; have\n", "data.adj": "", "data.adv": "00 02 r 01 d 0 000 | soon\n"}
    for file, content in lines.items():
        (folder / file).write_text(licence + content)
    monkeypatch.setattr(wordnet, "DIGESTS", {
        file: f"sha256:{hashlib.sha256((folder / file).read_bytes()).hexdigest()}" for file in lines})
    assert wordnet.glosses(tmp_path) == ('a thing; "an example | of it"', "be; have", "soon")
    wordnet.glosses.cache_clear()
    monkeypatch.setattr(wordnet, "DEBIAN", tmp_path / "none")
    (folder / "data.verb").unlink()
    with pytest.raises(UsageError, match=r"--data-dir: expected data.verb of WordNet 3.0 .*install the package, or"):
        wordnet.glosses(tmp_path)


def test_contexts_are_the_texts_one_after_the_other(texts):
    made = text.corpus(SMALL, "data")
    assert made.train.shape == (40, 17) and made.test.shape == (6, 17) and made.log.shape == (4, 17)
    assert made.tokeniser.get_vocab_size() == 270
    said = {}
    for name in ("train", "test", "log"):
        rows = getattr(made, name)
        assert (rows[:-1, -1] == rows[1:, 0]).all()
        whole = made.tokeniser.decode(np.append(rows[:, :-1].ravel(), rows[-1, -1]), skip_special_tokens=False)
        first, *said[name] = whole.split(text.END)
        assert first == "" and set(said[name][:-1]) <= set(texts)  # the last one is cut off
    assert not set(said["train"][:-1]) & set(said["test"][:-1]) and not set(said["test"][:-1]) & set(said["log"][:-1])
    one = text.examples(made.test, torch.device("cpu"))
    assert torch.equal(one.inputs[:, 1:], one.labels[:, :-1]) and len(one) == 6
    again = text.corpus(replace(SMALL, seed=3), "data")
    assert (again.train == made.train).all()
    with pytest.raises(UsageError, match=r"train_contexts: expected at most [\d,]+ of 16 tokens, which the text has"):
        text.corpus(replace(SMALL, train_contexts=10_000), "data")


# Network

def test_a_token_is_predicted_from_those_before_it():
    torch.manual_seed(0)
    network = Causal(50, 32, 2, 2, 8).double().eval()
    tokens = torch.randint(0, 50, (3, 8))
    other = tokens.clone()
    other[:, 5:] = (other[:, 5:] + 1) % 50
    with torch.no_grad():
        one, two = network(tokens), network(other)
    assert one.shape == (3, 50, 8)
    torch.testing.assert_close(one[..., :5], two[..., :5], rtol=0, atol=1e-12)
    assert (one[..., 5:] - two[..., 5:]).abs().amax(dim=(0, 1)).min() > 1e-3


@pytest.mark.parametrize("loss", [Loss(), Loss("distilled", temperature=2.0), Loss("distilled", divergence="reverse")])
def test_losses_are_means_over_tokens(loss):
    random = torch.Generator().manual_seed(0)
    logits, teacher = (torch.randn(3, 7, 4, dtype=torch.float64, generator=random) for _ in range(2))
    labels = torch.randint(0, 7, (3, 4), generator=random)
    rows = [part.transpose(1, 2).reshape(12, 7) for part in (logits, teacher)]
    weights = {loss.terms: 1.0}
    torch.testing.assert_close(objective(loss, weights, logits, labels, teacher),
                               objective(loss, weights, rows[0], labels.reshape(12), rows[1]))


# A run

def test_a_run_trains_measures_and_is_found_again(texts, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(REGISTERED, SMALL.name, SMALL)
    torch.set_num_threads(1)
    go = {"device": torch.device("cpu"), "data_dir": tmp_path}
    told = []
    result = training.run(SMALL, tmp_path / "runs", **go, note=told.append)
    folder = tmp_path / "runs" / "language_models" / "seed0"
    assert [line.split()[0].rpartition("/")[2] for line in told] == ["teacher", "one_hot", "student"]
    for split in ("test", "train"):
        found = result["measured"][split]
        assert list(found) == ["student", "one_hot", "Q8_0", "Q4_0", "3 bits", "equal KL"]
        assert all(one["points"] == 96 and one["contexts"] == 6 for one in found.values())
        assert 0 < found["Q8_0"]["kl"][0] < found["Q4_0"]["kl"][0] < found["3 bits"]["kl"][0]
    assert result["parameters"]["teacher"] > result["parameters"]["student"] == result["parameters"]["one_hot"]
    with np.load(folder / "densities.npz") as kept_arrays:
        assert kept_arrays["student"].sum() == 96 and kept_arrays["student"].shape == (60, 60)
    assert (folder / "student" / "weights.safetensors").exists() and not (folder / "student" / "checkpoints").exists()
    values = [quantity.of(result) for quantity in STUDIES["language_models"].quantities]
    assert len(values) == 54 and all(isinstance(value, float) for value in values)

    assert main([str(folder), "--model", "equal KL", "--contexts", "3", "--out", str(tmp_path / "logits")]) == 0
    files = [tmp_path / "logits" / f"{name}.npy" for name in ("teacher", "equal_KL", "labels")]
    shapes = [np.load(file).shape for file in files]
    assert shapes == [(3, 16, 270), (3, 16, 270), (3, 16)] and (tmp_path / "logits" / "tokenizer.json").exists()
    d = deviation.compare(*map(np.load, files))
    assert d.points == 48 and 0.3 < d.kl / result["measured"]["test"]["equal KL"]["kl"][0] < 3
    assert main([str(folder), "--model", "teacher"]) == main([str(tmp_path)]) == main(
        [str(folder), "--contexts", "7"]) == 2
    said = capsys.readouterr().err
    for line in ("--model: expected one of student, one_hot, Q8_0", "RUN: expected a finished run of language_models",
                 "--contexts: expected 1 to 6, got 7"):
        assert line in said
    for part in (folder / "student").iterdir():
        part.rename(tmp_path / part.name)
    assert main([str(folder)]) == 2 and "records have none: run it with python" in capsys.readouterr().err
    for name in ("config.json", "result.json", "weights.safetensors", "metrics.jsonl"):
        (tmp_path / name).rename(folder / "student" / name)

    monkeypatch.setattr(training, "Trainer", None)  # nothing is trained again
    assert training.run(SMALL, tmp_path / "runs", **go) == result
    (folder / "result.json").unlink()
    again = training.run(SMALL, tmp_path / "runs", **go)
    kl, kl_again = (one["measured"]["test"]["student"]["kl"] for one in (result, again))
    assert kl_again == pytest.approx(kl, rel=1e-3)


def test_a_comparison_is_that_of_all_logits_at_once(texts):
    torch.manual_seed(0)
    teacher, model = Causal(270, 32, 2, 2, 16), Causal(270, 32, 1, 2, 16)
    rows = text.examples(text.corpus(SMALL, "data").test, torch.device("cpu"))
    rows.evaluation_batch = 4  # a last batch is smaller
    d = compared(teacher, {"one": model}, rows)["one"]
    with torch.no_grad():
        logits = [network(rows.inputs).transpose(1, 2).numpy() for network in (teacher, model)]
    whole = deviation.compare(*logits, rows.labels.numpy())
    assert d.points == 96 and d.kl == pytest.approx(whole.kl, rel=1e-4)
    assert divergence(teacher, model, rows) == d.kl
    found = kept(d)
    assert found["kl"][0] == pytest.approx(d.kl, rel=1e-4) and found["kl"][1] < found["kl"][0] < found["kl"][2]
    assert found["perplexity"]["teacher"] == pytest.approx(np.exp(d.perplexity.teacher.mean()), rel=1e-4)
    assert len(found["by_confidence"]) == 10
    assert density(d).sum() == 96 and len(EDGES) == 61
