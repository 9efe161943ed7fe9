"""What a store of plans must be able to do. A new kind is one file in ``stores`` and one line in its registry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol

__all__ = ["Store", "StoreKind"]


class Store(Protocol):
    """One place, opened. Keys are POSIX paths; a file is there whole or not at all."""

    def add(self, key: str, file: Path) -> bool:
        """Put ``file`` under ``key`` if nothing is there; return whether it was put.

        What is there is neither read nor replaced, so an identity that may only create is enough.

        Raises:
            TerraformFailed: the store refuses or gives no answer.
        """
        ...

    def replace(self, key: str, file: Path) -> None:
        """Put ``file`` under ``key``, whatever is there.

        Raises:
            TerraformFailed: the store refuses or gives no answer.
        """
        ...

    def fetch(self, key: str, file: Path) -> bool:
        """Write what is under ``key`` to ``file``; return whether there was anything.

        Raises:
            TerraformFailed: the store refuses or gives no answer.
        """
        ...


class StoreKind(Protocol):
    """Opens the stores of one URL scheme."""

    scheme: ClassVar[str]
    form: ClassVar[str]
    """How the URL is written."""

    @classmethod
    def open(cls, host: str, path: str, environment: Mapping[str, str]) -> Store:
        """Return the store at ``SCHEME://host/path``; ``path`` has no slash at its ends.

        Raises:
            ValueError: the URL is not of :attr:`form`.
        """
        ...
