"""``export-ignore`` in ``.gitattributes``: what is no part of a package.

Source: https://git-scm.com/docs/gitattributes. Only files of the tree count; a clone's own ``info/attributes`` and a
user's ``core.attributesFile`` would make packages differ from machine to machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from release.formats.wildmatch import wildmatch

__all__ = ["GITATTRIBUTES", "export_ignore"]

GITATTRIBUTES = ".gitattributes"
_EXPORT_IGNORE = "export-ignore"
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"[ \t\r]*(.*)')
_ESCAPED = re.compile(r"\\([0-7]{3}|.)")

_Values = dict[str, bool | None]


@dataclass(frozen=True, slots=True)
class _Line:
    """A pattern and what it sets: ``True`` (set), ``False`` (unset) or ``None`` (unspecified, or a text)."""

    pattern: str
    attributes: tuple[tuple[str, bool | None], ...]

    def matches(self, path: str) -> bool:
        """Tell whether the line is about ``path``, which ends with a slash where it is a folder's."""
        pattern, folder = self.pattern, path.endswith("/")
        if pattern.endswith("/"):
            if not folder:
                return False
            pattern = pattern[:-1]
        path = path.rstrip("/")
        if "/" not in pattern:
            path = path.rpartition("/")[2]
        return wildmatch(pattern.removeprefix("/")).fullmatch(path) is not None


def export_ignore(files: Mapping[str, bytes]) -> Callable[[str], bool | None]:
    """Return what the ``.gitattributes`` among ``files`` (by POSIX path) say of ``export-ignore`` for a path.

    The result is ``True`` where the path or a folder that it lies in is not to be exported, ``False`` where the
    path is said to be (``-export-ignore``), and ``None`` where nothing is said.
    """
    lines: dict[str, tuple[_Line, ...]] = {}
    macros: dict[str, _Line] = {}
    for path, content in files.items():
        folder, _, name = path.rpartition("/")
        if name == GITATTRIBUTES:
            found = list(_lines(content.decode(errors="surrogateescape")))
            lines[folder] = tuple(line for macro, line in found if macro is None)
            if not folder:
                macros = {macro: line for macro, line in found if macro is not None}

    def value(path: str) -> bool | None:
        """Return the attribute of exactly this path."""
        known: _Values = {}
        above = path.rstrip("/")
        while above:
            above = above.rpartition("/")[0]
            for line in reversed(lines.get(above, ())):
                if line.matches(path[len(above) + 1 if above else 0 :]):
                    _fill(known, line, macros)
                if _EXPORT_IGNORE in known:
                    return known[_EXPORT_IGNORE]
        return None

    def decide(path: str) -> bool | None:
        ends = [at for at, letter in enumerate(path) if letter == "/"]
        if any(value(path[: end + 1]) for end in ends):
            return True
        return value(path)

    return decide


def _fill(known: _Values, line: _Line, macros: Mapping[str, _Line]) -> None:
    for name, value in reversed(line.attributes):
        if name not in known:
            known[name] = value
            if value and name in macros:
                _fill(known, macros[name], macros)


def _lines(text: str) -> Iterator[tuple[str | None, _Line]]:
    """Yield each line, with the name of the macro that it defines."""
    for raw in text.split("\n"):
        line = raw.strip(" \t\r")
        if not line or line.startswith("#"):
            continue
        quoted = _QUOTED.fullmatch(line)
        if quoted:
            pattern, rest = _ESCAPED.sub(_unescaped, quoted[1]), quoted[2]
        else:
            pattern, _, rest = re.sub(r"[ \t]+", " ", line).partition(" ")
        attributes = tuple(_attribute(word) for word in rest.split())
        if pattern.startswith("[attr]"):
            yield pattern.removeprefix("[attr]"), _Line("", attributes)
        elif not pattern.startswith("!"):
            yield None, _Line(pattern, attributes)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    return chr(int(code, 8)) if len(code) == 3 else _ESCAPES.get(code, code)


def _attribute(word: str) -> tuple[str, bool | None]:
    if word.startswith("-"):
        return word[1:], False
    if word.startswith("!"):
        return word[1:], None
    name, equals, _ = word.partition("=")
    return name, None if equals else True
