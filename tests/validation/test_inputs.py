"""Inputs of networks: normalisation, augmentation by (seed, stream, epoch, index) alone, and saved examples."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from validation.data import CIFAR100, Digits, ImageNet, Images, generated
from validation.data.examples import draw
from validation.inputs import Inputs, Pictures, spread
from validation.settings import find

CPU = torch.device("cpu")


def inputs(name="resnet_cifar100", examples=20, seed=0, **changes):
    setting = find(name)
    setting = replace(setting, data=replace(setting.data, train_examples=examples, **changes))
    kind = setting.data.set
    drawn = draw(generated.load(kind.shape, kind.classes, 40, 30), setting.data, 0)
    return drawn, Inputs(drawn, setting, nn.Identity(), CPU, seed=seed)


def test_evaluation_uses_normalised_images_in_order():
    drawn, made = inputs()
    kind = CIFAR100()
    mean, std = (np.array(values).reshape(1, 3, 1, 1) for values in (kind.mean, kind.std))
    for split, images in ((made.train, drawn.train_inputs), (made.test, drawn.test_inputs)):
        expected = (images / 255 - mean) / std
        np.testing.assert_allclose(split.plain(torch.arange(len(images))).numpy(), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(made.train.labels.numpy(), drawn.train_labels)


def test_a_view_depends_only_on_seed_stream_epoch_and_index():
    _, made = inputs()
    where = {"seed": 0, "stream": "teacher", "epoch": 1}
    whole = made.train.view(torch.arange(20), **where)
    assert torch.equal(made.train.view(torch.tensor([7, 3]), **where), whole[[7, 3]])
    for changed in ({"seed": 1}, {"stream": "student"}, {"epoch": 2}):
        assert not torch.equal(made.train.view(torch.arange(20), **where | changed), whole)
    assert made.train.augmented and not torch.equal(whole, made.train.plain(torch.arange(20)))


def test_a_view_is_a_crop_of_the_padded_image_flipped_or_not():
    drawn, made = inputs("resnet8_digits", view=Images(padding=1, flip=True))
    view = made.train.view(torch.arange(20), seed=0, stream="teacher", epoch=1).numpy()
    kind = Digits()
    seen = set()
    for image, found in zip(drawn.train_inputs, view):
        padded = (np.pad(image, ((0, 0), (1, 1), (1, 1))) / 255 - kind.mean[0]) / kind.std[0]
        crops = {(i, j, m): padded[:, i : i + 8, j : j + 8][:, :, ::m]
                 for i in range(3) for j in range(3) for m in (1, -1)}
        (match,) = [place for place, crop in crops.items() if np.allclose(crop, found, atol=1e-5)]
        seen.add(match)
    assert len({(i, j) for i, j, _ in seen}) >= 4 and {m for *_, m in seen} == {1, -1}


def test_without_augmentation_training_and_evaluation_inputs_are_equal():
    _, made = inputs(view=Images())
    indices = torch.arange(20)
    assert not made.train.augmented
    assert torch.equal(made.train.view(indices, seed=0, stream="teacher", epoch=1), made.train.plain(indices))


def test_a_resized_crop_has_the_size_of_the_networks_inputs():
    kind, data = ImageNet(), find("resnet_imagenet").data
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 256, 256)).astype(np.uint8)
    split = Pictures(images, torch.zeros(3), kind.shape, (kind.mean, kind.std), data.view, nn.Identity(), CPU,
                     channels_last=True, dtype=torch.float32)
    indices = torch.arange(3)
    view, plain = split.view(indices, seed=0, stream="teacher", epoch=1), split.plain(indices)
    assert view.shape == plain.shape == (3, 3, 224, 224) and plain.is_contiguous(memory_format=torch.channels_last)
    middle = (images[:, :, 16:240, 16:240] / 255 - np.reshape(kind.mean, (3, 1, 1))) / np.reshape(kind.std, (3, 1, 1))
    np.testing.assert_allclose(plain.numpy(), middle, rtol=1e-5, atol=1e-5)


def test_large_memory_mapped_images_are_read_from_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("validation.inputs.BYTES_ON_DEVICE", 100)
    array = np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (6, 1, 8, 8))
    array[:] = np.random.default_rng(0).integers(0, 256, array.shape)
    kind, data, indices = Digits(), find("resnet8_digits").data, torch.tensor([4, 0])
    images = np.load(tmp_path / "images.npy", mmap_mode="r"), np.array(array)
    mapped, held = (Pictures(where, torch.zeros(6), kind.shape, (kind.mean, kind.std), data.view, nn.Identity(), CPU,
                              False) for where in images)
    assert mapped.on_disk and not held.on_disk
    assert torch.equal(mapped.plain(indices), held.plain(indices))
    where = {"seed": 0, "stream": "student", "epoch": 3}
    assert torch.equal(mapped.view(indices, **where), held.view(indices, **where))


def test_a_part_has_the_same_views_as_the_whole_split():
    _, made = inputs(teacher_fraction=0.25)
    where = {"seed": 0, "stream": "teacher", "epoch": 2}
    assert len(made.taught) == made.taught_mask.sum() == 5
    chosen = torch.from_numpy(made.taught_mask.nonzero()[0])
    assert torch.equal(made.taught.view(torch.tensor([4, 1]), **where), made.train.view(chosen[[4, 1]], **where))
    assert torch.equal(made.taught.labels, made.train.labels[chosen])
    _, other = inputs(teacher_fraction=0.25, seed=1)
    assert (other.taught_mask != made.taught_mask).any()
    _, whole = inputs()
    assert whole.taught is whole.train and whole.taught_mask is None


@pytest.mark.parametrize(("n", "count", "expected"), [
    (10, None, range(10)), (10, 12, range(10)), (10, 5, range(0, 10, 2)), (10, 4, [0, 2, 5, 7])])
def test_a_part_is_evenly_spaced(n, count, expected):
    assert spread(n, count, CPU).tolist() == list(expected)
