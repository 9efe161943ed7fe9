"""Archives that are the same bytes on every machine: sorted, dated by the commit, and not compressed.

What zlib makes of the same input differs from build to build (zlib-ng and zlib differ at every level), so the bytes
of a compressed archive depend on the Python that made it. These archives hold their content as it is: a zip with the
method *stored* (APPNOTE 4.4.5), and a gzip whose deflate blocks are stored ones (RFC 1951, 3.2.4), both of which every
reader must take.
"""

from __future__ import annotations

import io
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Entry", "stored_gzip", "stored_tar", "stored_zip"]

_FIRST = 315_532_800
"""1980-01-01 (seconds since the epoch), where a zip's time begins; its smallest step is two seconds, rounded down."""
_LAST = 4_354_819_198
_UNIX = 3
_BLOCK = 0xFFFF


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A file of an archive: its POSIX path there, content, and whether it can be executed."""

    path: str
    content: bytes
    executable: bool = False

    @property
    def mode(self) -> int:
        """The permissions of the file, whatever the umask here is."""
        return 0o755 if self.executable else 0o644


def stored_zip(entries: Sequence[Entry], when: int) -> bytes:
    """Return a zip of ``entries`` and of the folders that they lie in, all dated ``when`` (seconds since the epoch)."""
    moment = time.gmtime(min(max(when, _FIRST), _LAST))
    files = {entry.path: entry for entry in entries}
    folders = {f"{path[:at]}/" for path in files for at, letter in enumerate(path) if letter == "/"}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted({*files, *folders}):
            info = zipfile.ZipInfo(path, moment[:6])
            info.create_system = _UNIX
            mode = 0o100000 | files[path].mode if path in files else 0o040755
            info.external_attr = mode << 16 | (0 if path in files else 0x10)
            archive.writestr(info, files[path].content if path in files else b"")
    return buffer.getvalue()


def stored_tar(entries: Sequence[Entry], when: int) -> bytes:
    """Return a tar (POSIX ustar) of ``entries``, all dated ``when`` and owned by root.

    Raises:
        ValueError: a path is too long for the format.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT, encoding="utf-8") as archive:
        for entry in sorted(entries):
            info = tarfile.TarInfo(entry.path)
            info.size, info.mode, info.mtime = len(entry.content), entry.mode, max(when, 0)
            archive.addfile(info, io.BytesIO(entry.content))
    return buffer.getvalue()


def stored_gzip(data: bytes) -> bytes:
    """Return ``data`` as a gzip member (RFC 1952) with no time, no name, and nothing compressed."""
    blocks = [data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK)] or [b""]
    body = b"".join(
        struct.pack("<BHH", number == len(blocks), len(block), len(block) ^ _BLOCK) + block
        for number, block in enumerate(blocks, 1)
    )
    head = struct.pack("<BBBBIBB", 0x1F, 0x8B, 8, 0, 0, 0, 255)
    return head + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
