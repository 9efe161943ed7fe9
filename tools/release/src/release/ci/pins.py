"""Pins: the commit that each action is used at, as data.

The table that comes with the package is ``pins.yaml`` beside this file. A repository's own :data:`OWN` has the same
form and goes before it, entry by entry::

    pins:
      - uses: actions/checkout     # OWNER/NAME, or OWNER/NAME/PATH
        sha: 3d3c42e5aac5ba805825da76410c181273ba90b1
        version: "v7.0.1"          # the tag that names this commit
        single-source: true        # optional: fewer than two places confirm it
        note: text                 # optional

A commit is one of a repository and not of a path in it, so an entry serves every action of its repository.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from release.errors import PinError, Place
from release.formats.yaml import YamlFile, parse_yaml, plain_or_quoted
from release.model.edit import FileEdit, Replacement

if TYPE_CHECKING:
    from yaml.nodes import Node

__all__ = ["OWN", "PACKAGED", "SHA", "USES", "Pin", "Pins", "edit", "repository_of"]

OWN = ".github/pins.yaml"
"""Where a repository keeps pins of its own."""

PACKAGED = "release/ci/pins.yaml"
"""What the packaged table is called in messages."""

_KEYS = ("uses", "sha", "version", "single-source", "note")
_PART = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+"
USES = re.compile(rf"[A-Za-z0-9][A-Za-z0-9-]*/{_PART}(?:/{_PART})*")
"""An action as a workflow names it, without what comes after ``@``."""
SHA = re.compile(r"[0-9a-f]{40}")
"""A commit as a pin names it."""
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*")
_HEADER = "# Pins of this repository; they go before those that come with `release`. See `release ci pins`.\n"


@dataclass(frozen=True, slots=True)
class Pin:
    """An action at one commit: ``sha`` is 40 lower-case hexadecimal digits, ``version`` the tag that names it."""

    uses: str
    sha: str
    version: str
    single_source: bool = False
    note: str = ""
    place: Place = dataclasses.field(default=Place(OWN), compare=False)

    @property
    def repository(self) -> str:
        """The repository that the action is in, ``OWNER/NAME``."""
        return repository_of(self.uses)

    @property
    def own(self) -> bool:
        """Whether the repository's own file has it."""
        return self.place.path == OWN


def repository_of(uses: str) -> str:
    """Return ``OWNER/NAME`` of the action ``OWNER/NAME`` or ``OWNER/NAME/PATH``."""
    return "/".join(uses.split("/")[:2])


@dataclass(frozen=True, slots=True)
class Pins:
    """All pins by the action that they are written for, in the order of the tables."""

    entries: Mapping[str, Pin]

    @classmethod
    def load(cls, own: bytes | None) -> Pins:
        """Return the packaged pins with those of ``own``, the content of :data:`OWN`, before them.

        Raises:
            FormatError: ``own`` is not of the form above; an entry is there twice, a SHA not one.
        """
        from importlib.resources import files

        packaged = files("release.ci").joinpath("pins.yaml").read_bytes()
        mine = {pin.uses.lower(): pin for pin in _parse(own, OWN)} if own is not None else {}
        whole = {pin.uses.lower(): pin for pin in _parse(packaged, PACKAGED)} | mine
        return cls({pin.uses: pin for pin in whole.values()})

    def of(self, uses: str) -> Pin:
        """Return the pin of the action ``uses``: its own entry, or that of another action in its repository.

        Raises:
            PinError: there is none, or the entries of the repository disagree.
        """
        return dataclasses.replace(self.entry_for(uses), uses=uses)

    def entry_for(self, uses: str) -> Pin:
        """Return the entry that the action ``uses`` is pinned by; see :meth:`of`."""
        if (found := self.entries.get(uses)) is not None:
            return found
        same = self.of_repository(repository_of(uses))
        if len({pin.sha for pin in same}) == 1:
            return same[0]
        if same:
            raise PinError(
                f"{uses} is not pinned, and the pins of {same[0].repository} disagree",
                where=[pin.place for pin in same],
                fix=f"add an entry for {uses} to {OWN}",
            )
        import difflib

        near = difflib.get_close_matches(uses, self.entries, n=1, cutoff=0.85)
        raise PinError(
            f"{uses} is not pinned" + (f"; {near[0]} is" if near else ""),
            where=[Place(OWN)],
            fix=f"add uses, sha and version to {OWN}, then run `release ci pins verify`",
        )

    def of_repository(self, repository: str) -> tuple[Pin, ...]:
        """Return the entries of ``repository`` (``OWNER/NAME``; GitHub does not tell case)."""
        wanted = repository.lower()
        return tuple(pin for pin in self if pin.repository.lower() == wanted)

    def __iter__(self) -> Iterator[Pin]:
        return iter(self.entries.values())

    def __len__(self) -> int:
        return len(self.entries)


