"""Edits of files as values: where, what was there, what comes there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from release.errors import Place, PlanRefused

__all__ = ["FileEdit", "Replacement", "Token", "digest"]


def digest(content: bytes) -> str:
    """Return the SHA-256 of ``content`` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True, order=True)
class Replacement:
    """At byte ``offset`` of a file the UTF-8 text ``old`` becomes ``new``; an empty ``old`` inserts."""

    offset: int
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Token:
    """A value as it stands in a file: its exact source text, byte offset, 1-based line and column."""

    text: str
    offset: int
    line: int
    column: int

    def replaced_by(self, new: str) -> Replacement:
        """Return the edit which puts ``new`` in this token's place."""
        return Replacement(self.offset, self.text, new)

    def part(self, start: int, length: int) -> Token:
        """Return the token of ``length`` characters at character ``start`` of this (single-line) one."""
        head = self.text[:start]
        return Token(
            self.text[start : start + length],
            self.offset + len(head.encode()),
            self.line,
            self.column + start,
        )


@dataclass(frozen=True, slots=True)
class FileEdit:
    """All replacements in one file, with the SHA-256 of the file before (``None``: it is new) and after."""

    path: str
    before: str | None
    after: str
    replacements: tuple[Replacement, ...]

    @classmethod
    def build(cls, path: str, content: bytes | None, replacements: Iterable[Replacement]) -> FileEdit:
        """Return the edit of ``path`` with equal replacements merged.

        Raises:
            ValueError: two replacements overlap or do not find their old text.
        """
        ordered = tuple(sorted(set(replacements)))
        after = _replace(content or b"", ordered)
        return cls(path, None if content is None else digest(content), digest(after), ordered)

    def apply(self, content: bytes | None) -> bytes:
        """Return ``content`` (``None``: no such file) after the edit.

        Raises:
            PlanRefused: the content is not the one this edit was made for.
        """
        before = None if content is None else digest(content)
        if before != self.before:
            raise PlanRefused(
                f"{self.path} is not the file that the plan was made for",
                where=[Place(self.path)],
                fix="plan again",
            )
        try:
            result = _replace(content or b"", self.replacements)
        except ValueError as error:
            raise PlanRefused(
                f"the plan's edits of {self.path} do not fit: {error}", where=[Place(self.path)]
            ) from None
        if digest(result) != self.after:
            raise PlanRefused(f"the plan's edits of {self.path} do not give what it promises", where=[Place(self.path)])
        return result


def _replace(content: bytes, replacements: tuple[Replacement, ...]) -> bytes:
    parts: list[bytes] = []
    end = 0
    for replacement in replacements:
        old = replacement.old.encode()
        if replacement.offset < end:
            raise ValueError(f"two edits overlap at byte {replacement.offset}")
        if content[replacement.offset : replacement.offset + len(old)] != old:
            raise ValueError(f"{replacement.old!r} is not at byte {replacement.offset}")
        parts += [content[end : replacement.offset], replacement.new.encode()]
        end = replacement.offset + len(old)
    parts.append(content[end:])
    return b"".join(parts)
