"""scikit-learn's digits: 1,797 images of 8 x 8 pixels, always available and small enough for tests."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from validation.data.dataset import Dataset, split
from validation.data.splits import Source
from validation.errors import UsageError

SHIPPED = Source("scikit-learn", "the 1,797 real 8 x 8 digits that scikit-learn ships; every fifth of each class kept "
                 "for testing")


@dataclass(frozen=True)
class Digits(Dataset):
    """scikit-learn's digits, with grey levels from 0 to 16 scaled to bytes from 0 to 255."""

    name: Literal["digits"] = "digits"
    title: ClassVar = "scikit-learn's digits"
    licence: ClassVar = "CC BY 4.0 (UCI, Optical Recognition of Handwritten Digits)"
    shape: ClassVar = (1, 8, 8)
    classes: ClassVar = 10
    examples: ClassVar = (1_438, 359)
    megabytes: ClassVar = 0.1
    mean: ClassVar = (0.3047,)
    std: ClassVar = (0.3756,)

    @property
    def usual_source(self):
        return SHIPPED.name

    def locate(self, data_dir, download):
        return SHIPPED

    def load(self, data_dir, download):
        try:
            from sklearn.datasets import load_digits
        except ModuleNotFoundError as error:
            raise UsageError("--data.set: expected the package scikit-learn for digits, got none "
                             f"({error}); install it") from error
        bunch = load_digits()
        images = np.rint(bunch.images[:, None] * (255 / 16)).astype(np.uint8)
        return split(images, bunch.target.astype(np.int64), self.classes, SHIPPED)
