"""Semantic versions and the policies by which they rise.

Sources: https://semver.org (2.0.0) and, for 0.x,
https://doc.rust-lang.org/cargo/reference/semver.html.
"""

from __future__ import annotations

import enum

from semver import Version

from release.errors import VersionRefused

__all__ = [
    "Level",
    "Version",
    "ZeroPolicy",
    "level_between",
    "next_version",
    "parse_version",
    "precedence",
]


class Level(enum.IntEnum):
    """How much a change matters; the order is the precedence, so ``max`` joins two levels.

    ``BUILD`` is a shipped change which leaves the semantic version alone: it raises only a build number
    (Moodle's ``$plugin->version``) where the component has one.
    """

    NONE = 0
    BUILD = 1
    PATCH = 2
    MINOR = 3
    MAJOR = 4

    def __str__(self) -> str:
        return self.name.lower()


class ZeroPolicy(enum.Enum):
    """What breaking changes and features do below 1.0.0, which is never reached without being asked for.

    ``CARGO``: breaking raises the leftmost non-zero part, a feature the patch.
    ``MINOR``: breaking and features raise the minor part.
    ``SEMVER``: as above 1.0.0 (breaking gives 1.0.0).
    """

    CARGO = "cargo"
    MINOR = "minor"
    SEMVER = "semver"


def parse_version(text: str) -> Version:
    """Return the strict SemVer 2.0 version that ``text`` is; raise ``ValueError`` otherwise.

    The package's own pattern also takes digits of other scripts and a final line feed.
    """
    if not text.isascii() or text != text.strip():
        raise ValueError(f"{text!r} is not a semantic version")
    return Version.parse(text)


def precedence(version: Version) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
    """Return a key that sorts versions by their precedence (SemVer 2.0, section 11), build metadata left out."""
    identifiers = version.prerelease.split(".") if version.prerelease else ()
    return (
        version.major,
        version.minor,
        version.patch,
        not identifiers,
        tuple((False, int(part), "") if part.isdigit() else (True, 0, part) for part in identifiers),
    )


def level_between(before: Version, after: Version) -> Level:
    """Return the level of the part that differs first; a pre-release or promotion counts as a patch."""
    if before.major != after.major:
        return Level.MAJOR
    return Level.MINOR if before.minor != after.minor else Level.PATCH


def next_version(
    last: Version,
    last_final: Version | None,
    level: Level,
    *,
    zero: ZeroPolicy = ZeroPolicy.CARGO,
    pre: str | None = None,
) -> Version:
    """Return the version after ``last`` for changes of ``level`` counted since ``last_final``.

    ``last`` may be a pre-release of what comes next; ``last_final`` is the newest final version before it, or
    ``None`` when there was none. With ``pre`` the result is a pre-release of that channel.

    Raises:
        VersionRefused: the channel would take the version down (``rc`` to ``beta``).
    """
    if last_final is None:
        target = last.finalize_version()
    else:
        target = max(_raised(last_final.finalize_version(), level, zero), last.finalize_version())
    if pre is None:
        return target
    number = 1
    if last.prerelease is not None and last.finalize_version() == target:
        channel, _, count = last.prerelease.rpartition(".")
        if channel == pre and count.isdigit():
            number = int(count) + 1
    result = target.replace(prerelease=f"{pre}.{number}")
    if result <= last:
        raise VersionRefused(
            f"{result} is not above {last}: the channel {pre!r} sorts below the one it is in",
            fix="choose a later channel (alpha < beta < rc) or release the final version",
        )
    return result


def _raised(version: Version, level: Level, zero: ZeroPolicy) -> Version:
    if version.major == 0 and zero is not ZeroPolicy.SEMVER:
        if level is Level.MAJOR and zero is ZeroPolicy.CARGO and version.minor == 0:
            return version.bump_patch()
        if level is Level.MAJOR or (level is Level.MINOR and zero is ZeroPolicy.MINOR):
            return version.bump_minor()
        return version.bump_patch() if level >= Level.PATCH else version
    match level:
        case Level.MAJOR:
            return version.bump_major()
        case Level.MINOR:
            return version.bump_minor()
        case Level.PATCH:
            return version.bump_patch()
        case _:
            return version
