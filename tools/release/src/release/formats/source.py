"""A text file as bytes on disk and characters in hand: strict decoding, and places of spans of its text."""

from __future__ import annotations

import codecs
from bisect import bisect_right

from release.errors import FormatError, Place
from release.model.edit import Token

__all__ = ["Source"]


class Source:
    """The text of ``path`` without its byte order mark; spans are character indices into :attr:`text`."""

    __slots__ = ("_ascii", "_base", "_lines", "path", "text")

    def __init__(self, content: bytes, path: str) -> None:
        """Decode ``content``; raise :class:`FormatError` at the first byte that is not UTF-8."""
        self.path = path
        self._base = len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0
        body = content[self._base :]
        try:
            self.text = body.decode()
        except UnicodeDecodeError as error:
            before = body[: error.start].decode()
            line = before.count("\n") + 1
            raise FormatError(
                f"{path} is not UTF-8: byte 0x{body[error.start]:02x} at offset {self._base + error.start}",
                where=[Place(path, line, len(before) - before.rfind("\n"))],
                fix="save the file as UTF-8",
            ) from None
        self._ascii = len(self.text) == len(body)
        self._lines: list[int] | None = None

    def byte(self, index: int) -> int:
        """Return the byte offset in the file of character ``index``."""
        return self._base + (index if self._ascii else len(self.text[:index].encode()))

    def position(self, index: int) -> tuple[int, int]:
        """Return the 1-based line and column of character ``index``."""
        if self._lines is None:
            starts, at = [0], self.text.find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = self.text.find("\n", at + 1)
            self._lines = starts
        line = bisect_right(self._lines, index)
        return line, index - self._lines[line - 1] + 1

    def place(self, index: int) -> Place:
        """Return the place of character ``index``."""
        return Place(self.path, *self.position(index))

    def token(self, start: int, end: int) -> Token:
        """Return the token of the characters from ``start`` up to ``end``."""
        return Token(self.text[start:end], self.byte(start), *self.position(start))
