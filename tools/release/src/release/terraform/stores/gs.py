"""Google Cloud Storage, by the ``gcloud`` client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from release.terraform.stores.commands import ran

__all__ = ["Gs"]


@dataclass(frozen=True, slots=True)
class Gs:
    """A bucket and a prefix in it.

    Preconditions: https://cloud.google.com/storage/docs/request-preconditions
    """

    scheme: ClassVar[str] = "gs"
    form: ClassVar[str] = "gs://BUCKET/PREFIX"

    url: str
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def open(cls, host: str, path: str, environment: Mapping[str, str]) -> Gs:
        """Return the store at ``gs://host/path``."""
        if not host:
            raise ValueError(cls.form)
        return cls(f"gs://{host}/{path}/" if path else f"gs://{host}/", environment)

    def add(self, key: str, file: Path) -> bool:
        """Put ``file`` under ``key`` if nothing is there: generation 0 is that of no object."""
        return self._copied(str(file), f"{self.url}{key}", "--if-generation-match=0", no=("HTTPError 412",))

    def replace(self, key: str, file: Path) -> None:
        """Put ``file`` under ``key``."""
        self._copied(str(file), f"{self.url}{key}", no=())

    def fetch(self, key: str, file: Path) -> bool:
        """Write what is under ``key`` to ``file``."""
        return self._copied(f"{self.url}{key}", str(file), no=("matched no objects", "HTTPError 404"))

    def _copied(self, source: str, target: str, *further: str, no: tuple[str, ...]) -> bool:
        return ran(["gcloud", "storage", "cp", "--quiet", *further, source, target], self.environment, no=no)
