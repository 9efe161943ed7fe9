"""Terraform's root modules, and which of them a change concerns."""

from __future__ import annotations

from collections.abc import Iterable

from release.model.component import Tree
from release.workspace.config import Config

__all__ = ["affected_roots"]


def affected_roots(tree: Tree, config: Config, changed: Iterable[str]) -> list[tuple[str, str]]:  # noqa: ARG001
    """Return (path, environment) of every root."""
    if config.terraform is None:
        return []
    return [(root.path, name) for root in config.terraform.roots for name in root.environments]
