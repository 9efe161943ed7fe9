"""Amazon S3 and what speaks like it, by the ``aws`` client; ``AWS_ENDPOINT_URL`` names another server than Amazon's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from release.terraform.stores.commands import ran

__all__ = ["S3"]


@dataclass(frozen=True, slots=True)
class S3:
    """A bucket and a prefix in it.

    Conditional writes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """

    scheme: ClassVar[str] = "s3"
    form: ClassVar[str] = "s3://BUCKET/PREFIX"

    bucket: str
    prefix: str
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def open(cls, host: str, path: str, environment: Mapping[str, str]) -> S3:
        """Return the store at ``s3://host/path``."""
        if not host:
            raise ValueError(cls.form)
        return cls(host, f"{path}/" if path else "", environment)

    def add(self, key: str, file: Path) -> bool:
        """Put ``file`` under ``key`` if nothing is there."""
        return self._ran(
            "put-object", key, "--body", str(file), "--if-none-match", "*", no=("(PreconditionFailed)", "(412)")
        )

    def replace(self, key: str, file: Path) -> None:
        """Put ``file`` under ``key``."""
        self._ran("put-object", key, "--body", str(file), no=())

    def fetch(self, key: str, file: Path) -> bool:
        """Write what is under ``key`` to ``file``."""
        return self._ran("get-object", key, str(file), no=("(NoSuchKey)", "(404)"))

    def _ran(self, what: str, key: str, *further: str, no: tuple[str, ...]) -> bool:
        arguments = ["aws", "s3api", what, "--bucket", self.bucket, "--key", f"{self.prefix}{key}", *further]
        return ran(arguments, {**self.environment, "AWS_PAGER": ""}, no=no)
