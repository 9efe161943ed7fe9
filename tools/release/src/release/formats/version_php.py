"""Moodle's ``version.php``, read as PHP runs it and as Moodle's zip installer reads it, and edited in place.

Meaning of the properties: https://moodledev.io/docs/apis/commonfiles/version.php. Moodle's upgrade includes
the file, so the last assignment that runs wins. The zip installer
(``public/lib/classes/update/validator.php``) runs nothing: it drops comments and white space and looks for a
few fixed shapes. The two can disagree; what the edits here write is read alike by both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from release.errors import FormatError, Place
from release.formats.php import Constant, Literal, number_of, read_literal, text_of, token_of, walk
from release.formats.php import parse as parse_php
from release.model.edit import Replacement, Token
from release.model.version import Version, parse_version

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = [
    "ANY_VERSION",
    "Dependency",
    "InstallerView",
    "Items",
    "VersionPhp",
    "build_number",
    "installer_view",
    "parse",
    "read_release",
    "set_dependency",
    "set_release",
    "set_version",
]

ANY_VERSION = Constant("ANY_VERSION")
"""The constant in ``$plugin->dependencies`` that any version satisfies; its value is the string ``any``."""

_ESSENTIAL = frozenset({"component", "version", "release", "requires", "supported", "incompatible", "dependencies"})
_PLAIN_VERSION = re.compile(rb"^\$plugin->version\s*=\s*([0-9]{10});", re.MULTILINE)
_RELEASE = re.compile(
    rb"[ \t]*v?(?P<version>(?P<core>\d+\.\d+(?P<patch>\.\d+)?)"
    rb"(?P<tail>-[0-9A-Za-z.-]+)?(?P<build>\+[0-9A-Za-z.-]+)?)(?=\Z|[\s(,;])",
    re.IGNORECASE,
)
_CHANNEL = re.compile(rb"-(?:alpha|beta|rc|dev)(?:\.?\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Items:
    """A list of literals and the token of the whole array."""

    token: Token
    items: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of ``$plugin->dependencies``: what is needed and which version of it at least."""

    component: str
    key: Token
    needs: Literal

    @property
    def number(self) -> int | Decimal | None:
        """The lowest version that will do; ``None`` when any will (or what stands there is no number)."""
        return number_of(self.needs.value)

    @property
    def any_version(self) -> bool:
        """Whether any version will do."""
        return self.needs.value in (ANY_VERSION, "any")


@dataclass(frozen=True, slots=True)
class VersionPhp:
    """What ``version.php`` says when PHP runs it; ``None`` for what it does not set.

    ``statement`` is where a missing property is put in front of: the last assignment that sets ``version``,
    or ``component`` where there is no version.
    """

    path: str
    component: Literal | None = None
    version: Literal | None = None
    release: Literal | None = None
    requires: Literal | None = None
    supported: Items | Literal | None = None
    incompatible: Literal | None = None
    dependencies: tuple[Dependency, ...] = ()
    maturity: Literal | None = None
    cron: Literal | None = None
    statement: Token | None = None

    @property
    def declared(self) -> Place:
        """Where the version is declared: a release that can't be read as one, the version, or the component."""
        unreadable = self.release if self.semantic is None else None
        literal = unreadable or self.version or self.component
        return Place(self.path, literal.token.line, literal.token.column) if literal else Place(self.path)

    @property
    def name(self) -> str | None:
        """The component's name."""
        value = self.component.value if self.component else None
        return value if isinstance(value, str) else None

    @property
    def build(self) -> int | None:
        """The version as an integer (a decimal's fraction is cut); ``None`` when it is no number."""
        number = number_of(self.version.value) if self.version else None
        return None if number is None else int(number)

    @property
    def branches(self) -> tuple[int, int] | None:
        """The lowest and the highest branch of ``supported``; ``None`` when it is not two whole numbers."""
        if not isinstance(self.supported, Items) or len(self.supported.items) != 2:
            return None
        low, high = (item.value for item in self.supported.items)
        return (low, high) if isinstance(low, int) and isinstance(high, int) else None

    @property
    def semantic(self) -> Version | None:
        """The semantic version that ``release`` starts with, ``None`` when it can't be read as one."""
        found = read_release(self.release) if self.release else None
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class InstallerView:
    """What Moodle's zip installer reads: source texts without quotes, ``None`` for what it does not see."""

    component: str | None
    version: str | None
    release: str | None
    requires: str | None
    maturity: str | None
    module: bool
    """Whether it sees the abolished ``$module->version``, for which it refuses the plugin."""


