"""The right next versions, found in the slowest and plainest way: one `git log` per component.

It shares no code with `release` and looks at direct changes only, so that the peers, which know no edges
between ecosystems, are judged by what all of them promise.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stream import git

HEADER = re.compile(r"(?P<type>\w+)(\([^()]*\))?(?P<breaking>!)?: \S")
BREAKING_FOOTER = re.compile(r"^BREAKING[ -]CHANGE: ", re.MULTILINE)
LEVEL_OF_TYPE = {"feat": 2, "fix": 1, "perf": 1, "revert": 1}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a component's next version must be; `level` is 0 (nothing to release) to 3 (major)."""

    path: str
    previous: str
    next: str
    level: int
    commits: int


def level_of(message: str) -> int:
    """Return what one commit asks for."""
    header = HEADER.match(message)
    if header is None:
        return 0
    if header["breaking"] or BREAKING_FOOTER.search(message):
        return 3
    return LEVEL_OF_TYPE.get(header["type"], 0)


def expected_versions(repository: Path, components: Iterable[tuple[str, str]]) -> dict[str, Expected]:
    """Return the expected version of each (name, path) in `components`."""
    tags = git(repository, "tag", "--merged", "HEAD").split()
    versions: dict[str, Expected] = {}
    for name, path in components:
        pattern = re.compile(re.escape(name) + r"-v(\d+)\.(\d+)\.(\d+)")
        major, minor, patch = max(tuple(map(int, m.groups())) for m in map(pattern.fullmatch, tags) if m)
        previous = f"{major}.{minor}.{patch}"
        log = git(
            repository, "log", "--full-history", "-z", "--format=%B", f"{name}-v{previous}..HEAD", "--", path
        )  # fmt: skip
        messages = log.split("\0")[:-1]
        level = max(map(level_of, messages), default=0)
        following = {
            0: previous,
            1: f"{major}.{minor}.{patch + 1}",
            2: f"{major}.{minor + 1}.0",
            3: f"{major + 1}.0.0",
        }
        versions[name] = Expected(path, previous, following[level], level, len(messages))
    return versions


def judge(versions: Mapping[str, str], expected: Mapping[str, Expected], covered: Collection[str]) -> tuple[int, int]:
    """Return how many of the `covered` components have the right next version, and how many there are.

    What isn't in `versions` stays as it is.
    """
    right = sum(versions.get(name, expected[name].previous) == expected[name].next for name in covered)
    return right, len(covered)


def as_json(versions: dict[str, Expected]) -> dict[str, dict[str, object]]:
    """Return `versions` as a value for `json.dump`."""
    return {name: asdict(expected) for name, expected in versions.items()}
