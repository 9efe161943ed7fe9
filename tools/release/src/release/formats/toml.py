"""Shared machinery of the TOML formats: facts by ``tomllib``, places of values by ``tomlkit``.

Values are edited as bytes at their place, so nothing else in the file can change. To find the places the text
is cut at its table headers and tomlkit renders each part with a numbered mark instead of each value; what it
renders must be the original text around the values. A part that it renders otherwise is refused, never edited
on a guess. Cutting first makes a look-up in a long ``Cargo.lock`` cheap, and keeps clear of the tables that
tomlkit moves.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from release.errors import FormatError, Place
from release.formats.source import Source
from release.model.edit import Token

if TYPE_CHECKING:
    from tomlkit.container import Container
    from tomlkit.items import Item

__all__ = ["Keys", "TomlFile", "entries", "parse_toml", "quoted", "table"]

Keys = tuple[str | int, ...]
_DECODE_PLACE = re.compile(r"\(at (?:line (\d+), column (\d+)|end of document)\)")
_HEADER = re.compile(r"^[ \t]*\[.*\][ \t\r]*(?:#.*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Part:
    """The characters from ``start`` to ``end`` hold the table ``keys``; its header has ``depth`` keys."""

    keys: Keys
    depth: int
    start: int
    end: int


class TomlFile:
    """A parsed TOML file: :attr:`data` as plain Python values, :meth:`token` for where they stand."""

    __slots__ = ("_located", "_parts", "data", "source")

    def __init__(self, source: Source, data: dict[str, Any]) -> None:
        self.source = source
        self.data = data
        self._parts: dict[Keys, list[_Part]] | None = None
        self._located: dict[_Part, dict[Keys, Token]] = {}

    @property
    def path(self) -> str:
        """The file's path in the repository."""
        return self.source.path

    def token(self, *keys: str | int) -> Token:
        """Return the token of the value (no table or array) at ``keys``, quotes included.

        Raises:
            FormatError: tomlkit can't place the values of the table around it.
            KeyError: there is no such value.
        """
        parts = self._split()
        for length in range(len(keys), -1, -1):
            for part in parts.get(keys[:length], ()):
                if (token := self._locate(part).get(keys)) is not None:
                    return token
        raise KeyError(keys)

    def place(self, *keys: str | int) -> Place:
        """Return the place of the value at ``keys``, else of the table it names, else of the file."""
        parts = self._split()
        for length in range(len(keys), -1, -1):
            for part in parts.get(keys[:length], ()):
                below = [token for path, token in self._locate(part).items() if path[: len(keys)] == keys]
                if below:
                    first = min(below, key=lambda token: token.offset)
                    return Place(self.path, first.line, first.column)
                if length == len(keys) and keys:
                    return self.source.place(part.start)
        return Place(self.path)

    def text(self, *keys: str) -> str | None:
        """Return the string at ``keys``, or ``None`` when it is absent.

        Raises:
            FormatError: there is something else than a string.
        """
        value: object = self.data
        for depth, key in enumerate(keys):
            if not isinstance(value, dict):
                self.refuse(f"{'.'.join(keys[:depth])} must be a table", *keys[:depth])
            if key not in value:
                return None
            value = value[key]
        if not isinstance(value, str):
            self.refuse(f"{'.'.join(keys)} must be a string", *keys, fix="put it in quotes")
        return value

    def refuse(self, what: str, *keys: str | int, fix: str = "") -> NoReturn:
        """Raise :class:`FormatError` about the value at ``keys``, or about what is around it."""
        place = self.place(*keys)
        while keys and not place.line:
            keys = keys[:-1]
            place = self.place(*keys)
        raise FormatError(f"{self.path}: {what}", where=[place], fix=fix)

    def _split(self) -> dict[Keys, list[_Part]]:
        if self._parts is None:
            self._parts = {}
            for part in _parts(self.source.text):
                self._parts.setdefault(part.keys, []).append(part)
        return self._parts

    def _locate(self, part: _Part) -> dict[Keys, Token]:
        if part not in self._located:
            self._located[part] = _locate(self.source, part)
        return self._located[part]


@lru_cache(maxsize=2048)
def parse_toml(content: bytes, path: str) -> TomlFile:
    """Return the TOML file that ``content`` is.

    Raises:
        FormatError: it is not UTF-8 or not TOML 1.0.
    """
    source = Source(content, path)
    try:
        return TomlFile(source, tomllib.loads(source.text))
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = _DECODE_PLACE.search(message)
        end = source.place(len(source.text))
        place = Place(path, int(found[1]), int(found[2])) if found and found[1] else end
        what = _DECODE_PLACE.sub("", message).strip()
    except RecursionError:
        place, what = Place(path), "values are nested too deeply"
    raise FormatError(f"{path} is not valid TOML: {what}", where=[place], fix="correct the TOML there")