@dataclass(slots=True)
class _Reader:
    content: bytes
    path: str
    values: dict[str, Literal | Items | None] = field(default_factory=dict)
    statements: dict[str, Token] = field(default_factory=dict)
    dependencies: dict[str, Dependency] = field(default_factory=dict)

    def run(self, block: Node) -> bool:
        """Follow the statements of ``block``; return whether the file goes on after it."""
        for statement in block.named_children:
            match statement.type:
                case "compound_statement":
                    if not self.run(statement):
                        return False
                case "return_statement" | "exit_statement":
                    return False
                case "expression_statement":
                    self.step(statement)
                case "comment" | "php_tag" | "text":
                    pass
                case _:
                    self.refuse_writes(statement)
        return True

    def step(self, statement: Node) -> None:
        expression = next(iter(_code(statement)), None)
        left = expression.child_by_field_name("left") if expression else None
        right = expression.child_by_field_name("right") if expression else None
        if expression is None or expression.type != "assignment_expression" or left is None or right is None:
            self.refuse_writes(statement)
            return
        self.refuse_writes(right)
        if left.type == "variable_name" and text_of(left) == "$plugin":
            self.reset(right)
        elif left.type == "member_access_expression" and _owner(left) is not None:
            self.assign(statement, left, right)
        elif left.type == "subscript_expression" and _owner(_code(left)[0]) is not None:
            self.assign_item(left, right)
        else:
            self.refuse_writes(left)

    def reset(self, right: Node) -> None:
        if right.type != "object_creation_expression":
            raise self.error(right, "$plugin is set to something other than `new stdClass()`")
        self.values.clear()
        self.statements.clear()
        self.dependencies.clear()

    def assign(self, statement: Node, left: Node, right: Node) -> None:
        name = self.property_name(left)
        self.statements[name] = token_of(self.content, statement)
        if name == "dependencies":
            self.dependencies.clear()
            for key, value in () if right.type == "null" else self.entries(right):
                self.depend(key, value, right)
        elif name == "supported" and right.type == "array_creation_expression":
            items = tuple(self.literal(value) for _, value in self.entries(right))
            self.values[name] = Items(token_of(self.content, right), items)
        elif name in _ESSENTIAL:
            literal = self.literal(right)
            if isinstance(literal.value, Constant) and right.type != "null":
                raise self.computed(right)
            self.values[name] = None if right.type == "null" else literal
        else:
            self.values[name] = read_literal(self.content, right)

    def assign_item(self, left: Node, right: Node) -> None:
        owner, *keys = _code(left)
        name = self.property_name(owner)
        if name == "dependencies" and len(keys) == 1:
            self.depend(keys[0], right, left)
        elif name in _ESSENTIAL:
            raise self.error(left, f"$plugin->{name} is set item by item")

    def depend(self, key: Node | None, value: Node, whole: Node) -> None:
        literal = read_literal(self.content, key) if key else None
        if key is None or literal is None or not isinstance(literal.value, str):
            raise self.error(value if key is None else whole, "a dependency has no component name as its key")
        self.dependencies[literal.value] = Dependency(literal.value, literal.token, self.literal(value))

    def entries(self, array: Node) -> Iterator[tuple[Node | None, Node]]:
        if array.type != "array_creation_expression":
            raise self.computed(array)
        for entry in _code(array):
            parts = _code(entry)
            if entry.type != "array_element_initializer" or len(parts) not in {1, 2}:
                raise self.computed(entry)
            yield (parts[0] if len(parts) == 2 else None), parts[-1]

    def literal(self, node: Node) -> Literal:
        literal = read_literal(self.content, node)
        if literal is None:
            raise self.computed(node)
        return literal

    def property_name(self, member: Node) -> str:
        name = member.child_by_field_name("name")
        if name is None or name.type != "name":
            raise self.error(member, "the name of a property of $plugin is computed")
        if _owner(member) == "$module":
            raise self.error(
                member,
                "$module-> is not read by Moodle since 3.0",
                fix=f"write $plugin->{text_of(name)}",
            )
        return text_of(name)

    def refuse_writes(self, node: Node) -> None:
        """Raise for an assignment below ``node`` whose effect can't be told without running it."""
        if b"->" not in (node.text or b""):
            return
        for target in _written(node):
            if self.property_name(target) in _ESSENTIAL:
                raise self.error(
                    target,
                    f"$plugin->{self.property_name(target)} can't be read without running the file",
                )

    def computed(self, node: Node) -> FormatError:
        return self.error(node, f"`{_short(text_of(node))}` has to be computed")

    def error(self, node: Node, what: str, *, fix: str = "") -> FormatError:
        token = token_of(self.content, node)
        return FormatError(
            what,
            where=[Place(self.path, token.line, token.column)],
            fix=fix or "write plain values in plain statements: Moodle's zip installer can't read others either",
        )