def edit(own: bytes | None, changed: Iterable[Pin]) -> FileEdit:
    """Return the edit of :data:`OWN` (its content ``own``; ``None``: none yet) after which it has the pins ``changed``.

    An entry that is there gets its new SHA and version in place, comments and all else kept. New ones come after
    the last, sorted by name.

    Raises:
        FormatError: ``own`` is not of the form above, or its list is written in braces, where no line can be added.
    """
    if own is None:
        return FileEdit.build(OWN, None, [Replacement(0, "", _HEADER + "pins:\n" + _written(changed, "  "))])
    file = parse_yaml(own, OWN)
    there = {pin.uses.lower(): node for pin, node in _entries(file)}
    replacements: list[Replacement] = []
    new: list[Pin] = []
    for pin in changed:
        if pin.uses.lower() not in there:
            new.append(pin)
            continue
        values = file.mapping(there[pin.uses.lower()])
        for key, value in (("sha", pin.sha), ("version", pin.version)):
            token = file.token(values[key])
            replacements.append(token.replaced_by(plain_or_quoted(value, token.text)))
    if new:
        replacements.append(_insertion(file, list(there.values()), new))
    return FileEdit.build(OWN, own, [one for one in replacements if one.old != one.new])


def _insertion(file: YamlFile, entries: Sequence[Node], new: Iterable[Pin]) -> Replacement:
    """Return the edit that puts ``new`` after the last of ``entries``."""
    text = file.source.text
    pins = file.root.get("pins")
    head, indent = "", "  "
    if pins is None:
        at, head = len(text), "pins:\n"
    elif not entries and text[slice(*file.span(pins))].strip() == "":
        at = _end_of_line(text, file.span(pins)[1])
    elif not entries or getattr(pins, "flow_style", False):
        file.refuse("no line can be added to this list", pins, fix="write `pins:` and each entry on lines of their own")
    else:
        values = file.mapping(entries[-1]).values()
        at = _end_of_line(text, len(text[: max(file.span(value)[1] for value in values)].rstrip()))
        indent = " " * pins.start_mark.column
    lead = "" if at == 0 or text[:at].endswith("\n") else "\n"
    return Replacement(file.source.byte(at), "", lead + head + _written(new, indent))


def _end_of_line(text: str, index: int) -> int:
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1


def _written(pins: Iterable[Pin], indent: str) -> str:
    lines = []
    for pin in sorted(pins, key=lambda pin: pin.uses.lower()):
        lines += [f"- uses: {pin.uses}", f"  sha: {_plain(pin.sha)}", f'  version: "{pin.version}"']
    return "".join(f"{indent}{line}\n" for line in lines)


def _plain(text: str) -> str:
    return plain_or_quoted(text, like=text)


def _parse(content: bytes, path: str) -> list[Pin]:
    return [pin for pin, _ in _entries(parse_yaml(content, path))]


def _entries(file: YamlFile) -> list[tuple[Pin, Node]]:
    for key, node in file.root.items():
        if key != "pins":
            file.refuse(f"unknown key {key!r}", node, fix="the only key at the top is `pins`")
    pins = file.root.get("pins")
    if pins is None or pins.tag == "tag:yaml.org,2002:null":
        return []
    found: list[tuple[Pin, Node]] = []
    seen: dict[str, Place] = {}
    for item in file.sequence(pins):
        pin = _pin(file, item)
        if (other := seen.get(pin.uses.lower())) is not None:
            file.refuse(f"{pin.uses} is pinned twice, first in line {other.line}", item, fix="remove one of the two")
        seen[pin.uses.lower()] = pin.place
        found.append((pin, item))
    return found


def _pin(file: YamlFile, item: Node) -> Pin:
    values = file.mapping(item)
    for key in values:
        if key not in _KEYS:
            file.refuse(f"unknown key {key!r}", values[key], fix=f"use {', '.join(_KEYS)}")
    for key in ("uses", "sha", "version"):
        if key not in values:
            file.refuse(f"{key} is missing", item, fix=f"add {key}: …")
    uses = _matching(file, values["uses"], USES, "an action", "write OWNER/NAME or OWNER/NAME/PATH")
    sha = _matching(file, values["sha"], SHA, "a commit", "write all 40 hexadecimal digits, in lower case")
    version = _matching(file, values["version"], _VERSION, "a version", "write the tag of the commit, such as v1.2.3")
    single = values.get("single-source")
    if single is not None and not isinstance(file.value(single), bool):
        file.refuse("true or false is expected here", single)
    note = values.get("note")
    return Pin(
        uses,
        sha,
        version,
        single is not None and file.value(single) is True,
        "" if note is None else file.text(note),
        file.place(values["uses"]),
    )


def _matching(file: YamlFile, node: Node, pattern: re.Pattern[str], what: str, fix: str) -> str:
    text = file.line(node)
    if not pattern.fullmatch(text):
        file.refuse(f"{text!r} is not {what}", node, fix=fix)
    return text
