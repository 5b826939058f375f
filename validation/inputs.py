"""The inputs of networks: the examples of a run, on the device."""

import numpy as np
import torch

from validation.data.augment import augment, normalise, resized_crop
from validation.data.examples import mask
from validation.seeding import generator, number

PIXELS_AT_ONCE = {"cpu": 2**16}  # pixels per channel in an evaluation batch; limited by the CPU's cache
BYTES_ON_DEVICE = 8e9  # memory-mapped images larger than this stay on disk


class Fixed:
    """Inputs (n, ...) without augmentation, and labels (n,)."""

    augmented, lengths = False, None

    def __init__(self, inputs, labels):
        self.inputs, self.labels, self.device = inputs, labels, inputs.device
        self.evaluation_batch = evaluated_at_once(inputs.shape[2:], inputs.device) if inputs.ndim == 4 else 4096

    def __len__(self):
        return len(self.labels)

    def view(self, indices, *, seed, stream, epoch):
        """The examples for training."""
        return self.inputs[indices]

    def plain(self, indices):
        """The examples for evaluation."""
        return self.inputs[indices]


class Pictures:
    """uint8 images (n, channels, height, width), normalised batch by batch, and augmented for training.

    They are stored on the device, or, if they are memory-mapped and large, on disk. shape: of the network's inputs;
    statistics: mean and deviation of each channel; view: a `views.Images`; embed: applied to each normalised batch.
    """

    lengths = None

    def __init__(self, images, labels, shape, statistics, view, embed, device, channels_last, dtype=torch.float32):
        self.on_disk = isinstance(images, np.memmap) and images.nbytes > BYTES_ON_DEVICE
        self.images = images if self.on_disk else torch.from_numpy(np.array(images)).to(device)
        self.labels, self.device, self.embed, self.seen = labels, device, embed, view
        mean, std = (torch.tensor(values, device=device) for values in statistics)
        self.form = {"mean": mean, "std": std, "channels_last": channels_last, "dtype": dtype}
        self.size = None if images.shape[2:] == shape[1:] else shape[1]  # stored images are larger than the inputs
        self.augmented = view.augmented
        self.evaluation_batch = evaluated_at_once(images.shape[2:], device)

    def __len__(self):
        return len(self.labels)

    def view(self, indices, *, seed, stream, epoch):
        """The examples for training, with crops and flips that depend only on (seed, stream, epoch, index)."""
        if not self.augmented:
            return self.plain(indices)
        draws = {"seed": number(seed, "augmentation", stream), "epoch": epoch, "flip": self.seen.flip}
        if self.seen.resized_crop:
            size = self.size or self.images.shape[2]
            return self.embed(resized_crop(self._bytes(indices), indices, size=size, **draws, **self.form))
        return self.embed(augment(self._bytes(indices), indices, padding=self.seen.padding, crop=self.size, **draws,
                                  **self.form))

    @torch.no_grad()
    def plain(self, indices):
        """The examples for evaluation: normalised, with a central crop if stored images are larger than the inputs."""
        return self.embed(normalise(self._bytes(indices), crop=self.size, **self.form))

    def _bytes(self, indices):
        if self.on_disk:
            return torch.from_numpy(self.images[indices.cpu().numpy()]).to(self.device)
        return self.images[indices]


class Part:
    """The examples `where` (n,) of a split. They keep their indices in the split, so augmentation does not change."""

    def __init__(self, split, where):
        self.split, self.where, self.device = split, where, split.device
        self.labels = split.labels[where]
        self.lengths = None if split.lengths is None else split.lengths[where]

    def __len__(self):
        return len(self.where)

    def view(self, indices, **draws):
        return self.split.view(self.where[indices], **draws)


class Inputs:
    """The training and the test split of a run's `Examples`.

    every: epochs between two evaluations; saved: indices of the training examples whose logits are saved; evaluated:
    indices of those that are evaluated; taught: the examples that the teacher is trained on."""

    def __init__(self, examples, setting, embed, device, *, seed, channels_last=False, dtype=torch.float32):
        embed, data = embed.to(device, dtype), setting.data
        for split in ("train", "test"):
            inputs, labels = getattr(examples, f"{split}_inputs"), getattr(examples, f"{split}_labels")
            setattr(self, split, data.view.split(
                inputs, torch.from_numpy(labels).to(device), dataset=data.set, fitted=examples.train_inputs,
                embed=embed, device=device, channels_last=channels_last, dtype=dtype))
        self.every = setting.evaluation.every
        self.saved = spread(len(self.train), setting.evaluation.saved_logits, device)
        self.evaluated = spread(len(self.train), setting.evaluation.evaluated, device)

        self.taught, self.taught_mask = self.train, None
        if data.teacher_fraction < 1:
            self.taught_mask = mask(len(self.train), data.teacher_fraction, generator(seed, "taught"))
            self.taught = Part(self.train, torch.from_numpy(self.taught_mask.nonzero()[0]).to(device))

    def trained_on(self, role):
        """The split that a role is trained on: all examples, or the teacher's fraction."""
        return self.taught if role.fraction < 1 else self.train

    def saved_labels(self, split):
        """The labels, on the CPU, of the examples of "train" or "test" whose logits are saved."""
        return (self.train.labels[self.saved] if split == "train" else self.test.labels).cpu()


def evaluated_at_once(size, device):
    """The evaluation batch size for images of `size` (height, width)."""
    return max(16, PIXELS_AT_ONCE.get(device.type, 2**20) // (size[0] * size[1]))


def rows(inputs, labels, fitted, embed, device, dtype, batch_size=4096):
    """The `Fixed` split of embedded arrays (n, ...); bytes are scaled to [0, 1], other numbers are used unchanged.

    fitted: inputs whose mean and standard deviation standardise each feature, or None."""
    with torch.no_grad():
        centre, scale = (0.0, 1.0) if fitted is None else _moments(_numbers(torch.from_numpy(np.array(fitted)), dtype))
        batches = torch.from_numpy(np.require(inputs, requirements="W")).split(batch_size)
        return Fixed(torch.cat([embed((_numbers(batch, dtype) - centre).div(scale).to(device)) for batch in batches]),
                     labels)


def channel_statistics(images, most=10_000):
    """Mean and deviation of each channel of uint8 images (n, channels, height, width), scaled to [0, 1].

    Uses at most about `most` images, evenly spaced."""
    some = np.asarray(images[:: max(1, len(images) // most)], np.float64) / 255
    return some.mean(axis=(0, 2, 3)).tolist(), np.maximum(some.std(axis=(0, 2, 3)), 1 / 255).tolist()


def _numbers(inputs, dtype):
    """The inputs in that type, bytes scaled to [0, 1]."""
    return inputs.to(dtype) / 255 if inputs.dtype == torch.uint8 else inputs.to(dtype)


def _moments(rows):
    """Mean and deviation of each feature; the deviation of a constant feature is replaced by one."""
    deviation = rows.std(dim=0, correction=0)
    return rows.mean(dim=0), torch.where(deviation > 0, deviation, torch.ones_like(deviation))


def batches(split):
    """All examples of a split for evaluation, batch by batch."""
    return map(split.plain, torch.arange(len(split), device=split.device).split(split.evaluation_batch))


def spread(n, count, device):
    """`count` of n indices, evenly spaced and ascending; all if count is None or at least n."""
    if count is None or count >= n:
        return torch.arange(n, device=device)
    return torch.arange(count, device=device) * n // count
