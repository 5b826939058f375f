"""An encoder of transformers with a classifier on top, as torch modules."""

import inspect

import torch
from torch import nn

from validation.errors import UsageError
from validation.models import pretrained

RATES = ("dropout", "dropout_prob", "dropout_rate", "drop_prob")  # endings of the names of a configuration's rates


class Classifier(nn.Module):
    """(b, 2, l) whole numbers -> logits (b, classes). The numbers are tokens, and 1 + segment with 0 for padding.

    origin: of the weights, see `pretrained.origin`."""

    def __init__(self, encoder, head):
        super().__init__()
        self.encoder, self.head = encoder, head
        named = inspect.signature(encoder.forward).parameters
        self.typed = "token_type_ids" in named and (getattr(encoder.config, "type_vocab_size", 0) or 0) > 1

    def forward(self, batch):
        tokens, segments = batch.unbind(dim=1)
        there = segments > 0
        types = {"token_type_ids": (segments - 1).clamp(min=0)} if self.typed else {}
        states = self.encoder(input_ids=tokens, attention_mask=there.long(), **types).last_hidden_state
        return self.head(states, there)


class First(nn.Module):
    """RoBERTa's classifier: dropout, dense, tanh, dropout, linear, on the state of the first token."""

    def __init__(self, hidden, classes, dropout):
        super().__init__()
        self.dropout, self.dense, self.linear = nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.Linear(hidden,
                                                                                                          classes)

    def forward(self, states, there):
        hidden = torch.tanh(self.dense(self.dropout(states[:, 0])))
        return self.linear(self.dropout(hidden))


class Mean(nn.Module):
    """Dropout and linear, on the mean of the tokens' states."""

    def __init__(self, hidden, classes, dropout):
        super().__init__()
        self.dropout, self.linear = nn.Dropout(dropout), nn.Linear(hidden, classes)

    def forward(self, states, there):
        weights = there.to(states.dtype)[:, :, None]
        return self.linear(self.dropout((states * weights).sum(dim=1) / weights.sum(dim=1)))


HEADS = {"first": First, "mean": Mean}


def assembled(model, classes):
    """(`Classifier`, the longest text in tokens) of a `Located` encoder.

    The classifier is drawn before the encoder's random weights, so that it is the same for any of them. Raises
    UsageError for a folder whose weights do not fit its configuration.
    """
    transformers = pretrained.library()
    with pretrained.quiet(transformers):
        config = configured(transformers, model)
        rate = getattr(config, "classifier_dropout", None)
        head = HEADS[model.pooling](config.hidden_size, classes,
                                    getattr(config, "hidden_dropout_prob", 0.1) if rate is None else rate)
        for module in head.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=getattr(config, "initializer_range", 0.02))
                nn.init.zeros_(module.bias)
        encoder = loaded(transformers, config, model) if model.pretrained else (
            transformers.AutoModel.from_config(config, trust_remote_code=False))
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # the classifier does not use it
    if model.pretrained and model.layers:
        keep_upper(encoder, model.layers)
    # RoBERTa counts positions from the padding token's number on
    before = getattr(getattr(encoder, "embeddings", None), "padding_idx", None)
    return Classifier(encoder.float(), head), config.max_position_embeddings - (0 if before is None else before + 1)


def configured(transformers, model):
    """The folder's configuration, changed to the encoder's own size and dropout."""
    try:
        config = transformers.AutoConfig.from_pretrained(model.folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"--model.source: expected a configuration that transformers knows in {model.folder}, got: "
                         f"{pretrained.line(error)}; code in the folder is never run: name another encoder") from error
    for name, value in config.to_dict().items():
        if not model.dropout and name.endswith(RATES) and isinstance(value, float):
            setattr(config, name, 0.0)
    if model.layers and model.layers > config.num_hidden_layers:
        raise UsageError(f"--model.layers: expected at most the {config.num_hidden_layers} layers of {model.source}, "
                         f"got {model.layers}; pass fewer, or leave it out for all")
    if model.layers and not model.pretrained:
        config.num_hidden_layers = model.layers
    if model.hidden:
        of_head = config.hidden_size // config.num_attention_heads
        if model.hidden % of_head:
            raise UsageError(f"--model.hidden: expected a multiple of the {of_head} units of a head of {model.source}, "
                             f"got {model.hidden}; pass another size")
        config.intermediate_size = config.intermediate_size * model.hidden // config.hidden_size
        config.hidden_size, config.num_attention_heads = model.hidden, model.hidden // of_head
    return config


def loaded(transformers, config, model):
    """The encoder with the folder's weights. Raises UsageError if some are missing."""
    try:
        encoder, report = transformers.AutoModel.from_pretrained(
            model.folder, config=config, use_safetensors=True, trust_remote_code=False, local_files_only=True,
            output_loading_info=True)
    except Exception as error:  # safetensors and transformers raise errors of their own
        raise UsageError(f"--model.source: expected the weights of {model.source} in {model.folder}, got: "
                         f"{pretrained.line(error)}; copy them again") from error
    if missing := sorted(name for name in report["missing_keys"] if "pooler" not in name):
        raise UsageError(f"--model.source: expected all weights of {model.source} in {model.folder}, {missing[0]} is "
                         f"missing ({len(missing)} in all); copy them again, or pass --model.no-pretrained")
    return encoder


def keep_upper(encoder, count):
    """Removes all but the upper `count` layers, in place."""
    total = encoder.config.num_hidden_layers
    layers = [module for module in encoder.modules() if isinstance(module, nn.ModuleList) and len(module) == total]
    if len(layers) != 1:
        raise UsageError(f"--model.layers: expected an encoder with one list of {total} layers, got {len(layers)} in a "
                         f"{type(encoder).__name__}; leave it out")
    del layers[0][:total - count]
    encoder.config.num_hidden_layers = count
