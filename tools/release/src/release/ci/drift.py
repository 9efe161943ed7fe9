"""What differs between a generated file as it is and as it should be, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

__all__ = ["moved", "only_pins"]

_USES = re.compile(r"uses:\s*([\w./-]+)@(\S+)(?:[ \t]+#[ \t]*(\S+))?")


def moved(there: str, wanted: str) -> list[str]:
    """Return a sentence for each action that is at another commit and for each other value that differs."""
    sentences = [
        f"{uses} is at {_named(*is_at)}, the pins say {_named(*should)}"
        for uses, (is_at, should) in _pins_moved(there, wanted).items()
    ]
    before, after = _read(there), _read(wanted)
    if before is None:
        return [*sentences, "it is no YAML any more"]
    sentences += _differences("", before, after)
    return sentences or ["only comments, order or layout differ"]


def only_pins(there: str, wanted: str) -> bool:
    """Tell whether the two differ in nothing but the commits and versions of actions."""
    return there != wanted and _USES.sub(r"uses: \1", there) == _USES.sub(r"uses: \1", wanted)


def _pins_moved(there: str, wanted: str) -> dict[str, tuple[tuple[str, str], tuple[str, str]]]:
    should = {uses: (sha, version) for uses, sha, version in _USES.findall(wanted)}
    found = {}
    for uses, sha, version in _USES.findall(there):
        if uses in should and (sha, version) != should[uses]:
            found[uses] = ((sha, version), should[uses])
    return found


def _named(sha: str, version: str) -> str:
    return f"{sha[:12]} ({version})" if version else sha[:12]


def _read(text: str) -> Any:
    import yaml

    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return None


def _differences(path: str, there: Any, wanted: Any) -> Iterator[str]:
    if isinstance(there, dict) and isinstance(wanted, dict):
        for key in [*wanted, *(key for key in there if key not in wanted)]:
            below = f"{path}.{key}" if path else str(key)
            if key not in there:
                yield f"{below} is missing"
            elif key not in wanted:
                yield f"{below} should not be there"
            else:
                yield from _differences(below, there[key], wanted[key])
    elif isinstance(there, list) and isinstance(wanted, list) and len(there) == len(wanted):
        for number, (one, other) in enumerate(zip(there, wanted, strict=True)):
            name = other.get("name", number) if isinstance(other, dict) else number
            yield from _differences(f"{path}[{name}]", one, other)
    elif there != wanted and not (path.endswith(".uses") and _same_action(there, wanted)):
        yield f"{path} is {_short(there)}, should be {_short(wanted)}"


def _same_action(there: Any, wanted: Any) -> bool:
    """Tell whether two values of ``uses`` differ in the commit only."""
    return str(there).partition("@")[0] == str(wanted).partition("@")[0]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
