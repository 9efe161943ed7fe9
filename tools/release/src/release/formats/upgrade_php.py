"""Moodle's ``db/upgrade.php``: the steps, their numbers and the savepoints that end them.

Rules: https://moodledev.io/docs/guides/upgrade and ``public/lib/upgradelib.php``. Code in comments and
strings is no code here, whatever it looks like.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING

from release.formats.php import leaves, number_of, read_literal, text_of, token_of, walk
from release.formats.php import parse as parse_php
from release.model.edit import Token

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Function", "Number", "Savepoint", "Step", "UpgradePhp", "floor", "parse"]

Number = int | Decimal
"""A version number; Moodle's own have decimals."""

_SAVEPOINTS = {
    "upgrade_main_savepoint": (),
    "upgrade_mod_savepoint": ("modname",),
    "upgrade_block_savepoint": ("blockname",),
    "upgrade_plugin_savepoint": ("type", "plugin"),
}
_SAVEPOINT = re.compile(rb"upgrade_(?:main|mod|block|plugin)_savepoint", re.IGNORECASE)
_BRANCHES = frozenset({"if_statement", "else_if_clause"})
_LOOPS = frozenset({"for_statement", "foreach_statement", "while_statement"})


@dataclass(frozen=True, slots=True)
class Savepoint:
    """A call of ``upgrade_*_savepoint``; ``number`` is ``None`` when it is not a literal number.

    ``names`` are the literal arguments after the number (module, block, or type and plugin), ``None`` for
    each that is computed. ``unconditional`` tells whether it runs whenever its step does.
    """

    function: str
    number: Number | None
    names: tuple[str | None, ...]
    token: Token
    unconditional: bool


@dataclass(frozen=True, slots=True)
class Step:
    """``if ($oldversion < number) { … }`` in the upgrade function.

    ``inclusive`` is set for ``<=``. ``settled`` tells whether each way through the body has a savepoint or throws.
    ``digest`` is a SHA-256 of the code (condition and body) without comments and white space, in which the step's
    own number is left open.
    """

    number: Number
    inclusive: bool
    token: Token
    savepoints: tuple[Savepoint, ...]
    settled: bool
    digest: str


@dataclass(frozen=True, slots=True)
class Function:
    """The upgrade function: its name, its steps in source order, its savepoints outside of them."""

    name: Token
    steps: tuple[Step, ...]
    strays: tuple[Savepoint, ...]
    returns_true: int


@dataclass(frozen=True, slots=True)
class UpgradePhp:
    """What ``db/upgrade.php`` holds; ``savepoints`` are those of the whole file, in helper functions too."""

    path: str
    functions: tuple[Function, ...]
    savepoints: tuple[Savepoint, ...]


def floor(content: bytes, path: str) -> int | None:
    """Return the lowest whole number that no live savepoint is above, ``None`` when there is no savepoint.

    Raises:
        FormatError: it is no PHP.
    """
    if not _SAVEPOINT.search(content):
        return None
    numbers = [savepoint.number for savepoint in _savepoints(content, parse_php(content, path))]
    return max((ceil(number) for number in numbers if number is not None), default=None)


def parse(content: bytes, path: str) -> UpgradePhp:
    """Return the upgrade functions (``xmldb_*_upgrade``) of ``content`` and its savepoints.

    Raises:
        FormatError: it is no PHP.
    """
    root = parse_php(content, path)
    functions = tuple(
        _function(content, node) for node in walk(root) if node.type == "function_definition" and _is_upgrade(node)
    )
    return UpgradePhp(path, functions, tuple(_savepoints(content, root)))


def _is_upgrade(node: Node) -> bool:
    name = node.child_by_field_name("name")
    text = text_of(name).lower() if name else ""
    return text.startswith("xmldb_") and text.endswith("_upgrade")


def _function(content: bytes, node: Node) -> Function:
    name, body, parameters = (node.child_by_field_name(part) for part in ("name", "body", "parameters"))
    assert name is not None
    assert body is not None
    first = next(iter(parameters.named_children), None) if parameters else None
    variable = first.child_by_field_name("name") if first else None
    branches = tuple(_steps(content, body, text_of(variable) if variable else "$oldversion"))
    inside = {savepoint.token.offset for step in branches for savepoint in step.savepoints}
    return Function(
        token_of(content, name),
        branches,
        tuple(point for point in _savepoints(content, body) if point.token.offset not in inside),
        sum(_returns_true(inner) for inner in walk(body, scopes=False)),
    )


def _returns_true(node: Node) -> bool:
    return node.type == "return_statement" and [text.lower() for text in leaves(node)][:2] == [
        "return",
        "true",
    ]


