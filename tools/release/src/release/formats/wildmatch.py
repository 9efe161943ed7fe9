r"""The wildcards of ``.gitattributes`` and ``.helmignore`` as regular expressions.

Sources: git's ``wildmatch.c`` (with ``WM_PATHNAME``) and Go's ``path/filepath`` ``Match``, which have ``*``, ``?``,
``[…]`` and ``\`` in common; ``**`` between slashes is git's alone.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["wildmatch"]

_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_NEVER = r"(?!)"


@lru_cache(maxsize=4096)
def wildmatch(pattern: str) -> re.Pattern[str]:
    """Return the expression whose ``fullmatch`` tells whether a path is one that ``pattern`` stands for.

    No wildcard but ``**`` stands for a slash. A pattern that can't be read matches nothing, as in git.
    """
    return re.compile(_translated(pattern), re.DOTALL)


def _translated(pattern: str) -> str:
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "*":
            end = at
            while pattern[end : end + 1] == "*":
                end += 1
            alone = (at == 0 or pattern[at - 1] == "/") and pattern[end : end + 1] in ("", "/")
            if end - at < 2 or not alone:
                parts.append("[^/]*")
            elif end == len(pattern):
                parts.append(".*")
            else:
                parts.append("(?:.*/)?")
                end += 1
            at = end
        elif letter == "?":
            parts.append("[^/]")
            at += 1
        elif letter == "[":
            found = _bracket(pattern, at)
            if found is None:
                return _NEVER
            parts.append(f"(?!/){found[0]}")
            at = found[1]
        elif letter == "\\":
            if at + 1 == len(pattern):
                return _NEVER
            parts.append(re.escape(pattern[at + 1]))
            at += 2
        else:
            parts.append(re.escape(letter))
            at += 1
    return "".join(parts)


def _bracket(pattern: str, start: int) -> tuple[str, int] | None:
    """Return the expression of the ``[…]`` that begins at ``start`` and where it ends; ``None`` if it does not end."""
    at = start + 1
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    members: list[str] = []
    first = True
    while first or pattern[at : at + 1] != "]":
        first = False
        if pattern.startswith("[:", at):
            end = pattern.find(":]", at)
            name = pattern[at + 2 : end]
            if end < 0 or name not in _CLASSES:
                return None
            members.append(_CLASSES[name])
            at = end + 2
            continue
        low, at = _member(pattern, at)
        if low is None:
            return None
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("", "]"):
            high, at = _member(pattern, at + 1)
            if high is None:
                return None
            if low <= high:
                members.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            members.append(re.escape(low))
    inner = "".join(members)
    if not inner:
        return ("." if negated else _NEVER), at + 1
    return f"[{'^' if negated else ''}{inner}]", at + 1


def _member(pattern: str, at: int) -> tuple[str | None, int]:
    """Return the letter at ``at``, unescaped, and what comes after it."""
    if pattern[at : at + 1] == "\\":
        at += 1
    letter = pattern[at : at + 1]
    return letter or None, at + 1