def _short(text: str) -> str:
    first = text.splitlines()[0]
    return first if len(first) <= 40 else first[:39] + "…"


def _code(node: Node) -> list[Node]:
    """Return what is directly below ``node`` without comments and punctuation."""
    return [child for child in node.named_children if child.type != "comment"]


def _owner(node: Node) -> str | None:
    """Return ``$plugin`` or ``$module`` when ``node`` is a property of one of them."""
    if node.type != "member_access_expression":
        return None
    name = node.child_by_field_name("object")
    text = text_of(name) if name else ""
    return text if text in {"$plugin", "$module"} else None


def _written(node: Node) -> Iterator[Node]:
    """Yield the properties of ``$plugin`` and ``$module`` that code in ``node`` sets, changes or removes."""
    for current in walk(node, scopes=False):
        match current.type:
            case "assignment_expression" | "augmented_assignment_expression" | "reference_assignment_expression":
                target = current.child_by_field_name("left")
            case "update_expression":
                target = current.child_by_field_name("argument")
            case "unset_statement" | "list_literal":
                yield from (child for child in current.named_children if _owner(child))
                continue
            case _:
                continue
        while target is not None and target.type == "subscript_expression":
            target = _code(target)[0]
        if target is not None and _owner(target):
            yield target


@lru_cache(maxsize=1024)
def parse(content: bytes, path: str) -> VersionPhp:
    """Return what ``content`` sets when PHP runs it.

    Raises:
        FormatError: it is no PHP, or sets what a release depends on in a way that only running it would tell
            (an expression, a condition), or uses ``$module``.
    """
    reader = _Reader(content, path)
    reader.run(parse_php(content, path))

    def literal(name: str) -> Literal | None:
        value = reader.values.get(name)
        return value if isinstance(value, Literal) else None

    return VersionPhp(
        path=path,
        component=literal("component"),
        version=literal("version"),
        release=literal("release"),
        requires=literal("requires"),
        supported=reader.values.get("supported"),
        incompatible=literal("incompatible"),
        dependencies=tuple(reader.dependencies.values()),
        maturity=literal("maturity"),
        cron=literal("cron"),
        statement=reader.statements.get("version") or reader.statements.get("component"),
    )


