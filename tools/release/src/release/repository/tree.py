"""The tree of a commit, read through ``git cat-file``, and the work tree."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property

from release.repository.git import Repository

__all__ = ["CommitTree", "WorkTree"]

_REGULAR = ("100644", "100755", "100664")


class CommitTree:
    """The regular files of one commit; submodules and symbolic links are not among them."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self._repository = repository
        self._commit = commit
        self._blobs: dict[str, str] | None = None
        self._files: tuple[str, ...] | None = None
        self._contents: dict[str, bytes] = {}
        self.modes: dict[str, str] = {}
        self.special: dict[str, str] = {}
        """The modes of what is no regular file, by path: symbolic links (120000) and submodules (160000)."""

    def files(self) -> Sequence[str]:
        """Return the POSIX paths of all files, sorted."""
        if self._files is None:
            self._files = tuple(sorted(self._entries()))
        return self._files

    def read(self, path: str) -> bytes:
        """Return the content of ``path``; its namesakes in other folders are fetched by the same process.

        Raises:
            FileNotFoundError: the commit has no such file.
        """
        if path not in self._contents:
            name = path.rpartition("/")[2]
            if path not in self._entries():
                raise FileNotFoundError(path)
            self.read_many([other for other in self._entries() if other.rpartition("/")[2] == name])
        return self._contents[path]

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of those of ``paths`` that exist, by one process."""
        entries = self._entries()
        wanted = [path for path in paths if path in entries]
        missing = [path for path in wanted if path not in self._contents]
        contents = self._repository.contents([entries[path] for path in missing])
        self._contents.update(
            (path, content) for path, content in zip(missing, contents, strict=True) if content is not None
        )
        return {path: self._contents[path] for path in wanted if path in self._contents}

    @property
    def read_so_far(self) -> Collection[str]:
        """The paths of all files whose content was asked for."""
        return self._contents.keys()

    def _entries(self) -> dict[str, str]:
        if self._blobs is None:
            self._blobs = {}
            out = self._repository.run("ls-tree", "-r", "-z", "--full-tree", self._commit)
            for entry in out.decode(errors="surrogateescape").split("\0"):
                if entry:
                    meta, path = entry.split("\t", 1)
                    mode, _, blob = meta.split(" ")
                    if mode in _REGULAR:
                        self._blobs[path] = blob
                        self.modes[path] = mode
                    else:
                        self.special[path] = mode
        return self._blobs


class WorkTree:
    """The tracked regular files as they are on disk, changes that are not committed included."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._files: tuple[str, ...] | None = None

    def files(self) -> Sequence[str]:
        """Return the POSIX paths of all files, sorted."""
        if self._files is None:
            out = self._repository.run("ls-files", "-z").decode(errors="surrogateescape")
            paths = sorted({path for path in out.split("\0") if path})
            self._files = tuple(path for path in paths if self._regular(path))
        return self._files

    def read(self, path: str) -> bytes:
        """Return the content of ``path``.

        Raises:
            FileNotFoundError: it is no tracked regular file.
        """
        if path not in self._tracked:
            raise FileNotFoundError(path)
        return (self._repository.root / path).read_bytes()

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of those of ``paths`` that are tracked regular files."""
        return {path: self.read(path) for path in paths if path in self._tracked}

    @cached_property
    def _tracked(self) -> frozenset[str]:
        return frozenset(self.files())

    def _regular(self, path: str) -> bool:
        try:
            return stat.S_ISREG(os.lstat(f"{self._repository.root}/{path}").st_mode)
        except OSError:
            return False
