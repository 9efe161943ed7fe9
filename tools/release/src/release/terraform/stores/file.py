"""A folder of this machine: for bare metal with a runner of its own, and for tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from release.errors import TerraformFailed

__all__ = ["Folder"]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder; what is put into it can be read by its owner only."""

    scheme: ClassVar[str] = "file"
    form: ClassVar[str] = "file:///FOLDER"

    folder: Path

    @classmethod
    def open(cls, host: str, path: str, environment: Mapping[str, str]) -> Folder:  # noqa: ARG003
        """Return the store at ``file:///path``."""
        if host or not path:
            raise ValueError(cls.form)
        return cls(Path("/", path))

    def add(self, key: str, file: Path) -> bool:
        """Put ``file`` under ``key`` if nothing is there."""
        with _answered(), self._written(key, file) as written:
            try:
                os.link(written, self.folder / key)
            except FileExistsError:
                return False
        return True

    def replace(self, key: str, file: Path) -> None:
        """Put ``file`` under ``key``."""
        with _answered(), self._written(key, file) as written:
            written.replace(self.folder / key)

    def fetch(self, key: str, file: Path) -> bool:
        """Write what is under ``key`` to ``file``."""
        with _answered():
            try:
                shutil.copyfile(self.folder / key, file)
            except FileNotFoundError:
                return False
        return True

    @contextmanager
    def _written(self, key: str, file: Path) -> Iterator[Path]:
        """Yield a whole copy of ``file`` beside where ``key`` is, for no longer than the block."""
        parent = (self.folder / key).parent
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=parent) as new:
            copy = Path(new, "file")
            copy.touch(0o600)
            copy.write_bytes(file.read_bytes())
            yield copy


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TerraformFailed(
            f"the store of plans gives no answer: {error.filename}: {error.strerror}",
            fix="free space or mend permissions, then run again",
        ) from None
