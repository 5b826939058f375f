import hashlib
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import chi2

from validation.data.augment import WORD, augment, digits, normalise, resized_crop, streams, windows, words
from validation.device import threads

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
KEYS = {"seed": 3, "epoch": 7, "mean": MEAN, "std": STD}
N = 120


@pytest.fixture(autouse=True)
def one_thread():
    with threads(1):
        yield


def pictures(n=N, channels=3, height=12, width=12, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, height, width), dtype=torch.uint8, generator=random)


def normal(picture, mean=MEAN, std=STD):
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (mean, std))
    return (picture.to(torch.float32) / 255 - mean) / std


def drawn(indices, seed, epoch, purpose="crop"):
    return words(indices, *streams(seed, epoch, purpose))


def one_by_one(images, indices, *, padding=4, crop=None, flip=True, **normalisation):
    """The same crops and flips with torchvision, one image at a time."""
    from torchvision.transforms import functional

    made = []
    for image, index in zip(images, indices):
        padded = functional.pad(image, [padding] * 4, fill=0)
        height, width = (crop, crop) if crop else image.shape[1:]
        places = padded.shape[1] - height + 1, padded.shape[2] - width + 1
        top, left, mirrored = map(int, digits(drawn(index, 3, 7), *places, 2 if flip else 1))
        part = functional.crop(padded, top, left, height, width)
        made.append(normal(functional.hflip(part) if mirrored else part, **normalisation))
    return torch.stack(made)


@pytest.mark.parametrize(("shape", "padding", "crop", "flip"), [
    ((12, 12), 4, None, True), ((12, 12), 4, None, False), ((9, 14), 2, None, True), ((20, 20), 0, 13, True),
    ((12, 12), 0, None, True), ((10, 16), 3, 11, True)])
def test_a_batch_equals_its_images_augmented_one_by_one(shape, padding, crop, flip):
    images, indices = pictures(40, height=shape[0], width=shape[1]), torch.arange(100, 140)
    made = augment(images, indices, padding=padding, crop=crop, flip=flip, **KEYS)
    expected = one_by_one(images, indices, padding=padding, crop=crop, flip=flip)
    assert made.dtype == torch.float32 and torch.equal(made, expected)


def test_grey_images():
    images, indices, grey = pictures(5, channels=1), torch.arange(5), {"mean": (0.4,), "std": (0.3,)}
    assert torch.equal(augment(images, indices, seed=3, epoch=7, **grey), one_by_one(images, indices, **grey))


@pytest.mark.parametrize("make", [augment, lambda *a, **k: resized_crop(*a, size=9, **k)], ids=["crop", "resized"])
def test_augmentation_does_not_depend_on_batch_and_order(make):
    images, indices = pictures(), torch.randperm(50_000, generator=torch.Generator().manual_seed(1))[:N]
    whole = make(images, indices, **KEYS)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(2))
    assert torch.equal(make(images[order], indices[order], **KEYS), whole[order])
    for size in (1, 7, 128):
        parts = [make(i, j, **KEYS) for i, j in zip(images.split(size), indices.split(size))]
        assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(make(images, indices.to(torch.int32), **KEYS), whole)
    assert torch.equal(make(images[::2], indices[::2], **KEYS), whole[::2])  # the batch of one of two processes


def test_augmentation_does_not_change_the_global_generator():
    before = torch.random.get_rng_state()
    augment(pictures(), torch.arange(N), **KEYS)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("changed", [{"seed": 4}, {"epoch": 8}])
def test_another_seed_or_epoch_gives_different_crops(changed):
    images, indices = pictures(), torch.arange(N)
    first, second = (augment(images, indices, **(KEYS | keys)) for keys in ({}, changed))
    same = (first == second).flatten(1).all(dim=1).sum().item()
    assert same < 6  # of 120, where one in 162 is expected


def mixed(x):
    """The mixing permutation with Python's integers."""
    for shift, factor in ((16, 0x21F0AAAD), (15, 0x735A2D97)):
        x = (x ^ x >> shift) * factor % 2**32
    return x ^ x >> 15