def build_number(content: bytes) -> int | None:
    """Return the version as an integer, ``None`` where there is none or the file can't be read.

    A file with a single plain assignment outside comments, as nearly all are, is not parsed.
    """
    if b"version" not in content or b"$plugin" not in content:
        return None
    found = _PLAIN_VERSION.search(content)
    if (
        found is not None
        and content.count(b"version", found.start()) + content.count(b"<<<") == 1
        and b"->version" not in content[: found.start()]
        and content.rfind(b"/*", 0, found.start()) <= content.rfind(b"*/", 0, found.start())
    ):
        return int(found[1])
    try:
        return parse(content, "version.php").build
    except FormatError:
        return None


def read_release(release: Literal) -> tuple[Version, Token] | None:
    """Return the semantic version that the release string starts with, and its token without a leading ``v``.

    ``1.6`` is 1.6.0. A pre-release needs three numbers before it or a usual channel name (``2.0-beta1``).
    """
    start = 1 if isinstance(release.value, str) else 0
    source = release.token.text
    body = source[start : len(source) - start]
    found = _RELEASE.match(body.encode())
    if found is None or (found["tail"] and not found["patch"] and not _CHANNEL.fullmatch(found["tail"])):
        return None
    core = found["core"] if found["patch"] else found["core"] + b".0"
    try:
        version = parse_version((core + (found["tail"] or b"") + (found["build"] or b"")).decode())
    except ValueError:
        return None
    return version, release.token.part(start + found.start("version"), len(found["version"]))


def set_version(content: bytes, facts: VersionPhp, number: int) -> Replacement:
    """Return the edit which puts ``number`` as bare digits where the version stands.

    Raises:
        FormatError: there is neither a version nor a component.
    """
    if facts.version is not None:
        return facts.version.token.replaced_by(str(number))
    return _inserted(content, facts, "version", str(number))


def set_release(content: bytes, facts: VersionPhp, version: str, build: int | None = None) -> tuple[Replacement, ...]:
    """Return the edits which put ``version`` into the release string.

    A leading ``v`` and prose stay, except that the old version number in the prose becomes ``build``. A
    release that starts with no version is replaced as a whole, a missing one is put before the version.

    Raises:
        FormatError: there is neither a release nor a version nor a component, or a release that has to be
            replaced as a whole is not UTF-8.
    """
    release = facts.release
    if release is None:
        return (_inserted(content, facts, "release", f"'{version}'"),)
    found = read_release(release)
    if found is None or not isinstance(release.value, str):
        if "\ufffd" in release.token.text:
            raise FormatError(
                "the release is not UTF-8",
                where=[Place(facts.path, release.token.line, release.token.column)],
                fix="save the file as UTF-8, or begin the release with a version",
            )
        return (release.token.replaced_by(f"'{version}'"),)
    token = found[1]
    edits = [token.replaced_by(version)]
    old = facts.build
    if old is not None and build is not None:
        written = re.compile(rb"(?<![\d.])%d(?!\d)" % old)
        prose = written.finditer(content, token.offset + len(token.text), _end(content, release.token))
        edits += [Replacement(match.start(), str(old), str(build)) for match in prose]
    return tuple(edits)


def _end(content: bytes, string: Token) -> int:
    """Return the offset after the quoted ``string``, whose bytes need not be UTF-8."""
    quote = re.escape(string.text[:1].encode())
    found = re.compile(quote + rb"(?:[^\\" + quote + rb"]|\\.)*" + quote, re.DOTALL).match(content, string.offset)
    return found.end() if found else string.offset + len(string.text.encode())


