"""NumPy's .npz format: a zip archive of .npy members, each with a checksum over its numbers."""

import struct
import zipfile
from pathlib import Path

import numpy as np

from eigenkd.deviation import npy

_MEMBER = struct.Struct("<4s5H3L2H")  # the header before a member's bytes; the last two: of its name and extra field
_END = struct.Struct("<4s4H2LH")  # the record at the end: the directory's entries, size and offset
_END_64, _LOCATOR_64 = struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")  # before it, for more than 4 GiB
_AT_ONCE = 2**22  # bytes


def names(path: Path) -> dict[str, zipfile.ZipInfo]:
    """name -> zipfile.ZipInfo of the arrays of an .npz file.

    Raises zipfile.BadZipFile or ValueError for what is no archive, two arrays of one name, and a directory that is not
    that of the members in the file: one too few would be an array that is lost.
    """
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        members = archive.infolist()
        _expect_whole(file, path.stat().st_size, members, len(archive.comment))
    found = {member.filename.removesuffix(".npy"): member for member in members}
    if len(found) < len(members):
        raise ValueError("two arrays of one name")
    return found


def read(path: Path, member: zipfile.ZipInfo) -> np.ndarray:
    """The array of a member, read to its end, so that its checksum is compared.

    Raises zipfile.BadZipFile, zlib.error and others for damaged bytes, ValueError as `npy.header` does.
    """
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        found = npy.header(file, member.file_size)
        content, done = np.empty(found.nbytes, np.uint8), 0
        while read := file.readinto(content[done : done + _AT_ONCE]):
            done += read
        if done != content.size or file.read(1):
            raise ValueError("another number of bytes than the archive says")
    return found.array(content.view(found.stored))


def _expect_whole(file, size, members, comment):
    """Raises ValueError unless members, directory and end fill the file without gaps and agree with one another."""
    end = size - comment - _END.size
    signature, *disks, here, entries, length, offset, _ = _unpacked(file, end, _END)
    longer = end - _LOCATOR_64.size - _END_64.size
    if longer >= 0 and _unpacked(file, end - _LOCATOR_64.size, _LOCATOR_64)[0] == b"PK\6\7":
        end = longer
        _, _, _, _, *disks, here, entries, length, offset = _unpacked(file, end, _END_64)
    if signature != b"PK\5\6" or any(disks) or not here == entries == len(members) or offset + length != end:
        raise ValueError(f"a directory of {len(members)} members whose last record says otherwise")
    at = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        signature, *_, name, extra = _unpacked(file, at, _MEMBER)
        if signature != b"PK\3\4" or member.header_offset != at:
            raise ValueError("bytes between its members, or members that overlap")
        at += _MEMBER.size + name + extra + member.compress_size
        at += _descriptor(file, at, member) if member.flag_bits & 8 else 0
    if at != offset:
        raise ValueError("bytes between its members and its directory")


def _unpacked(file, at, record):
    file.seek(max(at, 0))
    if at < 0 or len(content := file.read(record.size)) < record.size:
        raise ValueError("an archive that is cut off")
    return record.unpack(content)


def _descriptor(file, at, member):
    """The length of what follows a member that was written to a pipe: its checksum and sizes once more."""
    file.seek(at)
    found = file.read(24)
    for signature in (b"PK\7\10", b""):
        for sizes in ("<LQQ", "<LLL"):
            try:
                expected = signature + struct.pack(sizes, member.CRC, member.compress_size, member.file_size)
            except struct.error:  # sizes beyond 32 bits
                continue
            if found.startswith(expected):
                return len(expected)
    raise ValueError(f"a member {member.filename} with another checksum or size behind it than in the directory")
