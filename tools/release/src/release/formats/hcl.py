"""Terraform source as values with places: blocks, and what their attributes hold as far as it is written out.

python-hcl2 parses it (https://github.com/amplify-education/python-hcl2). Nothing is evaluated: what refers to something
else is :class:`Other`, with the texts that stand in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from release.errors import FormatError, Place
from release.formats.source import Source

if TYPE_CHECKING:
    from hcl2.rules.abstract import LarkElement

__all__ = ["Block", "Call", "Items", "Other", "Table", "Text", "Value", "parse", "texts"]


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string or heredoc; where something is interpolated, ``text`` has its source and ``whole`` is false."""

    text: str
    whole: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    values: tuple[Value, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Table:
    """An object; an entry whose key is computed has the key's source as its key."""

    entries: tuple[tuple[str, Value], ...]
    place: Place

    def get(self, key: str) -> Value | None:
        """Return the value of the first entry ``key``."""
        return next((value for name, value in self.entries if name == key), None)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function."""

    name: str
    arguments: tuple[Value, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else: a reference, a number, a condition; ``source`` is its text, ``inner`` what has texts in it."""

    source: str
    inner: tuple[Value, ...]
    place: Place


Value = Text | Items | Table | Call | Other


@dataclass(frozen=True, slots=True)
class Block:
    """A block: ``type "label" … { attributes and blocks }``."""

    type: str
    labels: tuple[str, ...]
    attributes: Mapping[str, Value]
    blocks: tuple[Block, ...]
    place: Place

    @property
    def name(self) -> str:
        """The block's address, such as ``data.aws_iam_policy_document.trust``."""
        return ".".join((*(() if self.type == "resource" else (self.type,)), *self.labels))

    def inside(self, type_: str) -> Iterator[Block]:
        """Yield the blocks of ``type_`` in it, written as such or as ``dynamic`` ones."""
        for block in self.blocks:
            if block.type == type_:
                yield block
            elif block.type == "dynamic" and block.labels == (type_,):
                yield from block.inside("content")


def parse(content: bytes, path: str) -> Block:
    """Return the file ``content`` as a block without type and labels.

    Raises:
        FormatError: it is not UTF-8, or not HCL.
    """
    import hcl2
    from lark.exceptions import UnexpectedInput, VisitError

    source = Source(content, path)
    text = source.text if source.text.endswith("\n") else f"{source.text}\n"
    try:
        tree = hcl2.parses(text)
    except UnexpectedInput as error:
        raise FormatError(
            f"{path} is not valid Terraform source",
            where=[Place(path, max(error.line, 0), max(error.column, 0))],
            fix="see what `terraform validate` says",
        ) from None
    except (VisitError, RecursionError):
        raise FormatError(f"{path} can't be read", where=[Place(path)], fix="see `terraform validate`") from None
    return _Reader(path).block("", (), tree.body, 1)


def texts(value: Value) -> Iterator[Text]:
    """Yield the texts in ``value``, keys of objects left out."""
    match value:
        case Text():
            yield value
        case Items(values=values) | Call(arguments=values) | Other(inner=values):
            for one in values:
                yield from texts(one)
        case Table(entries=entries):
            for _, one in entries:
                yield from texts(one)


_HEREDOC = re.compile(r"<<-?\s*\S+\r?\n(.*?)(?:\r?\n)?[ \t]*\S+\s*\Z", re.DOTALL)


class _Reader:
    def __init__(self, path: str) -> None:
        self._path = path

    def block(self, type_: str, labels: tuple[str, ...], body: LarkElement, line: int) -> Block:
        from hcl2.rules.base import AttributeRule, BlockRule

        attributes: dict[str, Value] = {}
        blocks: list[Block] = []
        for child in _children(body):
            at = _line(child, line)
            if isinstance(child, AttributeRule):
                attributes.setdefault(str(child.identifier.token), self.value(child.expression, at))
            elif isinstance(child, BlockRule):
                first, *rest = (self._label(label) for label in child.labels)
                blocks.append(self.block(first, tuple(rest), child.body, at))
        return Block(type_, labels, attributes, tuple(blocks), Place(self._path, line))

    def value(self, node: LarkElement, line: int) -> Value:
        from hcl2.rules.containers import ObjectRule, TupleRule
        from hcl2.rules.expressions import ExprTermRule
        from hcl2.rules.functions import FunctionCallRule
        from hcl2.rules.strings import HeredocTemplateRule, StringRule

        line = _line(node, line)
        place = Place(self._path, line)
        if isinstance(node, StringRule):
            return Text(*_string(node), place)
        if isinstance(node, HeredocTemplateRule):
            return self._heredoc(str(node.heredoc.value), line)
        if isinstance(node, TupleRule):
            return Items(tuple(self.value(one, line) for one in node.elements), place)
        if isinstance(node, ObjectRule):
            entries = ((self._key(one.key), self.value(one.expression, _line(one, line))) for one in node.elements)
            return Table(tuple(entries), place)
        if isinstance(node, FunctionCallRule):
            name = "::".join(str(one.token) for one in node.identifiers)
            arguments = node.arguments.arguments if node.arguments is not None else []
            return Call(name, tuple(self.value(one, line) for one in arguments), place)
        kept = [child for child in _children(node) if not _is_noise(child)]
        if isinstance(node, ExprTermRule) and len(kept) == 1:
            return self.value(kept[0], line)
        source = str(node.serialize()).removeprefix("${").removesuffix("}")
        inner = (self.value(child, line) for child in kept if _children(child))
        return Other(source, tuple(one for one in inner if any(texts(one))), place)

    def _heredoc(self, raw: str, line: int) -> Value:
        found = _HEREDOC.match(raw)
        body = found[1] if found else raw
        whole = "${" not in body.replace("$${", "") and "%{" not in body.replace("%%{", "")
        text = Text(body, whole, Place(self._path, line))
        if not whole:
            return text
        try:
            data = json.loads(body)
        except ValueError:
            return text
        return self._json(data, body.splitlines(), line + 1)

    def _json(self, data: Any, lines: list[str], line: int) -> Value:
        """Return JSON in a heredoc that starts at ``line`` as the values it stands for, each at its first line."""
        if isinstance(data, str):
            quoted = json.dumps(data, ensure_ascii=False)
            at = next((number for number, one in enumerate(lines) if quoted in one), 0)
            return Text(data, True, Place(self._path, line + at))
        place = Place(self._path, line)
        if isinstance(data, list):
            return Items(tuple(self._json(one, lines, line) for one in data), place)
        if isinstance(data, dict):
            return Table(tuple((key, self._json(one, lines, line)) for key, one in data.items()), place)
        return Other(json.dumps(data), (), place)

    def _key(self, key: Any) -> str:
        from hcl2.rules.expressions import ExprTermRule

        node = getattr(key, "value", None) or getattr(key, "expression", key)
        while isinstance(node, ExprTermRule):
            kept = [child for child in _children(node) if not _is_noise(child)]
            if len(kept) != 1:
                break
            node = kept[0]
        return self._label(node)

    def _label(self, node: Any) -> str:
        from hcl2.rules.strings import StringRule

        return _string(node)[0] if isinstance(node, StringRule) else str(node.serialize())


def _children(node: LarkElement) -> list[Any]:
    return [child for child in getattr(node, "children", ()) if child is not None]


def _is_noise(node: LarkElement) -> bool:
    from hcl2.rules.abstract import LarkToken
    from hcl2.rules.whitespace import NewLineOrCommentRule

    return isinstance(node, LarkToken | NewLineOrCommentRule)


def _line(node: LarkElement, otherwise: int) -> int:
    return getattr(getattr(node, "_meta", None), "line", None) or otherwise


def _string(node: Any) -> tuple[str, bool]:
    """Return the text of a quoted string, and whether nothing is interpolated in it."""
    text, whole = "", True
    for part in node.string_parts:
        written = str(part.serialize())
        name = part.content.lark_name()
        if name == "STRING_CHARS":
            text += _unescaped(written)
        elif written.startswith(("$${", "%%{")):
            text += written[1:]
        else:
            text, whole = text + written, False
    return text, whole


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


def _unescaped(text: str) -> str:
    """Return ``text`` with the escapes of HCL's quoted strings resolved."""

    def one(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16))
        return _ESCAPES.get(found[2], found[0])

    return re.sub(r"\\(?:[uU]([0-9a-fA-F]{8}|[0-9a-fA-F]{4})|(.))", one, text)
