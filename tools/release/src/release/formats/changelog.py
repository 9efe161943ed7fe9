"""Changelogs in Markdown: ``CHANGELOG.md`` and Moodle's ``CHANGES.md``.

New sections have the form of https://keepachangelog.com/en/1.1.0/ ; whatever stands in a file is kept byte
for byte. What people wrote under *Unreleased* becomes part of the new section, because the section's heading
is put between that heading and the text.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from release.formats.source import Source
from release.model.edit import Replacement

__all__ = ["Entry", "Section", "insert", "notes", "render_section"]


class Section(enum.StrEnum):
    """The groups of entries, in the order in which they are written."""

    ADDED = "Added"
    CHANGED = "Changed"
    DEPRECATED = "Deprecated"
    REMOVED = "Removed"
    FIXED = "Fixed"
    SECURITY = "Security"
    DEPENDENCIES = "Dependencies"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a section: plain text, maybe with Markdown's code spans and links."""

    section: Section
    text: str


@dataclass(frozen=True, slots=True)
class _Heading:
    """A heading: its characters from ``start`` to ``end`` (line end not counted), level and text."""

    start: int
    end: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class _Style:
    """How a file writes its version headings."""

    eol: str
    level: int
    opening: str
    closing: str
    dated: str

    def heading(self, version: str, date: str | None) -> str:
        """Return the heading of ``version``, without line end."""
        dated = self.dated.format(date) if date is not None else ""
        return f"{'#' * self.level} {self.opening}{version}{self.closing}{dated}"

    def group(self, section: Section) -> str:
        """Return the heading of a group, without line end."""
        return f"{'#' * min(self.level + 1, 6)} {section}"


_HEADER = """# Changelog

All notable changes to this component are written down here, newest first.
The format is that of [Keep a Changelog](https://keepachangelog.com/en/1.1.0/), and the versions are those of
[Semantic Versioning](https://semver.org/spec/v2.0.0.html).

## [Unreleased]
"""
_DEFAULT = _Style("\n", 2, "[", "]", " - {}")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_BULLET = re.compile(r" {0,3}([-*+])[ \t]")
_REFERENCE = re.compile(r" {0,3}\[[^\]]+\]:[ \t]*\S")
_LABEL = re.compile(r"^ {0,3}\[([^\]\n]+)\]:", re.MULTILINE)
_COMPARED = re.compile(
    r"^ {0,3}\[Unreleased\](?P<lead>:[ \t]*<?[^\s<>]*/compare/)(?P<base>[^\s<>?#]+?)"
    r"(?P<dots>\.{2,3})[^\s<>?#.][^\s<>?#]*(?P<tail>>?)[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE,
)
_VERSION = re.compile(
    r"(?:\*\*|__)?(?P<before>(?:version|release)?[ \t:]*\[?v?)(?P<version>\d+(?:\.\d+)+[\w.+-]*|\d{8,10})"
    r"(?P<after>\]?)(?P<rest>.*)",
    re.IGNORECASE,
)
_PLAIN_VERSION = re.compile(
    r"(?:\*\*|__)?(?:version|release)?[ \t]*v?\d+\.\d+[\w.+-]*"
    r"(?:[ \t]*[-(:\u2013\u2014].*)?(?:\*\*|__)?:?[ \t]*",
    re.IGNORECASE,
)
_UNRELEASED = re.compile(r"\W*unreleased\b", re.IGNORECASE)
_ANCHOR = re.compile(r"^<a [^\n]*\s*\Z", re.MULTILINE)
_CODE = re.compile(r"(`+)(?!`)(?:.*?)(?<!`)\1(?!`)", re.DOTALL)


def render_section(version: str, date: str | None, entries: Sequence[Entry]) -> str:
    """Return the section of ``version`` in Keep a Changelog's form, ended by a line feed.

    ``date`` is ISO, or ``None`` for what is not released yet.
    """
    return f"{_DEFAULT.heading(version, date)}{_groups(_DEFAULT, entries, set())}\n"


def insert(
    content: bytes | None, version: str, date: str, entries: Sequence[Entry], path: str = "CHANGELOG.md"
) -> list[Replacement]:
    """Return the edits which add the section of ``version`` to the changelog ``content``.

    ``None`` makes the file. A file that has the section already needs none. Headings may be of any level and
    style; the new one is written like the others. Where the link definitions at the file's end compare the newest
    version with what is unreleased, the new version gets such a definition, and what is unreleased begins there.

    Raises:
        FormatError: the file is not UTF-8.
    """
    if content is None or not content.strip():
        whole = f"{_HEADER}\n{render_section(version, date, entries)}"
        return [Replacement(0, (content or b"").decode(), whole)]
    source = Source(content, path)
    headings = list(_headings(source.text))
    versions = [heading for heading in headings if _VERSION.match(heading.text)]
    if any(_names(heading, version) for heading in versions):
        return []
    unreleased = next((heading for heading in headings if _UNRELEASED.match(heading.text)), None)
    style = _style(source.text, unreleased, versions)
    links = _links(source, versions, style, version)
    if unreleased is None:
        return [_before(source, versions, style, version, date, entries), *links]
    texts = _after(source, headings, unreleased, style, version, date, entries)
    return [*(Replacement(source.byte(index), "", text) for index, text in sorted(texts.items())), *links]


