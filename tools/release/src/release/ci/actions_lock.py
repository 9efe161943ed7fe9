"""Pins in the form of GitHub's own lock, ``.github/workflows/actions.lock``, version v0.0.2 (a technical preview).

Source: https://github.com/github/actions-lockfile (``go/pkg/lockfile``), whose parser refuses a file in which an entry
has no ``owner_id`` or ``repo_id``, and https://github.com/github/gh-actions-lock, which writes it. Pins know neither
these numbers nor what an action uses itself; they are taken over from a lock that is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from release.ci.pins import Pins
from release.ci.uses import Use
from release.errors import PinError
from release.formats.yaml import YamlFile, parse_yaml

__all__ = ["LOCK", "Export", "Known", "export", "known"]

LOCK = ".github/workflows/actions.lock"
"""Where GitHub looks for it."""

_VERSION = "v0.0.2"
_NUMBER = re.compile(r"[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class Known:
    """What a lock knows that pins don't: numbers by repository in lower case, and entries by key as they stand."""

    numbers: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    entries: Mapping[str, tuple[str, str, tuple[str, ...]]] = field(default_factory=dict)
    """By key: ref, commit (``sha1-…``), the keys of what it uses."""


@dataclass(frozen=True, slots=True)
class Export:
    """The text of the lock, the repositories whose numbers it lacks, and the keys whose own uses it can't know."""

    text: str
    without_numbers: tuple[str, ...]
    without_uses: tuple[str, ...]


def known(content: bytes | None, path: str = LOCK) -> Known:
    """Return what the lock ``content`` knows; nothing without one.

    Raises:
        FormatError: it is not YAML, or not of the form of a lock.
        PinError: it is of a version that isn't known here.
    """
    if content is None:
        return Known()
    file = parse_yaml(content, path)
    version = file.optional_text(file.root.get("version"))
    if version != _VERSION:
        raise PinError(
            f"{path} is of version {version}; {_VERSION} is known here",
            where=[file.place(file.root["version"])] if "version" in file.root else (),
            fix="name another file, or none",
        )
    numbers: dict[str, tuple[int, int]] = {}
    entries: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    dependencies = file.root.get("dependencies")
    for key, node in (file.mapping(dependencies) if dependencies is not None else {}).items():
        values = file.mapping(node)
        numbers[key.rpartition("@")[0].lower()] = (_number(file, values, "owner_id"), _number(file, values, "repo_id"))
        used = values.get("uses")
        entries[key.lower()] = (
            file.text(values["ref"]) if "ref" in values else "",
            file.text(values["commit"]) if "commit" in values else "",
            tuple(file.text(item).lower() for item in file.sequence(used)) if used is not None else (),
        )
    return Known(numbers, entries)


def _number(file: YamlFile, values: Mapping[str, object], key: str) -> int:
    node = values.get(key)
    text = file.optional_text(node)  # type: ignore[arg-type]
    if text is None or not _NUMBER.fullmatch(text):
        file.refuse(f"an entry has no {key}", node)  # type: ignore[arg-type]
    return int(text)


def export(pins: Pins, used: Iterable[Use], there: Known) -> Export:
    """Return the lock of the workflows in which ``used`` stand, as far as ``pins`` and the lock ``there`` know it.

    Raises:
        PinError: a workflow uses an action that is not pinned, or at another commit than its pin.
    """
    workflows: dict[str, set[str]] = {}
    entries: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    unknown: list[str] = []
    for use in used:
        pin = pins.of(use.uses)
        if use.ref != pin.sha:
            raise PinError(
                f"{use.uses} is used at {use.ref[:40]} and pinned at {pin.sha}",
                where=[use.place, pin.place],
                fix="run `release ci generate`, or `release ci pins adopt` to keep what the workflow has",
            )
        key = f"{use.repository}@{use.ref}".lower()
        workflows.setdefault(use.place.path, set()).add(key)
        commit = f"sha1-{pin.sha}"
        same = there.entries.get(key)
        if same is not None and same[1] == commit:
            entries |= _closure(key, there)
        else:
            unknown.append(key)
        entries[key] = (pin.version, commit, same[2] if same is not None and same[1] == commit else ())
    missing = sorted({key.rpartition("@")[0] for key in entries} - there.numbers.keys())
    lines = [
        "# Made by `release ci pins export` from the pins of this repository.",
        *(f"# The numbers of {name} are missing." for name in missing),
        f"version: '{_VERSION}'",
        "workflows:" if workflows else "workflows: {}",
    ]
    for path, keys in sorted(workflows.items()):
        lines += [f"    {_quoted(path)}:", *(f"        - {_quoted(key)}" for key in sorted(keys))]
    lines.append("dependencies:" if entries else "dependencies: {}")
    for key, (ref, commit, inner) in sorted(entries.items()):
        lines += [f"    {_quoted(key)}:", f"        ref: {_quoted(ref)}", f"        commit: {_quoted(commit)}"]
        numbers = there.numbers.get(key.rpartition("@")[0])
        if numbers is not None:
            lines += [f"        owner_id: {numbers[0]}", f"        repo_id: {numbers[1]}"]
        if inner:
            lines += ["        uses:", *(f"            - {_quoted(one)}" for one in sorted(inner))]
    return Export("\n".join(lines) + "\n", tuple(missing), tuple(sorted(set(unknown))))


def _closure(key: str, there: Known) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Return the entries that ``key`` uses, and what these use."""
    found: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    todo = list(there.entries[key][2])
    while todo:
        one = todo.pop()
        if one not in found and one in there.entries:
            found[one] = there.entries[one]
            todo += there.entries[one][2]
    return found


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
