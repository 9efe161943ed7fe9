"""PHP source read by a real grammar (tree-sitter-php): trees, places and literals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

from release.errors import FormatError, Place
from release.model.edit import Token

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

__all__ = [
    "Constant",
    "Literal",
    "Scalar",
    "leaves",
    "number_of",
    "parse",
    "read_literal",
    "text_of",
    "token_of",
    "walk",
]

_NUMERIC = re.compile(r"[ \t\n\r\v\f]*(\d+(?:\.\d+)?)[ \t\n\r\v\f]*", re.ASCII)
_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "v": "\v",
    "e": "\x1b",
    "f": "\f",
    "\\": "\\",
    "$": "$",
    '"': '"',
}
_SCOPES = frozenset(
    {"function_definition", "anonymous_function", "arrow_function", "class_declaration", "trait_declaration"}
    | {"interface_declaration", "enum_declaration", "anonymous_class"}
)


@dataclass(frozen=True, slots=True)
class Constant:
    """A bare name in an expression, as ``MATURITY_STABLE``."""

    name: str


Scalar = int | Decimal | str | Constant
"""What a literal is to PHP; a float is kept as the decimal number that stands there."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal, its source text (quotes included) and its place."""

    token: Token
    value: Scalar


@cache
def _parser() -> Parser:
    import tree_sitter_php
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_php.language_php()))


def parse(content: bytes, path: str) -> Node:
    """Return the root of the syntax tree of ``content``.

    Raises:
        FormatError: it is no valid PHP; with the place of the first error.
    """
    root = _parser().parse(content).root_node
    if root.has_error:
        broken = _first_error(root)
        line, column = _line_and_column(content, broken.start_byte, broken.start_point.row)
        raise FormatError(
            "this is not valid PHP",
            where=[Place(path, line, column)],
            fix="run `php -l` on the file and mend what it names",
        )
    return root


def _first_error(node: Node) -> Node:
    while not (node.is_error or node.is_missing):
        below = next((child for child in node.children if child.has_error), None)
        if below is None:
            break
        node = below
    return node


def _line_and_column(content: bytes, offset: int, row: int) -> tuple[int, int]:
    start = content.rfind(b"\n", 0, offset) + 1
    return row + 1, len(content[start:offset].decode("utf-8", "replace")) + 1


def text_of(node: Node) -> str:
    """Return the node's source text; bytes that are no UTF-8 become U+FFFD."""
    return (node.text or b"").decode("utf-8", "replace")


def token_of(content: bytes, node: Node) -> Token:
    """Return the node as a token."""
    line, column = _line_and_column(content, node.start_byte, node.start_point.row)
    return Token(text_of(node), node.start_byte, line, column)


def walk(node: Node, *, scopes: bool = True) -> Iterator[Node]:
    """Yield ``node`` and all below it in source order.

    With ``scopes=False`` the insides of functions and classes are left out: they don't run with it.
    """
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        if scopes or current.type not in _SCOPES:
            stack.extend(reversed(current.children))


def leaves(node: Node) -> Iterator[str]:
    """Yield the texts of the tokens of ``node`` without comments and white space; a string is one token."""
    stack = [node]
    while stack:
        current = stack.pop()
        if current.type == "comment":
            continue
        if current.child_count and current.type not in {"string", "encapsed_string", "heredoc", "nowdoc"}:
            stack.extend(reversed(current.children))
        else:
            yield text_of(current)


def read_literal(content: bytes, node: Node) -> Literal | None:
    """Return the literal that ``node`` is, or ``None`` when it has to be computed.

    Numbers are read as PHP reads them (https://www.php.net/manual/en/language.types.integer.php): separators,
    octal, hexadecimal and binary forms.
    """
    value = _scalar(node)
    return None if value is None else Literal(token_of(content, node), value)


def _scalar(node: Node) -> Scalar | None:
    text = text_of(node)
    match node.type:
        case "integer":
            return _integer(text.replace("_", "").lower())
        case "float":
            return Decimal(text.replace("_", ""))
        case "string" | "encapsed_string":
            return _string(text)
        case "name" | "boolean" | "null":
            return Constant(text)
        case "qualified_name" if text.startswith("\\") and "\\" not in text[1:]:
            return Constant(text[1:])
    return None


def _integer(text: str) -> int:
    if len(text) > 1 and text[0] == "0" and text[1].isdigit():
        return int(text, 8)
    return int(text, 0)


def _string(text: str) -> str | None:
    quote, body = text[:1], text[1:-1]
    if quote == "'":
        return re.sub(r"\\([\\'])", r"\1", body)
    if quote != '"' or re.search(r"\\[0-7xu]", body):
        return None
    plain = re.sub(r"\\.", "", body, flags=re.DOTALL)
    if re.search(r"\$[A-Za-z_{\x80-\uffff]|\{\$", plain):
        return None
    return re.sub(r"\\([ntrvef\\$\"])", lambda found: _ESCAPES.get(found[1], found[1]), body)


def number_of(value: Scalar | None) -> int | Decimal | None:
    """Return the number that PHP compares ``value`` as; ``None`` for what is no number."""
    if isinstance(value, str):
        found = _NUMERIC.fullmatch(value)
        if found is None:
            return None
        return Decimal(found[1]) if "." in found[1] else int(found[1])
    return value if isinstance(value, int | Decimal) else None
