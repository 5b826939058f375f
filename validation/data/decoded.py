"""Images decoded once into a memory-mapped file of bytes: they have one size and are read at the speed of the disk."""

import hashlib
import io
import json
import math
import os
import sys
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from eigenkd import _atomic as atomic
from validation.data.published import need_room
from validation.data.splits import Splits
from validation.errors import UsageError

CHUNK = 64  # images per task of a thread
PREPARATION = "RGB, shorter side to {size} pixels (bilinear, antialiased) where it is another, middle {size} x {size}"


def decode(content, size):
    """The image of a file's bytes, prepared as PREPARATION says: (3, size, size) uint8."""
    from PIL import Image
    from torchvision.transforms.functional import center_crop, resize

    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(center_crop(resize(picture.convert("RGB"), size), size)).transpose(2, 0, 1)


class Cache:
    """The decoded images of one data set: images.npy and labels.npy of each split, and a manifest that is saved last.

    The manifest records the source images and their preparation. If it is missing or differs, images are decoded again.
    """

    def __init__(self, folder, size):
        self.folder, self.size = Path(folder), size

    def complete(self):
        """Whether both splits can be opened, regardless of their source images."""
        return all(self._open(split) is not None for split in ("train", "test"))

    def splits(self, title, classes, source, place=None, listings=None):
        """The `Splits`, with private memory-mapped images: changes to them stay in this process.

        Splits that are missing, or were decoded from images other than those of `listings`, are decoded from `place`
        first. Without `listings`, the existing splits are used.
        """
        parts, digests = {}, {}
        for split in ("train", "test"):
            listing = listings and listings[split]
            opened = self._open(split, listing)
            if opened is None:
                self._make(title, split, place, listing)
                opened = self._open(split, listing)
            parts[f"{split}_inputs"], parts[f"{split}_labels"], digests[f"{split}_inputs"] = opened
        return Splits(**parts, classes=classes, source=source, digests=digests)

    def _path(self, split, name):
        return self.folder / f"{split}-{name}"

    def _says(self, listing):
        return {"pictures": listing.sha256, "count": len(listing.names),
                "preparation": PREPARATION.format(size=self.size)}

    def _open(self, split, listing=None):
        """(images, labels, digest of the images), or None if they are incomplete or do not match the listing."""
        try:
            manifest = json.loads(self._path(split, "manifest.json").read_text())
            images = np.load(self._path(split, "images.npy"), mmap_mode="c", allow_pickle=False)
            labels = np.load(self._path(split, "labels.npy"), allow_pickle=False)
            whole = images.shape == (manifest["count"], 3, self.size, self.size) and len(labels) == len(images)
            same = listing is None or self._says(listing).items() <= manifest.items()
            return (images, labels, manifest["sha256"]) if whole and same else None
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            return None

    def _make(self, title, split, place, listing):
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / f".{split}.lock"):
                if self._open(split, listing) is None:  # another process may have decoded it in the meantime
                    self._decode_all(title, split, place, listing)
        except OSError as error:
            raise UsageError(f"--data-dir: expected to save the decoded images of {title} in {self.folder}, got: "
                             f"{error}; make it writable, or name another folder and link the data set into it") \
                from error

    def _decode_all(self, title, split, place, listing):
        place.verify()
        shape = (len(listing.names), 3, self.size, self.size)
        megabytes = math.prod(shape) / 1e6
        need_room(self.folder, megabytes, f"the decoded images of {title}")
        tqdm.write(f"decoding {shape[0]:,} images of {title} ({split}) once: {megabytes:,.0f} MB in {self.folder}",
                   file=sys.stderr)
        self._path(split, "manifest.json").unlink(missing_ok=True)
        partial = self.folder / f".{split}-images.npy.partial"
        try:
            images = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
            digests = self._fill(images, place, listing)
            images.flush()
            partial.replace(self._path(split, "images.npy"))
        finally:
            partial.unlink(missing_ok=True)
        labels = io.BytesIO()
        np.save(labels, listing.labels, allow_pickle=False)
        atomic.write(self._path(split, "labels.npy"), labels.getvalue())
        manifest = self._says(listing) | {"sha256": hashlib.sha256(b"".join(digests)).hexdigest()}
        atomic.write(self._path(split, "manifest.json"), json.dumps(manifest, indent=1).encode())

    def _fill(self, images, place, listing):
        """Decodes into `images`, in threads. Returns the SHA-256 of each image, in order."""
        digests = [b""] * len(images)

        def chunk(first):
            last = min(first + CHUNK, len(images))
            for i in range(first, last):
                name = listing.names[i]
                try:
                    images[i] = decode(place.read(name), self.size)
                except (OSError, SyntaxError, ValueError, zipfile.BadZipFile, zlib.error) as error:
                    raise UsageError(f"--data-dir: expected an image, {place.where(name)} is corrupt ({error}); "
                                     "copy it again") from error
                digests[i] = hashlib.sha256(images[i]).digest()
            return last - first

        bar = tqdm(total=len(images), unit="image", file=sys.stderr, mininterval=1 if sys.stderr.isatty() else 30)
        with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
            for count in pool.map(chunk, range(0, len(images), CHUNK)):
                bar.update(count)
        return digests