def quoted(new: str, like: str) -> str:
    """Return ``new`` as a TOML string in the quotes of the token text ``like``; ``new`` needs no escapes."""
    quote = next((quote for quote in ('"""', "'''", '"', "'") if like.startswith(quote)), '"')
    return f"{quote}{new}{quote}"


def table(value: object) -> Mapping[str, Any]:
    """Return ``value`` when it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}


def entries(document: TomlFile, *tables: Keys) -> Iterator[tuple[Keys, Any]]:
    """Yield (keys, value) of each entry of those of ``tables`` that exist."""
    for keys in tables:
        value: object = document.data
        for key in keys:
            value = table(value).get(str(key))
        for name, entry in table(value).items():
            yield (*keys, name), entry


def _parts(text: str) -> Iterator[_Part]:
    """Cut valid TOML at its table headers.

    A line that looks like a header may belong to an array or a string over several lines. TOML is read from
    left to right, so a line is a header exactly when the text from the last one up to it is complete.
    """
    starts = [found.start() for found in _HEADER.finditer(text)]
    counts: dict[Keys, int] = {}
    start = 0
    for end in [*(start for start in starts if start), len(text)]:
        try:
            data: object = tomllib.loads(text[start:end])
        except tomllib.TOMLDecodeError:
            continue
        header = _HEADER.match(text, start)
        keys: Keys = ()
        depth = 0
        if header:
            data = tomllib.loads(header[0].strip())
            while isinstance(data, dict) and data:
                ((key, data),) = data.items()
                keys, depth = (*keys, key), depth + 1
                if isinstance(data, list):
                    counts[keys] = counts.get(keys, -1) + 1
                    depth += 1
                if keys in counts:
                    keys = (*keys, counts[keys])
        yield _Part(keys, depth, start, end)
        start = end


def _locate(source: Source, part: _Part) -> dict[Keys, Token]:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    text = source.text[part.start : part.end]
    mark = next(char for char in map(chr, range(0xE000, 0xF8FF)) if char not in text)
    values: list[tuple[Keys, str]] = []
    try:
        document = tomlkit.parse(text)
        _mark_container(document, (), mark, values)
        pieces = re.split(f"'{mark}(\\d+){mark}'", document.as_string())
    except (TOMLKitError, ValueError, RecursionError) as error:
        raise _unplaceable(source, part.start, str(error)) from None
    tokens: dict[Keys, Token] = {}
    at = 0
    for piece, number in zip(pieces[::2], [*pieces[1::2], None], strict=True):
        keys, raw = values[int(number)] if number is not None else ((), "")
        end = at + len(piece)
        if text[at:end] != piece or text[end : end + len(raw)] != raw:
            raise _unplaceable(source, part.start + at, "it would be rendered differently")
        at = end + len(raw)
        if keys:
            tokens[(*part.keys, *keys[part.depth :])] = source.token(part.start + end, part.start + at)
    if at != len(text):
        raise _unplaceable(source, part.start + at, "it would be rendered differently")
    return tokens


def _unplaceable(source: Source, index: int, why: str) -> FormatError:
    return FormatError(
        f"tomlkit can't find the places of the values in {source.path}: {why}",
        where=[source.place(index)],
        fix="write that table in a plainer form",
    )


def _mark_container(container: Container, prefix: Keys, mark: str, values: list[tuple[Keys, str]]) -> None:
    for index, (key, item) in enumerate(container.body):
        if key is not None:
            marked = _mark_item(item, (*prefix, key.key), mark, values)
            if marked is not None:
                container.body[index] = (key, marked)


def _mark_item(item: Item, keys: Keys, mark: str, values: list[tuple[Keys, str]]) -> Item | None:
    """Mark all values in ``item``; return what must stand in its place when it is a value itself."""
    from tomlkit import items

    if isinstance(item, items.AbstractTable):
        _mark_container(item.value, keys, mark, values)
        return None
    if isinstance(item, items.AoT):
        for number, entry in enumerate(item.body):
            _mark_container(entry.value, (*keys, number), mark, values)
        return None
    if isinstance(item, items.Array):
        for number in range(len(item)):
            marked = _mark_item(item.item(number), (*keys, number), mark, values)
            if marked is not None:
                item[number] = marked
        return None
    text = f"{mark}{len(values)}{mark}"
    values.append((keys, item.as_string()))
    return items.String(items.StringType.SLL, text, text, item.trivia)
