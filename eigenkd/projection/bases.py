"""Eigendirections of a layer's inputs: features, image patches, tokens. App. D.3."""

from dataclasses import dataclass
from operator import index

import numpy as np
from array_api_compat import array_namespace

from eigenkd._arrays import real_array, to_numpy
from eigenkd.typing import Array, ArrayLike


@dataclass(frozen=True, eq=False)
class Eigenbasis:
    """The eigenvalues (k,), descending, and the unit eigenvectors (features, k), in columns, of data^T data."""

    values: Array
    vectors: Array


def eigenbasis(data: ArrayLike) -> Eigenbasis:
    """The eigendirections of data^T data, uncentred: v_k with data^T data v_k = values_k v_k.

    data: (n, features). Of the result k = min(n, features); values below the rank threshold, singular values of at
    most max(n, features) * eps times the largest, are exactly 0 and their vectors complete an orthonormal set. It
    works by the SVD of data, so that small eigenvalues keep their digits. The library of data comes back.

    Raises TypeError or ValueError for what is not a finite real matrix. App. D.3.
    """
    data = real_array("data", data, ndim=(2,))
    xp = array_namespace(data)
    _, sigma, rows = xp.linalg.svd(data, full_matrices=False)
    threshold = max(data.shape) * xp.finfo(data.dtype).eps * sigma[0]
    values = xp.where(sigma > threshold, sigma**2, xp.zeros_like(sigma))
    return Eigenbasis(values=values, vectors=rows.T)


def patch_eigenbasis(images: ArrayLike, kernel_size: int | tuple[int, int], patches: int = 10_000, seed: int = 0, *,
                     groups: int = 1, dilation: int | tuple[int, int] = 1) -> Eigenbasis:
    """The eigenbasis of random image patches that have the shape of a convolution's kernel.

    images: (n, channels, h, w). kernel_size: a number or (height, width). patches: how many are drawn, uniformly over
    images and positions, with replacement, unpadded, by a generator seeded with `seed`. A patch is flattened as
    (channels, height, width), as `components` flattens the convolution's weight (outputs, channels, height, width).
    groups, dilation: the convolution's; of several groups of channels each patch is of one, drawn at random too.

    Raises TypeError or ValueError for images of another shape, a kernel that does not fit, groups that do not divide
    the channels, or no patch. App. D.3.
    """
    images = real_array("images", images, ndim=(4,))
    xp = array_namespace(images)
    n, channels, h, w = images.shape
    height, width = _two("kernel_size", kernel_size, "pass the convolution's kernel size")
    down, right = _two("dilation", dilation, "pass the convolution's dilation, 1 if it has none")
    rows, columns = (height - 1) * down + 1, (width - 1) * right + 1  # of the image, that a patch spans
    if not (min(height, width, down, right) >= 1 and rows <= h and columns <= w):
        raise ValueError(f"kernel_size: expected between 1 and the image's size {(h, w)}, got {(height, width)}"
                         f"{f' spread over {(rows, columns)}' * (max(down, right) > 1)}; patches are not padded")
    groups, patches = _whole("groups", groups), _whole("patches", patches)
    if groups < 1 or channels % groups:
        raise ValueError(f"groups: expected a divisor of the {channels} channels, got {groups}; pass the convolution's")
    if patches < 1:
        raise ValueError(f"patches: expected at least 1, got {patches}; 10,000 do for small kernels")
    rng = np.random.default_rng(seed)
    images = xp.reshape(images, (n * groups, channels // groups, h, w))
    index = rng.integers(n * groups, size=patches)[:, None, None, None]
    row = rng.integers(h - rows + 1, size=patches)[:, None, None, None] + down * np.arange(height)[:, None]
    column = rng.integers(w - columns + 1, size=patches)[:, None, None, None] + right * np.arange(width)
    channel = np.arange(channels // groups)[:, None, None]
    drawn = images[tuple(xp.asarray(i) for i in (index, channel, row, column))]
    return eigenbasis(xp.reshape(drawn, (patches, -1)))


def token_eigenbasis(tokens: ArrayLike, vocabulary: int, directions: int | None = None) -> Eigenbasis:
    """The eigenbasis of one-hot vectors, what an embedding acts on: tokens in the order of how often they occur.

    tokens: whole numbers below `vocabulary`, of any shape. directions: k, how many to keep; without it as many as
    different tokens occur. values (k,): counts; vectors (vocabulary, k): columns of the identity. The component of an
    embedding's weight (vocabulary, m), passed as weight.T, is the length of that token's vector. NumPy.

    Raises ValueError for tokens beyond the vocabulary, none at all, or more directions than it has.
    """
    tokens, vocabulary = to_numpy(tokens).ravel(), _whole("vocabulary", vocabulary)
    if not tokens.size or tokens.dtype.kind not in "iu" or not 0 <= tokens.min() <= tokens.max() < vocabulary:
        found = f"{tokens.min()} to {tokens.max()} of {tokens.dtype}" if tokens.size else "none"
        raise ValueError(f"tokens: expected whole numbers from 0 to {vocabulary - 1}, got {found}; pass the indices "
                         "that the embedding takes, and its num_embeddings")
    counts = np.bincount(tokens, minlength=vocabulary)
    k = int((counts > 0).sum()) if directions is None else _whole("directions", directions)
    if not 1 <= k <= vocabulary:
        raise ValueError(f"directions: expected from 1 to the vocabulary's {vocabulary}, got {directions}; leave it "
                         "out for the tokens that occur")
    order = np.argsort(-counts, kind="stable")[:k]
    vectors = np.zeros((vocabulary, k))
    vectors[order, np.arange(k)] = 1.0
    return Eigenbasis(values=counts[order].astype(float), vectors=vectors)


def _whole(name, value):
    try:
        return index(value)
    except TypeError as error:
        raise ValueError(f"{name}: expected a whole number, got {value!r}; pass one") from error


def _two(name, value, fix):
    """(height, width) from a whole number or two of them."""
    sizes = np.asarray(value)
    if sizes.shape not in ((), (1,), (2,)) or sizes.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected a whole number or (height, width), got {value!r}; {fix}")
    return (int(size) for size in np.broadcast_to(sizes, 2))
