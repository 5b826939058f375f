"""How a network sees the examples of a data set: as rows of numbers, as images, or as tokens of texts.

A view is a frozen dataclass with a literal `name` and the members of `View`. Its fields become command-line flags
(--data.view.padding).
"""

from dataclasses import dataclass
from typing import Literal

from validation.errors import UsageError


@dataclass(frozen=True)
class View:
    """The base class of views. Extend it for examples of another kind."""

    name: str

    @property
    def augmented(self) -> bool:
        """Whether training examples are augmented at random."""
        return False

    def check(self, dataset):
        """Raises UsageError if the view does not support the examples of the data set."""
        if dataset.texts:
            raise UsageError(f"--data.view: expected tokens for the texts of {dataset.title}, got {self.name}; pass "
                             "--data.view tokens")

    def split(self, inputs, labels, *, dataset, fitted, embed, device, channels_last, dtype):
        """One split, ready for training: a `validation.inputs.Fixed` or `Pictures`, a `validation.tokens.Tokenised`, or
        an object with their members.

        inputs (n, ...), labels (n,): arrays; fitted: the training inputs, from which means and deviations are computed;
        embed: the network's fixed part; dtype: the type of the network's inputs.
        """
        raise NotImplementedError(f"{type(self).__name__}.split(...)")


@dataclass(frozen=True)
class Rows(View):
    """Examples as vectors, bytes scaled to [0, 1]; the fixed part of the network is applied once."""

    name: Literal["rows"] = "rows"
    standardise: bool = False
    """Centre each feature and divide it by its standard deviation over the training examples."""

    def split(self, inputs, labels, *, dataset, fitted, embed, device, channels_last, dtype):
        from validation.inputs import rows

        return rows(inputs, labels, fitted if self.standardise else None, embed, device, dtype)


@dataclass(frozen=True)
class Images(View):
    """Images, normalised by the mean and deviation of each channel and augmented during training."""

    name: Literal["images"] = "images"
    padding: int = 0
    """Zero padding in pixels; training uses random crops of the original size."""
    flip: bool = False
    """Flip training images horizontally at random."""
    resized_crop: bool = False
    """Train on a resized random part of each image instead of a crop after padding."""

    def __post_init__(self):
        if self.padding < 0:
            raise UsageError(f"--data.view.padding: expected 0 or more pixels, got {self.padding}; leave it out for 0")
        if self.padding and self.resized_crop:
            raise UsageError(f"--data.view.padding: expected 0 with --data.view.resized-crop, got {self.padding}; pass "
                             "one of the two")

    @property
    def augmented(self):
        return bool(self.padding or self.flip or self.resized_crop)

    def check(self, dataset):
        super().check(dataset)
        if len(dataset.shape) != 3:
            raise UsageError("--data.view: expected examples of shape (channels, height, width) for images, got "
                             f"{dataset.shape} of {dataset.title}; pass --data.view rows")

    def split(self, inputs, labels, *, dataset, fitted, embed, device, channels_last, dtype):
        from validation.inputs import Pictures, channel_statistics

        statistics = (dataset.mean, dataset.std) if dataset.mean else channel_statistics(fitted)
        return Pictures(inputs, labels, dataset.shape, statistics, self, embed, device, channels_last, dtype)


@dataclass(frozen=True)
class Tokens(View):
    """Texts as the tokens of the network's own tokeniser; batches have texts of similar length."""

    name: Literal["tokens"] = "tokens"
    length: int = 128
    """Texts are cut at this number of tokens."""

    def __post_init__(self):
        if self.length < 4:
            raise UsageError(f"--data.view.length: expected at least 4 tokens, got {self.length}; pass more")

    def check(self, dataset):
        if not dataset.texts:
            raise UsageError(f"--data.view: expected texts for tokens, got the numbers of {dataset.title}; pass "
                             "--data.view rows or images")

    def split(self, inputs, labels, *, dataset, fitted, embed, device, channels_last, dtype):
        from validation.tokens import Tokenised, Tokeniser

        if not isinstance(embed, Tokeniser):
            raise UsageError(f"--model: expected an encoder for the texts of {dataset.title}, got a network on "
                             "numbers; pass --model encoder")
        if self.length > embed.longest:
            raise UsageError(f"--data.view.length: expected at most the {embed.longest} tokens that the encoder "
                             f"supports, got {self.length}; pass fewer")
        return Tokenised(embed(inputs, self.length), embed.pad, labels, device)


VIEWS = {"rows": Rows, "images": Images, "tokens": Tokens}
