"""Azure Blob Storage, by the ``az`` client, as who is signed in (no account keys)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from release.terraform.stores.commands import ran

__all__ = ["AzBlob"]


@dataclass(frozen=True, slots=True)
class AzBlob:
    """A container of a storage account and a prefix in it.

    ``az storage blob``: https://learn.microsoft.com/cli/azure/storage/blob
    """

    scheme: ClassVar[str] = "azblob"
    form: ClassVar[str] = "azblob://ACCOUNT/CONTAINER/PREFIX"

    account: str
    container: str
    prefix: str
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def open(cls, host: str, path: str, environment: Mapping[str, str]) -> AzBlob:
        """Return the store at ``azblob://host/path``."""
        container, _, prefix = path.partition("/")
        if not host or not container:
            raise ValueError(cls.form)
        return cls(host, container, f"{prefix}/" if prefix else "", environment)

    def add(self, key: str, file: Path) -> bool:
        """Put ``file`` under ``key`` if nothing is there."""
        return self._ran("upload", key, file, "--overwrite", "false", no=("BlobAlreadyExists", "already exists"))

    def replace(self, key: str, file: Path) -> None:
        """Put ``file`` under ``key``."""
        self._ran("upload", key, file, "--overwrite", "true", no=())

    def fetch(self, key: str, file: Path) -> bool:
        """Write what is under ``key`` to ``file``."""
        return self._ran("download", key, file, no=("BlobNotFound", "The specified blob does not exist"))

    def _ran(self, what: str, key: str, file: Path, *further: str, no: tuple[str, ...]) -> bool:
        place = ("--account-name", self.account, "--container-name", self.container, "--name", f"{self.prefix}{key}")
        options = (
            "--file",
            str(file),
            "--auth-mode",
            "login",
            "--no-progress",
            "--only-show-errors",
            "--output",
            "none",
        )
        return ran(["az", "storage", "blob", what, *place, *options, *further], self.environment, no=no)
