"""What a plan does, in Markdown for people: addresses and actions, no values of attributes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from release.errors import FormatError, Place
from release.terraform import show
from release.terraform.bind import Planned
from release.terraform.show import Change

__all__ = ["listed", "marker", "marker_of", "summary"]

_LONGEST = 56_000
"""Characters of a list at most; GitHub takes comments and issues of 65,536."""
_SIGNS = {"create": "+", "update": "!", "replace": "-", "destroy": "-", "forget": "#", "import": "#", "move": "#"}
_MARKER = re.compile(r"<!-- release:[a-z-]+ \S+ \S+ -->")


def marker(what: str, root: str, environment: str) -> str:
    """Return the line by which a comment or an issue about a root and environment is found again."""
    return f"<!-- release:{what} {quote(root)} {quote(environment)} -->"


def marker_of(text: str, path: str) -> str:
    """Return the marker with which a summary begins.

    Raises:
        FormatError: it begins with none.
    """
    line = text.partition("\n")[0].strip()
    if not _MARKER.fullmatch(line):
        raise FormatError(
            f"{path} is no summary of a plan", where=[Place(path, 1)], fix="name what `release tf plan --summary` wrote"
        )
    return line


def summary(planned: Planned) -> str:
    """Return the summary of a plan, which begins with its marker."""
    bound = planned.binding
    outputs = show.outputs(planned.shown)
    lines = [
        marker("plan", bound.root, bound.environment),
        f"### Terraform plan: {_code(bound.root)}, {bound.environment}",
        "",
        f"**{bound.counts}**" if bound.counts else "**No changes.**",
        "",
        *listed(show.changes(planned.shown)),
        *([f"Outputs that change: {', '.join(map(_code, outputs))}", ""] if outputs else []),
        *(["Part of the configuration is not planned yet: plan again after the apply.", ""]
          if planned.shown.get("complete") is False else []),
        f"Commit {bound.commit}, plan `sha256:{bound.plan}`, Terraform {bound.terraform}.",
        "Exactly this plan is applied, or none.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def listed(changes: Sequence[Change], room: int = _LONGEST) -> list[str]:
    """Return a code block with a line for each change; those that ``room`` characters can't hold are counted."""
    if not changes:
        return []
    lines = [_line(one) for one in changes]
    kept: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    if len(kept) < len(lines):
        kept.append(f"# and {len(lines) - len(kept)} more")
    fence = _fence(kept, 3)
    return [f"{fence}diff", *kept, fence, ""]


def _line(one: Change) -> str:
    was = f" (was {one.before})" if one.before else ""
    text = f"{_SIGNS.get(one.action, '!')} {one.action} {one.address}{was}"
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _code(text: str) -> str:
    fence = _fence([text], 1)
    return f"{fence} {text} {fence}" if "`" in text else f"{fence}{text}{fence}"


def _fence(lines: Iterable[str], least: int) -> str:
    """Return more backticks in a row than ``lines`` have anywhere."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    return "`" * max(least, longest + 1)
