"""What a network is fed: the examples of a run, on the device."""

import numpy as np
import torch

from validation.data import DATASETS
from validation.data.augment import augment, normalise, resized_crop
from validation.data.examples import mask
from validation.seeding import generator, number

PIXELS_AT_ONCE = {"cpu": 2**18}  # of each channel, in a batch that is only looked at; a cache of the CPU is small
BYTES_ON_DEVICE = 8e9  # memory-mapped images that are more stay on the disk


class Fixed:
    """Inputs (n, ...) that stay as they are, and labels (n,)."""

    augmented = False

    def __init__(self, inputs, labels):
        self.inputs, self.labels, self.device = inputs, labels, inputs.device
        self.evaluation_batch = evaluated_at_once(inputs.shape[2:], inputs.device) if inputs.ndim == 4 else 4096

    def __len__(self):
        return len(self.labels)

    def view(self, indices, *, seed, role, epoch):
        """The examples as they are trained on."""
        return self.inputs[indices]

    def plain(self, indices):
        """The examples as they are evaluated."""
        return self.inputs[indices]


class Pictures:
    """Images (n, channels, height, width) as bytes, normalised batch by batch, and augmented where they are trained on.

    They lie on the device, or, where they are memory-mapped and many, on the disk. embed: what a normalised batch goes
    through.
    """

    def __init__(self, images, labels, kind, data, embed, device, channels_last, dtype=torch.float32):
        self.on_disk = isinstance(images, np.memmap) and images.nbytes > BYTES_ON_DEVICE
        self.images = images if self.on_disk else torch.from_numpy(np.array(images)).to(device)
        self.labels, self.device, self.embed, self.data = labels, device, embed, data
        mean, std = (torch.tensor(values, device=device) for values in (kind.MEAN, kind.STD))
        self.form = {"mean": mean, "std": std, "channels_last": channels_last, "dtype": dtype}
        self.size = None if images.shape[2:] == kind.SHAPE[1:] else kind.SHAPE[1]  # larger on the disk than it is seen
        self.augmented = bool(data.padding or data.flip or data.resized_crop)
        self.evaluation_batch = evaluated_at_once(images.shape[2:], device)

    def __len__(self):
        return len(self.labels)

    def view(self, indices, *, seed, role, epoch):
        """The examples as they are trained on: cropped and flipped by (seed, role, epoch, index) alone."""
        if not self.augmented:
            return self.plain(indices)
        draws = {"seed": number(seed, "augmentation", role), "epoch": epoch, "flip": self.data.flip}
        if self.data.resized_crop:
            size = self.size or self.images.shape[2]
            return self.embed(resized_crop(self._bytes(indices), indices, size=size, **draws, **self.form))
        return self.embed(augment(self._bytes(indices), indices, padding=self.data.padding, crop=self.size, **draws,
                                  **self.form))

    @torch.no_grad()
    def plain(self, indices):
        """The examples as they are evaluated: normalised, the middle where they are larger than they are seen."""
        return self.embed(normalise(self._bytes(indices), crop=self.size, **self.form))

    def _bytes(self, indices):
        if self.on_disk:
            return torch.from_numpy(self.images[indices.cpu().numpy()]).to(self.device)
        return self.images[indices]


class Part:
    """The examples `where` (n,) of a split, under their own indices, so that each looks as it does in the whole."""

    def __init__(self, split, where):
        self.split, self.where, self.device = split, where, split.device
        self.labels = split.labels[where]

    def __len__(self):
        return len(self.where)

    def view(self, indices, **draws):
        return self.split.view(self.where[indices], **draws)


class Inputs:
    """The training and the test split of a run's `Examples`; `kept`: which training examples' logits are kept,
    `watched`: which are evaluated after each epoch; `taught`: the examples that the teacher is trained on."""

    def __init__(self, examples, setting, embed, device, *, seed, channels_last=False, dtype=torch.float32):
        embed = embed.to(device, dtype)
        for split in ("train", "test"):
            images, labels = getattr(examples, f"{split}_images"), getattr(examples, f"{split}_labels")
            labels = torch.from_numpy(labels).to(device)
            if setting.data.normalise:
                made = Pictures(images, labels, DATASETS[setting.data.name], setting.data, embed, device, channels_last,
                                dtype)
            else:
                made = Fixed(embedded(images, embed, device, dtype), labels)
            setattr(self, split, made)
        self.kept = spread(len(self.train), setting.evaluation.kept, device)
        self.watched = spread(len(self.train), setting.evaluation.watched, device)

        self.taught, self.taught_mask = self.train, None
        if setting.data.taught_share < 1:
            self.taught_mask = mask(len(self.train), setting.data.taught_share, generator(seed, "taught"))
            self.taught = Part(self.train, torch.from_numpy(self.taught_mask.nonzero()[0]).to(device))

    def kept_labels(self, split):
        """On the CPU, the labels of the examples of "train" or "test" whose logits are kept."""
        return (self.train.labels[self.kept] if split == "train" else self.test.labels).cpu()


def evaluated_at_once(size, device):
    """How many images of `size` (height, width) go through a network that is not trained in one batch."""
    return max(16, PIXELS_AT_ONCE.get(device.type, 2**20) // (size[0] * size[1]))


def embedded(images, embed, device, dtype, batch_size=4096):
    """Images (n, channels, height, width) as bytes / 255, in [0, 1], through the fixed embedding."""
    with torch.no_grad():
        return torch.cat([embed(batch.to(device, dtype) / 255)
                          for batch in torch.from_numpy(np.require(images, requirements="W")).split(batch_size)])


def batches(split):
    """All examples of a split as they are evaluated, batch by batch."""
    return map(split.plain, torch.arange(len(split), device=split.device).split(split.evaluation_batch))


def spread(n, count, device):
    """`count` of n indices, evenly spaced, ascending; all of them where count is None or no fewer."""
    if count is None or count >= n:
        return torch.arange(n, device=device)
    return torch.arange(count, device=device) * n // count
