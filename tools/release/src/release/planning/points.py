"""Where components were last released, by tags, trailers and the baseline."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from release.errors import ConfigError, HistoryError, Place
from release.model.version import Version, parse_version

_NO_REF = re.compile(r"^[-/.]|\.\.|[\x00-\x20\x7f~^:?*\[\\]|//|/\.|@\{|\.lock(/|$)|[/.]$")
"""What no ref's name may hold: git help check-ref-format."""

__all__ = ["TagPattern", "Tagged", "match_tags"]


@dataclass(frozen=True, slots=True)
class Tagged:
    """A component's tag: its name, version and the commit that it leads to."""

    name: str
    version: Version
    commit: str
    time: int


@dataclass(frozen=True, slots=True)
class TagPattern:
    """The two texts around the version in a component's tags."""

    component: str
    prefix: str
    suffix: str

    @classmethod
    def of(cls, component: str, tag_format: str) -> TagPattern:
        """Return the pattern of ``tag_format``, which contains ``{version}`` once.

        Raises:
            ConfigError: git can't have tags of that form.
        """
        prefix, _, suffix = tag_format.partition("{version}")
        if _NO_REF.search(f"{prefix}1.0.0{suffix}"):
            raise ConfigError(
                f"{prefix}1.0.0{suffix} can't be the name of a tag of {component}",
                where=[Place("release.yaml")],
                fix="see git help check-ref-format; `tag` in release.yaml is the form",
            )
        return cls(component, prefix, suffix)

    def name(self, version: Version | str) -> str:
        """Return the tag's name for ``version``."""
        return f"{self.prefix}{version}{self.suffix}"


def match_tags(
    patterns: Sequence[TagPattern],
    tags: Iterable[tuple[str, str, int]],
    ignored: Callable[[str], bool],
) -> dict[str, list[Tagged]]:
    """Return the tags of each component, given (name, commit, time) triples.

    The longest fitting prefix decides, so that ``mod-x`` never takes a tag of ``mod-x-y``.

    Raises:
        ConfigError: two components have the same tag format.
        HistoryError: a tag fits a component, but what stands for the version is not SemVer 2.0.
    """
    by_text: dict[tuple[str, str], str] = {}
    prefixes: dict[str, list[TagPattern]] = {}
    for pattern in patterns:
        twin = by_text.setdefault((pattern.prefix, pattern.suffix), pattern.component)
        if twin != pattern.component:
            raise ConfigError(
                f"{twin} and {pattern.component} would have the same tags ({pattern.name('…')})",
                where=[Place("release.yaml")],
                fix="put {name} into the tag format",
            )
        prefixes.setdefault(pattern.prefix, []).append(pattern)
    lengths = sorted({len(prefix) for prefix in prefixes}, reverse=True)
    found: dict[str, list[Tagged]] = {}
    for name, commit, time in tags:
        fitting = _longest(name, prefixes, lengths)
        if fitting is None or ignored(name):
            continue
        pattern = fitting
        text = name[len(pattern.prefix) : len(name) - len(pattern.suffix)]
        try:
            version = parse_version(text)
        except ValueError:
            if _is_of_another(text) or (pattern.component not in pattern.prefix and not text[:1].isdigit()):
                continue
            raise HistoryError(
                f"the tag {name} looks like a release of {pattern.component}, but {text!r} is not a semantic version",
                fix=f"delete it (git tag -d {name}), or list it under `ignore-tags` in release.yaml",
            ) from None
        found.setdefault(pattern.component, []).append(Tagged(name, version, commit, time))
    return found


def _is_of_another(text: str) -> bool:
    """Tell whether ``text`` ends with a version after more of a name: a tag of a component that is gone."""
    start = next((i for i, letter in enumerate(text) if letter.isdigit() and text[:i][-1:] in ("v", "-", "/", "@")), 0)
    try:
        return bool(start) and bool(parse_version(text[start:]))
    except ValueError:
        return False


def _longest(name: str, prefixes: Mapping[str, list[TagPattern]], lengths: Sequence[int]) -> TagPattern | None:
    """Return the pattern that leaves least of ``name`` for the version."""
    fitting = [
        pattern
        for length in lengths
        if length <= len(name)
        for pattern in prefixes.get(name[:length], ())
        if name.endswith(pattern.suffix) and len(name) > length + len(pattern.suffix)
    ]
    return max(fitting, key=lambda pattern: len(pattern.prefix) + len(pattern.suffix), default=None)
