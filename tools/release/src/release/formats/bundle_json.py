"""``bundle.json``: which binaries in a plugin are built from which version of which crate.

The file is JSON of the form ``{"crates": {"<crate>": {"version": "0.2.0", "binaries": […]}}}``. A binary is one that
was built and recorded, ``{"path": …, "version": …, "sha256": …}``, or one that is built for each release, ``{"path":
…, "target": "x86_64-unknown-linux-gnu", "glibc": "2.28"}``. Paths are POSIX and relative to the plugin's folder. The
file is checked strictly and edited in place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from release.errors import FormatError, Place
from release.model.edit import Token
from release.model.version import Version, parse_version

__all__ = ["Binary", "Bundle", "BundledCrate", "Native", "parse"]

_LEXEME = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TARGET = re.compile(r"[a-z0-9_]+(?:-[a-z0-9_.]+){1,3}")
_GLIBC = re.compile(r"2\.[0-9]{1,3}")
_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """A file in the plugin's folder and the crate version it was built from; ``token`` is its path."""

    path: str
    version: Version
    sha256: str
    token: Token


@dataclass(frozen=True, slots=True)
class Native:
    """A library that is built for each release and never committed; ``token`` is its path.

    ``target`` is Cargo's name of the platform, ``glibc`` the oldest GNU C library that it has to run with (``None``:
    any will do).
    """

    path: str
    target: str
    glibc: str | None
    token: Token


