"""The registry of stores, by the scheme of their URL."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from release.errors import ConfigError
from release.terraform.stores.azblob import AzBlob
from release.terraform.stores.file import Folder
from release.terraform.stores.gs import Gs
from release.terraform.stores.s3 import S3
from release.terraform.stores.store import Store, StoreKind

__all__ = ["STORES", "open_store"]

_KINDS: tuple[type[StoreKind], ...] = (S3, Gs, AzBlob, Folder)
STORES: dict[str, type[StoreKind]] = {kind.scheme: kind for kind in _KINDS}


def open_store(url: str, environment: Mapping[str, str]) -> Store:
    """Return the store at ``url``; ``environment`` holds what its client is signed in by.

    Raises:
        ConfigError: there is no such kind of store, or the URL is not as it is written for it.
    """
    parts = urlsplit(url)
    kind = STORES.get(parts.scheme)
    if kind is None or parts.username or parts.query or parts.fragment:
        raise _refused(url, ", ".join(one.form for one in _KINDS))
    try:
        return kind.open(parts.netloc, parts.path.strip("/"), environment)
    except ValueError:
        raise _refused(url, kind.form) from None


def _refused(url: str, forms: str) -> ConfigError:
    return ConfigError(f"{_shown(url)} is no store of plans", fix=f"write it as {forms}")


def _shown(url: str) -> str:
    """Return ``url`` without what may be a password in it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://…" if "@" in rest or "?" in rest else url