def test_draws_do_not_change_between_versions():
    key = int(hashlib.sha256(b"0/augmentation/1/crop").hexdigest()[:16], 16) // 2
    indices = [0, 1, 2, 49_999, 2**32 - 1]
    expected = [mixed((mixed((i + key) % 2**32) + key // 2**32) % 2**32) for i in indices]
    assert drawn(torch.tensor(indices), 0, 1).tolist() == expected
    assert expected[:3] == [2743105614, 2165773000, 3013534114]


def crops(seed, epoch, n=40_000, first=0):
    """(top, left, flipped) of examples first to first + n - 1, with images padded by 4 on each side."""
    return torch.stack(list(digits(drawn(torch.arange(first, first + n), seed, epoch), 9, 9, 2)))


def chi_squared(cells, count):
    """The p-value of the hypothesis that `count` cells are equally likely."""
    observed = np.bincount(cells, minlength=count)
    expected = len(cells) / count
    return chi2.sf(((observed - expected) ** 2 / expected).sum(), count - 1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_crops_and_flips_are_uniform_and_independent(seed):
    top, left, flipped = crops(seed, 5).numpy()
    assert top.max() == left.max() == 8 and flipped.max() == 1
    assert 0.001 < chi_squared((top * 9 + left) * 2 + flipped, 162) < 0.999


@pytest.mark.parametrize("pair", ["neighbours", "epochs", "seeds", "distant", "purposes"])
def test_draws_are_pairwise_independent(pair):
    one = crops(0, 5)
    two = {"neighbours": crops(0, 5, first=1), "epochs": crops(0, 6), "seeds": crops(1, 5),
           "distant": crops(0, 5, first=2**16), "purposes": torch.stack(list(
               digits(drawn(torch.arange(40_000), 0, 5, "area 0"), 9, 9, 2)))}[pair]
    for a, b in itertools.product(range(3), repeat=2):
        count = (9, 9, 2)[a], (9, 9, 2)[b]
        p = chi_squared((one[a] * count[1] + two[b]).numpy(), count[0] * count[1])
        assert p > 0.0005, (pair, a, b, p)


def test_each_bit_of_a_word_is_fair_and_depends_on_each_bit_of_the_index():
    indices = torch.arange(4096)
    bits = (drawn(indices, 0, 0)[:, None] >> torch.arange(32)) & 1
    assert (abs(bits.double().mean(dim=0) - 0.5) < 5 * 0.5 / 64).all()  # five standard deviations
    for bit in range(17):
        moved = drawn(indices ^ (1 << bit), 0, 0) ^ drawn(indices, 0, 0)
        share = ((moved[:, None] >> torch.arange(32)) & 1).double().mean(dim=0)
        assert (abs(share - 0.5) < 0.08).all(), bit


def test_words_are_distinct_and_32_bits_wide():
    made = drawn(torch.arange(40_000), 0, 0)
    assert len(made.unique()) == 40_000 and made.min() >= 0 and 0.999 * WORD < made.max() <= WORD


def test_digits_follow_the_mixed_radix():
    word = torch.tensor([0, WORD, 2**31, 123_456_789])
    for counts in ((9, 9, 2), (33, 1, 2)):
        whole = [int(w) * np.prod(counts, dtype=object) >> 32 for w in word]
        made = list(digits(word, *counts))
        joined = (made[0] * counts[1] + made[1]) * counts[2] + made[2]
        assert joined.tolist() == whole


def test_the_padding_is_black_before_normalisation():
    white = torch.full((50, 3, 8, 8), 255, dtype=torch.uint8)
    made = augment(white, torch.arange(50), **KEYS)
    white_and_black = torch.stack([normal(torch.full((3, 1, 1), value)) for value in (0, 255)])
    assert torch.equal(made.unique(), white_and_black.unique())


def test_normalise_with_and_without_a_central_crop():
    images = pictures(6, height=9, width=11)
    assert torch.equal(normalise(images, mean=MEAN, std=STD), torch.stack([normal(image) for image in images]))
    middle = normalise(images, mean=torch.tensor(MEAN), std=torch.tensor(STD), crop=5)
    assert torch.equal(middle, torch.stack([normal(image[:, 2:7, 3:8]) for image in images]))
    floats = images.float()
    normalise(floats, mean=MEAN, std=STD)
    assert torch.equal(floats, images.float())  # the argument is not changed


@pytest.mark.parametrize("make", [augment, lambda *a, **k: resized_crop(*a, size=8, **k),
                                  lambda i, _, seed, epoch, **k: normalise(i, **k)], ids=["crop", "resized", "plain"])
def test_memory_format_and_precision_do_not_change_values(make):
    images, indices = pictures(10), torch.arange(10)
    plain = make(images, indices, **KEYS)
    last = make(images, indices, channels_last=True, **KEYS)
    assert plain.is_contiguous() and last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain, last)
    half = make(images, indices, dtype=torch.bfloat16, channels_last=True, **KEYS)
    assert half.is_contiguous(memory_format=torch.channels_last) and torch.equal(half, plain.to(torch.bfloat16))


def test_windows_on_a_small_example():
    image = torch.arange(1, 10, dtype=torch.uint8).view(1, 1, 3, 3).expand(2, 1, 3, 3)
    made = windows(image, torch.tensor([0, 2]), torch.tensor([1, 2]), torch.tensor([False, True]), 1, 3, 3)
    assert made[0, 0].tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert made[1, 0].tolist() == [[0, 6, 5], [0, 9, 8], [0, 0, 0]]


class Box:
    """The sizes of the parts that `resized_crop` takes, from images whose pixels encode their position."""

    def __init__(self, n, height=40, width=40, **arguments):
        down = torch.arange(height, dtype=torch.uint8)[:, None].expand(height, width)
        across = torch.arange(width, dtype=torch.uint8).expand(height, width)
        images = torch.stack([down, across, torch.zeros_like(down)])[None].expand(n, -1, -1, -1)
        made = resized_crop(images, torch.arange(n), seed=0, epoch=0, mean=(0.0,) * 3, std=(1.0,) * 3, size=2,
                            **arguments) * 255
        # Two pixels lie a quarter of the part from its edges, so their distance is half of the part.
        self.height = 2 * (made[:, 0, 1, 0] - made[:, 0, 0, 0])
        self.width = 2 * (made[:, 1, 0, 1] - made[:, 1, 0, 0])
        self.top = made[:, 0, 0, 0] + 0.5 - self.height / 4
        self.left = made[:, 1, 0].amin(dim=1) + 0.5 - self.width.abs() / 4
        self.flipped = self.width < 0
        self.width = self.width.abs()


def test_random_parts_have_the_requested_areas_ratios_and_positions():
    box = Box(4000, scale=(0.2, 0.5))
    area, ratio = box.height * box.width / 1600, box.width / box.height
    assert area.min() > 0.17 and area.max() < 0.53 and abs(area.mean() - 0.35) < 0.01
    assert ratio.min() > 0.70 and ratio.max() < 1.43 and abs(ratio.log().mean()) < 0.01
    assert abs(box.flipped.float().mean() - 0.5) < 0.04
    for first, length in ((box.top, box.height), (box.left, box.width)):
        assert first.min() > -0.01 and (first + length).max() < 40.01
        assert abs((first / (40 - length)).mean() - 0.5) < 0.02
    assert not Box(100, flip=False).flipped.any()
    assert Box(100, flip=True).flipped.any()


def test_if_no_draw_fits_the_largest_part_is_used():
    wide = Box(50, height=20, width=60, scale=(1.0, 1.0))
    torch.testing.assert_close(wide.height, torch.full((50,), 20.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(wide.width, torch.full((50,), 27.0), atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [7, 30])
def test_a_resized_part_equals_torchs_interpolation(size, monkeypatch):
    from validation.data import augment as module

    images, indices = pictures(20, height=24, width=24), torch.arange(20)
    sides, plain = [], module._sides
    monkeypatch.setattr(module, "_sides", lambda *a: (sides.append(plain(*a)), sides[-1])[1])
    made = resized_crop(images, indices, size=size, **KEYS)
    height, width = sides[0]
    top, left, flipped = digits(drawn(indices, 3, 7), 24 - height + 1, 24 - width + 1, 2)
    for i in range(20):
        part = images[i, :, top[i] : top[i] + height[i], left[i] : left[i] + width[i]].float()
        resized = F.interpolate(part[None], size=(size, size), mode="bilinear", align_corners=False)[0]
        expected = normal(resized.flip(2) if flipped[i] else resized)
        torch.testing.assert_close(made[i], expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("make", [augment, lambda *a, **k: resized_crop(*a, size=9, **k)], ids=["crop", "resized"])
def test_compiled_augmentation_is_equal_and_is_not_recompiled_every_epoch(make, monkeypatch):
    monkeypatch.setattr("validation.data.augment.TRIES", 2)  # less to compile
    images, indices = pictures(8), torch.arange(8)
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(make, backend=backend)
    for epoch in range(4):
        keys = KEYS | {"epoch": epoch}
        torch.testing.assert_close(compiled(images, indices, **keys), make(images, indices, **keys), atol=0, rtol=0)
        if epoch == 1:
            settled = len(graphs)
    assert 0 < settled == len(graphs)
    torch._dynamo.reset()
