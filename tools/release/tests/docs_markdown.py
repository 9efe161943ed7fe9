"""Documents as the tests of documents see them: headings, links and fenced blocks with the comment above them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Block", "Document", "Link", "anchor"]

_FENCE = re.compile(r"(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*).*")
_COMMENT = re.compile(r"<!--\s*(?P<key>[a-z ]+?):\s*(?P<value>.*?)\s*-->")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(?P<text>.*?)(?:[ \t]+#+)?[ \t]*")
_LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\[\]]*\])*\]\((?P<target>[^()\s]+(?:\([^()]*\))?)(?:\s+\"[^\"]*\")?\)")
_CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its lines, the 1-based line of its fence and the comments right above it."""

    language: str
    lines: tuple[str, ...]
    line: int
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The block's content."""
        return "".join(f"{line}\n" for line in self.lines)


@dataclass(frozen=True, slots=True)
class Link:
    """Where a link leads and the 1-based line it is on."""

    target: str
    line: int


@dataclass(frozen=True, slots=True)
class Document:
    """One Markdown file."""

    path: Path
    blocks: tuple[Block, ...]
    links: tuple[Link, ...]
    anchors: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> Document:
        """Return the document at ``path``."""
        lines = path.read_text(encoding="utf-8").splitlines()
        blocks = tuple(_blocks(lines))
        fenced = {n for block in blocks for n in range(block.line, block.line + len(block.lines) + 2)}
        prose = [(n, line) for n, line in enumerate(lines, 1) if n not in fenced]
        links = tuple(
            Link(found["target"], n)
            for n, line in prose
            for found in _LINK.finditer(_CODE_SPAN.sub(lambda span: "x" * len(span[0]), line))
        )
        return cls(path, blocks, links, frozenset(_anchors(line for _, line in prose)))


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def _anchors(lines: Iterator[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for line in lines:
        found = _HEADING.fullmatch(line)
        if found is not None:
            name = anchor(found["text"])
            count = seen.get(name, 0)
            seen[name] = count + 1
            yield f"{name}-{count}" if count else name


def _blocks(lines: list[str]) -> Iterator[Block]:
    fence, start, language, indent = "", 0, "", 0
    notes: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if fence:
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                body = tuple(each[indent:] if each[:indent].isspace() else each for each in lines[start : number - 1])
                yield Block(language, body, start, notes)
                fence, notes = "", {}
            continue
        opened = _FENCE.fullmatch(line)
        if opened is not None:
            fence, start, language, indent = opened["fence"], number, opened["language"], len(opened["indent"])
        elif found := _COMMENT.fullmatch(line.strip()):
            notes[found["key"]] = found["value"]
        elif line.strip():
            notes = {}
