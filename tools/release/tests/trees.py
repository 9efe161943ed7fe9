"""Trees for tests: files in memory, and a folder of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

__all__ = ["FolderTree", "MemoryTree"]


class MemoryTree:
    """A tree of the given files; text is stored as UTF-8."""

    def __init__(self, files: Mapping[str, bytes | str]) -> None:
        self.contents = {
            path: content.encode() if isinstance(content, str) else content for path, content in files.items()
        }

    def files(self) -> Sequence[str]:
        return sorted(self.contents)

    def read(self, path: str) -> bytes:
        try:
            return self.contents[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        return {path: self.contents[path] for path in paths if path in self.contents}


class FolderTree:
    """All files below a folder, git's own left out."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def files(self) -> Sequence[str]:
        found: list[str] = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name != ".git"]
            found += [(Path(folder) / name).relative_to(self.root).as_posix() for name in names]
        return sorted(found)

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        return {path: self.read(path) for path in paths if (self.root / path).is_file()}
