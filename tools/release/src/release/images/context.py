"""The build context of an image: one folder with all that its Dockerfile can copy, the same bytes for the same inputs.

``Dockerfile`` and ``rootfs/`` are those of the image's folder, ``moodle/`` is Moodle with its plugins, and
``bin/<os>/<architecture>/`` has the programs of its crates.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from release.errors import InputsRefused, Place
from release.images.moodle import MoodleTree
from release.model.edit import digest
from release.publish.archives import Entry

__all__ = ["Context", "redate"]

_DOCKERFILE = "Dockerfile"


@dataclass
class Context:
    """A context that is written to an empty ``folder``; all is dated ``time`` (seconds since the epoch)."""

    folder: Path
    time: int
    _lines: dict[str, str] = field(default_factory=dict)
    _links: set[str] = field(default_factory=set)

    def put(self, entry: Entry) -> None:
        """Write a file."""
        path = self._path(entry.path)
        path.write_bytes(entry.content)
        path.chmod(entry.mode)
        self._lines[entry.path] = f"{entry.mode:o} {digest(entry.content)} {entry.path}"

    def link(self, path: str, target: str) -> None:
        """Write a symbolic link."""
        place = self._path(path)
        place.symlink_to(target)
        self._links.add(path)
        self._lines[path] = f"120000 {digest(target.encode(errors='surrogateescape'))} {path}"

    def put_moodle(self, moodle: MoodleTree, folder: str) -> str:
        """Write Moodle's source below ``folder`` and return the digest of its files."""
        for path in moodle.files:
            source = moodle.root / path
            if source.is_symlink():
                self.link(f"{folder}/{path}", str(source.readlink()))
            else:
                self.put(Entry(f"{folder}/{path}", source.read_bytes(), bool(source.stat().st_mode & 0o100)))
        return self.digest(f"{folder}/")

    def digest(self, prefix: str = "") -> str:
        """Return one SHA-256 of the modes, contents and paths of all files whose path starts with ``prefix``."""
        found = hashlib.sha256()
        for path in sorted(self._lines):
            if path.startswith(prefix):
                mode, content, _ = self._lines[path].split(" ", 2)
                found.update(f"{mode} {content} {path.removeprefix(prefix)}\n".encode(errors="surrogateescape"))
        return f"sha256:{found.hexdigest()}"

    def has(self, path: str) -> bool:
        """Tell whether the file is there."""
        return path in self._lines

    def finish(self) -> None:
        """Give every folder its mode and date; nothing can be written afterwards without changing them."""
        for folder, _, _ in os.walk(self.folder, topdown=False):
            Path(folder).chmod(0o755)
        redate(self.folder, self.time)

    def _path(self, path: str) -> Path:
        """Return where ``path`` is written, which is below the folder and leads through no link."""
        parts = path.split("/")
        if {"", ".", ".."} & set(parts) or "\0" in path:
            raise _refused(path, "it leads out of it")
        above = next((one for one in accumulate(parts[:-1], "{}/{}".format) if one in self._lines), None)
        if above is not None:
            raise _refused(path, f"{above} is no folder but a {'link' if above in self._links else 'file'}")
        place = self.folder / path
        if path in self._links or place.is_dir():
            raise _refused(path, f"there is a {'link' if path in self._links else 'folder'} in its place")
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


def _refused(path: str, why: str) -> InputsRefused:
    return InputsRefused(
        f"{path!r} can't be put into the build context: {why}",
        where=[Place(path)],
        fix="remove one of them from Moodle's source, or correct the plugin that it is of",
    )


def redate(folder: Path, time: int) -> None:
    """Date everything in ``folder``, and itself, ``time`` (seconds since the epoch)."""
    for here, folders, names in os.walk(folder, topdown=False):
        for name in (*folders, *names):
            os.utime(f"{here}/{name}", (time, time), follow_symlinks=False)
    os.utime(folder, (time, time))