def notes(content: bytes | None, version: str) -> str:
    """Return the text below the heading of ``version`` in the changelog ``content``, ``""`` where there is none."""
    text = (content or b"").decode("utf-8-sig", errors="replace")
    headings = list(_headings(text))
    for position, heading in enumerate(headings):
        if _names(heading, version):
            end = _section_end(text, headings, position)
            return text[heading.end : end].replace("\r\n", "\n").strip()
    return ""


def _before(
    source: Source, versions: list[_Heading], style: _Style, version: str, date: str, entries: Sequence[Entry]
) -> Replacement:
    """Put the section above the first version, or below all else but link definitions."""
    section = f"{style.heading(version, date)}{_groups(style, entries, set())}{style.eol}"
    at = versions[0].start if versions else _content_end(source.text)
    if anchor := _ANCHOR.search(source.text, 0, at):
        at = anchor.start()
    before, rest = source.text[:at], source.text[at:]
    lead = "" if not before or before.endswith(style.eol * 2) else style.eol
    if before and not before.endswith("\n"):
        lead = style.eol * 2
    tail = style.eol if rest.strip() and not rest.startswith(("\n", "\r\n")) else ""
    return Replacement(source.byte(at), "", f"{lead}{section}{tail}")


def _after(
    source: Source,
    headings: list[_Heading],
    unreleased: _Heading,
    style: _Style,
    version: str,
    date: str,
    entries: Sequence[Entry],
) -> dict[int, str]:
    """Return what is inserted where, so that the text under ``unreleased`` comes to be the version's."""
    position = headings.index(unreleased)
    end = _section_end(source.text, headings, position)
    texts = {unreleased.end: f"{style.eol}{style.eol}{style.heading(version, date)}"}
    present: set[Section] = set()
    for number in range(position + 1, len(headings)):
        group = headings[number]
        if group.start >= end:
            break
        name = group.text.strip().strip(":").capitalize()
        section = next((section for section in Section if section == name and section not in present), None)
        if section is None:
            continue
        present.add(section)
        follower = headings[number + 1].start if number + 1 < len(headings) else end
        body = source.text[group.end : min(follower, end)]
        bullet = next((found[1] for line in body.split("\n") if (found := _BULLET.match(line))), "-")
        if bullets := _bullets(style, entries, section, bullet):
            texts[group.end + len(body.rstrip())] = style.eol * (1 if body.strip() else 2) + bullets
    body_end = unreleased.end + len(source.text[unreleased.end : end].rstrip())
    texts[body_end] = texts.get(body_end, "") + _groups(style, entries, present)
    return {at: text for at, text in texts.items() if text}


def _links(source: Source, versions: list[_Heading], style: _Style, version: str) -> Iterator[Replacement]:
    """Yield the edits of the link definitions; none where their style doesn't tell how to write the new one."""
    start = _content_end(source.text)
    compared = _COMPARED.search(source.text, start)
    newest = _VERSION.match(versions[0].text) if versions else None
    if compared is None or newest is None:
        return
    old, base = newest["version"], compared["base"]
    labels = _LABEL.findall(source.text, start)
    label = next((one for one in labels if one in (old, f"v{old}")), f"{style.opening.strip('[')}{old}")
    label = label.removesuffix(old) + version
    prefix = base.removesuffix(old)
    if prefix == base or prefix.endswith((*"0123456789", ".")) or label in labels:
        return
    at = compared.start("base") + len(prefix)
    yield source.token(at, at + len(old)).replaced_by(version)
    link = f"[{label}]{compared['lead']}{base}{compared['dots']}{prefix}{version}{compared['tail']}"
    yield Replacement(source.byte(compared.end("tail")), "", f"{style.eol}{link}")


def _groups(style: _Style, entries: Sequence[Entry], present: set[Section]) -> str:
    """Return the groups that are not ``present``, each with a blank line above, without the last line end."""
    groups = ((section, _bullets(style, entries, section, "-")) for section in Section)
    return "".join(
        f"{style.eol * 2}{style.group(section)}{style.eol * 2}{bullets}"
        for section, bullets in groups
        if bullets and section not in present
    )


