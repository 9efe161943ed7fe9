"""Where a component's changelog is, or will be made."""

from __future__ import annotations

import posixpath
from collections.abc import Collection

__all__ = ["changelog_path"]

_NAMES = ("CHANGELOG.md", "CHANGES.md")


def changelog_path(folder: str, files: Collection[str], names: tuple[str, ...] = _NAMES) -> str:
    """Return the changelog's path in ``folder``: the first of ``names`` in ``files``, else ``names[0]``."""
    paths = [posixpath.join(folder, name) for name in names]
    return next((path for path in paths if path in files), paths[0])
