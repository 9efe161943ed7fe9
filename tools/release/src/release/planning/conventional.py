"""Read what a commit message says to a release.

Sources: https://www.conventionalcommits.org/en/v1.0.0/ ; git's own wording of reverts, cherry-picks and squashes;
GitHub's wording of reverts and of squash bodies.
"""

from __future__ import annotations

import re

from release.model.commit import Change, Message

__all__ = ["KNOWN_TYPES", "parse_message"]

KNOWN_TYPES = frozenset(
    {
        "build",
        "chore",
        "ci",
        "deps",
        "docs",
        "feat",
        "fix",
        "perf",
        "refactor",
        "revert",
        "security",
        "style",
        "test",
    }
)
"""Types that are believed in the list of a squash body, where prose could look like a header."""

_HEADER = re.compile(r"(?P<type>[^\W_][\w-]*)(?:\((?P<scope>[^()\r\n]+)\))?(?P<bang>!)?: +(?P<text>\S.*)")
_FOOTER = re.compile(r"(?P<token>BREAKING CHANGE|BREAKING-CHANGE|[A-Za-z][\w-]*)(?:: | #)(?P<value>.*)")
_BREAKING = re.compile(r"BREAKING[ -]CHANGE: ")
_BULLET = re.compile(r"[*-] +(?P<header>.+)")
_SQUASHED = re.compile(r"commit [0-9a-f]{7,64}")
_PULL = re.compile(r"\(#([0-9]{1,18})\)\s*$")
_REVERTS = re.compile(r"\b[Tt]his reverts commit ([0-9a-fA-F]{7,64})\b")
_REVERTS_PULL = re.compile(r"^Reverts (?:[\w.-]+/[\w.-]+)?#([0-9]{1,18})\s*$", re.MULTILINE)
_PICKED = re.compile(r"^\(cherry picked from commit ([0-9a-f]{7,64})\)\s*$", re.MULTILINE)
_BUILD = re.compile(r"[0-9]{1,18}")
_SHA = re.compile(r"\b[0-9a-fA-F]{7,64}\b")


def parse_message(text: str) -> Message:
    """Return the facts in the commit message ``text``; never raises."""
    lines = text.replace("\r\n", "\n").strip("\n").split("\n")
    subject = lines[0].strip()
    if len(lines) == 1:
        footers: list[tuple[str, str]] = []
        body: list[str] = []
    else:
        body, footers = _split_footers(lines[1:])
    breaking = [value for token, value in footers if token in ("BREAKING CHANGE", "BREAKING-CHANGE")]
    header = _change(subject)
    if header is None:
        header = Change("", "", subject, breaking[0] if breaking else None)
    elif breaking:
        header = Change(header.type, header.scope, header.description, "\n\n".join(breaking))
    body_text = "\n".join(body)
    whole = "\n".join(lines[1:])
    pull = _PULL.search(subject)
    reverts_pull = _REVERTS_PULL.search(whole)
    return Message(
        subject=subject,
        changes=(header, *_listed(body)),
        footers=tuple(footers),
        reverts=_reverts(header, body_text + "\n" + whole, footers, subject),
        reverts_pull=int(reverts_pull[1]) if reverts_pull else None,
        picked_from=tuple(_PICKED.findall(whole)),
        pull=int(pull[1]) if pull else None,
        release_as=tuple(_release_as(_first_line(value)) for token, value in footers if token.lower() == "release-as"),
        released=_released(footers, "release-component"),
        rebuilt=_released(footers, "release-build"),
    )


def _change(line: str, *, from_body: bool = False) -> Change | None:
    match = _HEADER.fullmatch(line.strip())
    if match is None or (from_body and match["type"].lower() not in KNOWN_TYPES):
        return None
    text = match["text"].strip()
    return Change(
        match["type"].lower(),
        (match["scope"] or "").strip(),
        text,
        text if match["bang"] else None,
        from_body,
    )


def _split_footers(lines: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Split what follows the subject into body lines and footers.

    Footers start at the first line after a blank one that has a footer's form; from there on a value runs until the
    next footer; a line of ``git cherry-pick -x`` belongs to none. A ``BREAKING CHANGE:`` line counts wherever it
    starts a line, as in Angular's own parser: to miss one costs more than to believe one. Where a squash commit's
    list goes on after footers, those were of the entry above: its ``BREAKING CHANGE`` stays with it in the body.
    """
    body: list[str] = []
    footers: list[tuple[str, list[str]]] = []
    inside = blank = False
    for line in lines:
        if _PICKED.fullmatch(line):
            continue
        match = _FOOTER.fullmatch(line)
        if match is not None and (inside or blank or _BREAKING.match(line)):
            footers.append((match["token"], [match["value"]]))
            inside = True
        elif inside and not (blank and _BULLET.fullmatch(line)):
            footers[-1][1].append(line)
        else:
            if inside:
                body += [f"{token}: {value[0]}" for token, value in footers if _BREAKING.match(f"{token}: ")]
                footers = [footer for footer in footers if not _BREAKING.match(f"{footer[0]}: ")]
                inside = False
            body.append(line)
        blank = not line.strip()
    return body, [(token, "\n".join(value).strip()) for token, value in footers]


def _listed(body: list[str]) -> list[Change]:
    """Return the changes listed in a squash commit's body.

    GitHub writes each squashed commit's subject as a bullet and what it says below; ``git merge --squash`` writes
    the log, messages indented by four spaces.
    """
    changes: list[Change] = []
    git_squash = False
    for line in body:
        if _SQUASHED.fullmatch(line.strip()):
            git_squash = True
            continue
        bullet = _BULLET.fullmatch(line)
        header = bullet["header"] if bullet else line if git_squash and line.startswith("    ") else None
        change = _change(header, from_body=True) if header else None
        if change is not None:
            changes.append(change)
        elif changes and changes[-1].breaking is None and (match := _BREAKING.match(line.strip())):
            last = changes.pop()
            changes.append(Change(last.type, last.scope, last.description, line.strip()[match.end() :], True))
    return changes


def _reverts(header: Change, text: str, footers: list[tuple[str, str]], subject: str) -> tuple[str, ...]:
    found = [sha.lower() for sha in _REVERTS.findall(text)]
    if header.type == "revert" or subject.startswith(("Revert ", "Reapply ")):
        for token, value in footers:
            if token.lower() in ("refs", "reverts", "revert"):
                found += [sha.lower() for sha in _SHA.findall(value)]
    return tuple(dict.fromkeys(found))


def _first_line(value: str) -> str:
    return value.partition("\n")[0]


def _release_as(value: str) -> tuple[str | None, str]:
    words = value.replace("=", " ").split()
    return (words[0], words[1].removeprefix("v")) if len(words) > 1 else (None, value.strip().removeprefix("v"))


def _released(footers: list[tuple[str, str]], name: str) -> tuple[tuple[str, str, int | None], ...]:
    found = []
    for token, value in footers:
        words = _first_line(value).split()
        if token.lower() == name and len(words) in (2, 3):
            build = int(words[2]) if len(words) == 3 and _BUILD.fullmatch(words[2]) else None
            found.append((words[0], words[1], build))
    return tuple(found)
