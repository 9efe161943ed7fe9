"""A rule of ``release check`` and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from release.errors import Place
from release.model.component import Component, Edge, Tree

__all__ = ["Context", "Finding", "Released", "Rule"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of a rule: what is wrong, where, and how to mend it."""

    rule: str
    what: str
    place: Place
    fix: str
    component: str | None = None
    severity: str = "error"
    """``error`` makes the command exit with 1, ``warning`` does not."""


@dataclass(frozen=True, slots=True)
class Released:
    """A component as it was at its last release: the tree of that commit and the files changed since then.

    ``name`` is the tag (or commit) to show to people; ``path`` the component's folder there.
    """

    name: str
    tree: Tree
    path: str
    build: int | None
    changed: tuple[str, ...]
    """Paths (as of now, inside the component, excluded files left out) changed since then."""


@dataclass(frozen=True, slots=True)
class Context:
    """What rules see: the tree, its components and edges, and what was released before."""

    tree: Tree
    components: Mapping[str, Component]
    edges: Sequence[Edge]
    released: Mapping[str, Released] = field(default_factory=dict)
    """By component; components never released are absent."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``id`` is the word people see and the name of the rule's module with ``-`` for ``_``."""

    id: str
    summary: str
    check: Callable[[Context], Iterator[Finding]]