def _steps(content: bytes, node: Node, variable: str) -> Iterator[Step]:
    """Yield the steps in ``node``: each version condition that has savepoints of its own, or none at all."""
    if node.type.endswith(("_expression", "expression_statement")):
        return
    condition = node.child_by_field_name("condition") if node.type in _BRANCHES else None
    body = node.child_by_field_name("body")
    bound = _bound(content, condition, variable) if condition else None
    if condition is None or bound is None or body is None:
        for child in node.named_children:
            yield from _steps(content, child, variable)
        return
    inner = [step for step in _steps(content, body, variable) if step.savepoints]
    nested = {savepoint.token.offset for step in inner for savepoint in step.savepoints}
    own = tuple(point for point in _savepoints(content, body) if point.token.offset not in nested)
    if own or not inner:
        number, inclusive = bound
        yield Step(
            number,
            inclusive,
            token_of(content, condition),
            own,
            _settled(body, {point.token.offset for point in own}),
            _digest([condition, body], number),
        )
    yield from inner
    for alternative in node.children_by_field_name("alternative"):
        yield from _steps(content, alternative, variable)


def _settled(node: Node, calls: Collection[int]) -> bool:
    """Tell whether each way through the statement ``node`` has one of the ``calls`` (byte offsets), or throws."""
    if node.start_byte in calls or node.type.endswith("_expression"):
        return node.start_byte in calls or node.type == "throw_expression"
    if node.type in _LOOPS:
        return False
    if node.type != "if_statement":
        return any(_settled(child, calls) for child in node.named_children)
    body, others = node.child_by_field_name("body"), node.children_by_field_name("alternative")
    branches = [branch for branch in (body, *others) if branch is not None]
    return branches[-1].type == "else_clause" and all(_settled(branch, calls) for branch in branches)


def _bound(content: bytes, condition: Node, variable: str) -> tuple[Number, bool] | None:
    """Return the highest number that ``condition`` wants ``variable`` below, and whether it may equal it."""
    bounds: list[tuple[Number, bool]] = []
    for node in walk(condition):
        left, operator, right = (node.child_by_field_name(part) for part in ("left", "operator", "right"))
        if node.type != "binary_expression" or left is None or operator is None or right is None:
            continue
        sign = text_of(operator)
        if sign in {">", ">="}:
            left, right, sign = right, left, sign.replace(">", "<")
        number = _number(content, right)
        if sign in {"<", "<="} and text_of(left) == variable and number is not None:
            bounds.append((number, sign == "<="))
    return max(bounds, default=None)


def _number(content: bytes, node: Node | None) -> Number | None:
    literal = read_literal(content, node) if node else None
    return number_of(literal.value) if literal else None


def _digest(nodes: list[Node], own: Number) -> str:
    """Return the SHA-256 of the tokens of ``nodes`` with the number ``own`` left open."""
    result = hashlib.sha256()
    marks = {str(own), f"'{own}'", f'"{own}"'}
    for node in nodes:
        for text in leaves(node):
            result.update(b"\0#" if text in marks else b"\0" + text.encode())
    return result.hexdigest()


def _savepoints(content: bytes, block: Node) -> Iterator[Savepoint]:
    """Yield the calls of savepoint functions in ``block``; the tree tells code from comments and strings."""
    for match in _SAVEPOINT.finditer(content, block.start_byte, block.end_byte):
        name = block.descendant_for_byte_range(match.start(), match.end())
        if name is not None and name.parent is not None and name.parent.type == "qualified_name":
            name = name.parent
        call = name.parent if name else None
        arguments = call.child_by_field_name("arguments") if call else None
        if name is None or call is None or arguments is None or call.child_by_field_name("function") != name:
            continue
        function = text_of(name).lstrip("\\").lower()
        if function not in _SAVEPOINTS:
            continue
        given = _arguments(arguments, ("result", "version", *_SAVEPOINTS[function]))
        statement = call.parent
        yield Savepoint(
            function=function,
            number=_number(content, given.get("version")),
            names=tuple(_name(content, given.get(parameter)) for parameter in _SAVEPOINTS[function]),
            token=token_of(content, call),
            unconditional=statement is not None and block in (statement, statement.parent),
        )


def _arguments(node: Node, parameters: tuple[str, ...]) -> dict[str, Node]:
    """Return the arguments of a call by the names of ``parameters``."""
    given: dict[str, Node] = {}
    arguments = [child for child in node.named_children if child.type == "argument"]
    for position, argument in enumerate(arguments):
        label = argument.child_by_field_name("name")
        values = [child for child in argument.named_children if child != label and child.type != "comment"]
        if label is not None and values:
            given[text_of(label)] = values[-1]
        elif position < len(parameters) and values:
            given[parameters[position]] = values[-1]
    return given


def _name(content: bytes, node: Node | None) -> str | None:
    literal = read_literal(content, node) if node else None
    return literal.value if literal and isinstance(literal.value, str) else None