def _inserted(content: bytes, facts: VersionPhp, name: str, value: str) -> Replacement:
    """Return the edit which sets a property in front of the statement that sets the version or the component.

    It stands as that statement does: same indentation, same alignment of the ``=``, same line ending.
    """
    before = facts.statement
    if before is None:
        raise FormatError(
            "there is no $plugin->version and no $plugin->component",
            where=[Place(facts.path)],
            fix="declare both: https://moodledev.io/docs/apis/commonfiles/version.php",
        )
    line = content[content.rfind(b"\n", 0, before.offset) + 1 : before.offset].decode("utf-8", "replace")
    indentation = line if line.isspace() else ""
    ending = "\r\n" if b"\r\n" in content else "\n"
    shape = re.match(r"\$plugin->(\w+)([ \t]*)=([ \t]*)", before.text)
    assigned = f"{shape[2]}={shape[3]}" if shape and len(shape[1]) == len(name) else " = "
    return Replacement(before.offset, "", f"$plugin->{name}{assigned}{value};{ending}{indentation}")


def set_dependency(dependency: Dependency, number: int) -> Replacement | None:
    """Return the edit which raises the dependency to ``number``; ``None`` when nothing has to change."""
    current = dependency.number
    if current is None or current >= number:
        return None
    return dependency.needs.token.replaced_by(str(number))


_LEXEME = re.compile(
    rb"""(?P<close>\?>\n?)
      | (?P<skip>\s+ | /\*.*?(?:\*/|\Z) | (?:\#(?!\[)|//)(?:(?!\?>)[^\r\n])*)
      | (?P<keep>'(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*"
          | <<<[ \t]*(?P<q>['"]?)(?P<id>[A-Za-z_]\w*)(?P=q)\r?\n.*?\n[ \t]*(?P=id)\b
          | [A-Za-z_]\w* | [^\s'"/\#?<A-Za-z_]+ | .)""",
    re.DOTALL | re.VERBOSE,
)
_OPEN = re.compile(rb"<\?(?:(?P<php>php)(?:\s|\Z)|=)", re.IGNORECASE)
_NUMBERS = re.compile(rb"\$((?:plugin|module)->(?:version|maturity|release|requires))=(\d+(?:\.\d+)?);")
_MATURITY = re.compile(rb"\$((?:plugin|module)->maturity)=(MATURITY_\w+);")
_STRINGS = re.compile(rb"\$((?:plugin|module)->release)=(?P<q>['\"])(?P<text>.*?)(?P=q);")
_COMPONENT = re.compile(rb"\$((?:plugin|module)->component)=(?P<q>['\"])(?P<text>.+?_.+?)(?P=q);")


def installer_view(content: bytes) -> InstallerView:
    """Return what Moodle's zip installer reads from ``content`` without running it.

    Numbers are bare digits, a named maturity beats a numeric one, a quoted release beats a bare one, a
    component is quoted, and the last of each counts wherever it stands.
    """
    source = _stripped(content)
    seen: dict[bytes, bytes] = {}
    for pattern, group in ((_NUMBERS, 2), (_MATURITY, 2), (_STRINGS, 3), (_COMPONENT, 3)):
        seen.update({match[1]: match[group] for match in pattern.finditer(source)})
    return _installer_view(seen)


def _installer_view(seen: Mapping[bytes, bytes]) -> InstallerView:
    def text(name: bytes) -> str | None:
        value = seen.get(b"plugin->" + name)
        return None if value is None else value.decode("utf-8", "replace")

    return InstallerView(
        component=text(b"component"),
        version=text(b"version"),
        release=text(b"release"),
        requires=text(b"requires"),
        maturity=text(b"maturity"),
        module=b"module->version" in seen,
    )


def _stripped(content: bytes) -> bytes:
    """Return the PHP code of ``content`` without comments and white space; strings stay as they are."""
    parts: list[bytes] = []
    position = 0
    while opening := _OPEN.search(content, position):
        position = opening.end()
        while lexeme := _LEXEME.match(content, position):
            position = lexeme.end()
            if lexeme["close"]:
                break
            if lexeme["keep"] and opening["php"]:
                parts.append(b"function " if lexeme["keep"] == b"function" else lexeme["keep"])
    return b"".join(parts)
