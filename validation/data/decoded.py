"""Pictures decoded once to a memory-mapped file of bytes: all of one size, read at the speed of the disk."""

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
from validation.data.dataset import Splits
from validation.data.published import need_room
from validation.errors import UsageError

CHUNK = 64  # pictures of one task of a thread
PREPARATION = "RGB, shorter side to {size} pixels (bilinear, antialiased) where it is another, middle {size} x {size}"


def decode(content, size):
    """The picture of a file's bytes, prepared as PREPARATION says: (3, size, size) uint8."""
    from PIL import Image
    from torchvision.transforms.functional import center_crop, resize

    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(center_crop(resize(picture.convert("RGB"), size), size)).transpose(2, 0, 1)


class Cache:
    """The decoded pictures of one data set: for each split images.npy, labels.npy, and a manifest that is written last.

    The manifest says what they were made from and how; where it is missing or says something else, they are made anew.
    """

    def __init__(self, folder, size):
        self.folder, self.size = Path(folder), size

    def complete(self):
        """Whether both splits can be opened, whatever they were made from."""
        return all(self._open(split) is not None for split in ("train", "test"))

    def splits(self, title, classes, source, place=None, listings=None):
        """The `Splits`, their images memory-mapped and private: what is written to them stays in this process.

        What is not there yet, or was made from other pictures than those of `listings`, is decoded from `place` first.
        Without these what is there is taken.
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
        """(images, labels, digest of the images), or None where they are not there whole, or not of that listing."""
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
                if self._open(split, listing) is None:  # another process may have made it in the meantime
                    self._decode_all(title, split, place, listing)
        except OSError as error:
            raise UsageError(f"--data-dir: expected to write the decoded pictures of {title} to {self.folder}, got: "
                             f"{error}; make it writable, or name another folder and link the data set into it") \
                from error

    def _decode_all(self, title, split, place, listing):
        place.verify()
        shape = (len(listing.names), 3, self.size, self.size)
        megabytes = math.prod(shape) / 1e6
        need_room(self.folder, megabytes, f"the decoded pictures of {title}")
        tqdm.write(f"decoding {shape[0]:,} pictures of {title} ({split}) once: {megabytes:,.0f} MB to {self.folder}",
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
        """Decodes into `images`, in threads; the SHA-256 of each, in order."""
        digests = [b""] * len(images)

        def chunk(first):
            last = min(first + CHUNK, len(images))
            for i in range(first, last):
                name = listing.names[i]
                try:
                    images[i] = decode(place.read(name), self.size)
                except (OSError, SyntaxError, ValueError, zipfile.BadZipFile, zlib.error) as error:
                    raise UsageError(f"--data-dir: expected a picture, {place.where(name)} is corrupt ({error}); "
                                     "copy it there again") from error
                digests[i] = hashlib.sha256(images[i]).digest()
            return last - first

        bar = tqdm(total=len(images), unit="picture", file=sys.stderr, mininterval=1 if sys.stderr.isatty() else 30)
        with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
            for count in pool.map(chunk, range(0, len(images), CHUNK)):
                bar.update(count)
        return digests
