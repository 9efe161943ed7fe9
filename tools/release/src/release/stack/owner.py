"""Whose a stack is: every clone has its own, whatever the others are called.

Compose takes all containers and volumes of one project name for one project, and its usual name is the folder's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from release.stack.compose import FILE, MARK
from release.stack.site import FOLDER

__all__ = ["Owner"]

_ID = "release.stack.id"
_ROOT = "release.stack.folder"
_FILES = "com.docker.compose.project.config_files"
"""Compose's own label with the files that it read."""
_KEPT = "id"


@dataclass(frozen=True, slots=True)
class Owner:
    """The clone in the folder ``root``, by an id of its own; ``id`` is empty where no stack was made yet."""

    root: Path
    id: str

    @classmethod
    def of(cls, root: Path) -> Owner:
        """Return the owner in the folder ``root``."""
        root = root.resolve()
        return cls(root, _id(root))

    @staticmethod
    def path(root: Path) -> Path:
        """Return where the id is kept."""
        return root / FOLDER / _KEPT

    @property
    def labels(self) -> dict[str, str]:
        """The labels of all that is made for this owner."""
        return {_ID: self.id, _ROOT: str(self.root)}

    def owns(self, labels: Mapping[str, str]) -> bool:
        """Tell whether something with ``labels`` was made for this owner.

        A clone that was moved owns what it made before; a copy of it does not. What plain Compose made from the
        generated file has no label of ours.
        """
        root = labels.get(_ROOT)
        if root is None:
            return labels.get(_FILES) == str(self.root / FILE) and self._generated()
        known = bool(self.id) and labels.get(_ID) == self.id
        if root == str(self.root):
            return known or not self.id
        return known and _id(Path(root)) != self.id

    def _generated(self) -> bool:
        file = self.root / FILE
        return file.is_file() and file.read_text(encoding="utf-8").startswith(f"# {MARK}")


def _id(root: Path) -> str:
    path = Owner.path(root)
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""
