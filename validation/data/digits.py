"""scikit-learn's digits: 1,797 of 8 x 8 pixels, always there and small enough for a test."""

import numpy as np

from validation.data.dataset import Source, every_fifth
from validation.errors import UsageError

CLASSES = 10
SHAPE = (1, 8, 8)
MEAN, STD = (0.3047,), (0.3756,)
ON_FIRST_USE = False
SIZE_MB = 0.1
SHIPPED = Source("scikit-learn", "the 1,797 real 8 x 8 digits that scikit-learn ships; every fifth of each class kept "
                 "for testing")


def locate(data_dir, download):
    """They are in the package; both arguments make no difference."""
    return SHIPPED


def load(data_dir, download):
    """Greys from 0 to 16 as bytes from 0 to 255. Raises UsageError without scikit-learn."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise UsageError(f"--data.name: expected the package scikit-learn for digits, got none ({error}); install it") \
            from error
    bunch = load_digits()
    images = np.rint(bunch.images[:, None] * (255 / 16)).astype(np.uint8)
    return every_fifth(images, bunch.target.astype(np.int64), CLASSES, SHIPPED)
