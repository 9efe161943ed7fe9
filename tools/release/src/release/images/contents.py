"""The files of an image, read from its layers: what is there in the end, what each layer weighs, what a file says.

Source: https://github.com/opencontainers/image-spec/blob/main/layer.md
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker.models.images import Image

__all__ = ["Contents", "File", "of_engine", "read"]

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


@dataclass(frozen=True, slots=True)
class File:
    """A file, folder or link of the image: bytes, permission bits, the number of its layer (0: the lowest)."""

    path: str
    size: int
    mode: int
    layer: int
    regular: bool
    folder: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """All files by their absolute paths, the unpacked bytes of each layer, and the text of those asked for."""

    files: dict[str, File]
    layers: tuple[int, ...]
    texts: dict[str, bytes]

    @property
    def size(self) -> int:
        """Bytes of all layers, unpacked."""
        return sum(self.layers)

    def below(self, folder: str) -> int:
        """Return the bytes of the files that are below ``folder``."""
        prefix = f"{folder.rstrip('/')}/"
        return sum(file.size for file in self.files.values() if file.path.startswith(prefix))


def read(layers: Iterable[IO[bytes]], wants: Callable[[str], bool] = lambda _: False) -> Contents:
    """Return what ``layers``, the lowest first, come to; ``wants`` tells of which paths the text is kept."""
    files: dict[str, File] = {}
    texts: dict[str, bytes] = {}
    sizes = []
    for number, layer in enumerate(layers):
        size = 0
        with tarfile.open(fileobj=layer, mode="r|*") as archive:
            for member in archive:
                path = f"/{member.name.removeprefix('./').strip('/')}"
                folder, name = str(PurePosixPath(path).parent), PurePosixPath(path).name
                if name == _OPAQUE:
                    _forget(files, folder, number, inside=True)
                elif name.startswith(_WHITEOUT):
                    _forget(files, f"{folder.rstrip('/')}/{name.removeprefix(_WHITEOUT)}", number + 1)
                else:
                    if not member.isdir() and path in files and files[path].folder:
                        _forget(files, path, number)
                    files[path] = File(path, member.size, member.mode & 0o7777, number, member.isreg(), member.isdir())
                    size += member.size
                    if member.isreg() and wants(path):
                        opened = archive.extractfile(member)
                        texts[path] = opened.read() if opened is not None else b""
        sizes.append(size)
    return Contents(files, tuple(sizes), {path: text for path, text in texts.items() if path in files})


def _forget(files: dict[str, File], path: str, below: int, *, inside: bool = False) -> None:
    """Remove ``path``, or only what is ``inside`` it, where it is of a layer before ``below``."""
    prefix = f"{path.rstrip('/')}/"
    gone = [one for one, file in files.items() if file.layer < below and one.startswith(prefix)]
    if not inside and path in files:
        gone.append(path)
    for one in gone:
        del files[one]


def of_engine(image: Image, wants: Callable[[str], bool] = lambda _: False) -> Contents:
    """Return the contents of an image that an engine has."""
    with tempfile.TemporaryFile() as file:
        for chunk in image.save():
            file.write(chunk)
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as archive:
            listing: list[Any] = json.loads(_member(archive, "manifest.json").read())
            return read((_member(archive, layer) for layer in listing[0]["Layers"] or ()), wants)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    member = archive.getmember(name)
    while member.islnk() or member.issym():
        parent = PurePosixPath(member.name).parent
        target = member.linkname if member.islnk() else str(parent / member.linkname)
        parts: list[str] = []
        for part in PurePosixPath(target).parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        member = archive.getmember("/".join(parts))
    opened = archive.extractfile(member)
    assert opened is not None
    return opened
