"""Shared machinery of the YAML formats: values are found by the parser's own marks, and edited as bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from release.errors import FormatError, Place
from release.formats.source import Source
from release.model.edit import Token

if TYPE_CHECKING:
    from yaml.nodes import Node

__all__ = ["YamlFile", "fast_loader", "parse_yaml", "plain_or_quoted"]

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")


class YamlFile:
    """A parsed YAML document; :attr:`root` is its mapping, empty for an empty file."""

    __slots__ = ("_root", "root", "source")

    def __init__(self, source: Source, root: Node | None) -> None:
        self.source = source
        self._root = root
        self.root: Mapping[str, Node] = {} if root is None else self.mapping(root)

    @property
    def path(self) -> str:
        """The file's path in the repository."""
        return self.source.path

    def mapping(self, node: Node) -> dict[str, Node]:
        """Return the entries of the mapping ``node`` by their key's text, merge keys (``<<``) applied.

        Raises:
            FormatError: it is no mapping, or has a key twice.
        """
        from yaml.nodes import MappingNode, ScalarNode, SequenceNode

        if not isinstance(node, MappingNode):
            self.refuse("a mapping is expected here", node)
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                continue
            if key.tag == "tag:yaml.org,2002:merge":
                for other in value.value if isinstance(value, SequenceNode) else [value]:
                    if other is not node:
                        merged = {**self.mapping(other), **merged}
                continue
            if key.value in own:
                self.refuse(f"the key {key.value!r} is there twice", key, fix="remove one of the two")
            own[key.value] = value
        return {**merged, **own}

    def sequence(self, node: Node) -> list[Node]:
        """Return the items of the sequence ``node``; raise :class:`FormatError` when it is none."""
        from yaml.nodes import SequenceNode

        if not isinstance(node, SequenceNode):
            self.refuse("a list is expected here", node)
        return list(node.value)

    def text(self, node: Node) -> str:
        """Return the text of the scalar ``node`` as written, whatever type YAML would give it.

        Raises:
            FormatError: it is empty or no scalar.
        """
        found = self.optional_text(node)
        if not found:
            self.refuse("a value is expected here", node)
        return found

    def line(self, node: Node) -> str:
        """Return the text of the scalar ``node``, which must stand on one line and nowhere else.

        Raises:
            FormatError: it is empty, no scalar, written over several lines, or shared through an anchor.
        """
        text = self.text(node)
        self.token(node)
        if self._uses(node) > 1:
            self.refuse("the value is shared through an anchor", node, fix="write it out at both places")
        return text

    def _uses(self, node: Node) -> int:
        from yaml.nodes import MappingNode

        if not isinstance(self._root, MappingNode):
            return 0
        return sum(value is node for _, value in self._root.value)

    def optional_text(self, node: Node | None) -> str | None:
        """Return the text of the scalar ``node``; ``None`` when it is absent, null or no scalar."""
        from yaml.nodes import ScalarNode

        if not isinstance(node, ScalarNode) or node.tag == "tag:yaml.org,2002:null":
            return None
        return str(node.value)

    def token(self, node: Node) -> Token:
        """Return the token of the scalar ``node``, quotes included, anchor and tag not.

        Raises:
            FormatError: it is written over several lines, where no part of it can be replaced.
        """
        start, end = self.span(node)
        if "\n" in self.source.text[start:end]:
            self.refuse("a value on one line is expected here", node, fix="write it on the line of its key")
        return self.source.token(start, end)

    def span(self, node: Node) -> tuple[int, int]:
        """Return the characters from which to which ``node`` stands, anchor and tag not counted."""
        start, end = node.start_mark.index, node.end_mark.index
        found = _PROPERTIES.match(self.source.text, start, end)
        return found.end() if found else start, end

    def place(self, node: Node) -> Place:
        """Return the place of ``node``."""
        return self.source.place(self.span(node)[0])

    def nodes(self) -> Iterator[Node]:
        """Yield every mapping of the document once, also where it is used through an alias."""
        from yaml.nodes import MappingNode, SequenceNode

        seen: set[int] = set()
        todo = [self._root] if self._root is not None else []
        while todo:
            node = todo.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, MappingNode):
                yield node
                todo += [value for _, value in reversed(node.value)]
            elif isinstance(node, SequenceNode):
                todo += reversed(node.value)

    def value(self, node: Node) -> Any:
        """Return ``node`` as plain Python values, as YAML 1.1 types them.

        Raises:
            FormatError: it has a tag or a value that has no such form.
        """
        import yaml

        try:
            return yaml.constructor.SafeConstructor().construct_document(node)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            what = error.problem if isinstance(error, yaml.MarkedYAMLError) else str(error)
            self.refuse(f"the value can't be read: {what}", node)

    def refuse(self, what: str, node: Node | None = None, fix: str = "") -> NoReturn:
        """Raise :class:`FormatError` about ``node``."""
        place = Place(self.path) if node is None else self.place(node)
        raise FormatError(f"{self.path}: {what}", where=[place], fix=fix)


@lru_cache(maxsize=1024)
def parse_yaml(content: bytes, path: str) -> YamlFile:
    """Return the YAML file that ``content`` is.

    Raises:
        FormatError: it is not UTF-8, not one YAML 1.1 document, or no mapping.
    """
    import yaml

    source = Source(content, path)
    index = 0
    try:
        return YamlFile(source, yaml.compose(source.text, Loader=fast_loader()))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        index = mark.index if mark is not None else 0
        what = ", ".join(part for part in (error.context, error.problem) if part)
    except yaml.reader.ReaderError as error:
        found = yaml.reader.Reader.NON_PRINTABLE.search(source.text)
        index = found.start() if found else 0
        what = error.reason
    except RecursionError:
        what = "values are nested too deeply"
    raise FormatError(f"{path} is not valid YAML: {what}", where=[source.place(index)], fix="correct the YAML there")


def plain_or_quoted(new: str, like: str) -> str:
    """Return ``new`` as a YAML scalar in the quotes of the token text ``like``.

    A plain one stays plain unless YAML would not read the new text as that string.
    """
    if like.startswith("'"):
        return f"'{new}'"
    if like.startswith('"') or not _reads_as_text(new):
        return f'"{new}"'
    return new


def _reads_as_text(text: str) -> bool:
    import yaml

    try:
        node = yaml.compose(f"{text} # end", Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return False
    return node is not None and node.tag == "tag:yaml.org,2002:str" and node.value == text


def fast_loader() -> Any:
    """Return the fast loader where PyYAML has it; both place values alike."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