@dataclass(frozen=True, slots=True)
class BundledCrate:
    """The crate version that the plugin names, with its token (without quotes), and the binaries of it."""

    name: str
    version: Version
    token: Token
    binaries: tuple[Binary, ...]
    natives: tuple[Native, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """All crates that a plugin carries binaries of."""

    path: str
    crates: tuple[BundledCrate, ...]


class _Binary(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    version: str | None = None
    sha256: str | None = None
    target: str | None = None
    glibc: str | None = None


class _Crate(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    binaries: list[_Binary] = []


class _Bundle(msgspec.Struct, forbid_unknown_fields=True):
    crates: dict[str, _Crate]


def parse(content: bytes, path: str) -> Bundle:
    """Return what ``content`` says.

    Raises:
        FormatError: it is no JSON of the documented form; with the place.
    """
    try:
        text = content.decode()
        raw = msgspec.convert(msgspec.json.decode(content), _Bundle)
    except UnicodeDecodeError as error:
        raise _error(path, "it is not UTF-8", content.count(b"\n", 0, error.start) + 1) from None
    except msgspec.ValidationError as error:
        raise _error(path, *_where(str(error), text)) from None
    except msgspec.DecodeError as error:
        raise _error(path, *_syntax_error(str(error), content)) from None
    tokens = _strings(text)
    crates = tuple(_crate(name, crate, path, tokens) for name, crate in raw.crates.items())
    seen: set[str] = set()
    tokens_of_paths = [(one.path, one.token) for crate in crates for one in crate.binaries]
    tokens_of_paths += [(one.path, one.token) for crate in crates for one in crate.natives]
    for name, token in tokens_of_paths:
        if name in seen:
            raise _error(path, f"{name!r} is there twice", token.line, token.column)
        seen.add(name)
    return Bundle(path, crates)


def _crate(name: str, raw: _Crate, path: str, tokens: dict[_Path, Token]) -> BundledCrate:
    token = tokens["crates", name, "version"]
    found = [
        _binary(binary, path, tokens, ("crates", name, "binaries", index)) for index, binary in enumerate(raw.binaries)
    ]
    return BundledCrate(
        name,
        _version(raw.version, path, token),
        _inner(token),
        tuple(one for one in found if isinstance(one, Binary)),
        tuple(one for one in found if isinstance(one, Native)),
    )


def _binary(raw: _Binary, path: str, tokens: dict[_Path, Token], at: _Path) -> Binary | Native:
    token = tokens[*at, "path"]
    parts = raw.path.split("/")
    if not raw.path or {"", ".", ".."} & set(parts) or "\\" in raw.path:
        raise _error(path, f"{raw.path!r} is not a relative POSIX path", token.line, token.column)
    match raw:
        case _Binary(version=str(version), sha256=str(sha256), target=None, glibc=None):
            digest = tokens[*at, "sha256"]
            if not _SHA256.fullmatch(sha256):
                raise _error(path, f"{sha256!r} is not a SHA-256 in lower case", digest.line, digest.column)
            return Binary(raw.path, _version(version, path, tokens[*at, "version"]), sha256, token)
        case _Binary(version=None, sha256=None, target=str(target)):
            place = tokens[*at, "target"]
            if not _TARGET.fullmatch(target):
                raise _error(path, f"{target!r} is no target of Cargo", place.line, place.column)
            if raw.glibc is not None:
                place = tokens[*at, "glibc"]
                if not _GLIBC.fullmatch(raw.glibc) or "-gnu" not in target:
                    what = f"{raw.glibc!r} is no version of the GNU C library that {target} could have"
                    raise _error(path, what, place.line, place.column)
            return Native(raw.path, target, raw.glibc, token)
        case _:
            what = f"{raw.path!r} needs either `version` and `sha256`, or `target` (and perhaps `glibc`)"
            raise _error(path, what, token.line, token.column)


def _version(text: str, path: str, token: Token) -> Version:
    try:
        return parse_version(text)
    except ValueError as error:
        raise _error(path, str(error), token.line, token.column) from None


def _inner(token: Token) -> Token:
    return token.part(1, len(token.text) - 2)


def _strings(text: str) -> dict[_Path, Token]:
    """Return the tokens (quotes included) of the strings in valid JSON by path; of a double key the last."""
    return {path: token for path, token in _values(text) if token.text.startswith('"')}


def _values(text: str) -> Iterator[tuple[_Path, Token]]:
    path: list[str | int] = []
    pending: Token | None = None
    line, start, offset, last = 1, 0, 0, 0
    for match in _LEXEME.finditer(text):
        between = text[last : match.start()]
        if "\n" in between:
            line += between.count("\n")
            start = last + between.rindex("\n") + 1
        offset += len(between.encode())
        token = Token(match[0], offset, line, match.start() - start + 1)
        offset += len(match[0].encode())
        last = match.end()
        match match[0]:
            case "{":
                path.append("")
            case "[":
                path.append(0)
            case ":" if pending:
                path[-1] = json.loads(pending.text)
                pending = None
            case "," | "}" | "]" as mark:
                if pending:
                    yield tuple(path), pending
                    pending = None
                if mark != ",":
                    path.pop()
                elif path and isinstance(path[-1], int):
                    path[-1] += 1
            case _:
                pending = token


def _where(message: str, text: str) -> tuple[str, int, int]:
    """Return msgspec's message without its path, and the place of the first value that the path leads to."""
    what, _, at = message.partition(" - at `$")
    wanted = re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", at)
    names: list[str] = [name or index for name, index in wanted]
    for path, token in _values(text):
        shape = [str(part) for part in path]
        if all(name in (part, "...") for name, part in zip(names, shape, strict=False)) and len(shape) >= len(names):
            return what, token.line, token.column
    return what, 1, 1


def _syntax_error(message: str, content: bytes) -> tuple[str, int, int]:
    found = re.search(r"byte (\d+)", message)
    offset = int(found[1]) if found else len(content)
    start = content.rfind(b"\n", 0, offset) + 1
    return "it is not valid JSON", content.count(b"\n", 0, offset) + 1, offset - start + 1


def _error(path: str, what: str, line: int = 1, column: int = 0) -> FormatError:
    return FormatError(
        f"{path} can't be read: {what}",
        where=[Place(path, line, column)],
        fix='write {"crates": {"<crate>": {"version": "1.2.3", "binaries": [{"path": "…", "target": "…"}]}}}, '
        'or "version" and "sha256" in place of "target"',
    )
