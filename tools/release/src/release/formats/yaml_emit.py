"""Write YAML with comments, in the order given, the same bytes for the same input.

PyYAML can't write comments. This writes the part of YAML that generated files need: block mappings and sequences,
literal blocks, plain and double-quoted scalars. ``yaml.safe_load(emit(node)) == plain(node)`` for every node.
Source: https://yaml.org/spec/1.1/ (as PyYAML reads it) and https://yaml.org/spec/1.2.2/ (as others do).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Node", "Noted", "emit", "plain"]

Scalar = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Noted:
    """A node with a comment: at the end of the line of a scalar, on lines above a mapping's or sequence's key."""

    node: Node
    comment: str


Node = Scalar | Mapping[str, "Node"] | Sequence["Node"] | Noted

_INDENT = "  "
_LONGEST_KEY = 1000
"""A key that needs no ``?`` may have 1,024 characters (YAML 1.1, simple keys)."""
_PLAIN = re.compile(r"[A-Za-z_./$][A-Za-z0-9_./$@+=%~^(){}<>|&*!?;,\[\]'\"\\` :#-]*")
_NOT_TEXT = re.compile(
    r"(?i)y|n|yes|no|on|off|true|false|null|~|[-+]?\.(inf|nan)|[-+]?[\d.][\d_.,:]*(e[-+]?\d+)?|0[xob][\da-f_]+"
    r"|\.[\d_]+(e[-+]?\d+)?"
)
_ESCAPES = {"\0": "\\0", "\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def emit(node: Node, *, header: Sequence[str] = ()) -> str:
    """Return ``node`` as a YAML document that ends with a line feed, ``header`` as comment lines above it."""
    lines = [_comment(line) for line in header]
    inner = _unwrapped(node)
    if _is_block(inner):
        lines += _block(inner, "")
    else:
        lines += _scalar_lines("", inner, "", "")
    return "\n".join(lines) + "\n"


def plain(node: Node) -> Any:
    """Return ``node`` without its comments, as ``yaml.safe_load`` gives it."""
    match node:
        case Noted():
            return plain(node.node)
        case Mapping():
            return {key: plain(value) for key, value in node.items()}
        case str():
            return node
        case Sequence():
            return [plain(value) for value in node]
        case _:
            return node


def _is_block(node: Node) -> bool:
    return not isinstance(node, str | int | None) and isinstance(node, Mapping | Sequence) and len(node) > 0


def _block(node: Node, indent: str) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _entry(key, value, indent)
    elif isinstance(node, Sequence):
        for item in node:
            yield from _item(item, indent)


def _entry(key: str, value: Node, indent: str) -> Iterator[str]:
    comment = ""
    if isinstance(value, Noted):
        comment, value = value.comment, _unwrapped(value)
    name = _inline(key)
    if len(name) > _LONGEST_KEY:
        yield f"{indent}? {name}"
        lead = f"{indent}:"
    else:
        lead = f"{indent}{name}:"
    if _is_block(value):
        if comment:
            yield indent + _comment(comment)
        yield lead
        yield from _block(value, indent + _INDENT)
    else:
        yield from _scalar_lines(f"{lead} ", value, indent, comment)


def _item(item: Node, indent: str) -> Iterator[str]:
    comment = ""
    if isinstance(item, Noted):
        comment, item = item.comment, _unwrapped(item)
    if not _is_block(item):
        yield from _scalar_lines(f"{indent}- ", item, indent, comment)
        return
    if comment:
        yield indent + _comment(comment)
    lines = _block(item, indent + _INDENT)
    first = next(lines)
    if isinstance(item, Mapping) and not first.lstrip().startswith(("#", "?")):
        yield f"{indent}- {first.lstrip(' ')}"
    else:
        yield f"{indent}-"
        yield first
    yield from lines


def _unwrapped(node: Node) -> Node:
    while isinstance(node, Noted):
        node = node.node
    return node


def _scalar_lines(lead: str, value: Node, indent: str, comment: str) -> Iterator[str]:
    """Yield the lines of a scalar or an empty collection after ``lead``, its comment at the end of the first."""
    end = f"  {_comment(comment)}" if comment else ""
    if isinstance(value, str) and (head := _literal_head(value)):
        yield f"{lead}{head}{end}"
        for line in value.removesuffix("\n").split("\n"):
            yield f"{indent}{_INDENT}{line}" if line else ""
        return
    yield f"{lead}{_inline(value)}{end}"


def _literal_head(text: str) -> str:
    """Return the head of a literal block for ``text``; ``""`` where it can't be one or is better on one line.

    A block is for text of several lines, and for a line that would have to be quoted with signs escaped in it.
    """
    lines = text.removesuffix("\n").split("\n")
    if len(lines) == 1 and (text.endswith("\n") or _can_be_plain(text) or not ('"' in text or "\\" in text)):
        return ""
    if not lines[0] or lines[0][0] in " \t" or text.endswith("\n\n"):
        return ""
    if not all(_printable(letter) or letter in "\n\t" for letter in text):
        return ""
    if any(line and not line.strip() for line in lines):
        return ""
    return "|" if text.endswith("\n") else "|-"


def _inline(value: Node) -> str:
    """Return a scalar or an empty collection as it stands on one line."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return value if _can_be_plain(value) else _quoted(value)
        case Mapping() if not value:
            return "{}"
        case Sequence() if not value:
            return "[]"
        case _:
            raise TypeError(f"{type(value).__name__} doesn't fit on one line")


def _can_be_plain(text: str) -> bool:
    return (
        _PLAIN.fullmatch(text) is not None
        and ": " not in text
        and " #" not in text
        and not text.endswith((" ", ":"))
        and not _NOT_TEXT.fullmatch(text)
        and not text.startswith("...")
    )


def _quoted(text: str) -> str:
    return '"' + "".join(_escaped(letter) for letter in text) + '"'


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if _printable(letter):
        return letter
    code = ord(letter)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _printable(letter: str) -> bool:
    """Tell whether ``letter`` may stand in YAML as it is and ends no line there."""
    code = ord(letter)
    if code < 0xA0:
        return 0x20 <= code < 0x7F
    if code >= 0x10000:
        return code & 0xFFFE != 0xFFFE
    return (code < 0xD800 and code not in (0x2028, 0x2029)) or (0xE000 <= code <= 0xFFFD and code != 0xFEFF)


def _comment(text: str) -> str:
    """Return ``text`` as a comment of one line."""
    line = " ".join("".join(letter if _printable(letter) else " " for letter in text).split())
    return f"# {line}" if line else "#"
