"""Random crops and flips of a batch, on its own device, and normalisation.

The random numbers of an example depend only on (seed, epoch, index), not on the batch, the order, the device, the
number of processes or earlier draws. They come from a counter-based generator, so a run that is resumed or distributed
over more processes sees the same images.
"""

import math

import torch
import torch.nn.functional as F

from validation.seeding import number

WORD = 0xFFFFFFFF  # 32 bits, stored in int64: products of a word and a constant below 2^31 do not overflow
TRIES = 10  # as in torchvision


def augment(images, indices, *, seed, epoch, mean, std, padding=4, crop=None, flip=True, dtype=torch.float32,
            channels_last=False):
    """Pads each image with black, crops it at random, flips it horizontally with probability 1/2, and normalises it.

    images: (b, c, h, w) uint8; indices: (b,) whole numbers on the same device, the indices of the examples in the data
    set; padding: pixels on each side; crop: side of the result in pixels, None for the size of the image. Returns
    (b, c, crop, crop) of `dtype`, or (b, c, h, w). The padding is zero before normalisation.
    """
    height, width = (crop, crop) if crop else images.shape[2:]
    places = [images.shape[2] + 2 * padding - height + 1, images.shape[3] + 2 * padding - width + 1]
    (key,) = streams(seed, epoch, "crop")
    top, left, flipped = digits(words(indices, key), *places, 2 if flip else 1)
    return normalise(windows(images, top, left, flipped == 1, padding, height, width),
                     mean=mean, std=std, dtype=dtype, channels_last=channels_last)


def resized_crop(images, indices, *, seed, epoch, mean, std, size, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3), flip=True,
                 dtype=torch.float32, channels_last=False):
    """Resizes a random part of each image to `size` x `size`, flips it with probability 1/2, and normalises it.

    As in torchvision's RandomResizedCrop, the area of the part is a uniform share in `scale`, and its width over its
    height is log-uniform in `ratio`. It is drawn up to ten times until it fits; otherwise it is the largest part that
    fits. Resizing is bilinear, without antialiasing, and not rounded to bytes. Other arguments: see `augment`.
    """
    key, *keys = streams(seed, epoch, "crop", *(f"{what} {i}" for what in ("area", "aspect") for i in range(TRIES)))
    height, width = _sides(indices, keys, *images.shape[2:], scale, ratio)
    places = [whole - part + 1 for whole, part in zip(images.shape[2:], (height, width))]
    top, left, flipped = digits(words(indices, key), *places, 2 if flip else 1)
    down = torch.arange(size, device=images.device).expand(len(images), size)
    across = torch.where(flipped[:, None] == 1, size - 1 - down, down)
    rows, columns = (_centres(first, length, positions, whole) for first, length, positions, whole in (
        (top, height, down, images.shape[2]), (left, width, across, images.shape[3])))
    grid = torch.stack(torch.broadcast_tensors(columns[:, None, :], rows[:, :, None]), dim=3)
    parts = F.grid_sample(images.to(torch.float32), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return normalise(parts, mean=mean, std=std, dtype=dtype, channels_last=channels_last)


def normalise(images, *, mean, std, crop=None, dtype=torch.float32, channels_last=False):
    """(images / 255 - mean) / std for each channel, computed in float32, then converted to `dtype`.

    images: (b, c, h, w) with values from 0 to 255; mean, std: c numbers each, of pixels in [0, 1], or tensors on the
    device, which saves one copy per batch; crop: side of the central crop in pixels, None for the whole image.
    """
    if crop:
        top, left = (images.shape[2] - crop) // 2, (images.shape[3] - crop) // 2
        images = images[:, :, top : top + crop, left : left + crop]
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    mean, std = (torch.as_tensor(values, dtype=torch.float32, device=images.device).view(-1, 1, 1)
                 for values in (mean, std))
    scaled = images.to(torch.float32, memory_format=memory_format) / 255
    return scaled.sub_(mean).div_(std).to(dtype)


def windows(images, top, left, flipped, padding, height, width):
    """The height x width part of each image at (top, left) after padding with zeros, mirrored where `flipped`.

    images: (b, c, h, w); top, left: (b,) whole numbers; flipped: (b,) booleans. Uses one gather for all images.
    """
    padded = F.pad(images, (padding,) * 4)
    down, across = (torch.arange(n, device=images.device) for n in (height, width))
    rows = top[:, None] + down
    columns = left[:, None] + torch.where(flipped[:, None], width - 1 - across, across)
    pixels = rows[:, :, None] * padded.shape[3] + columns[:, None, :]
    picked = padded.flatten(2).gather(2, pixels.flatten(1)[:, None].expand(-1, images.shape[1], -1))
    return picked.unflatten(2, (height, width))


@torch.compiler.disable  # a compiler cannot trace hashing, and the key is constant within an epoch
def streams(seed, epoch, *purposes):
    """The key of `words` for each purpose."""
    return [number(seed, "augmentation", epoch, purpose) for purpose in purposes]


def words(indices, key):
    """(b,) int64, uniform on 0 to 2^32 - 1: two rounds of a mixing permutation with a 63-bit key on each index."""
    return _mixed((_mixed((indices.to(torch.int64) + (key & WORD)) & WORD) + (key >> 32)) & WORD)


def digits(word, *counts):
    """For each count (a number or (b,)), independent whole numbers (b,) that are uniform on 0 to count - 1.

    They are the digits of word / 2^32 in this mixed radix. Probabilities are accurate to (product of counts) / 2^32.
    """
    for count in counts:
        product = word * count
        yield product >> 32
        word = product & WORD


def _mixed(x):
    """A permutation of 32-bit words in which each bit of x flips each bit of the result with probability 1/2.

    The xor-shifts and multiplications come from C. Wellons' search for such functions, with constants below 2^31.
    """
    x = ((x ^ (x >> 16)) * 0x21F0AAAD) & WORD
    x = ((x ^ (x >> 15)) * 0x735A2D97) & WORD
    return x ^ (x >> 15)


def _sides(indices, keys, height, width, scale, ratio):
    """Height and width (b,) of a random part: the first draw that fits, else the largest part of an allowed ratio.

    keys: keys of `words`, TRIES for the areas and TRIES for the ratios.
    """
    aspect = min(max(width / height, ratio[0]), ratio[1])
    sides = [torch.full_like(indices, min(whole, round(most)), dtype=torch.int64)
             for whole, most in ((height, width / aspect), (width, height * aspect))]
    uniform = [words(indices, key).to(torch.float32) / 2**32 for key in keys]
    for share, place in reversed(list(zip(uniform[:TRIES], uniform[TRIES:]))):  # the first draw that fits is kept
        area = height * width * (scale[0] + (scale[1] - scale[0]) * share)
        aspect = torch.exp(math.log(ratio[0]) + math.log(ratio[1] / ratio[0]) * place)
        drawn = [(area / aspect).sqrt().round().long(), (area * aspect).sqrt().round().long()]
        fits = (drawn[0] > 0) & (drawn[1] > 0) & (drawn[0] <= height) & (drawn[1] <= width)
        sides = [torch.where(fits, new, old) for new, old in zip(drawn, sides)]
    return sides


def _centres(first, length, positions, whole):
    """Coordinates from -1 to 1, on an axis of `whole` pixels, of the pixels at `positions` (b, size) of a result.

    The result uses only the `length` (b,) pixels from `first` (b,) on.
    """
    begin, length = first[:, None], length[:, None]
    centres = (positions + 0.5) * (length / positions.shape[1])
    return 2 * (begin + torch.minimum(centres.clamp(min=0.5), length - 0.5)) / whole - 1
