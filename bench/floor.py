"""The floor: what git alone takes to print the facts that a plan is made of.

The facts are, for each component, the commits since its last release that touch its folder, with their
messages. Several git pipelines print them; which really do is checked against the plainest one before any is
timed. Each is handed the last tags, which a planner has to find out, so that the floor is rather too low.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from expected import Expected
from stream import git

MERGES_TOO = "--full-history"
READ_TAGS = ("for-each-ref", "--format=%(objectname) %(*objectname) %(refname)", "refs/tags")
Facts = dict[str, frozenset[str]]
"""Component → names of the commits, merges left out, that touch it since its last release."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One way to print the facts: the lines of a shell script, and the facts that its output holds."""

    name: str
    script: str
    facts: Callable[[], Facts]


def pipelines(repository: Path, expected: Mapping[str, Expected]) -> list[Pipeline]:
    """Return every pipeline for the components in `expected`."""
    ranges = {name: f"{name}-v{part.previous}..HEAD" for name, part in expected.items()}
    oldest = ("merge-base", "--octopus", *(span.removesuffix("..HEAD") for span in ranges.values()))
    walk = ("diff-tree", "--stdin", "-r", "-z", "--name-only", "--no-renames", "--format=%x01%H%x00%B%x00")
    stream = ("log", "-z", "--name-only", "--no-renames", "--format=%x01%H%x00%P%x00%B%x00")

    def per_path(*options: str) -> str:
        logs = (
            ("log", *options, "-z", "--format=%H%x00%B", ranges[name], "--", part.path)
            for name, part in expected.items()
        )
        return "\n".join(map(_line, (READ_TAGS, *logs)))

    def per_path_facts(*options: str) -> Facts:
        return {
            name: frozenset(
                git(repository, "log", *options, "--no-merges", "--format=%H", ranges[name], "--", part.path).split()
            )
            for name, part in expected.items()
        }

    def one_walk_facts() -> Facts:
        base = git(repository, *oldest).strip()
        commits = git(repository, "rev-list", "--no-merges", f"{base}..HEAD")
        return _touched(git(repository, *walk, stdin=commits), 2, repository, expected)

    def one_log_facts() -> Facts:
        base = git(repository, *oldest).strip()
        return _touched(git(repository, *stream, f"{base}..HEAD"), 3, repository, expected)

    count = len(expected)
    return [
        Pipeline(
            f"{count} times git log {MERGES_TOO} -- PATH",
            per_path(MERGES_TOO),
            lambda: per_path_facts(MERGES_TOO),
        ),
        Pipeline(f"{count} times git log -- PATH", per_path(), per_path_facts),
        Pipeline(
            "git rev-list | git diff-tree --stdin",
            "\n".join((
                _line(READ_TAGS), f"base=$({_line(oldest)})",
                'git rev-list --parents --topo-order "$base..HEAD"',
                f'git rev-list --no-merges "$base..HEAD" | {_line(walk)}',
            )),
            one_walk_facts,
        ),
        Pipeline(
            "one git log --name-only",
            "\n".join((_line(READ_TAGS), f"base=$({_line(oldest)})", f'{_line(stream)} "$base..HEAD"')),
            one_log_facts,
        ),
    ]  # fmt: skip


def right_pipelines(candidates: list[Pipeline]) -> tuple[list[Pipeline], list[str]]:
    """Return the pipelines whose facts equal the first one's, and the names of the others."""
    truth = candidates[0].facts()
    right = [pipeline for pipeline in candidates if pipeline is candidates[0] or pipeline.facts() == truth]
    return right, [pipeline.name for pipeline in candidates if pipeline not in right]


def _line(arguments: tuple[str, ...]) -> str:
    return shlex.join(("git", *arguments))


def _touched(output: str, fields: int, repository: Path, expected: Mapping[str, Expected]) -> Facts:
    """Return the facts in the output of one walk over everything.

    `fields` is how many fields of a record stand before its paths.
    """
    folders = {part.path: name for name, part in expected.items()}
    touching: dict[str, set[str]] = {name: set() for name in expected}
    for record in output.split("\x01")[1:]:
        commit, *rest = record.split("\0")
        for path in rest[fields - 1 :]:
            folder = "/".join(path.strip("\n").split("/", 2)[:2])
            if folder in folders:
                touching[folders[folder]].add(commit)
    return {
        name: frozenset(commits & set(git(repository, "rev-list", f"{name}-v{expected[name].previous}..HEAD").split()))
        for name, commits in touching.items()
    }
