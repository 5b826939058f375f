"""Files as they were published: told by their hash, fetched where they are missing, never used half-done."""

import hashlib
import http.client
import shutil
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from validation.data.dataset import Source
from validation.errors import UsageError

CHUNK = 1 << 20
TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True)
class Published:
    """A published file: its name, the address of the folder it is in, its hash "sha256:..." or "md5:...", its size."""

    name: str
    address: str
    digest: str
    megabytes: float

    @property
    def url(self):
        return f"{self.address}/{self.name}"


def matches(content, digest):
    """Whether bytes, or the file of a Path, have the hash "sha256:..." or "md5:..."."""
    kind, _, expected = digest.partition(":")
    if isinstance(content, Path):
        with content.open("rb") as file:
            return hashlib.file_digest(file, kind).hexdigest() == expected
    return hashlib.new(kind, content).hexdigest() == expected


def checked(path, digest, title):
    """The bytes of a file, read once, after their hash was found to be the published one; UsageError if it is not."""
    content = path.read_bytes()
    if not matches(content, digest):
        raise corrupt(path, digest, title)
    return content


def corrupt(path, digest, title):
    """The `UsageError` for a file that is not the published one."""
    return UsageError(f"--data-dir: expected {title} as published, with {digest}, {path} is something else; "
                      "delete it and fetch it again")


def source(title, name, files, folder, download, where=""):
    """The `Source` of data that is not on disk and has to be fetched: `files`, published, into `folder`.

    where: the names there, or the other places, that would have done, for a message.
    """
    total = sum(file.megabytes for file in files)
    places = files[0].url if len(files) == 1 else f"{files[0].address}/ ({', '.join(file.name for file in files)})"
    if download is not False:
        return Source(name, f"{title}, {total:.0f} MB to be fetched from {places} into {folder}", megabytes=total)
    message = (f"--no-download: expected {title} in {folder}{where}, found none; leave --no-download out to fetch it, "
               f"or fetch {places} ({total:.0f} MB) elsewhere and put it into {folder}")
    return Source(name, message, missing=message)


def fetch(files, folder, title):
    """Fetches those of the published `files` that `folder` lacks, telling size and place.

    A file is written under a temporary name, checked, and renamed; a second process waits for the first one.

    Raises UsageError where that fails: what was wrong, and how to get the files otherwise.
    """
    for file in files:
        path = folder / file.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / f".{file.name}.lock"):
                if not path.exists():
                    tqdm.write(f"fetching {title}, {file.megabytes:.3g} MB: {file.url} to {path}", file=sys.stderr)
                    _fetch(file, path, title)
        except (OSError, http.client.HTTPException) as error:  # what urllib raises is an OSError
            reason = " ".join(str(getattr(error, "reason", error)).split())[:200] or type(error).__name__
            raise UsageError(f"--download: expected to fetch {title} ({file.megabytes:.3g} MB) from {file.url}, got: "
                             f"{reason}; try again, or fetch it elsewhere and put it at {path}") from error


def _fetch(file, path, title):
    partial = path.with_name(f".{path.name}.partial")
    try:
        need_room(path.parent, file.megabytes, title)
        _transfer(file.url, partial)
        if not matches(partial, file.digest):
            raise OSError(f"{partial.stat().st_size} bytes that have not the published {file.digest}")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _transfer(url, partial):
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, partial.open("wb") as file:
        length = int(answer.headers.get("Content-Length") or 0)
        with tqdm(total=length or None, unit="B", unit_scale=True, file=sys.stderr, leave=False, mininterval=1,
                  disable=not sys.stderr.isatty()) as bar:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
        if length and file.tell() != length:
            raise OSError(f"the connection ended after {file.tell()} of {length} bytes")


def need_room(folder, megabytes, title):
    """Raises UsageError where the folder's disk has less room than that."""
    free = shutil.disk_usage(folder).free / 1e6
    if free < megabytes:
        raise UsageError(f"--data-dir: expected {megabytes:,.0f} MB of room for {title} in {folder}, got {free:,.0f} "
                         "MB; make room, or name a folder on another disk")
