"""Published files: identified by their hash, downloaded if they are missing, never used when incomplete."""

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

from validation.data.splits import Source
from validation.errors import UsageError

CHUNK = 1 << 20
TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True)
class Published:
    """A published file: its name, the address of its folder, its hash "sha256:..." or "md5:...", and its size."""

    name: str
    address: str
    digest: str
    megabytes: float

    @property
    def url(self):
        return f"{self.address}/{self.name}"


def matches(content, digest):
    """Whether bytes, or the file at a Path, have the hash "sha256:..." or "md5:..."."""
    kind, _, expected = digest.partition(":")
    if isinstance(content, Path):
        with content.open("rb") as file:
            return hashlib.file_digest(file, kind).hexdigest() == expected
    return hashlib.new(kind, content).hexdigest() == expected


def checked(path, digest, title):
    """The bytes of a file, read once. Raises UsageError unless their hash is the published one."""
    content = path.read_bytes()
    if not matches(content, digest):
        raise corrupt(path, digest, title)
    return content


def corrupt(path, digest, title):
    """The `UsageError` for a file that is not the published one."""
    return UsageError(f"--data-dir: expected {title} as published, with {digest}, {path} is something else; "
                      "delete it and download it again")


def source(title, name, files, folder, download, where=""):
    """The `Source` of data that is not on disk: the published `files`, to be downloaded into `folder`.

    where: other accepted names or places, for the message.
    """
    total = sum(file.megabytes for file in files)
    places = files[0].url if len(files) == 1 else f"{files[0].address}/ ({', '.join(file.name for file in files)})"
    if download is not False:
        return Source(name, f"{title}, {total:.0f} MB to be downloaded from {places} to {folder}", megabytes=total)
    message = (f"--no-download: expected {title} in {folder}{where}, found none; omit --no-download to download it, "
               f"or download {places} ({total:.0f} MB) elsewhere and put it into {folder}")
    return Source(name, message, missing=message)


def fetch(files, folder, title):
    """Downloads the published `files` that are missing from `folder`, and prints their size and address.

    A file is saved under a temporary name, checked, and renamed. A second process waits for the first one.

    Raises UsageError if that fails; it says what was wrong and how else to get the files.
    """
    for file in files:
        path = folder / file.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / f".{file.name}.lock"):
                if not path.exists():
                    tqdm.write(f"downloading {title}, {file.megabytes:.3g} MB: {file.url} to {path}", file=sys.stderr)
                    _fetch(file, path, title)
        except (OSError, http.client.HTTPException) as error:  # errors of urllib are OSErrors
            reason = " ".join(str(getattr(error, "reason", error)).split())[:200] or type(error).__name__
            raise UsageError(f"--download: expected to download {title} ({file.megabytes:.3g} MB) from {file.url}, "
                             f"got: {reason}; try again, or download it elsewhere and save it as {path}") from error


def _fetch(file, path, title):
    partial = path.with_name(f".{path.name}.partial")
    try:
        need_room(path.parent, file.megabytes, title)
        _transfer(file.url, partial)
        if not matches(partial, file.digest):
            raise OSError(f"{partial.stat().st_size} bytes whose hash is not the published {file.digest}")
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
    """Raises UsageError if the disk of the folder has less free space than that."""
    free = shutil.disk_usage(folder).free / 1e6
    if free < megabytes:
        raise UsageError(f"--data-dir: expected {megabytes:,.0f} MB of free space for {title} in {folder}, got "
                         f"{free:,.0f} MB; free some space, or name a folder on another disk")