def _bullets(style: _Style, entries: Sequence[Entry], section: Section, bullet: str) -> str:
    """Return a list of the different entries of ``section``, without the last line end."""
    texts = dict.fromkeys(_escaped(entry.text) for entry in entries if entry.section is section)
    return style.eol.join(f"{bullet} {text}".replace("\n", f"{style.eol}  ") for text in texts if text)


def _escaped(text: str) -> str:
    """Return ``text`` such that Markdown shows it as it is; code spans and links keep their meaning."""
    lines = [re.sub(r"[\x00-\x1f\x7f]", " ", line).strip() for line in text.splitlines()]
    text = "\n".join(line for line in lines if line)
    parts: list[str] = []
    at = 0
    for code in _CODE.finditer(text):
        parts += [_escaped_plain(text[at : code.start()]), code[0]]
        at = code.end()
    parts.append(_escaped_plain(text[at:]))
    return re.sub(
        r"^(#{1,6}(?=\s|$)|>|[-+*](?=\s|$)|=+$|-+$|~~~|(?:\d+)(?=[.)](?:\s|$))|\[(?=[^\]]+\]:))",
        lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}",
        "".join(parts),
        flags=re.MULTILINE,
    )


def _escaped_plain(text: str) -> str:
    text = text.replace("`", "\\`")
    text = re.sub(r"<(?=[A-Za-z/!?])(?!https?://[^\s<>]*>)", r"\\<", text)
    return re.sub(r"(?<![\w\\])__(?=\w)|(?<=\w)__(?!\w)", r"\\_\\_", text)


def _headings(text: str) -> Iterator[_Heading]:
    """Yield the headings outside code blocks and comments; a bold or plain line with a version is one."""
    fence = ""
    comment = False
    previous: tuple[int, str] | None = None
    at = 0
    for raw in text.split("\n"):
        line, start = raw.rstrip("\r"), at
        at += len(raw) + 1
        end = start + len(line)
        opened = _FENCE.match(line)
        if fence:
            if opened and opened[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            continue
        if comment or line.lstrip().startswith("<!--"):
            comment = "-->" not in line
            previous = None
            continue
        if opened:
            fence, previous = opened[1], None
        elif found := _ATX.fullmatch(line):
            yield _Heading(start, end, len(found[1]), found[2] or "")
            previous = None
        elif (found := _SETEXT.fullmatch(line)) and previous is not None:
            yield _Heading(previous[0], end, 1 if "=" in line else 2, previous[1].strip())
            previous = None
        else:
            yield from _plain_version(text, previous)
            previous = (start, line) if line.strip() and not _BULLET.match(line) else None
    yield from _plain_version(text, previous)


def _plain_version(text: str, paragraph: tuple[int, str] | None) -> Iterator[_Heading]:
    """Yield the heading that a paragraph's line (start, text) is: a version with a blank line above."""
    if paragraph is not None and _PLAIN_VERSION.fullmatch(paragraph[1]):
        start, line = paragraph
        if start == 0 or text[max(start - 4, 0) : start].replace("\r", "").endswith("\n\n"):
            yield _Heading(start, start + len(line), 2, line)


def _names(heading: _Heading, version: str) -> bool:
    found = _VERSION.match(heading.text)
    return found is not None and found["version"] == version


def _style(text: str, unreleased: _Heading | None, versions: list[_Heading]) -> _Style:
    eol = "\r\n" if "\r\n" in text[: text.find("\n") + 1] else "\n"
    first = versions[0] if versions else None
    level = unreleased.level if unreleased else min((one.level for one in versions), default=2)
    found = _VERSION.match(first.text) if first else None
    if found is None:
        bracketed = unreleased is None or "[" in unreleased.text
        return _Style(eol, level, "[" if bracketed else "", "]" if bracketed else "", " - {}")
    bracket = "[" if "[" in found["before"] and found["after"] else ""
    prefix = "v" if found["before"].lower().endswith("v") else ""
    rest = re.sub(r"^\([^)]*\)", "", found["rest"]) if bracket else found["rest"]
    dated = " ({})" if re.match(r"[ \t]*\(", rest) else " - {}"
    return _Style(eol, level, bracket + prefix, "]" if bracket else "", dated)


def _section_end(text: str, headings: list[_Heading], position: int) -> int:
    """Return where the section of ``headings[position]`` ends: at the next of its rank, or at a version."""
    own = headings[position]
    for heading in headings[position + 1 :]:
        if heading.level <= own.level or _VERSION.match(heading.text):
            return heading.start
    return max(_content_end(text), own.end)


def _content_end(text: str) -> int:
    """Return where the link definitions (and blank lines) at the end of ``text`` begin."""
    end = len(text)
    while end:
        start = text.rfind("\n", 0, end - 1) + 1
        line = text[start:end]
        if line.strip() and not _REFERENCE.match(line):
            break
        end = start
    return end
