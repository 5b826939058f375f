"""How the examples of a data set are seen by a network: as rows of numbers, or as images.

A view is a frozen dataclass with a literal `name`, whose fields are flags of the command line (--data.view.padding),
and with the members of `View`.
"""

from dataclasses import dataclass
from typing import Literal

from validation.errors import UsageError


@dataclass(frozen=True)
class View:
    """What a view has. Extend it for examples of another kind."""

    name: str

    @property
    def augmented(self) -> bool:
        """Whether an example looks different each time that it is trained on."""
        return False

    def check(self, dataset):
        """Raises UsageError where the data set's examples cannot be seen so."""

    def split(self, inputs, labels, *, dataset, fitted, embed, device, channels_last, dtype):
        """One split, ready to be trained on: a `validation.inputs.Fixed` or `Pictures`, or what has their members.

        inputs (n, ...), labels (n,): arrays; fitted: the training inputs, which means and deviations are taken from;
        embed: the network's fixed part; dtype: of what a network takes in.
        """
        raise NotImplementedError(f"{type(self).__name__}.split(...)")


@dataclass(frozen=True)
class Rows(View):
    """Examples as they are, bytes as numbers in [0, 1]; the fixed part of the network is applied once."""

    name: Literal["rows"] = "rows"
    standardise: bool = False
    """Whether each feature is centred and divided by its standard deviation over the training examples."""

    def split(self, inputs, labels, *, dataset, fitted, embed, device, channels_last, dtype):
        from validation.inputs import rows

        return rows(inputs, labels, fitted if self.standardise else None, embed, device, dtype)


@dataclass(frozen=True)
class Images(View):
    """Images, each channel centred and scaled by the data set's mean and deviation, augmented in training."""

    name: Literal["images"] = "images"
    padding: int = 0
    """Zeros around an image, of which a random crop of its own size is trained on."""
    flip: bool = False
    """Whether images are mirrored at random."""
    resized_crop: bool = False
    """Whether a random part of an image, resized, is trained on, instead of a crop after padding."""

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
        if len(dataset.shape) != 3:
            raise UsageError("--data.view: expected examples of shape (channels, height, width) for images, got "
                             f"{dataset.shape} of {dataset.title}; pass --data.view rows")

    def split(self, inputs, labels, *, dataset, fitted, embed, device, channels_last, dtype):
        from validation.inputs import Pictures, channel_statistics

        statistics = (dataset.mean, dataset.std) if dataset.mean else channel_statistics(fitted)
        return Pictures(inputs, labels, dataset.shape, statistics, self, embed, device, channels_last, dtype)


VIEWS = {"rows": Rows, "images": Images}
